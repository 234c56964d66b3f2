"""A policy before training: its card, and inputs scaled to what its rule meets in one episode."""

from __future__ import annotations

from typing import Any

import numpy as np

import der_gym
from der_gym.controllers import public_info
from der_gym.controllers.base import Rule
from der_gym.controllers.policy import Policy
from der_gym.controllers.policy_file import PolicyCard, RuleCard, field_cards, head_cards, shapes
from der_gym.core.errors import InputError
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.evaluation.controller_factory import players

Array = np.ndarray
LEAST_SPREAD = 0.02  # an entry that hardly moves is not blown up
MESSAGE_FIELDS = ("leaf.sent_a", "leaf.arrived_a")


def fresh_policy(
    venv: DERGroupSB3VecEnv,
    rule: str,
    scale: tuple[float, ...],
    hidden: tuple[int, ...],
    frames: int,
    hold: int,
    without: tuple[str, ...] = (),
) -> Policy:
    """Return a policy that answers like its rule, bound to the worlds' layout; its inputs are not scaled yet.

    Parameters
    ----------
    venv : DERGroupSB3VecEnv
    rule : str
        Controller to correct, ``NAME`` or ``NAME@FILE``; ``idle``: learn from nothing.
    scale : tuple of float
        Largest correction of each leaf, of the award.
    hidden : tuple of int
    frames, hold : int
        Decisions that the network sees; decisions for which it stays with its correction.
    without : tuple of str
        Fields that it does not see.
    """
    worlds = venv.native.worlds
    controller = rule_of(rule)
    card = PolicyCard(
        algorithm="none",
        env="DERGroup-v0",
        der_gym=der_gym.__version__,
        scenario=worlds.scenario.name,
        scenario_hash=worlds.scenario.hash(),
        leaves=worlds.layout.leaf_names,
        fields=field_cards(worlds.layout),
        heads=head_cards(worlds.layout),
        inputs=tuple(name for name in worlds.layout.fields if name not in without),
        frames=frames,
        hold=hold,
        hidden=hidden,
        rule=RuleCard(controller=controller.name, values=controller.config.model_dump(mode="json")),
        scale=scale,
    )
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes(card).items()}
    tensors["gain"][:] = 1.0
    policy = Policy(card, tensors)
    policy.bind(worlds.layout, public_info(worlds))
    return policy


def rule_of(name: str) -> Rule:
    """Return the rule that a policy corrects; InputError where it is a policy itself, or several.

    Parameters
    ----------
    name : str
        ``NAME`` or ``NAME@FILE``.
    """
    found = [*players([name]).values()]
    if len(found) != 1 or not isinstance(found[0], Rule):
        raise InputError(f"--rule {name}: allowed: one rule, NAME or NAME@FILE")
    return found[0]


def scale_to_rule(policy: Policy, venv: DERGroupSB3VecEnv, gamma: float) -> float:
    """Play the rule for one episode and set ``policy.mean`` and ``gain``; return the spread of the discounted return.

    ``gamma`` is the discount of one correction, thus of ``hold`` decisions.

    Inputs are read with gain 1, so what lies beyond ``perceptron.LIMIT`` counts as that.
    """
    n_x, n = len(policy.mean), venv.num_envs
    obs: Any = venv.reset()
    memory, start = None, np.ones(n, dtype=bool)
    total, square, rewards = np.zeros(n_x), np.zeros(n_x), []
    for _ in range(venv.native.worlds.scenario.n_step):
        x, base, memory = policy.inputs(obs, memory, start)
        now = x[:, :n_x].astype(np.float64)
        total, square = total + now.mean(axis=0), square + (now**2).mean(axis=0)
        obs, reward, start, _ = venv.step(base)
        rewards.append(reward)
    mean = total / len(rewards)
    spread = np.sqrt(np.maximum(square / len(rewards) - mean**2, 0.0))
    policy.mean[:] = mean
    policy.gain[:] = 1.0 / np.maximum(spread, LEAST_SPREAD)
    return _return_spread(np.array(rewards, dtype=np.float64), gamma ** (1.0 / policy.card.hold))


def _return_spread(rewards: Array, gamma: float) -> float:
    """Return the standard deviation of the discounted returns of (n_step, n) rewards, over steps and worlds."""
    returns = np.zeros_like(rewards)
    ahead = np.zeros(rewards.shape[1])
    for k in range(len(rewards) - 1, -1, -1):
        ahead = rewards[k] + gamma * ahead
        returns[k] = ahead
    return float(max(returns.std(), 1e-6))

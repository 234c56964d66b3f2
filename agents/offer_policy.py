"""A linear correction of an offer rule with few parameters, and its plays.

Every leaf's offer is moved by ``reach x clip(bias + weights x inputs)``. Weights of what the market and the clock tell
are shared by all leaves, so are those of each leaf's own entries. Four parameters are a leaf's own (`OWN`): its part of
the rule's price, beyond 1, a constant, and the weights of the need and of the time that is left. So a leaf may be paid
nothing, less throughout, or only late on days on which much is asked for. It may have a gate besides, a need below
which it is offered nothing: a weight of the need makes a price rise with it, and cannot switch one off.

Where some leaves obey commands, their own parameters move their commands: a constant, and weights of the need and of
the time left. So some give first, and others are kept for later; the rule's loop makes up for the difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers.perceptron import answer, flatten, move
from der_gym.controllers.policy import Policy
from der_gym.env.worlds import Worlds

Array = np.ndarray
SCALARS = (
    *("request_kw", "target_kw", "response_kw", "block_left", "episode_left", "hour_sin", "hour_cos", "temp_c"),
    *("sun_kw_m2", "block.award_kw", "budget_left"),
)
ENDINGS = (".more_kw", ".more_next_kw", ".bought_kwh", ".call_starts_in_s", ".call_left_s")  # of a service's fields
NEED, OWN_NEED = "request_kw", ".bought_kwh"  # what was asked for last; where it is bought ahead, all that was bought
TIME = "episode_left"
OPEN_SD = 6.0  # a gate of 0 stands so many standard deviations below the mean need, beyond all inputs: it is open
STEEP, SHUT = 4.0, 4.0  # slope of a gate over a standard deviation; what it takes off an offer, in corrections [A]
SMALL = 0.05  # an input times this goes through tanh as it is, within 2 % at the limit of inputs
OWN = ("part", "bias", "need", "time")  # a leaf's own parameters
COMMON = 0.3  # first step of a weight that all leaves share, of that of a leaf's own: it moves all of them [A]
LEAVES = ("leaf.up_kw", "leaf.down_kw", "leaf.seen_kw", "leaf.plan_kw", "leaf.answered_share")


def chosen(names: Sequence[str]) -> list[str]:
    """Return the fields that the policy sees, of those that there are."""
    return [name for name in names if name in SCALARS or name in LEAVES or name.endswith(ENDINGS)]


class Linear:
    """Which entries of the policy's tensors each parameter fills.

    Parameters
    ----------
    policy : Policy
        Bound; its inputs are scaled. With one hidden layer, as wide as its inputs and leaves, each leaf has a gate.

    Attributes
    ----------
    n : int
        Parameters.
    own : int64 (n_leaf, 4) or (n_leaf, 5)
        Places of each leaf's own parameters, in the order of `OWN`, then its gate.
    """

    def __init__(self, policy: Policy) -> None:
        layout, inputs = policy.layout, policy.card.inputs
        head, first, self.n_leaf = layout.action.places["offer"]
        self.n_x, self.n_entry, self.offers = len(policy.mean), policy.card.n_entry, first + np.arange(self.n_leaf)
        at, self.need, self.time, self.shared, self.each = 0, list[int](), list[int](), list[int](), list[Array]()
        needs = [name for name in inputs if name.endswith(OWN_NEED)] or [NEED]
        for name in inputs:
            rows = at + np.arange(len(layout.places(name)))
            if name in needs:
                self.need += rows.tolist()
            elif name == TIME:
                self.time += rows.tolist()
            elif name in LEAVES:
                self.each.append(rows)
            else:
                self.shared += rows.tolist()
            at += len(rows)
        self.ruled = at + self.offers  # the rule's own offers
        n_own = len(OWN) + len(policy.card.hidden)
        self.own = np.arange(self.n_leaf * n_own).reshape(self.n_leaf, n_own)
        obeys = policy.rule.public.obeys
        self.obeys = obeys & ("dispatch" in layout.action.places and not obeys.all())  # where all do, offers are moved
        self.commands = np.flatnonzero(self.obeys)  # commands come first in an action
        self.n = self.own.size + len(self.shared) + len(self.each)
        self.scale = {"mean": policy.mean, "gain": policy.gain}
        self.nothing = -1.0 - 2.0 * head.low / (head.high - head.low)  # of the Box: no offer
        self.more = -1.0 if self.nothing > 0.0 else 1.0  # which way on the Box an offer grows
        self.reach = max(policy.card.scale)

    def steps(self, sigma: float) -> Array:
        """Return the first step of each parameter, float64 (n,): a leaf's own are searched most widely."""
        return np.where(np.arange(self.n) < self.own.size, sigma, sigma * COMMON)

    def tensors(self, theta: Array) -> dict[str, Array]:
        """Return the policy's tensors for the parameters ``theta``, float64 (n,)."""
        weight, bias = np.zeros((self.n_x, self.n_entry), np.float32), np.zeros(self.n_entry, np.float32)
        part, constant, need, time, *gates = theta[self.own].T
        part = part / self.reach
        shared, each = np.split(theta[self.own.size :], [len(self.shared)])
        for rows, values in ((self.need, need), (self.time, time), (self.shared, shared[:, None])):
            weight[np.ix_(np.array(rows, dtype=np.int64), self.offers)] = self.more * values
        for places, value in zip(self.each, each, strict=True):
            weight[places, self.offers] = self.more * value
        weight[self.ruled, self.offers] = part / self.scale["gain"][self.ruled]
        bias[self.offers] = self.more * constant + part * (self.scale["mean"][self.ruled] - self.nothing)
        weight[:, self.offers[self.commands]], bias[self.offers[self.commands]] = 0.0, 0.0
        for rows, values in ((self.need, need), (self.time, time)):
            weight[np.ix_(np.array(rows, dtype=np.int64), self.commands)] = values[self.obeys]
        bias[self.commands] = constant[self.obeys]
        return self.scale | (self._gated(weight, bias, gates[0]) if gates else {"weight.0": weight, "bias.0": bias})

    def _gated(self, weight: Array, bias: Array, gate: Array) -> dict[str, Array]:
        """Return both layers of a linear correction whose leaves have gates, each at ``gate - OPEN_SD``."""
        n_x, unit = self.n_x, self.n_x + np.arange(self.n_leaf)
        first, second = np.zeros((n_x, len(unit) + n_x)), np.zeros((len(unit) + n_x, self.n_entry))
        first[np.arange(n_x), np.arange(n_x)] = SMALL
        first[np.ix_(np.array(self.need, dtype=np.int64), unit)] = STEEP / len(self.need)
        begins = np.concatenate([np.zeros(n_x), -STEEP * (gate - OPEN_SD)])
        second[:n_x], second[unit, self.offers] = weight / SMALL, self.more * SHUT / 2.0
        last = bias.copy()
        last[self.offers] -= self.more * SHUT / 2.0
        made = {"weight.0": first, "bias.0": begins, "weight.1": second, "bias.1": last}
        return {name: each.astype(np.float32) for name, each in made.items()}


def scores(worlds: Worlds, policy: Policy, networks: Sequence[dict[str, Array]], seeds: Sequence[int]) -> Array:
    """Play every network on the same seeds and return the episodes' rewards, float64 (n_network, n_seed).

    Parameters
    ----------
    worlds : Worlds
        As many as networks times seeds.
    policy : Policy
        Bound; its own network is not used.
    networks : sequence of mapping
        Tensors of each.
    seeds : sequence of int
        >= 0.
    """
    n_seed, n = len(seeds), worlds.n_world
    every, start = np.ones(n, dtype=bool), np.ones(n, dtype=bool)
    worlds.reset(every, {i: seeding.np_random(seeds[i % n_seed])[0] for i in range(n)}, {})
    flat = [flatten(each, len(policy.card.hidden) + 1) for each in networks]
    low, high, state, total = np.float32(-1.0), np.float32(1.0), None, np.zeros(n)
    held = np.zeros((n, policy.card.n_entry), np.float32)
    due = np.ones(n_seed, dtype=bool)
    for k in range(worlds.scenario.n_step):
        obs = worlds.observe()
        x, base, state = policy.inputs(obs, state, start)
        if k % policy.card.hold == 0:
            for c, network in enumerate(flat):
                rows = slice(c * n_seed, (c + 1) * n_seed)
                answer(x[rows], due, *network, low, high, held[rows])
        action = np.empty_like(base)
        move(base, held, policy.reach(obs), low, high, action)
        worlds.step(action, every)
        total += worlds.reward.reward
        start = ~every
    return total.reshape(len(networks), n_seed)

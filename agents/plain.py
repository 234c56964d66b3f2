"""Learners of Stable-Baselines3 as controllers: made with default hyperparameters, played, and kept as policies."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from agents import networks
from agents.fresh import fresh_policy
from der_gym.controllers import policy_file
from der_gym.controllers.base import Array, Rule, State
from der_gym.controllers.perceptron import LIMIT
from der_gym.core.errors import InputError, unknown
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.scenario.load import read_yaml

ALGORITHMS = {  # name: package, class, policy
    "ppo": ("stable_baselines3", "PPO", "MlpPolicy"),
    "sac": ("stable_baselines3", "SAC", "MlpPolicy"),
    "td3": ("stable_baselines3", "TD3", "MlpPolicy"),
    "ppo_lstm": ("sb3_contrib", "RecurrentPPO", "MlpLstmPolicy"),
}
RULES = ("open_loop", "closed_loop", "merit_order")  # what every baseline is compared with
OFFER_RULES = ("flat_offer", "peak_offer", "needs_offer", "threshold_learner")  # likewise where nobody is commanded
ENVIRONMENT = "DERGroup-v0"
_OF_THE_ZOO = ("n_timesteps", "policy", "noise_type", "noise_std")  # what rl_zoo3 reads itself


class Learned(Rule):
    """A trained model as a controller: its mean action, cut to the Box. A recurrent one keeps its memory.

    Parameters
    ----------
    model : BaseAlgorithm
    """

    name, title = "learned", "A learner of Stable-Baselines3"
    per_service: ClassVar[bool] = False
    acts_in_box: ClassVar[bool] = True
    plays: ClassVar[tuple[str, ...]] = ("dispatch", "incentive", "both")

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the model's actions; see :class:`der_gym.controllers.base.Controller`."""
        memory = None if not state else tuple(state[k].swapaxes(0, 1) for k in ("hidden", "cell"))
        action, memory = self.model.predict(obs, memory, episode_start, deterministic=True)
        kept = {} if memory is None else dict(zip(("hidden", "cell"), (m.swapaxes(0, 1) for m in memory), strict=True))
        return np.asarray(action, dtype=np.float32), kept


def learner(algorithm: str) -> Any:
    """Return the class of an algorithm; InputError for an unknown one, and where its package is not installed."""
    if algorithm not in ALGORITHMS:
        raise unknown("algorithm", algorithm, ALGORITHMS)
    package, name, _ = ALGORITHMS[algorithm]
    try:
        return getattr(import_module(package), name)
    except ImportError:
        raise InputError(f"{package} is not installed; install it with: pip install 'der_gym[train]'") from None


def made(algorithm: str, env: Any, seed: int, given: Mapping[str, Any]) -> Any:
    """Return a learner on ``env``.

    Parameters
    ----------
    algorithm : str
        One of ``ALGORITHMS``.
    env : VecEnv
    seed : int
        Of the network, the noise and the worlds.
    given : mapping
        Hyperparameters that differ from the library's default. ``noise_type: normal`` and ``noise_std`` make the noise
        of actions, as in rl_zoo3.

    Raises
    ------
    InputError
        For an algorithm or a hyperparameter that is not known.
    """
    named = {name: value for name, value in given.items() if name not in _OF_THE_ZOO}
    if "noise_type" in given:
        named["action_noise"] = _noise(given, env.action_space.shape[0])
    try:
        return learner(algorithm)(ALGORITHMS[algorithm][2], env, seed=seed, device="cpu", **named)
    except TypeError as error:
        raise InputError(f"hyperparameters of {algorithm}: {error}") from None


def _noise(given: Mapping[str, Any], n_entry: int) -> Any:
    from stable_baselines3.common.noise import NormalActionNoise

    if given["noise_type"] != "normal":
        raise unknown("noise_type", str(given["noise_type"]), ("normal",))
    return NormalActionNoise(np.zeros(n_entry), np.full(n_entry, float(given["noise_std"])))


def read_hyperparameters(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML of rl_zoo3 for ``DERGroup-v0``; InputError where there are none."""
    tree = read_yaml(path)
    if not isinstance(tree.get(ENVIRONMENT), dict):
        raise InputError(f"--hyperparameters {path}: no settings of {ENVIRONMENT!r}; allowed: a mapping under that key")
    return dict(tree[ENVIRONMENT])


def set_each(given: dict[str, Any], pairs: Mapping[str, Any]) -> None:
    """Set hyperparameters in place by their names; ``policy_kwargs.log_std_init`` is one within a mapping.

    Parameters
    ----------
    given : dict
    pairs : mapping
        Name -> value.

    Raises
    ------
    InputError
        Where a dot enters what is no mapping.
    """
    for name, value in pairs.items():
        *parents, last = name.split(".")
        inner = given
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise InputError(f"--hyper {name}: {parent} is {inner!r}; allowed: a dot after the name of a mapping")
        inner[last] = value


def noise(model: Any) -> float | None:
    """Return the spread of the actions' noise, of the Box's half width; None where it is no single number.

    State-dependent noise (``use_sde``) is none.
    """
    spread = getattr(model.policy, "log_std", None)
    return None if spread is None or model.use_sde else float(spread.detach().exp().mean())


def export(folder: Path, model: Any, env: DERGroupSB3VecEnv, algorithm: str, row: Mapping[str, float]) -> bool:
    """Write a model as a policy where its network is one; return whether it is.

    Only PPO's is: a network of tanh layers, whose output is cut to the Box.

    Parameters
    ----------
    folder : Path
        It is there.
    model : BaseAlgorithm
    env : DERGroupSB3VecEnv
    algorithm : str
    row : mapping
        Last row of its curve; becomes the metrics.
    """
    if algorithm != "ppo":
        return False
    layers = networks.action_layers(model)
    layout = env.native.worlds.layout
    hidden = tuple(layer.out_features for layer in layers[:-1])
    fresh = fresh_policy(env, "idle", (1.0,) * layout.n_leaf, hidden, frames=1, hold=1)
    unit = env.native.worlds.scenario.action.unit
    card = fresh.card.model_copy(
        update={
            "algorithm": f"{ALGORITHMS[algorithm][1]} ({ALGORITHMS[algorithm][0]}), no rule",
            "box": unit,
            "metrics": {name: row[name] for name in ("validation", "pass_rate")},
            "training": {"steps": row["steps"], "minutes": row["minutes"], "seed": model.seed},
        }
    )
    tensors = networks.tensors(layers, fresh)
    n_seen, n_all = layout.size, len(fresh.mean)
    low, high = layout.bounds()
    tensors["gain"] = np.ones(n_all, np.float32)
    tensors["gain"][:n_seen] = np.minimum(1.0, LIMIT / np.maximum(np.abs(low), np.abs(high)))  # nothing is cut
    first = np.zeros((n_all, hidden[0]), np.float32)  # the rule's action, which follows what is seen, has no weight
    first[:n_seen] = tensors["weight.0"] / tensors["gain"][:n_seen, None]
    policy_file.save(folder, card, tensors | {"weight.0": first})
    return True

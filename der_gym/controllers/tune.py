"""Tuning of the rules: a small search with the same budget for every controller, on training dates and seeds.

Trial 0 has the settings that the controller ships with, or those of a file that is named; trial 1 the defaults of its
class. The rest of the first half is uniform over the search space; what is not searched stays as in trial 0. Each trial
of the second half moves some settings of the best trial so far. Parts by control leaf are searched in the second half
alone, for few sets of drawn parts are any good; some of them become 0, which is a choice of its own: who is offered
nothing is not called.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from der_gym.controllers.base import CONTROLLERS, ControllerConfig, settings
from der_gym.controllers.per_service import bound
from der_gym.controllers.store import load_settings, save_settings, settings_path
from der_gym.core.errors import InputError
from der_gym.core.interrupt import exit_code
from der_gym.scenario.config_files import configs
from der_gym.signals import splits

NONE_SHARE = 1 / 3  # chance that the part of a leaf becomes 0 where it is moved [A]
Progress = Callable[[int, float, float], None]  # told the trials done, the best trial's pass rate and reward


@dataclass(frozen=True)
class Trial:
    """Settings and what they scored: share of judged blocks passed, mean reward of an episode."""

    config: ControllerConfig
    pass_rate: float
    reward: float


class Kept(Protocol):
    """The trials that an earlier process has finished; `evaluation.unfinished_tune` keeps them on disk."""

    def get(self, k: int) -> Trial | None:
        """Return trial ``k``, >= 0, or None where it was not finished."""

    def keep(self, trial: Trial) -> None:
        """Keep the next trial."""


@dataclass(frozen=True)
class TuneResult:
    """A search: where it ran and every trial in order; trial 0 has the settings that the controller ships with."""

    name: str
    scenario: str
    scenario_hash: str
    split: str
    seeds: tuple[int, ...]
    rng_seed: int
    trials: tuple[Trial, ...]
    stopped: int = 0  # exit code of the signal that ended it early, 0 for none

    @property
    def best(self) -> Trial:
        """Return the trial with the best reward, the earliest of equals: never one below the shipped settings."""
        return max(self.trials, key=lambda trial: trial.reward)

    def provenance(self) -> dict[str, Any]:
        """Return the provenance that stands beside the values in the settings file."""
        return {
            "scenario": self.scenario,
            "scenario_hash": self.scenario_hash,
            "split": self.split,
            "n_trial": len(self.trials),
            "n_seed": len(self.seeds),
            "first_seed": min(self.seeds),
            "rng_seed": self.rng_seed,
            "pass_rate": round(self.best.pass_rate, 4),
            "reward": round(self.best.reward, 4),
            "default_pass_rate": round(self.trials[0].pass_rate, 4),
            "default_reward": round(self.trials[0].reward, 4),
        }


def tune(
    name: str,
    scenario: str | Path | Mapping[str, Any],
    budget_trials: int,
    seeds: Sequence[int],
    split: str = "train",
    rng_seed: int = 0,
    path: Path | None = None,
    progress: Progress | None = None,
) -> TuneResult:
    """Search a controller's settings and write the best ones.

    Parameters
    ----------
    name, scenario, budget_trials, seeds, split, rng_seed, progress
        See `search`.
    path : Path, optional
        Where to write; default: the shipped settings of the controller.
    """
    result = search(name, scenario, budget_trials, seeds, split, rng_seed, progress)
    write(result, path)
    return result


def write(result: TuneResult, path: Path | None = None) -> None:
    """Write the best settings of a search; default: as the shipped settings of its controller.

    Parameters
    ----------
    result : TuneResult
    path : Path, optional
        YAML file.
    """
    save_settings(result.name, result.best.config, result.provenance(), path or settings_path(result.name))


def search(
    name: str,
    scenario: str | Path | Mapping[str, Any],
    budget_trials: int,
    seeds: Sequence[int],
    split: str = "train",
    rng_seed: int = 0,
    progress: Progress | None = None,
    unfinished: Kept | None = None,
    first: ControllerConfig | None = None,
) -> TuneResult:
    """Search a controller's settings.

    Parameters
    ----------
    name : str
        A registered controller that declares a ``search`` space.
    scenario : str, Path or mapping
        As for an environment.
    budget_trials : int
        Trials, >= 1; see the top of this module for what each has.
    seeds : sequence of int
        Episodes of each trial, within the split's range.
    split : str
        Dates that the episodes fall on.
    rng_seed : int
        Seed of the search.
    progress : callable, optional
    unfinished : Kept, optional
        Trials that were finished before are taken from it, others are played and kept in it.
    first : ControllerConfig, optional
        Settings of trial 0; default: those that the controller ships with.

    Returns
    -------
    TuneResult
        After Ctrl-C or SIGTERM, the trials that were finished.

    Raises
    ------
    InputError
        For an unknown name or split, no search space, no budget, or seeds of another split.
    KeyboardInterrupt
        After Ctrl-C before any trial was finished.
    """
    _check(name, budget_trials, seeds, split)
    env = gym.make_vec(
        "DERGroup-v0",
        num_envs=len(seeds),
        vectorization_mode="vector_entry_point",
        scenario=scenario,
        overrides={"split": split},
    )
    trials, stopped = list[Trial](), 0
    worlds = env.unwrapped.worlds  # type: ignore[attr-defined]
    try:
        for k in range(budget_trials):
            begun = first if k == 0 else None
            config = begun or _draw(name, k, rng_seed, budget_trials, trials, worlds.layout.leaf_names)
            trials.append(_next(env, name, config, list(seeds), unfinished, k))
            if progress is not None:
                best = max(trials, key=lambda trial: trial.reward)
                progress(k + 1, best.pass_rate, best.reward)
    except KeyboardInterrupt as error:
        if not trials:
            raise
        stopped = exit_code(error)
    world = worlds.scenario
    return TuneResult(name, world.name, world.hash(), split, tuple(seeds), rng_seed, tuple(trials), stopped)


def _next(
    env: gym.vector.VectorEnv[Any, Any, Any],
    name: str,
    config: ControllerConfig,
    seeds: list[int],
    unfinished: Kept | None,
    k: int,
) -> Trial:
    """Return trial ``k``: as it was kept, or played."""
    kept = unfinished.get(k) if unfinished is not None else None
    if kept is not None:
        return kept
    made = _play(env, name, config, seeds)
    if unfinished is not None:
        unfinished.keep(made)
    return made


def _check(name: str, budget_trials: int, seeds: Sequence[int], split: str) -> None:
    if not CONTROLLERS[name].config_class.search:
        raise InputError(f"controller {name}: declares no search space; allowed: {', '.join(_tunable())}")
    if budget_trials < 1 or not seeds:
        raise InputError(f"budget: {budget_trials} trials, {len(seeds)} seeds; allowed: at least 1 of each")
    own = splits.load_splits(configs() / "splits.yaml")[split]
    wrong = [s for s in seeds if not own.first_seed <= s < own.first_seed + own.n_seed]
    if wrong:
        last = own.first_seed + own.n_seed - 1
        raise InputError(f"seeds: {wrong[0]} is no seed of split {split!r}; allowed: {own.first_seed}..{last}")


def _tunable() -> list[str]:
    return [name for name in CONTROLLERS if CONTROLLERS[name].config_class.search]


def _draw(
    name: str, k: int, rng_seed: int, budget: int, trials: Sequence[Trial], leaves: Sequence[str]
) -> ControllerConfig:
    """Return the settings of trial ``k`` of ``budget``, drawn ones to three digits."""
    if k < 2:
        return settings(name, {}) if k else load_settings(name)
    draws = np.random.default_rng((rng_seed, zlib.crc32(name.encode()), k))
    space = CONTROLLERS[name].config_class.search
    if 2 * k < budget:
        kept = trials[0].config.model_dump()
        return settings(name, kept | {key: _short(draws.uniform(*space[key])) for key in space})
    best = max(trials, key=lambda trial: trial.reward).config.model_dump()
    best |= _moved(best, space, draws)
    parts = CONTROLLERS[name].config_class.search_leaves
    return settings(name, best | {key: _moved_parts(best[key], parts[key], leaves, draws) for key in parts})


def _moved(values: Mapping[str, Any], space: Mapping[str, tuple[float, float]], draws: Any) -> dict[str, float]:
    """Return new values of about a third of the settings, one at least, moved by about a sixth of their range."""
    keys, found = list(space), {}
    for key in draws.permutation(keys)[: max(int(draws.binomial(len(keys), 1 / 3)), 1)]:
        low, high = space[key]
        found[str(key)] = _short(np.clip(values[key] + draws.normal() * (high - low) / 6, low, high))
    return found


def _moved_parts(
    parts: Mapping[str, float], span: tuple[float, float], leaves: Sequence[str], draws: Any
) -> dict[str, float]:
    """Return the parts by leaf, about a third of them set to 0 or moved by about a sixth of their range."""
    found, (low, high) = dict(parts), span
    for leaf in leaves:
        move, none, by = draws.random() < 1 / 3, draws.random() < NONE_SHARE, draws.normal() * (high - low) / 6
        if move:
            found[leaf] = 0.0 if none else _short(np.clip(found.get(leaf, 1.0) + by, low, high))
    return found


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _play(env: gym.vector.VectorEnv[Any, Any, Any], name: str, config: ControllerConfig, seeds: list[int]) -> Trial:
    worlds = env.unwrapped.worlds  # type: ignore[attr-defined]
    controller = CONTROLLERS[name](config)
    controller = bound(controller, worlds)
    obs, infos = env.reset(seed=seeds)  # type: ignore[arg-type]
    state, start, total = None, np.ones(len(seeds), dtype=bool), np.zeros(len(seeds))
    for _ in range(worlds.scenario.n_step):
        action, state = controller.predict(obs, state, start)
        obs, reward, _, _, infos = env.step(action)
        total += reward
        start = np.zeros(len(seeds), dtype=bool)
    passed = infos["blocks_passed"].sum() / max(infos["blocks_judged"].sum(), 1.0)
    return Trial(config, float(passed), float(total.mean()))

"""The oracle: schedules searched for each seed in its own replayed world, with its true network and devices.

The search begins with the best of the controllers that were played on a seed and keeps a change only where the same
world, played anew from its seed, scores more. So it never lies below any of them. It is what was reached with hindsight
in a stated number of replays: the true optimum may be higher. `upper_bound` has a figure that it cannot exceed.

Every replay tries a change in each half hour at once (`schedule_changes`): most move the stores against the error that
the last replay had a few minutes later, as iterative learning control does [1]_. The reward of each half hour tells
which changes helped there; those alone are tried together in the next replay.

References
----------
.. [1] Arimoto, Kawamura, Miyazaki, "Bettering operation of robots by learning", J. Robotic Systems 1 (1984) 123-140.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, State
from der_gym.core.units import BLOCK_S
from der_gym.env.observation.layout import Layout
from der_gym.env.worlds import Worlds
from der_gym.evaluation.recorder import Recorder, frozen_kw
from der_gym.evaluation.schedule_changes import Fleet, changed

ORACLE = "oracle"


class Kept:
    """The actions of a play, kept chunk by chunk; it is the play's ``watch``."""

    def __init__(self) -> None:
        self.chunks = list[list[Array]]()

    def __call__(self, worlds: Worlds) -> Recorder:
        """Return the recorder of the next chunk's worlds."""
        self.chunks.append([])
        return KeepingRecorder(worlds, self.chunks[-1])

    def table(self) -> Array:
        """Return the actions of all seeds, float32 (n_seed, n_step, size)."""
        return np.concatenate([np.stack(actions, axis=1) for actions in self.chunks])


class KeepingRecorder(Recorder):
    """A recorder that keeps the actions too."""

    def __init__(self, worlds: Worlds, actions: list[Array]) -> None:
        super().__init__(worlds)
        self._actions = actions

    def before(self, action: Array) -> None:
        """Keep the action that is about to be taken."""
        super().before(action)
        self._actions.append(action.copy())


class Replay:
    """Fixed actions, decision by decision, whatever is seen: ``table`` float32 (n_seed, n_step, size)."""

    name: ClassVar[str] = ORACLE
    title: ClassVar[str] = "Oracle: the best schedule that hindsight found"
    needs: ClassVar[Literal["observation", "truth"]] = "truth"
    config_class: ClassVar[type[ControllerConfig]] = ControllerConfig
    acts_in_box: ClassVar[bool] = True

    def __init__(self, table: Array) -> None:
        self.table, self._first, self._step = table, 0, 0

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Begin the next chunk of seeds.

        Arguments are those of `Controller`.
        """

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the next row of each seed; chunks of seeds follow one another.

        Arguments are those of `Controller`.
        """
        rows = self.table[self._first : self._first + len(obs), self._step]
        self._step += 1
        if self._step == self.table.shape[1]:
            self._first, self._step = self._first + len(obs), 0
        return rows, {}


@dataclass
class Replayed:
    """A play of fixed actions.

    Attributes
    ----------
    table : float32 (n, n_step, size)
    reward : float64 (n, n_block)
        Of each half hour.
    error_kw : float64 (n, n_step)
        Response less target of the last sample of each decision, where something is committed; else 0.
    """

    table: Array
    reward: Array
    error_kw: Array

    @property
    def score(self) -> Array:
        """Return the episodes' rewards, (n,)."""
        total: Array = self.reward.sum(axis=1)
        return total

    def take(self, other: Replayed, rows: Array) -> None:
        """Take over rows of another play.

        Parameters
        ----------
        other : Replayed
        rows : int64 (k,)
            Worlds.
        """
        for name in ("table", "reward", "error_kw"):
            getattr(self, name)[rows] = getattr(other, name)[rows]


def improve(
    worlds: Worlds,
    seeds: Sequence[int],
    table: Array,
    n_replay: int,
    rng_seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> tuple[Array, Array]:
    """Return better actions and their rewards; the true worlds judge every change.

    Parameters
    ----------
    worlds : Worlds
        As many as there are seeds.
    seeds : sequence of int
    table : float32 (n, n_step, size)
        Actions to begin with.
    n_replay : int
        Episodes that each world is played anew, the first with ``table`` itself.
    rng_seed : int
        Seed of the search; the luck of the worlds is that of ``seeds``.
    progress : callable, optional
        Told the share done.
    """
    best = replayed(worlds, seeds, table)
    fleet = Fleet.of(worlds)
    joined, waits = best.table.copy(), np.zeros(len(seeds), dtype=bool)
    for k in range(1, n_replay):
        draws = [np.random.default_rng((rng_seed, seed, k)) for seed in seeds]
        each = zip(best.table, best.error_kw, draws, strict=True)
        tried = np.stack([joined[w] if waits[w] else changed(fleet, w, *one) for w, one in enumerate(each)])
        got = replayed(worlds, seeds, tried)
        joined, waits = _joined(best, got, waits)
        best.take(got, np.flatnonzero(got.score > best.score))
        if progress is not None:
            progress((k + 1) / n_replay)
    return best.table, best.score


def _joined(best: Replayed, got: Replayed, waited: Array) -> tuple[Array, Array]:
    """Return the best actions with those half hours of a replay that scored more, and where they are to be tried.

    A replay that was made of such half hours itself is not taken apart again.
    """
    helped = got.reward > best.reward + 1e-6
    n_step = got.table.shape[1]
    steps = np.repeat(helped, n_step // helped.shape[1], axis=1)
    some: Array = helped.any(axis=1) & ~helped.all(axis=1) & ~waited
    return np.where(steps[:, :, None], got.table, best.table), some


def replayed(worlds: Worlds, seeds: Sequence[int], table: Array) -> Replayed:
    """Play fixed actions in each seed's world.

    Parameters
    ----------
    worlds : Worlds
        As many as seeds.
    seeds : sequence of int
        n of them, >= 0.
    table : float32 (n, n_step, size)
        Action of each decision, -1..1.
    """
    every, n_step = np.ones(len(seeds), dtype=bool), table.shape[1]
    worlds.reset(every, {i: seeding.np_random(seed)[0] for i, seed in enumerate(seeds)}, {})
    session = worlds.simulator.market.primary
    error, reward = np.zeros((len(seeds), n_step)), np.zeros((len(seeds), n_step))
    rows = np.arange(len(seeds))
    for k in range(n_step):
        worlds.step(np.ascontiguousarray(table[:, k]), every)
        sample, target, award = session.sample, session.service.target_kw, session.service.award_kw
        at = sample.number * target.shape[1] // (award.shape[1] * BLOCK_S // session.sample_s)
        off = frozen_kw(session, rows, sample.number) - sample.metered_kw - target[rows, at]
        error[:, k] = np.where(award[rows, at * award.shape[1] // target.shape[1]] > 0.0, off, 0.0)
        reward[:, k] = worlds.reward.reward
    n_block = worlds.scenario.horizon_s // BLOCK_S
    return Replayed(table.copy(), reward.reshape(len(seeds), n_block, -1).sum(axis=2), error)

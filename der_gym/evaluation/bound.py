"""The clairvoyant bound: schedules searched for each seed in its own replayed world.

The search begins with the best of the controllers that were played on a seed and keeps a change only where the same
world, played anew from its seed with true dynamics, scores more. So it never lies below any of them. It is what was
reached with hindsight in a stated number of replays: the true optimum may be higher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, State
from der_gym.env.observation.layout import Layout
from der_gym.env.worlds import Worlds
from der_gym.evaluation.recorder import Recorder

ORACLE = "oracle"
SHORTEST, LONGEST = 5, 120  # decisions that one change spans [A]
SPREAD = 0.15  # sd of a change, of the Box [A]
LEAVES = 0.4  # chance that a change touches a leaf [A]


class Kept:
    """The actions of a play, kept chunk by chunk; it is the play's ``watch``."""

    def __init__(self) -> None:
        self.chunks = list[list[Array]]()

    def __call__(self, worlds: Worlds) -> Recorder:
        """Return the recorder of the next chunk's worlds."""
        self.chunks.append([])
        return _KeepingRecorder(worlds, self.chunks[-1])

    def table(self) -> Array:
        """Return the actions of all seeds, float32 (n_seed, n_step, size)."""
        return np.concatenate([np.stack(actions, axis=1) for actions in self.chunks])


class _KeepingRecorder(Recorder):
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


def improve(
    worlds: Worlds,
    seeds: Sequence[int],
    table: Array,
    reward: Array,
    n_replay: int,
    rng_seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> tuple[Array, Array]:
    """Return better actions and their rewards, by random changes that the true worlds judge.

    Parameters
    ----------
    worlds : Worlds
        As many as there are seeds.
    seeds : sequence of int
    table : float32 (n, n_step, size)
        Actions to begin with.
    reward : float64 (n,)
        What they scored.
    n_replay : int
        Episodes that each world is played anew.
    rng_seed : int
        Seed of the search; the luck of the worlds is that of ``seeds``.
    progress : callable, optional
        Told the share done.
    """
    best, score = table.copy(), reward.copy()
    for k in range(n_replay):
        draws = [np.random.default_rng((rng_seed, seed, k)) for seed in seeds]
        tried = np.stack([_changed(own, draw) for own, draw in zip(best, draws, strict=True)])
        got = replayed(worlds, seeds, tried)
        better = np.flatnonzero(got > score)
        best[better], score[better] = tried[better], got[better]
        if progress is not None:
            progress((k + 1) / n_replay)
    return best, score


def replayed(worlds: Worlds, seeds: Sequence[int], table: Array) -> Array:
    """Return the reward of each seed's world under fixed actions, float64 (n,).

    Parameters
    ----------
    worlds : Worlds
        As many as seeds.
    seeds : sequence of int
        n of them, >= 0.
    table : float32 (n, n_step, size)
        Action of each decision, -1..1.
    """
    every = np.ones(len(seeds), dtype=bool)
    worlds.reset(every, {i: seeding.np_random(seed)[0] for i, seed in enumerate(seeds)}, {})
    total = np.zeros(len(seeds))
    for k in range(table.shape[1]):
        worlds.step(np.ascontiguousarray(table[:, k]), every)
        total += worlds.reward.reward
    return total


def _changed(actions: Array, draw: np.random.Generator) -> Array:
    """Return a world's actions, (n_step, size), with a stretch of time moved at some leaves: by a step, or a factor."""
    n_step, size = actions.shape
    length = min(int(draw.integers(SHORTEST, LONGEST + 1)), n_step)
    first = int(draw.integers(n_step - length + 1))
    leaves: Array = np.asarray(draw.random(size) < LEAVES)
    leaves[draw.integers(size)] = True
    move = draw.normal(0.0, SPREAD, size) * leaves
    out: Array = actions.copy()
    stretch: Array = out[first : first + length]
    moved = stretch * (1.0 + move) if draw.random() < 0.5 else stretch + move
    out[first : first + length] = np.clip(moved, -1.0, 1.0)
    return out

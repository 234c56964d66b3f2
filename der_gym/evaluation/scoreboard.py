"""The scoreboard: every controller on the same worlds, idle always among them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.controllers import Controller
from der_gym.core.errors import InputError, unknown
from der_gym.core.interrupt import exit_code
from der_gym.core.units import DAY_S, HOUR_S
from der_gym.evaluation import statistics as st
from der_gym.evaluation.bound import ORACLE, Kept, Replay, improve
from der_gym.evaluation.causes import Failure, of_services
from der_gym.evaluation.controller_factory import label
from der_gym.evaluation.controller_factory import players as picked
from der_gym.evaluation.measures import EvalContext, measure
from der_gym.evaluation.play import CHUNK, EpisodeRunner, Played
from der_gym.evaluation.recorder import Recorder
from der_gym.evaluation.twin_record import TwinWatch
from der_gym.evaluation.unfinished import Finished, Unfinished
from der_gym.evaluation.upper_bound import upper_bounds
from der_gym.scenario.config_files import configs
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.signals.splits import load_splits, split_seed

F8 = NDArray[np.float64]
IDLE, BASE, BOUND = "idle", "closed_loop", "bound"
Told = Callable[[str, float], None]  # controller, share of it that is done


@dataclass(frozen=True)
class Score:
    """One controller's play, counted."""

    name: str
    played: Played
    columns: dict[str, F8]  # measure -> (n_seed,)
    failures: list[Failure]
    seconds: float

    @property
    def of_first(self) -> list[Failure]:
        """Return the failed blocks of the service that is told of first."""
        return [f for f in self.failures if f.service == self.played.told_of]


@dataclass
class Scoreboard:
    """Scores by controller on the same seeds.

    Attributes
    ----------
    scenario : Scenario
    split : str
    seeds : list of int
    base : str
        Controller that the others are compared with.
    scores : dict
        In the order in which they were played.
    stopped : int
        Exit code of the signal that ended the comparison early, 0 for none; what is here is whole.
    notes : list of str
        What was done to the user's files: gaps filled, requests cut to the award.
    told : list of str
        Ids of the services that pages and causes tell of; empty: the first alone.
    """

    scenario: Scenario
    split: str
    seeds: list[int]
    base: str = BASE
    scores: dict[str, Score] = field(default_factory=dict)
    stopped: int = 0
    notes: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Return whether the comparison was ended early."""
        return self.stopped != 0

    def ranking(self) -> list[str]:
        """Return the controllers, the best interquartile mean of the reward first."""
        return sorted(self.scores, key=lambda name: -float(st.iqm(self._of(name, "reward"))))

    def _of(self, name: str, column: str) -> F8:
        """Return a column as (runs, tasks): seeds, one scenario."""
        return self.scores[name].columns[column][:, None]

    def summary(self) -> list[dict[str, Any]]:
        """Return one flat row per controller, best first.

        ``reward`` is the interquartile mean, every other measure the mean over seeds (``*_worst_*``: the greatest);
        ``*_low`` and ``*_high`` bound 95 %. ``against_base`` is the paired difference of the reward to the base, its
        interval clustered by day; ``wins_base`` the share of seeds above the base; ``profit_yen_05h`` ... by start;
        ``headroom`` what the oracle reached more and ``oracle_share`` the part of idle to oracle; ``bound`` a reward
        that no controller exceeds and ``bound_share`` the part of idle to it, all by means over seeds;
        ``beats_next`` the probability of improvement over the row below. NaN where there is nothing to compare.
        """
        order = self.ranking()
        below = dict(pairwise(order))
        return [self._row(name, below.get(name)) for name in order]

    def _row(self, name: str, after: str | None) -> dict[str, Any]:
        score = self.scores[name]
        row: dict[str, Any] = {"controller": name, "n_seed": len(self.seeds)}
        row |= _spread("reward", st.interval(self._of(name, "reward")))
        row |= {
            key: float(v.max() if "worst" in key else v.mean()) for key, v in score.columns.items() if key != "reward"
        }
        judged = not np.isnan(score.played.passed).all()
        row |= _spread("pass_rate", st.interval(self._of(name, "pass_rate"), st.mean) if judged else _NOTHING)
        row |= _spread("against_base", self._against(name))
        row |= _spread("beats_next", self._beats(name, after))
        row |= self._open(name)
        row["wins_base"] = self._wins(name)
        hour = score.played.start_abs_s % DAY_S // HOUR_S
        money = st.by_group(score.columns["profit_yen"], hour)
        row |= {f"profit_yen_{hour:02d}h": yen for hour, yen in money.items()}
        causes = [failure.cause for failure in score.of_first]
        row["failed_blocks"] = len(causes)
        row["main_cause"] = max(sorted(set(causes)), key=causes.count) if causes else ""
        return row

    def _against(self, name: str) -> st.Interval:
        if self.base not in self.scores or name == self.base:
            return _NOTHING
        gain = self.scores[name].columns["reward"] - self.scores[self.base].columns["reward"]
        return st.clustered(gain, self.scores[name].played.start_abs_s // DAY_S)

    def _open(self, name: str) -> dict[str, float]:
        """Return what the oracle reached above a controller, and the controller's part of idle to oracle and bound."""
        own, floor = (float(self.scores[each].columns["reward"].mean()) for each in (name, IDLE))
        top = float(self.scores[ORACLE].columns["reward"].mean()) if ORACLE in self.scores else float("nan")
        most = float(self.scores[name].columns[BOUND].mean()) if BOUND in self.scores[name].columns else float("nan")
        parts = [(own - floor) / (end - floor) if end > floor else float("nan") for end in (top, most)]
        return {"headroom": top - own, "oracle_share": parts[0], BOUND: most, "bound_share": parts[1]}

    def _wins(self, name: str) -> float:
        """Return the share of seeds on which a controller is above the base; NaN where there is no other."""
        if self.base not in self.scores or name == self.base:
            return float("nan")
        return float(st.wins(self._of(name, "reward"), self._of(self.base, "reward")))

    def _beats(self, name: str, after: str | None) -> st.Interval:
        if after is None:
            return _NOTHING
        return st.probability_of_improvement(self._of(name, "reward"), self._of(after, "reward"))


_NOTHING = st.Interval(float("nan"), float("nan"), float("nan"))


def _spread(name: str, found: st.Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def seeds_of(split: str, n_seed: int) -> list[int]:
    """Return the first ``n_seed`` seeds of a split.

    Parameters
    ----------
    split : str
        A name of ``configs/splits.yaml``.
    n_seed : int
        >= 1.
    """
    if n_seed < 1:
        raise InputError(f"seeds: {n_seed}; allowed: 1 or more")
    rules = load_splits(configs() / "splits.yaml")
    return [split_seed(split, i, rules) for i in range(n_seed)]


def evaluate(
    scenario: str | Path | Mapping[str, Any] | Scenario,
    controllers: Sequence[str | tuple[str, Controller]],
    n_seed: int,
    split: str = "test",
    *,
    overrides: Mapping[str, Any] | None = None,
    base: str | None = None,
    chunk: int = CHUNK,
    workers: int | None = None,
    service: str | None = None,
    progress: Told | None = None,
    unfinished: Unfinished | None = None,
    bound: int = 0,
) -> Scoreboard:
    """Play controllers on the seeds and dates of a split and count what they did.

    Parameters
    ----------
    scenario : name, YAML path, mapping or Scenario
    controllers : sequence of str or (name, Controller)
        Registered names, or a name with an object of one's own. Idle is played first and always.
    n_seed : int
        The split's first seeds, >= 1; all are worlds of one batch.
    split : str
        ``test``, ``validation`` or ``train``: dates and seeds.
    overrides : mapping, optional
        Dotted settings of the scenario.
    base : str, optional
        One of them, or idle: the others are compared with it. Default: closed_loop, where it is among them.
    chunk : int
        Worlds at once; the result does not depend on it.
    workers : int, optional
        Threads; likewise.
    service : str, optional
        Id of the service that measures, causes and pages tell of; default: the scenario's first.
    progress : callable, optional
        Told controller and share done.
    unfinished : Unfinished, optional
        Keeps each finished controller on disk, and holds those that were finished before.
    bound : int
        Replays of each seed in which the ``oracle`` is searched, each a whole episode; 0: neither oracle nor the column
        ``bound``.

    Returns
    -------
    Scoreboard
        After Ctrl-C or SIGTERM, ``interrupted``, with the controllers that were finished.

    Raises
    ------
    InputError
        For an unknown controller, split or setting, and a base that is not among the controllers.
    """
    seeds, played = seeds_of(split, n_seed), load(scenario, {**(overrides or {}), "split": split})
    players = picked([IDLE]) | picked(controllers, played.control)
    if base is not None and label(base) not in players:
        raise unknown("base", base, players)
    chosen = BASE if base is None else label(base)
    board = Scoreboard(played, split, seeds, chosen)
    try:
        stage = EpisodeRunner(board.scenario, workers, service)
        board.told = stage.told
        twin = TwinWatch()
        kept = {name: twin if name == IDLE else Kept() for name in players} if bound else {}
        for name, controller in players.items():
            _add(board, stage, name, controller, chunk, progress, unfinished, kept.get(name))
        if bound:
            most = upper_bounds(board.scenario, twin.record())
            replay = Replay(_searched(board, stage, kept, bound, chunk, progress))
            _add(board, stage, ORACLE, replay, chunk, progress)
            for score in board.scores.values():
                score.columns[BOUND] = most
    except KeyboardInterrupt as error:
        board.stopped = exit_code(error)
    return board


def _searched(
    board: Scoreboard, stage: EpisodeRunner, kept: Mapping[str, Kept], n_replay: int, chunk: int, progress: Told | None
) -> NDArray[np.float32]:
    """Return the best schedule of each seed, float32 (n_seed, n_step, size), begun with the best controller's."""
    rewards = np.stack([board.scores[name].columns["reward"] for name in kept])
    tables = np.stack([each.table() for each in kept.values()])
    first, seeds = rewards.argmax(axis=0), np.arange(len(board.seeds))
    found: NDArray[np.float32] = tables[first, seeds]
    parts = range(0, len(seeds), chunk)
    for k, i in enumerate(parts):
        own = slice(i, i + chunk)
        worlds = stage.worlds(len(seeds[own]))
        tell = None if progress is None else partial(_told, progress, k, len(parts))
        found[own], _ = improve(worlds, board.seeds[own], found[own], n_replay, progress=tell)
    return found


def _told(progress: Told, k: int, n: int, share: float) -> None:
    progress(f"{ORACLE}: search", (k + share) / n)


def _add(
    board: Scoreboard,
    stage: EpisodeRunner,
    name: str,
    controller: Controller,
    chunk: int,
    progress: Told | None,
    unfinished: Unfinished | None = None,
    kept: Kept | None = None,
) -> None:
    tell = (lambda share: progress(name, share)) if progress is not None else None
    done = unfinished.get(name) if unfinished is not None and kept is None else None  # the bound needs the actions
    if done is None:
        began = time.perf_counter()
        played = stage.play(controller, board.seeds, chunk=chunk, progress=tell, watch=kept or Recorder)
        done = Finished(played, stage.notes, time.perf_counter() - began)
        if unfinished is not None:
            unfinished.keep(name, done)
    played = done.played
    twin = board.scores[IDLE].played if board.scores else played
    worlds = stage.worlds(min(chunk, len(board.seeds)))
    facts = EvalContext(twin, float(worlds.layout.nominal_kw.sum()), worlds.simulator.structure.n_device)
    found = of_services(played, twin, stage.told)
    board.notes = list(dict.fromkeys([*board.notes, *done.notes]))
    board.scores[name] = Score(name, played, measure(played, facts), found, done.seconds)

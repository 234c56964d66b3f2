"""Firm power: what the group has by season, class and hour, and the largest award that a controller can keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.controllers import Controller
from der_gym.core.errors import InputError, unknown
from der_gym.core.interrupt import exit_code
from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.engine.tables import CAPABILITY
from der_gym.evaluation import firm_search
from der_gym.evaluation.controller_factory import players as picked
from der_gym.evaluation.firm_table import FirmTable
from der_gym.evaluation.measures import pass_rate
from der_gym.evaluation.play import CHUNK, EpisodeRunner
from der_gym.evaluation.unfinished_firm import PlayedAward, UnfinishedFirm
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.signals import calendar
from der_gym.signals.calendar import SEASONS
from der_gym.simulation import award_check
from der_gym.simulation.assets import ScenarioAssets
from der_gym.simulation.award_level import ready

F8 = NDArray[np.float64]
LEVELS = (0.90, 0.95, 0.99)
ALL = "all"
_SLOT_PER_H = HOUR_S // BLOCK_S
Told = Callable[[str, float], None]


@dataclass(frozen=True)
class Firm:
    """The power that can be promised.

    Attributes
    ----------
    scenario : Scenario
    capability : list of dict
        Season, class, hour; p50 and p10 of upward kW over days and fleets; both per 1,000 devices of the group.
    passed : list of dict
        Controller, season, start, share of the scenario's award; blocks passed, with an interval of 95 % by day.
    awards : list of dict
        Controller, season, start, level; the largest award kept at that level as a share of the scenario's, in kW, per
        1,000 devices and over the rated swing; the next larger award played (``fails_kw``); the interval of 95 % by
        day; the least award kept; ``answer`` as in `firm_search.Found`. 0 where none is kept.
    notes : list of str
        What was done to the user's files.
    budget : int
        Awards that a controller played in a window at most.
    stopped : int
        Exit code of the signal that ended the search early, 0 for none; what was played by then is in the result.
    """

    scenario: Scenario
    capability: list[dict[str, Any]]
    passed: list[dict[str, Any]]
    awards: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    budget: int = firm_search.BUDGET
    stopped: int = 0


def capability(where: ScenarioAssets) -> list[dict[str, Any]]:
    """Return upward kW for 30 minutes of the uncommanded group by season, class and hour (batteries: from standby)."""
    st, rows = where.structure, []
    groups = {name: np.array([st.class_names[k] == name for k in st.cell_class]) for name in st.class_slice}
    for season in SEASONS:
        for name, cells in {**groups, ALL: np.ones(st.n_cell, dtype=bool)}.items():
            up = award_check.samples(where, season, CAPABILITY.UP_KW, cells)
            if len(up):
                rows += [
                    _capability_row(season, name, hour, up[:, hour * _SLOT_PER_H], st.n_device) for hour in range(24)
                ]
    return rows


def _capability_row(season: str, name: str, hour: int, up_kw: F8, n_device: int) -> dict[str, Any]:
    p50, p10 = np.quantile(up_kw, [0.5, award_check.SURE])
    row = {"season": season, "class": name, "hour": hour, "up_p50_kw": float(p50), "up_p10_kw": float(p10)}
    return row | {"up_p10_kw_per_1000": float(p10) * 1000 / n_device}


def firm(
    scenario: str | Path | Mapping[str, Any] | Scenario,
    controllers: Sequence[str | tuple[str, Controller]],
    seasons: Sequence[str] | None = None,
    starts: Sequence[int] | None = None,
    levels: Sequence[float] = LEVELS,
    n_seed: int = 8,
    *,
    budget: int = firm_search.BUDGET,
    split: str = "test",
    overrides: Mapping[str, Any] | None = None,
    chunk: int = CHUNK,
    workers: int | None = None,
    progress: Told | None = None,
    unfinished: UnfinishedFirm | None = None,
) -> Firm:
    """Work out capability and the largest award that passes 90, 95 and 99 % of blocks.

    Each controller and window plays half, once and twice the scenario's award, then what `firm_search` asks for, until
    every level's answer is closed in to 9 % or the budget ends.

    Parameters
    ----------
    scenario, overrides
        As for :func:`der_gym.evaluation.scoreboard.evaluate`. Every service's ``limits`` are set to off, because
        awards above the availability are tried.
    controllers : sequence of str or (name, Controller)
    seasons, starts : sequence, optional
        Default: all of the scenario.
    levels : sequence of float
        Shares of blocks, 0..1.
    n_seed : int
        Episodes per controller, season, start and award; their dates are spread over the split's.
    budget : int
        Awards that a controller plays in a window at most, 3..64.
    unfinished : UnfinishedFirm, optional
        Where awards are kept once they are played; what is there is not played again.

    Raises
    ------
    InputError
        For names, seasons, starts, budgets or levels that are not allowed, and for services that commit nothing.
    KeyboardInterrupt
        After Ctrl-C before anything was played; later the result holds what was.
    """
    base = _without_limits(load(scenario, {**(overrides or {}), "split": split}))
    windows = _windows(base, seasons, starts)
    _check(budget, levels)
    players = picked(controllers, base.control)
    where = ready(base)
    base = where.scenario
    table = FirmTable(base, where, windows, n_seed, split, budget)
    tell = progress or (lambda *_: None)
    notes: dict[str, None] = {}
    stopped, nominal_kw = 0, 0.0
    while not stopped and (wanted := table.wanted(players, levels)):
        try:
            for k, (place, cells) in enumerate(wanted.items()):
                stage: EpisodeRunner | None = None
                for name, own in cells.items():
                    tell(f"{name}, award x {firm_search.share_of(place):.3g}", k / len(wanted))
                    seeds, options = table.episodes(own)
                    done = unfinished.get(name, place, own, len(seeds)) if unfinished is not None else None
                    if done is None:
                        stage = stage or EpisodeRunner(load(base, {"services": table.scaled(place)}), workers)
                        done = _play(stage, players[name], seeds, options, chunk)
                        if unfinished is not None:
                            unfinished.keep(name, place, own, done)
                    table.add(name, place, own, done.rates, done.kw)
                    nominal_kw = done.nominal_kw
                    notes |= dict.fromkeys(done.notes)
        except KeyboardInterrupt as error:
            if not table.passed():
                raise
            stopped = exit_code(error)
    awards = table.awards(levels, where.structure.n_device, nominal_kw)
    return Firm(base, capability(where), table.passed(), awards, list(notes), budget, stopped)


def _play(
    stage: EpisodeRunner, controller: Controller, seeds: list[int], options: list[dict[str, Any]], chunk: int
) -> PlayedAward:
    played = stage.play(controller, seeds, options, chunk, run_on=False)
    nominal_kw = float(stage.worlds(min(chunk, len(seeds))).layout.nominal_kw.sum())
    return PlayedAward(pass_rate(played), played.award_kw.max(axis=1), nominal_kw, list(stage.notes))


def _without_limits(scenario: Scenario) -> Scenario:
    off = [config.model_copy(update={"limits": "off"}) for config in scenario.services]
    return load(scenario, {"services": off})


def _windows(base: Scenario, seasons: Sequence[str] | None, starts: Sequence[int] | None) -> list[tuple[str, int]]:
    known: tuple[str, ...] = base.episode.seasons
    if base.signals.start is not None:  # a date has one season
        known = (SEASONS[int(calendar.season(np.array([calendar.day_of(base.signals.start)]))[0])],)
    for season in seasons or ():
        if season not in known:
            raise unknown("season", season, known)
    for start in starts or ():
        if start not in base.episode.starts_h:
            raise InputError(f"start: {start}; allowed: {', '.join(str(h) for h in base.episode.starts_h)}")
    return [(season, start) for season in seasons or known for start in starts or base.episode.starts_h]


def _check(budget: int, levels: Sequence[float]) -> None:
    if not len(firm_search.BEGIN) <= budget <= 64:
        raise InputError(f"budget: {budget}; allowed: {len(firm_search.BEGIN)} to 64 awards")
    bad = [value for value in levels if not 0.0 < value <= 1.0]
    if bad or not levels:
        raise InputError(f"levels: {bad[0] if bad else 'none'}; allowed: one or more above 0, up to 1")

"""Firm power: what the group has by season, class and hour, and the largest award that a controller can keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.controllers import Controller
from der_gym.core.errors import InputError, unknown
from der_gym.core.interrupt import exit_code
from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.engine.tables import CAPABILITY
from der_gym.evaluation.controller_factory import players as picked
from der_gym.evaluation.measures import pass_rate
from der_gym.evaluation.play import CHUNK, EpisodeRunner
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.config_files import configs
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.signals import calendar, splits
from der_gym.signals.calendar import SEASONS
from der_gym.simulation import award_check
from der_gym.simulation.assets import ScenarioAssets, scenario_assets
from der_gym.simulation.reference_days import AFTER_DAYS, WARM_UP_DAYS

F8 = NDArray[np.float64]
LEVELS = (0.90, 0.95, 0.99)
SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
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
        Controller, season, start, share of the scenario's award; blocks passed.
    awards : list of dict
        Controller, season, start, level; the largest award kept at that level (`kept`) as a share of the scenario's,
        in kW, per 1,000 devices and over the rated swing, and the least. 0 where none is kept.
    stopped : int
        Exit code of the signal that ended the search early, 0 for none; the awards are those of the shares that all
        controllers have played.
    """

    scenario: Scenario
    capability: list[dict[str, Any]]
    passed: list[dict[str, Any]]
    awards: list[dict[str, Any]]
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


def kept(shares: Sequence[float], rates: Sequence[float], level: float) -> tuple[float, float]:
    """Return the least and the largest share of a run without failures around the share that does best; (0, 0): none.

    Too large an award exceeds what is there; too small a one has a band narrower than the plan's error. The run starts
    from the same share for every level, so a higher level never allows more, and a lucky pass beyond a failure does
    not count.

    Examples
    --------
    >>> kept([0.25, 0.5, 1.0, 1.5, 2.0], [0.7, 0.95, 1.0, 0.8, 1.0], 0.9)
    (0.5, 1.0)
    """
    pairs = sorted(zip(shares, rates, strict=True))
    best = max(range(len(pairs)), key=lambda i: (pairs[i][1], -i))
    if pairs[best][1] < level:
        return 0.0, 0.0
    low = high = best
    while low > 0 and pairs[low - 1][1] >= level:
        low -= 1
    while high + 1 < len(pairs) and pairs[high + 1][1] >= level:
        high += 1
    return pairs[low][0], pairs[high][0]


def firm(
    scenario: str | Path | Mapping[str, Any] | Scenario,
    controllers: Sequence[str | tuple[str, Controller]],
    seasons: Sequence[str] | None = None,
    starts: Sequence[int] | None = None,
    levels: Sequence[float] = LEVELS,
    n_seed: int = 8,
    *,
    shares: Sequence[float] = SHARES,
    split: str = "test",
    overrides: Mapping[str, Any] | None = None,
    chunk: int = CHUNK,
    workers: int | None = None,
    progress: Told | None = None,
) -> Firm:
    """Work out capability and the largest award that passes 90, 95 and 99 % of blocks.

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
        Episodes per controller, season, start and share; their dates are spread over the split's.
    shares : sequence of float
        Multiples of the scenario's award that are played.

    Raises
    ------
    InputError
        For names, seasons, starts, shares or levels that are not allowed.
    KeyboardInterrupt
        After Ctrl-C before any share was played; later the result holds the shares that were.
    """
    base = _without_limits(load(scenario, {**(overrides or {}), "split": split}))
    windows = _windows(base, seasons, starts)
    _check(shares, levels)
    players = picked(controllers)
    where = scenario_assets(base)
    seeds, options = _episodes(where, windows, n_seed, split)
    passed: list[dict[str, Any]] = []
    stopped, nominal_kw = 0, 0.0
    for k, share in enumerate(sorted(shares)):
        try:
            scaled = [config.scaled(share) for config in base.services]
            stage, own = EpisodeRunner(load(base, {"services": scaled}), workers), list[dict[str, Any]]()
            for i, (name, controller) in enumerate(players.items()):
                if progress is not None:
                    progress(f"{name}, award x {share:g}", (k * len(players) + i) / (len(shares) * len(players)))
                played = stage.play(controller, seeds, options, chunk, run_on=False)
                own += _rates(name, share, windows, pass_rate(played), played.award_kw[:, 0], n_seed)
            nominal_kw = float(stage.worlds(min(chunk, len(seeds))).layout.nominal_kw.sum())
        except KeyboardInterrupt as error:
            if not passed:
                raise
            stopped = exit_code(error)
            break
        passed += own
    awards = _awards(passed, levels, where.structure.n_device, nominal_kw)
    return Firm(base, capability(where), passed, awards, stopped)


def _without_limits(scenario: Scenario) -> Scenario:
    off = [config.model_copy(update={"limits": "off"}) for config in scenario.services]
    return load(scenario, {"services": off})


def _windows(base: Scenario, seasons: Sequence[str] | None, starts: Sequence[int] | None) -> list[tuple[str, int]]:
    known = base.episode.seasons
    for season in seasons or ():
        if season not in known:
            raise unknown("season", season, known)
    for start in starts or ():
        if start not in base.episode.starts_h:
            raise InputError(f"start: {start}; allowed: {', '.join(str(h) for h in base.episode.starts_h)}")
    return [(season, start) for season in seasons or known for start in starts or base.episode.starts_h]


def _check(shares: Sequence[float], levels: Sequence[float]) -> None:
    for name, values, high in (("shares", shares, 10.0), ("levels", levels, 1.0)):
        bad = [value for value in values if not 0.0 < value <= high]
        if bad or not values:
            raise InputError(f"{name}: {bad[0] if bad else 'none'}; allowed: one or more above 0, up to {high:g}")


def _episodes(
    where: ScenarioAssets, windows: list[tuple[str, int]], n_seed: int, split: str
) -> tuple[list[int], list[dict[str, Any]]]:
    """Return a seed and reset options for every episode, window by window, dates spread over the split's."""
    options = []
    for season, start in windows:
        days = _days(where, season, split)
        picked = days[np.arange(n_seed) * len(days) // n_seed]
        options += [{"date": str(calendar.date_of(int(day))), "start_h": start} for day in picked]
    return seeds_of(split, n_seed) * len(windows), options


def _days(where: ScenarioAssets, season: str, split: str) -> NDArray[np.int64]:
    first, last = where.signals.first_day + WARM_UP_DAYS, where.signals.last_day - AFTER_DAYS
    if where.scenario.signals.start is not None:
        days = np.array([calendar.day_of(where.scenario.signals.start)])
    else:
        days = splits.split_days(split, first, last, splits.load_splits(configs() / "splits.yaml"))
    own: NDArray[np.int64] = days[np.array(SEASONS)[calendar.season(days)] == season]
    if not len(own):
        raise InputError(f"season {season!r}: no day of split {split!r} in the signals; name another season")
    return own


def _rates(
    name: str, share: float, windows: list[tuple[str, int]], rates: F8, award_kw: F8, n_seed: int
) -> list[dict[str, Any]]:
    rows = []
    for k, (season, start) in enumerate(windows):
        own = slice(k * n_seed, (k + 1) * n_seed)
        row = {"controller": name, "season": season, "start_h": start, "award_share": share}
        rows.append(row | {"award_kw": float(award_kw[own].mean()), "pass_rate": float(rates[own].mean())})
    return rows


def _awards(
    passed: list[dict[str, Any]], levels: Sequence[float], n_device: int, nominal_kw: float
) -> list[dict[str, Any]]:
    keys = list(dict.fromkeys((row["controller"], row["season"], row["start_h"]) for row in passed))
    out = []
    for key in keys:
        rows = [row for row in passed if (row["controller"], row["season"], row["start_h"]) == key]
        kw_of = {0.0: 0.0} | {row["award_share"]: row["award_kw"] for row in rows}
        for level in levels:
            least, most = kept([r["award_share"] for r in rows], [r["pass_rate"] for r in rows], level)
            row = {"controller": key[0], "season": key[1], "start_h": key[2], "level": level, "award_share": most}
            row |= {"firm_kw": kw_of[most], "least_kw": kw_of[least]}
            scaled = {
                "firm_kw_per_1000": kw_of[most] * 1000 / n_device,
                "firm_share_of_rated": kw_of[most] / nominal_kw,
            }
            out.append(row | scaled)
    return out

"""The awards that controllers have played in each window, what to play next, and the rows of the result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.evaluation import firm_search
from der_gym.evaluation.firm_search import Found, share_of
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.config_files import configs
from der_gym.scenario.model import Scenario
from der_gym.services.base import ServiceConfig
from der_gym.signals import calendar, splits
from der_gym.signals.calendar import SEASONS
from der_gym.simulation.assets import ScenarioAssets
from der_gym.simulation.award_check import award_kw
from der_gym.simulation.reference_days import AFTER_DAYS, WARM_UP_DAYS

F8 = NDArray[np.float64]
Window = tuple[str, int]  # season, start hour
Key = tuple[str, Window]  # controller, window


class FirmTable:
    """Blocks passed by controller, window and award.

    Parameters
    ----------
    scenario : Scenario
    where : ScenarioAssets
    windows : sequence of (season, start hour)
    n_seed : int
        Episodes of a window; their dates are spread over the split's.
    split : str
    budget : int
        Awards that a controller plays in a window at most.

    Raises
    ------
    InputError
        Where a window has no day in the split, or no service commits power.
    """

    def __init__(
        self, scenario: Scenario, where: ScenarioAssets, windows: Sequence[Window], n_seed: int, split: str, budget: int
    ) -> None:
        self._scenario, self._budget = scenario, budget
        self._seeds = seeds_of(split, n_seed)
        self._days = {window: _spread(_days(where, window[0], split), n_seed) for window in windows}
        self._least = {window: _least_place(where, *window) for window in windows}
        self._rates: dict[Key, dict[int, F8]] = {}
        self._kw: dict[Window, dict[int, float]] = {window: {} for window in windows}

    def scaled(self, place: int) -> list[ServiceConfig]:
        """Return the scenario's services with the award of a place."""
        return [config.scaled(share_of(place)) for config in self._scenario.services]

    def episodes(self, windows: Iterable[Window]) -> tuple[list[int], list[dict[str, Any]]]:
        """Return a seed and reset options for every episode, window by window."""
        own = [(day, start) for season, start in windows for day in self._days[season, start]]
        options = [{"date": str(calendar.date_of(int(day))), "start_h": start} for day, start in own]
        return self._seeds * (len(own) // len(self._seeds)), options

    def wanted(self, names: Iterable[str], levels: Sequence[float]) -> dict[int, dict[str, list[Window]]]:
        """Return what to play next: place -> controller -> windows; nothing where all is closed in or the budget spent.

        Parameters
        ----------
        names : iterable of str
            Controllers.
        levels : sequence of float
            Shares of blocks, 0..1.
        """
        out: dict[int, dict[str, list[Window]]] = {}
        for name in names:
            for window in self._kw:
                for place in sorted(self._next((name, window), levels)):
                    out.setdefault(place, {}).setdefault(name, []).append(window)
        return dict(sorted(out.items()))

    def _next(self, key: Key, levels: Sequence[float]) -> set[int]:
        least, played = self._least[key[1]], self._means(key)
        if not played:
            return {max(place, least) for place in firm_search.BEGIN}
        asked = dict.fromkeys(p for level in levels for p in sorted(firm_search.wanted(played, level, least)))
        return set(list(asked)[: self._budget - len(played)])

    def _means(self, key: Key) -> dict[int, float]:
        return {place: float(rates.mean()) for place, rates in self._rates.get(key, {}).items()}

    def add(self, name: str, place: int, windows: Sequence[Window], rates: F8, kw: F8) -> None:
        """Keep what a controller passed: shares of blocks and awards in kW, (n,), in the order of `episodes`."""
        for window, own, award in zip(windows, _parts(rates, windows), _parts(kw, windows), strict=True):
            self._rates.setdefault((name, window), {})[place] = own
            self._kw[window][place] = float(award.mean())

    def passed(self) -> list[dict[str, Any]]:
        """Return a row for each controller, window and award, with the interval of the blocks passed."""
        rows = []
        for (name, window), by_place in self._rates.items():
            for place, rates in sorted(by_place.items()):
                found = firm_search.wilson(rates, self._days[window], self._scenario.episode.n_block)
                row = _head(name, window) | {"award_share": share_of(place), "award_kw": self._kw[window][place]}
                rows.append(row | {"pass_rate": found.value, "pass_rate_low": found.low, "pass_rate_high": found.high})
        return rows

    def awards(self, levels: Sequence[float], n_device: int, nominal_kw: float) -> list[dict[str, Any]]:
        """Return a row for each controller, window and level.

        Parameters
        ----------
        levels : sequence of float
        n_device : int
        nominal_kw : float
            Rated swing of the group.
        """
        rows = []
        for key in self._rates:
            for level in levels:
                row = _head(*key) | {"level": level} | self._award(key, level)
                per = {"firm_kw_per_1000": row["firm_kw"] * 1000 / n_device}
                rows.append(row | per | {"firm_share_of_rated": row["firm_kw"] / nominal_kw})
        return rows

    def _award(self, key: Key, level: float) -> dict[str, Any]:
        found: Found = firm_search.found(self._means(key), level, self._least[key[1]])
        low, high = firm_search.resampled(self._rates[key], self._days[key[1]], level)
        kw: dict[int | None, float] = {None: 0.0, firm_search.NONE: 0.0}
        kw.update(self._kw[key[1]].items())
        edge = high == max(self._rates[key])  # the interval ends where the play did
        return {
            "answer": found.answer,
            "award_share": 0.0 if found.most is None else share_of(found.most),
            "firm_kw": kw[found.most],
            "fails_kw": math.nan if found.fails is None else kw[found.fails],
            "firm_low_kw": kw[low],
            "firm_high_kw": math.inf if edge else kw[high],
            "least_kw": kw[found.least],
            "least_closed": found.least_closed,
            "most_played_kw": kw[max(self._rates[key])],
        }


def _head(name: str, window: Window) -> dict[str, Any]:
    return {"controller": name, "season": window[0], "start_h": window[1]}


def _parts(values: F8, windows: Sequence[Window]) -> list[F8]:
    return np.split(values, len(windows))


def _least_place(where: ScenarioAssets, season: str, start_h: int) -> int:
    """Return the least place of the lattice at which every service's award is a bid that the market takes."""
    kw = [(award_kw(where, config, season, start_h), config) for config in where.scenario.services]  # type: ignore[arg-type]
    shares = [getattr(config, "min_bid_kw", 1e-3) / award for award, config in kw if award > 0]
    if not shares:
        named = ", ".join(config.id for config in where.scenario.services)
        raise InputError(f"firm: {named} commits no power; allowed: scenarios with a service that has an award")
    return math.ceil(firm_search.PER_OCTAVE * math.log2(max(shares)) - 1e-9)


def _spread(days: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    spread: NDArray[np.int64] = days[np.arange(n) * len(days) // n]
    return spread


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

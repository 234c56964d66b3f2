"""The episode: the day, hour and fleet that a world plays, and the signals of its window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.core.text import LONGEST_VALUE, shown
from der_gym.core.units import DAY_S, HOUR_S, REFRESH_S
from der_gym.scenario.config_files import configs
from der_gym.scenario.model import Scenario
from der_gym.signals import calendar, splits
from der_gym.signals.calendar import SEASONS
from der_gym.signals.table import SignalTable
from der_gym.simulation.reference_days import AFTER_DAYS, WARM_UP_DAYS, day_kinds

Array = np.ndarray
RUN_ON_S = DAY_S  # an evaluation runs on for a day after the end
_N_STEP_AFTER = RUN_ON_S // REFRESH_S + 1


class Episode:
    """Day, start and signals of ``n_world`` worlds.

    Parameters
    ----------
    scenario : Scenario
    signals : SignalTable
    n_world, n_fleet : int
        Worlds; fleets of the reference days.

    Attributes
    ----------
    day0, start_h, fleet_no : int64 (n_world,)
        Day number of the first day; hour of the start; which fleet plays.
    kinds : int64 (n_world, n_day, 3)
        Weekend, season, storm of each day of the episode.
    window : float32 (n_world, SIGNALS.N, n_step)
        Signals every 300 s from the start.
    """

    def __init__(self, scenario: Scenario, signals: SignalTable, n_world: int, n_fleet: int) -> None:
        self.scenario, self.signals, self._n_fleet = scenario, signals, n_fleet
        self.days = self._days()
        n_step = scenario.horizon_s // REFRESH_S + _N_STEP_AFTER
        self.window = np.zeros((n_world, signals.values.shape[0], n_step), dtype=np.float32)
        self.kinds = np.zeros((n_world, AFTER_DAYS + 1, 3), dtype=np.int64)
        storms = scenario.signals.storm_share
        self._kind_of_day = day_kinds(signals.first_day, signals.last_day + 1 - signals.first_day, storms)
        self.day0, self.start_h, self.fleet_no = (np.zeros(n_world, dtype=np.int64) for _ in range(3))

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        return {f"episode.{name}": getattr(self, name) for name in ("window", "kinds", "day0", "start_h", "fleet_no")}

    def _days(self) -> Array:
        """Return the day numbers that episodes may fall on."""
        first, last = self.signals.first_day + WARM_UP_DAYS, self.signals.last_day - AFTER_DAYS
        if self.scenario.signals.start is not None:
            day = calendar.day_of(self.scenario.signals.start)
            _in_range(day, first, last)
            return np.array([day])
        rules = splits.load_splits(configs() / "splits.yaml")
        days = splits.split_days(self.scenario.split, first, last, rules)
        names = np.array(SEASONS)[calendar.season(days)]
        fits = np.isin(names, self.scenario.episode.seasons)
        if not fits.any():
            allowed = sorted(set(names.tolist()))
            raise InputError(f"episode.seasons {list(self.scenario.episode.seasons)}: no such day; allowed: {allowed}")
        if self.scenario.episode.days == "working":
            fits &= ~calendar.is_holiday(days)  # a split is of whole weeks, so some day is left
        kept: Array = days[fits]
        return kept

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise InputError for reset options that cannot be met."""
        self._option_day(options, 0)
        self._option_start(options, 0)

    def choose(self, w: int, generator: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Choose day, start and fleet of world ``w``; always the same number of draws."""
        starts = self.scenario.episode.starts_h
        day = int(self.days[generator.integers(len(self.days))])
        start_h = int(starts[generator.integers(len(starts))])
        self.fleet_no[w] = generator.integers(self._n_fleet)
        self.day0[w] = self._option_day(options, day)
        self.start_h[w] = self._option_start(options, start_h)

    def _option_day(self, options: Mapping[str, Any], day: int) -> int:
        for key in options:
            if key not in ("date", "start_h"):
                raise unknown("reset options", key, ("date", "start_h"))
        if options.get("date") is None:
            return day
        if not isinstance(options["date"], str | date):
            raise InputError(f"reset options: date {shown(options['date'])}; allowed: YYYY-MM-DD")
        chosen = calendar.day_of(str(options["date"])[:LONGEST_VALUE])
        _in_range(chosen, self.signals.first_day + WARM_UP_DAYS, self.signals.last_day - AFTER_DAYS)
        return chosen

    def _option_start(self, options: Mapping[str, Any], start_h: int) -> int:
        chosen, allowed = options.get("start_h"), self.scenario.episode.starts_h
        if chosen is None:
            return start_h
        if not isinstance(chosen, int | np.integer) or chosen not in allowed:
            raise InputError(f"reset options: start_h {shown(chosen)}; allowed: {list(allowed)}")
        return int(chosen)

    def start_abs_s(self) -> Array:
        """Return the absolute second at which each world's episode starts, int64 (n_world,)."""
        begins: Array = self.day0 * DAY_S + self.start_h * HOUR_S
        return begins

    def begin(self, mask: Array) -> None:
        """Look up the signals and the kinds of days of the worlds in ``mask``."""
        self.window[mask] = self.signals.window(self.start_abs_s()[mask], self.window.shape[2])
        self.kinds[mask] = self.kinds_of(self.day0[mask, None] + np.arange(AFTER_DAYS + 1))

    def kinds_of(self, days: Array) -> Array:
        """Return (weekend, season, storm) of day numbers, int64 (..., 3)."""
        kinds: Array = self._kind_of_day[days - self.signals.first_day]
        return kinds


def _in_range(day: int, first: int, last: int) -> None:
    if not first <= day <= last:
        low, high = calendar.date_of(first), calendar.date_of(last)
        raise InputError(
            f"date {calendar.date_of(day)}: outside what the signals allow ({WARM_UP_DAYS} days of history before, "
            f"{AFTER_DAYS} after); allowed: {low} to {high}"
        )

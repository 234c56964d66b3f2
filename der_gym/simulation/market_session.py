"""The market session: the day and window that a world plays, its award, its requests and its plan."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.core.units import BLOCK_S, DAY_S, HOUR_S, REFRESH_S, SLOT_PER_DAY
from der_gym.fleet.structure import Structure
from der_gym.scenario.config_files import configs
from der_gym.scenario.model import Scenario
from der_gym.scenario.settings import SEASONS
from der_gym.services import SERVICES
from der_gym.services.baselines.forecast import PlanForecaster
from der_gym.services.tertiary_1.settlement import REGISTERS
from der_gym.signals import calendar, request, splits
from der_gym.signals.table import SIGNALS, SignalTable
from der_gym.simulation.books import QUIET_S
from der_gym.simulation.reference_days import AFTER_DAYS, WARM_UP_DAYS, Pool, day_kinds
from der_gym.simulation.representative_fleet import Sample

Array = np.ndarray
RUN_ON_S = DAY_S  # an evaluation runs on for a day after the end
HISTORY_DAYS = 10
_N_STEP_AFTER = RUN_ON_S // REFRESH_S + 1


class MarketSession:
    """Windows, awards, requests and plans of ``n_world`` worlds.

    Parameters
    ----------
    scenario : Scenario
    structure : Structure
    signals : SignalTable
    pool : Pool
    n_world : int
    sample : Sample
        How the pool's fleet stands for this one.
    """

    def __init__(
        self, scenario: Scenario, structure: Structure, signals: SignalTable, pool: Pool, n_world: int, sample: Sample
    ) -> None:
        m = scenario.market
        self.scenario, self.structure, self.signals, self.pool = scenario, structure, signals, pool
        self.sample, self.notes = sample, list(signals.notes)  # what was done to the user's files, a line each
        self.n_block = m.n_block + m.n_block_after
        product = SERVICES[m.product]
        self.product = product(m.rules, n_world, m.n_block, self.n_block)
        self.forecaster = PlanForecaster(m.plan)
        self.days = self._days()
        self.receiving = m.rules.metering == "receiving"
        self.perfect = m.rules.plan == "perfect"
        n_leaf, n_cell = structure.n_leaf, structure.n_cell
        self.fold = np.zeros((n_cell, n_leaf))
        self.fold[np.arange(n_cell), structure.cell_leaf] = 1.0
        self.standby = np.array([structure.class_names[k] == "battery" for k in structure.cell_class])
        self.standby_leaf = self.standby @ self.fold > 0
        self.n_step = scenario.horizon_s // REFRESH_S + _N_STEP_AFTER
        self.window = np.zeros((n_world, signals.values.shape[0], self.n_step), dtype=np.float32)
        self.kinds = np.zeros((n_world, AFTER_DAYS + 1, 3), dtype=np.int64)
        storms = scenario.signals.storm_share
        self._kind_of_day = day_kinds(signals.first_day, signals.last_day + 1 - signals.first_day, storms)
        self._half_hour_means = _by_half_hour(signals.values[[SIGNALS.TEMP_C, SIGNALS.SUN_KW_M2]])
        self.day0 = np.zeros(n_world, dtype=np.int64)
        self.start_h = np.zeros(n_world, dtype=np.int64)
        self.fleet_no = np.zeros(n_world, dtype=np.int64)
        self.failed_before = np.zeros(n_world, dtype=np.int64)
        self.awarded = np.zeros((n_world, self.n_block), dtype=np.uint8)
        self.award_kw = np.zeros((n_world, self.n_block))
        self.unit_kw = np.ones(n_world)  # the episode's greatest award: the unit of the observation
        self.base_kw = np.zeros((n_world, self.n_block, n_leaf))
        self.plan_leaf_kw = np.zeros((n_world, self.n_block, n_leaf))
        self.house_kw = np.zeros((n_world, self.n_block))
        self.plan_kw = np.zeros((n_world, self.n_block))
        self.perfect_kw = np.zeros((n_world, self.n_block * (BLOCK_S // 60) if self.perfect else 1))
        self.quiet_since_s = np.zeros((n_world, n_leaf))
        self.seen_sum = np.zeros((n_world, n_leaf))
        self.seen_n = np.zeros(n_world)
        self.asked_kwh = np.zeros(n_world)  # what messages asked of the leaves, for settlement outside the award
        self.registers = np.zeros((n_world, len(REGISTERS)))

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        names = [
            "window",
            "kinds",
            "day0",
            "start_h",
            "fleet_no",
            "failed_before",
            "awarded",
            "award_kw",
            "unit_kw",
            "base_kw",
            "plan_leaf_kw",
            "house_kw",
            "plan_kw",
            "perfect_kw",
            "quiet_since_s",
            "seen_sum",
            "seen_n",
            "asked_kwh",
            "registers",
        ]
        own = {f"market.{name}": getattr(self, name) for name in names}
        return own | {f"product.{name}": array for name, array in self.product.arrays().items()}

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
        kept: Array = days[np.isin(names, self.scenario.market.seasons)]
        if not len(kept):
            allowed = sorted(set(names.tolist()))
            raise InputError(f"market.seasons {list(self.scenario.market.seasons)}: no such day; allowed: {allowed}")
        return kept

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise InputError for reset options that cannot be met."""
        self._option_day(options, 0)
        self._option_start(options, 0)

    def choose(self, w: int, generator: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Choose day, start, fleet and failures before of world ``w``; always the same number of draws."""
        m = self.scenario.market
        day = int(self.days[generator.integers(len(self.days))])
        start_h = int(m.starts_h[generator.integers(len(m.starts_h))])
        self.fleet_no[w] = generator.integers(len(self.pool.keys))
        self.failed_before[w] = generator.integers(m.failed_before_max + 1)
        self.day0[w] = self._option_day(options, day)
        self.start_h[w] = self._option_start(options, start_h)

    def _option_day(self, options: Mapping[str, Any], day: int) -> int:
        for key in options:
            if key not in ("date", "start_h"):
                raise unknown("reset options", key, ("date", "start_h"))
        if options.get("date") is None:
            return day
        chosen = calendar.day_of(str(options["date"]))
        _in_range(chosen, self.signals.first_day + WARM_UP_DAYS, self.signals.last_day - AFTER_DAYS)
        return chosen

    def _option_start(self, options: Mapping[str, Any], start_h: int) -> int:
        chosen = options.get("start_h")
        if chosen is None:
            return start_h
        if chosen not in self.scenario.market.starts_h:
            raise InputError(f"reset options: start_h {chosen!r}; allowed: {list(self.scenario.market.starts_h)}")
        return int(chosen)

    def start_abs_s(self) -> Array:
        """Return the absolute second at which each world's episode starts, int64 (n_world,)."""
        begins: Array = self.day0 * DAY_S + self.start_h * HOUR_S
        return begins

    def begin(self, mask: Array, generators: list[np.random.Generator]) -> None:
        """Draw awards and requests, look up the signals and forecast the plan for the worlds in ``mask``."""
        which = np.flatnonzero(mask)
        abs_s = self.start_abs_s()
        self.window[mask] = self.signals.window(abs_s[mask], self.n_step)
        self.kinds[which] = self._kinds(self.day0[which, None] + np.arange(AFTER_DAYS + 1))
        for w in which:
            self._award(int(w))
        request_kw = np.zeros_like(self.product.request_kw)
        request_kw[mask] = self._requests(which, generators)
        imbalance = self.window[:, SIGNALS.IMBALANCE_YEN, : self.n_block * 6 : 6].astype(np.float64)
        self.product.begin(
            mask,
            self.award_kw,
            request_kw,
            imbalance,
            first_slot=self.start_h * 2,
            failed_before=self.failed_before,
            n_unit=np.full(len(mask), self.structure.n_device, dtype=np.int64),
        )
        self._forecast(which)
        self.quiet_since_s[mask], self.seen_sum[mask], self.seen_n[mask] = -QUIET_S, 0.0, 0.0
        self.asked_kwh[mask], self.registers[mask] = 0.0, 0.0

    def _kinds(self, days: Array) -> Array:
        """Return (weekend, season, storm) of day numbers, int64 (..., 3)."""
        kinds: Array = self._kind_of_day[days - self.signals.first_day]
        return kinds

    def _award(self, w: int) -> None:
        m = self.scenario.market
        season = SEASONS[self.kinds[w, 0, 1]]
        if m.award_kw is not None:
            award = m.award_kw
        else:
            table = m.award_table_kw.get(season) or next(iter(m.award_table_kw.values()))
            award = table[int(self.start_h[w])] * self.structure.n_device / 1000.0 * m.award_share
        self.award_kw[w] = 0.0
        self.award_kw[w, : m.n_block] = award
        self.awarded[w] = self.award_kw[w] > 0
        self.unit_kw[w] = award

    def _requests(self, which: Array, generators: list[np.random.Generator]) -> Array:
        m = self.scenario.market
        award = self.award_kw[which]
        if self.scenario.signals.request is not None:
            return self._own_request(which)
        if m.rules.signal == "simple":
            return request.simple_request(award, m.request, generators)
        residual = self.window[which, SIGNALS.RESIDUAL, : self.n_block * 6]
        return request.edc_request(residual, award, m.request, generators)

    def _own_request(self, which: Array) -> Array:
        own = request.load_request(str(self.scenario.signals.request), self.scenario.signals.request_sign)
        out = own.window(self.start_abs_s()[which], self.n_block * 6)
        limit = np.repeat(self.award_kw[which], 6, axis=1)
        cut, note = request.cut_to_award(str(self.scenario.signals.request), out, limit)
        if note and note not in self.notes:
            self.notes.append(note)
            warnings.warn(note, stacklevel=2)
        return cut

    def _forecast(self, which: Array) -> None:
        """Forecast every block from the ten days before; blocks 0 and 1 are frozen already when the window opens."""
        at = self.day0[which] - self.pool.first_day
        days = at[:, None] - np.arange(HISTORY_DAYS, 0, -1)
        power = self.pool.power_kw[self.fleet_no[which][:, None], days]  # of the sample; what follows is linear in it
        n_cell = self.structure.n_cell
        past = self._half_hour_means[days]
        kind = self._kinds(days + self.pool.first_day)[..., 0].astype(bool)
        first = self.start_h[which] * 2
        step = slice(0, self.n_block * 6)
        temp = _half_hours(self.window[which, SIGNALS.TEMP_FORECAST_C, step])
        base = self.forecaster.base(
            power, kind, self.kinds[which, 0, 0].astype(bool), first, self.n_block, past[:, :, :, 0], temp
        )
        base *= self.sample.scale
        awarded = self.awarded[which].astype(bool)
        cells = np.where(awarded[:, :, None] & self.standby, 0.0, base[:, :, :n_cell])
        self.base_kw[which] = cells @ self.fold
        self.plan_leaf_kw[which] = self.base_kw[which]
        self.house_kw[which] = 0.0
        if self.receiving:
            sun = _half_hours(self.window[which, SIGNALS.SUN_FORECAST_KW_M2, step])
            pv_kw = power[..., -1].sum(axis=(1, 2), dtype=np.float64) * self.sample.scale[-1]
            ratio = pv_kw / np.maximum(past[..., 1].sum(axis=(1, 2)), 1e-6)
            self.house_kw[which] = base[:, :, n_cell] - ratio[:, None] * sun
        self.plan_kw[which] = self.plan_leaf_kw[which].sum(axis=2) + self.house_kw[which]


def _by_half_hour(values: Array) -> Array:
    """Return half-hour means of signals (n, n_step) by day, float64 (n_day, 48, n)."""
    per_day = DAY_S // REFRESH_S
    shaped = values[:, : (values.shape[1] // per_day) * per_day].reshape(len(values), -1, SLOT_PER_DAY, 6)
    means: Array = np.moveaxis(shaped.mean(axis=3), 0, -1).astype(np.float64)
    return means


def _half_hours(series: Array) -> Array:
    means: Array = series.reshape(series.shape[0], -1, 6).mean(axis=2).astype(np.float64)
    return means


def _in_range(day: int, first: int, last: int) -> None:
    if not first <= day <= last:
        low, high = calendar.date_of(first), calendar.date_of(last)
        raise InputError(
            f"date {calendar.date_of(day)}: outside what the signals allow ({WARM_UP_DAYS} days of history before, "
            f"{AFTER_DAYS} after); allowed: {low} to {high}"
        )

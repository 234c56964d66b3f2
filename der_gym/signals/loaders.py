"""One table from a user's own files; what is not given is synthesised for the same dates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S
from der_gym.signals.calendar import date_of
from der_gym.signals.demand import read_net_load, residual_of
from der_gym.signals.grid import Series
from der_gym.signals.jepx import read_spot
from der_gym.signals.jma import STATIONS, irradiance_steps, read_weather, temperature_steps
from der_gym.signals.prices import synthetic_imbalance_yen
from der_gym.signals.series import BURN_DAYS, F8
from der_gym.signals.synthetic import SyntheticConfig, rounded, synthesise
from der_gym.signals.table import SIGNALS, STEP_PER_DAY, STEP_S, SignalTable
from der_gym.signals.weather import Weather, forecasts, mains_c


class GapLimits(BaseModel):
    """Longest gaps that are filled linearly, s; longer ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    price_gap_s: int = Field(0, ge=0, le=86_400, description="[A] a published price has no gaps")
    demand_gap_s: int = Field(1800, ge=0, le=86_400, description="[A]")
    weather_gap_s: int = Field(3 * 3600, ge=0, le=86_400, description="[A]")


def load_signals(
    *,
    prices: str | Path | None = None,
    demand: str | Path | None = None,
    weather: str | Path | None = None,
    area: str = "tokyo",
    station: str = "tokyo",
    base: SyntheticConfig | None = None,
    limits: GapLimits | None = None,
) -> SignalTable:
    """Return the table over the days that all given files cover, the rest synthesised for the same days.

    Prices give SPOT_YEN (imbalance = spot + synthetic noise); demand gives RESIDUAL; weather gives temperature,
    irradiance, water mains, and forecasts as truth plus synthetic error. ``notes`` of the table tell each file's span
    and what was filled. With no file at all this is ``synthesise(base)``.

    Parameters
    ----------
    prices : path, optional
        JEPX spot summary, see ``read_spot``.
    demand : path, optional
        Area demand and PV, see ``read_net_load``.
    weather : path, optional
        JMA hourly values, see ``read_weather``.
    area, station : str
        Price area and weather station.
    base : SyntheticConfig, optional
        What is synthesised, and the forecast's errors. With ``weather`` its place is the station's.
    limits : GapLimits, optional

    Raises
    ------
    InputError
        Where a file cannot be used or the files share no day.
    """
    config, gaps = base or SyntheticConfig(), limits or GapLimits()
    spot = read_spot(prices, area, gaps.price_gap_s) if prices is not None else None
    net = read_net_load(demand, gaps.demand_gap_s) if demand is not None else None
    air = read_weather(weather, station, gaps.weather_gap_s) if weather is not None else None
    given = [series for series in (spot, net, *(air or ())) if series is not None]
    if not given:
        return synthesise(config)
    if air is not None:
        place = STATIONS[station]
        config = config.model_copy(update={"latitude_deg": place.latitude_deg, "longitude_deg": place.longitude_deg})
    first, last = _overlap(given)
    table = synthesise(config, first, last)
    rows = table.values.astype(np.float64)
    if spot is not None:
        rows[SIGNALS.SPOT_YEN], rows[SIGNALS.IMBALANCE_YEN] = _price_rows(config, spot, first, last)
    if net is not None:
        rows[SIGNALS.RESIDUAL] = _cut(residual_of(net), net, first, last)
    if air is not None:
        _put_weather(rows, config, air, first, last)
    return SignalTable(table.start_abs_s, rounded(rows), tuple(series.note for series in given))


def _overlap(given: list[Series]) -> tuple[int, int]:
    first, last = max(series.first_day for series in given), min(series.last_day for series in given)
    if first > last:
        spans = "; ".join(f"{s.path}: {date_of(s.first_day)} .. {date_of(s.last_day)}" for s in given)
        raise InputError(f"the files share no day: {spans}; allowed: files that overlap")
    return first, last


def _cut(steps: F8, series: Series, first_day: int, last_day: int) -> F8:
    """Return the 5-minute steps of ``first_day`` .. ``last_day`` from those of the series' own days."""
    return steps[(first_day - series.first_day) * STEP_PER_DAY : (last_day + 1 - series.first_day) * STEP_PER_DAY]


def _with_memory(first_day: int, last_day: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the days with those before them in which random series forget their start."""
    return np.arange(first_day - BURN_DAYS, last_day + 1, dtype=np.int64)


def _price_rows(config: SyntheticConfig, spot: Series, first_day: int, last_day: int) -> tuple[F8, F8]:
    """Return spot and imbalance price per step."""
    price = spot.days(first_day, last_day).reshape(-1, 48)
    days = _with_memory(first_day, last_day)
    before = np.full((BURN_DAYS, 48), price.mean())
    imbalance = synthetic_imbalance_yen(config, days, np.concatenate([before, price]))[BURN_DAYS:]
    return np.repeat(price.ravel(), BLOCK_S // STEP_S), np.repeat(imbalance.ravel(), BLOCK_S // STEP_S)


def _put_weather(rows: F8, config: SyntheticConfig, air: tuple[Series, Series], first_day: int, last_day: int) -> None:
    """Write the five weather rows."""
    temp, sun = air
    temp_c = temperature_steps(temp)
    sun_kw_m2 = irradiance_steps(sun, config.latitude_deg, config.longitude_deg)
    rows[SIGNALS.MAINS_C] = _cut(mains_c(config, temp_c), temp, first_day, last_day)
    rows[SIGNALS.TEMP_C] = _cut(temp_c, temp, first_day, last_day)
    rows[SIGNALS.SUN_KW_M2] = _cut(sun_kw_m2, sun, first_day, last_day)
    before = np.zeros(BURN_DAYS * STEP_PER_DAY)
    truth = Weather(np.concatenate([before, rows[SIGNALS.TEMP_C]]), np.concatenate([before, rows[SIGNALS.SUN_KW_M2]]))
    known = forecasts(config, _with_memory(first_day, last_day), truth)
    rows[SIGNALS.TEMP_FORECAST_C], rows[SIGNALS.SUN_FORECAST_KW_M2] = (
        known.temp_c[before.size :],
        known.sun_kw_m2[before.size :],
    )

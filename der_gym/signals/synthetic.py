"""The synthetic table: all series for any range of dates, from settings alone."""

from __future__ import annotations

import hashlib

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.engine import closure, kept_arrays
from der_gym.signals.calendar import N_DAY, date_of, day_of
from der_gym.signals.prices import synthetic_imbalance_yen, synthetic_spot_yen
from der_gym.signals.series import BURN_DAYS, F8, ar1, decay, normals
from der_gym.signals.synthetic_config import SyntheticConfig
from der_gym.signals.table import F4, SIGNALS, STEP_PER_DAY, STEP_S, SignalTable
from der_gym.signals.weather import Weather, forecasts, mains_c, sunny_days, synthetic_weather

__all__ = ["FIRST_DAY", "LAST_DAY", "SyntheticConfig", "synthesise"]

_NEXT_DAYS = 1  # an afternoon leans towards the next day
FIRST_DAY, LAST_DAY = BURN_DAYS, N_DAY - 1 - _NEXT_DAYS  # of all tables
_DECIMALS = 4  # the last bits of a library's exponential must not show in the table


def synthesise(config: SyntheticConfig, first_day: int | None = None, last_day: int | None = None) -> SignalTable:
    """Return the synthetic table of whole days.

    A date's values depend on ``config`` alone, not on the range asked for (beyond 1e-3: the memory of the series is
    forgotten over ``BURN_DAYS``).

    Parameters
    ----------
    config : SyntheticConfig
    first_day, last_day : int, optional
        Day numbers, both included. Without them: ``first_date - warmup_days`` .. ``last_date + after_days``.

    Raises
    ------
    InputError
        Where the range is empty or leaves 2001-2099.
    """
    first = day_of(config.first_date) - config.warmup_days if first_day is None else first_day
    last = day_of(config.last_date) + config.after_days if last_day is None else last_day
    if not FIRST_DAY <= first <= last <= LAST_DAY:
        told, allowed = (f"{date_of(a)} to {date_of(b)}" for a, b in ((first, last), (FIRST_DAY, LAST_DAY)))
        raise InputError(f"signals: {told}; allowed: dates in order, {allowed}")
    return SignalTable(first * DAY_S, _values(config, first, last))


def _values(config: SyntheticConfig, first: int, last: int) -> F4:
    """Return the table's values, as they were kept on disk or made now: that takes a tenth of a warm start."""
    text = f"{closure.key([__name__])} {config.model_dump_json()} {first} {last}"
    name = f"signals-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    like = np.broadcast_to(np.float32(0), (SIGNALS.N, (last - first + 1) * STEP_PER_DAY))
    kept = kept_arrays.load(name, {"values": like})
    if kept is not None:
        return kept["values"]
    days = np.arange(first - BURN_DAYS, last + 1 + _NEXT_DAYS, dtype=np.int64)
    values = rounded(_rows(config, days)[:, BURN_DAYS * STEP_PER_DAY : -_NEXT_DAYS * STEP_PER_DAY])
    kept_arrays.keep(name, {"values": values}, "the signals are made anew")
    return values


def rounded(rows: F8) -> F4:
    """Return float32 values at the table's resolution of 1e-4."""
    return np.round(rows, _DECIMALS).astype(np.float32)


def synthetic_residual(config: SyntheticConfig, days: np.ndarray[tuple[int], np.dtype[np.int64]]) -> F8:
    """Return the normalised net-load residual: an AR(1) of unit variance and memory ``residual_tau_s``.

    Known error: measured residuals (TEPCO 2024 [C]) have heavier tails (kurtosis 4.2) and a daily pattern of about a
    quarter of their variance (08 h, 12-13 h, 22 h).

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    """
    return ar1(normals(config.seed, "signals.residual", days, STEP_PER_DAY), decay(STEP_S, config.residual_tau_s))


def _rows(config: SyntheticConfig, days: np.ndarray[tuple[int], np.dtype[np.int64]]) -> F8:
    """Return all columns in the order of ``COLUMNS`` (N_COLUMN, n_step)."""
    weather: Weather = synthetic_weather(config, days)
    known = forecasts(config, days, weather)
    spot = synthetic_spot_yen(config, days, sunny_days(config, days))
    imbalance = synthetic_imbalance_yen(config, days, spot)
    mains = mains_c(config, weather.temp_c)
    prices = [np.repeat(price.ravel(), 6) for price in (spot, imbalance)]
    ours = [weather.temp_c, weather.sun_kw_m2, known.temp_c, known.sun_kw_m2, mains]
    return np.array([*ours, *prices, synthetic_residual(config, days)])

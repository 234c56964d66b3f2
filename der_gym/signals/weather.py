"""Synthetic weather of one place: temperature, irradiance, their forecasts, water mains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from der_gym.core.units import DAY_S
from der_gym.signals.series import F8, ar1, decay, moving_mean, normals, trailing_mean
from der_gym.signals.sun import clear_sky_kw_m2
from der_gym.signals.synthetic_config import SyntheticConfig
from der_gym.signals.table import STEP_PER_DAY, STEP_S

Days = npt.NDArray[np.int64]

# Fitted to JMA Tokyo, hourly, 2024 [C]. Clearness = irradiance over the clear sky's: low + span * logistic(y), y a
# daily and a 5-min AR(1). Measured / fitted: mean of the day .68 / .68, sd .30 / .28, lag-1 .33 / .34; within the
# day hourly sd .165 / .164, lag-1 .56 / .56.
_CLEAR_LOW, _CLEAR_SPAN = 0.03, 1.07
_CLEAR_MEAN, _CLEAR_WINTER, _CLEAR_DAY_SD, _CLEAR_DAY_PHI = 0.70, 0.65, 1.55, 0.40
_CLEAR_STEP_SD, _CLEAR_STEP_TAU_S, _CLEAR_TYPICAL = 1.35, 8000.0, 0.68
# Daily course of the temperature, K: cos and sin of one and two turns a day; the second row per unit of clearness.
_COURSE = np.array([[-2.161, -1.619, 0.772, 0.234], [-2.807, -2.720, 1.264, 0.0]])
# Yearly wave: phase of the warmest day; second harmonic over the first.
_WARMEST_DAY, _SECOND = 209.0, np.array([-0.0892, 0.0692])
# Nodes at noon with this lag-1, joined by straight lines, give daily means of lag-1 0.60 and 0.861 times the sd.
_NODE_PHI, _NODE_SD = 0.42, 0.869
_HOUR_TAU_S = 6 * 3600.0
_YEAR_DAYS = 365.2425
_MAINS_DAYS = 7
_FORECAST_MEAN_STEPS = 13  # a forecaster knows the hour's cloud, not each one's


@dataclass(frozen=True)
class Weather:
    """Series of 5-min means; each (n_step,) float64."""

    temp_c: F8
    sun_kw_m2: F8


def synthetic_weather(config: SyntheticConfig, days: Days) -> Weather:
    """Return temperature and irradiance over whole consecutive ``days``; the first days still lack memory.

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    """
    clear = clear_of(config, days)
    daily = _daily_logit(config, days)
    noise = normals(config.seed, "signals.clearness.step", days, STEP_PER_DAY)
    steps = _CLEAR_STEP_SD * ar1(noise, decay(STEP_S, _CLEAR_STEP_TAU_S))
    clearness = _CLEAR_LOW + _CLEAR_SPAN / (1.0 + np.exp(-(np.repeat(daily, STEP_PER_DAY) + steps)))
    by_day = _CLEAR_LOW + _CLEAR_SPAN / (1.0 + np.exp(-daily))
    return Weather(_temperature(config, days, by_day), clear * clearness)


def sunny_days(config: SyntheticConfig, days: Days) -> npt.NDArray[np.bool_]:
    """Return the days whose daily clearness is above its median for the season: those on which PV floods the market.

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    """
    return np.asarray(_daily_logit(config, days) > _season_logit(config, days), np.bool_)


def clear_of(config: SyntheticConfig, days: Days) -> F8:
    """Return the clear sky's irradiance at the middle of each step, kW/m2.

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    """
    middle = (days[:, None] * DAY_S + np.arange(STEP_PER_DAY) * STEP_S + STEP_S / 2).ravel()
    return clear_sky_kw_m2(middle, config.latitude_deg, config.longitude_deg)


def forecasts(config: SyntheticConfig, days: Days, weather: Weather) -> Weather:
    """Return the forecast of some hours before: temperature plus an AR(1) error, the hour's irradiance times one.

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    weather : Weather
        What will happen on these days.
    """
    temp_error = _error(config.seed, "signals.forecast.temp", days, config.forecast_temp_tau_h)
    sun_error = _error(config.seed, "signals.forecast.sun", days, config.forecast_sun_tau_h)
    clear = clear_of(config, days)
    hour_clear = moving_mean(clear, _FORECAST_MEAN_STEPS)
    clearness = moving_mean(weather.sun_kw_m2, _FORECAST_MEAN_STEPS) / np.maximum(hour_clear, 1e-9)
    sun = np.where(clear > 0.0, clear * clearness * (1.0 + config.forecast_sun_sd * sun_error), 0.0)
    return Weather(weather.temp_c + config.forecast_temp_sd_k * temp_error, np.maximum(sun, 0.0))


def mains_c(config: SyntheticConfig, temp_c: F8) -> F8:
    """Return the water mains: yearly mean + gain * (mean of the last 7 days' air - yearly mean of the air) [A].

    Parameters
    ----------
    config : SyntheticConfig
    temp_c : float64 (n_step,)
        Air in steps of 300 s, degC.
    """
    past = trailing_mean(temp_c, _MAINS_DAYS * STEP_PER_DAY)
    return np.asarray(config.mains_mean_c + config.mains_gain * (past - config.temp_mean_c), np.float64)


def _error(seed: int, name: str, days: Days, tau_h: float) -> F8:
    return ar1(normals(seed, name, days, STEP_PER_DAY), decay(STEP_S, tau_h * 3600.0))


def _season_logit(config: SyntheticConfig, days: Days) -> F8:
    """Return the clearness logit's mean: sunny winters, cloudy early summers of the Pacific side."""
    winter = np.cos(2.0 * np.pi * days / _YEAR_DAYS)
    return np.asarray(_CLEAR_MEAN + config.clearness_shift + _CLEAR_WINTER * winter, np.float64)


def _daily_logit(config: SyntheticConfig, days: Days) -> F8:
    """Return the clearness logit of each day (n_day,)."""
    luck = ar1(normals(config.seed, "signals.clearness.day", days, 1), _CLEAR_DAY_PHI)
    return np.asarray(_season_logit(config, days) + _CLEAR_DAY_SD * luck, np.float64)


def _temperature(config: SyntheticConfig, days: Days, clearness: F8) -> F8:
    """Return yearly wave + daily course (wider under a clear sky) + daily anomaly + what is left of the hour."""
    noon = np.arange(days.size) + 0.5
    at = (np.arange(days.size * STEP_PER_DAY) + 0.5) / STEP_PER_DAY
    anomaly = ar1(normals(config.seed, "signals.temp.day", days, 1), _NODE_PHI) * config.temp_daily_sd_k / _NODE_SD
    hour = ar1(normals(config.seed, "signals.temp.step", days, STEP_PER_DAY), decay(STEP_S, _HOUR_TAU_S))
    weights = np.array([np.ones(at.size), np.interp(at, noon, clearness) - _CLEAR_TYPICAL])
    year = np.repeat(config.temp_mean_c + config.temp_annual_k * _year_wave(days), STEP_PER_DAY)
    rest = np.interp(at, noon, anomaly) + config.temp_hour_sd_k * hour
    return np.asarray(year + (_course(days.size) * weights).sum(axis=0) + rest, np.float64)


def _year_wave(days: Days) -> F8:
    angle = 2.0 * np.pi * days / _YEAR_DAYS
    first = np.cos(angle - 2.0 * np.pi * _WARMEST_DAY / _YEAR_DAYS)
    return np.asarray(first + _SECOND[0] * np.cos(2.0 * angle) + _SECOND[1] * np.sin(2.0 * angle), np.float64)


def _course(n_day: int) -> F8:
    """Return the two rows of the daily course, K (2, n_step)."""
    turn = 2.0 * np.pi * (np.arange(STEP_PER_DAY) + 0.5) / STEP_PER_DAY
    waves = np.array([np.cos(turn), np.sin(turn), np.cos(2.0 * turn), np.sin(2.0 * turn)])
    return np.asarray(np.tile((_COURSE[:, :, None] * waves).sum(axis=1), (1, n_day)), np.float64)

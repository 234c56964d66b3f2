"""Synthetic day-ahead and imbalance prices, one value per half hour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from der_gym.core.units import SLOT_PER_DAY
from der_gym.signals.calendar import is_holiday, year_month_day
from der_gym.signals.series import F8, ar1, normals, uniforms
from der_gym.signals.synthetic_config import SyntheticConfig

Days = npt.NDArray[np.int64]

FLOOR_YEN = 0.01  # JEPX: least price and tick
# JEPX Tokyo FY2024, mean of each hour, yen/kWh [C].
_MORNING_YEN = [12.9, 12.5, 12.4, 12.4, 12.6, 12.8, 13.1, 12.8, 12.3, 12.6, 11.7, 11.5]
_EVENING_YEN = [10.7, 12.2, 13.3, 14.8, 16.6, 17.5, 17.8, 17.2, 16.1, 14.8, 14.3, 13.1]
_HOUR_YEN = np.array([*_MORNING_YEN, *_EVENING_YEN])
_OFF_SHARE = 0.33  # of Saturdays, Sundays and holidays in a year
# Residual after daily mean and profile: part of its variance is an AR(1) over half hours, the rest one that also
# returns a day later. Correlations with one half hour and one day before: .88 and .44 measured [C], .87 and .43 here.
_SLOT_PHI, _DAY_PHI, _DAY_SHARE = 0.97, 0.88, 0.72
_SLOT_SD = 0.56  # of that residual once each day's own mean is taken out
# PV gluts: FY2023 Tokyo [C] had them on 11 % of days, nearly all in these months and sunny, 8.8 half hours around
# 11:45-12:00. A glut is a run of half hours around noon whose half width is uniform in 0..9 half hours.
_GLUT_MONTHS = (3, 4, 5, 10)
_GLUT_CENTRE, _GLUT_HALF_SLOTS = 23.0, 9.0
_GLUT_MONTH_SHARE, _SUNNY_SHARE = 123 / 365, 0.5
# Imbalance - spot is shift + body * x + scarcity * max(0, x - 2.5), x a normal AR(1): fitted so that mean, sd and the
# distance p5..p95 (13.4 yen) are FY2025's [S] once prices below zero are cut; its p5 is -7.6 (-7.7), p95 5.9 (5.7).
_BODY_YEN, _SCARCITY_YEN, _SCARCITY_FROM, _SHIFT_YEN, _FITTED_SD_YEN = 4.14, 60.9, 2.5, -0.15, 4.93


def synthetic_spot_yen(config: SyntheticConfig, days: Days, sunny: npt.NDArray[np.bool_]) -> F8:
    """Return the day-ahead price (n_day, 48), yen/kWh, rounded to the tick; ``sunny`` (n_day,) are days fit for gluts.

    ``max(0.01, daily mean + hour profile + residual)``, and 0.01 during PV gluts.

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    sunny : bool (n_day,)
    """
    price = _daily_mean(config, days)[:, None] + _profile(config) + _slot_residual(config, days)
    price = np.where(_glut(config, days, sunny), FLOOR_YEN, price)
    return np.asarray(np.maximum(np.round(price, 2), FLOOR_YEN), np.float64)


def synthetic_imbalance_yen(config: SyntheticConfig, days: Days, spot_yen: F8) -> F8:
    """Return the imbalance price (n_day, 48), yen/kWh: spot plus noise, at least 0, and 0 while spot is at its floor.

    Known error: dear half hours (0.6 % of them) come by chance, not from the reserve margin, the weather or the
    reserve called.

    Parameters
    ----------
    config : SyntheticConfig
    days : int64 (n_day,)
        Day numbers since 2000-01-01, consecutive.
    spot_yen : float64 (n_day, 48)
        Day-ahead price, yen/kWh.
    """
    x = ar1(normals(config.seed, "signals.imbalance", days, SLOT_PER_DAY), config.imbalance_phi).reshape(spot_yen.shape)
    noise = _SHIFT_YEN + _BODY_YEN * x + _SCARCITY_YEN * np.maximum(x - _SCARCITY_FROM, 0.0)
    price = spot_yen + config.imbalance_mean_yen + noise * (config.imbalance_sd_yen / _FITTED_SD_YEN)
    price = np.maximum(np.round(price, 2), 0.0)
    return np.asarray(np.where(spot_yen <= FLOOR_YEN, 0.0, price), np.float64)


def _daily_mean(config: SyntheticConfig, days: Days) -> F8:
    """Return the daily mean (n_day,): level + half-yearly wave + off days + AR(1); the sum has the stated sd."""
    wave = config.price_seasonal_yen * np.cos(4.0 * np.pi * (days - 30) / 365.2425)  # dear in winter and summer
    off = config.price_off_day_yen * (is_holiday(days) - _OFF_SHARE)
    known = config.price_seasonal_yen**2 / 2 + config.price_off_day_yen**2 * _OFF_SHARE * (1 - _OFF_SHARE)
    sd = np.sqrt(max(config.price_daily_sd_yen**2 - known, 0.0))
    luck = ar1(normals(config.seed, "signals.price.day", days, 1), config.price_daily_phi)
    return np.asarray(config.price_mean_yen + wave + off + sd * luck, np.float64)


def _profile(config: SyntheticConfig) -> F8:
    """Return the profile (48,) around the daily mean, raised where gluts will take away, so that the mean is kept."""
    yen = np.repeat(_HOUR_YEN, 2)
    distance = np.abs(np.arange(SLOT_PER_DAY) - _GLUT_CENTRE)
    lost = _glut_per_day(config) * np.maximum(1.0 - distance / _GLUT_HALF_SLOTS, 0.0)
    return np.asarray(yen / (1.0 - lost) - yen.mean(), np.float64)


def _glut_per_day(config: SyntheticConfig) -> float:
    """Return the share of all days with a glut that gives the share of half hours."""
    return config.glut_share * SLOT_PER_DAY / _GLUT_HALF_SLOTS


def _slot_residual(config: SyntheticConfig, days: Days) -> F8:
    """Return the residual after daily mean and profile (n_day, 48), with zero mean each day."""
    shape = (days.size, SLOT_PER_DAY)
    own = ar1(normals(config.seed, "signals.price.slot", days, SLOT_PER_DAY), _SLOT_PHI).reshape(shape)
    shared = ar1(normals(config.seed, "signals.price.repeat", days, SLOT_PER_DAY), _SLOT_PHI).reshape(shape)
    for day in range(1, days.size):
        shared[day] = _DAY_PHI * shared[day - 1] + np.sqrt(1.0 - _DAY_PHI**2) * shared[day]
    mixed = np.sqrt(1.0 - _DAY_SHARE) * own + np.sqrt(_DAY_SHARE) * shared
    left = mixed - mixed.mean(axis=1, keepdims=True)
    return np.asarray(left * config.price_slot_sd_yen / _SLOT_SD, np.float64)


def _glut(config: SyntheticConfig, days: Days, sunny: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the half hours (n_day, 48) at the floor because PV meets the demand."""
    _, month, _ = year_month_day(days)
    luck = uniforms(config.seed, "signals.price.glut", days, 2)
    per_sunny_day = _glut_per_day(config) / _GLUT_MONTH_SHARE / _SUNNY_SHARE
    hit = np.isin(month, _GLUT_MONTHS) & sunny & (luck[:, 0] < per_sunny_day)
    distance = np.abs(np.arange(SLOT_PER_DAY) - _GLUT_CENTRE)
    return np.asarray(hit[:, None] & (distance < luck[:, 1:] * _GLUT_HALF_SLOTS), np.bool_)

"""What is drawn about an EcoCute: the home and its machine once, the hot water of each day and of each 15 minutes.

Every draw has an address: what the home is belongs to the fleet's key; its luck to the world's key, the device's uid
and the day or slot. So the same home uses the same water at every tick length and beside any other devices.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.ecocute.config import CAPACITY_KW, CFG, CLASSES, HOURS, N_PERSONS, N_SORT, SLOTS
from der_gym.devices.ecocute.physics import (  # fmt: skip
    HALF,
    HOUR_S,
    ONE,
    WATER,
    ZERO,
    boil_target,
    heat_pump,
    input_kw,
    water_kwh,
)
from der_gym.engine.compile import scalar
from der_gym.numerics import approx, rng
from der_gym.numerics.approx import clip

_HOME, _DAY, _SLOT = rng.stream("ecocute.home"), rng.stream("ecocute.day"), rng.stream("ecocute.slot")
_D0, _D1 = np.uint32(0), np.uint32(1)
_N_CLASS = len(CLASSES)
_INPUT = np.array([row[:3] for row in CLASSES], np.float32)  # kW at 25, 16, 7 degC
_COP_25, _COP_16, _COP_7 = (np.float32(CAPACITY_KW) / _INPUT).astype(np.float32).T.copy()
_COP_2 = np.array([row[3] for row in CLASSES], np.float32)
_DEFROST = np.array([row[4] / row[3] for row in CLASSES], np.float32)
_SLOPE = np.array([row[5] for row in CLASSES], np.float32)
_BASE = np.array([row[6] for row in CLASSES], np.float32)
_MID_BOIL_C, _WATT = np.float32(65.0), np.float32(1000.0)
_SUMMER_C, _MID_C, _WINTER_C = np.float32(25.0), np.float32(16.0), np.float32(7.0)
_SUMMER, _WINTER = np.float32(1.0), np.float32(2.0)
_MODE_1, _MODE_2 = np.float32(0.94), np.float32(0.90)  # practice over test, first and second mode [V]
_MODE_PER_K, _MODE_FROM_C = np.float32(0.005), np.float32(75.0)
_WEEKDAY_SHARE, _WEEKEND_SHARE = np.float32(5.0 / 7.0), np.float32(2.0 / 7.0)
_LEAST_OTHER = np.float32(0.15)  # of a day's hot water is not the bath, even on a day with little
_PER_HOUR = np.float32(4.0)  # slots
_BATH_FIRST_H, _BATH_LAST_H = np.float32(12.0), np.float32(22.75)  # so that showers end before midnight
_ONE_PERSON, _TWO_PERSONS, _THREE_PERSONS, _FOUR_PERSONS = (np.float32(N_SORT * k) for k in range(1, 5))
_LAST_SLOT, _LAST_HOUR, _TINY = np.float32(SLOTS - 1), np.float32(HOURS - 1), np.float32(1e-6)


@scalar
def pick(cfg, start, n, u):  # type: ignore[no-untyped-def]
    """Return how many of the ``n`` cumulative shares from ``cfg[start]`` lie below ``u``, at most n - 1."""
    k = 0
    for j in range(n - 1):
        k += 1 if u > cfg[start + j] else 0
    return k


@scalar
def between(cfg, start, u):  # type: ignore[no-untyped-def]
    """Return the uniform draw between ``cfg[start]`` and the next entry."""
    return cfg[start] + (cfg[start + 1] - cfg[start]) * u


@scalar
def by_day(sort):  # type: ignore[no-untyped-def]
    """Return whether a home of this SORT boils by day."""
    return sort < ZERO


@scalar
def by_home(sort, one, two, three, four, five):  # type: ignore[no-untyped-def]
    """Return the value of a home of this SORT from those of one to five persons."""
    home = abs(sort)
    value = two if home > _ONE_PERSON else one
    value = three if home > _TWO_PERSONS else value
    value = four if home > _THREE_PERSONS else value
    return five if home > _FOUR_PERSONS else value


@scalar
def five(cfg, at):  # type: ignore[no-untyped-def]
    """Return the five entries of ``cfg`` from ``at`` on: what `by_home` chooses from."""
    return cfg[at], cfg[at + 1], cfg[at + 2], cfg[at + 3], cfg[at + 4]


@scalar
def draw_machine(k0, k1, uid, told_kw, cfg):  # type: ignore[no-untyped-def]
    """Return what a home and its machine are.

    Returns
    -------
    sort, tank_kwh_k, scale, lead_s, ramp_per_s, shown_gain : float32
        Params.
    rated_kw, dead_s : float32
        ``rated_kw`` is the compressor's input in mid-season, ``told_kw`` where that is above 0.
    """
    a0, a1, a2, a3 = rng.uniform4(k0, k1, uid, _HOME, _D0, _D0)
    b0, b1, b2, b3 = rng.uniform4(k0, k1, uid, _HOME, _D0, _D1)
    home, kind = pick(cfg, CFG.HOUSEHOLD_SHARE, N_PERSONS, a0), pick(cfg, CFG.CLASS_SHARE, _N_CLASS, a1)
    large = 1 if a2 < cfg[CFG.LARGE_SHARE + home] else 0
    rated = input_kw(_SLOPE[kind], _BASE[kind], _MID_BOIL_C, _MID_C)
    scale = told_kw / rated if told_kw > ZERO else ONE
    mode = 1 if a3 < cfg[CFG.SECOND_MODE_SHARE] else 0
    sort = np.float32(N_SORT * home + 2 * kind + mode + 1)
    gain = ONE + cfg[CFG.SHOWN_SD] * rng.normal(k0, k1, uid, _HOME, 0, 2)
    return (
        -sort if b0 < cfg[CFG.DAY_BOIL_SHARE] else sort,
        cfg[CFG.TANK_L + large] * WATER,
        scale,
        between(cfg, CFG.LEAD_S, b1),
        ONE / between(cfg, CFG.RAMP_S, b2),
        max(gain, HALF),
        rated * scale,
        between(cfg, CFG.DEAD_S, b3),
    )


@scalar
def day_water(u_total, u_time, u_bath, mean_l, bath_share, cfg):  # type: ignore[no-untyped-def]
    """Return a day's (slot of the bath, negative without one, other hot water L) from three uniforms."""
    sigma = cfg[CFG.DAY_SIGMA]
    total = mean_l * approx.exp(sigma * approx.normal_quantile(u_total) - HALF * sigma * sigma)
    hour = cfg[CFG.BATH_HOUR] + cfg[CFG.BATH_SD_H] * approx.normal_quantile(u_time)
    bath = u_bath < bath_share
    slot = np.floor(clip(hour, _BATH_FIRST_H, _BATH_LAST_H) * _PER_HOUR)
    rest = total - (cfg[CFG.BATH_L] if bath else ZERO)
    return slot if bath else -slot, max(rest, total * _LEAST_OTHER)


@scalar
def slot_litres(u_shower, u_other, u_size, slot, bath_slot, other_l, hour_share, cfg):  # type: ignore[no-untyped-def]
    """Return the hot water of one 15-min slot, L: the bath in its slot, showers after it, draws at the taps.

    Showers and draws come or not, with the chance and size that give the expected litres.
    """
    evening = abs(bath_slot)
    n = min(np.floor(cfg[CFG.SHOWER_H] * _PER_HOUR), _LAST_SLOT - evening)
    mean = cfg[CFG.SHOWER_SHARE] * other_l / n if (slot > evening) & (slot <= evening + n) else ZERO
    chance = min(mean / cfg[CFG.SHOWER_L], ONE)
    shower = mean / max(chance, _TINY) if u_shower < chance else ZERO
    middle = HALF * (cfg[CFG.OTHER_L] + cfg[CFG.OTHER_L + 1])
    mean = (ONE - cfg[CFG.SHOWER_SHARE]) * other_l * hour_share / _PER_HOUR
    chance = min(mean / middle, ONE)
    other = mean / max(chance, _TINY) * between(cfg, CFG.OTHER_L, u_size) / middle if u_other < chance else ZERO
    return (cfg[CFG.BATH_L] if slot == bath_slot else ZERO) + shower + other


@scalar
def draw_day(k0, k1, uid, day, mean_l, bath_share, cfg):  # type: ignore[no-untyped-def]
    """Return a day's (slot of the bath, other hot water L, threshold of commands)."""
    u0, u1, u2, u3 = rng.uniform4(k0, k1, uid, _DAY, np.uint32(day), _D0)
    slot, other = day_water(u0, u1, u2, mean_l, bath_share, cfg)
    return slot, other, u3


@scalar
def draw_slot(k0, k1, uid, number, hour_share, mains_c, bath_slot, other_l, cfg):  # type: ignore[no-untyped-def]
    """Return the hot water of slot ``number`` since 2000, as the taps' mean heat in kW."""
    u0, u1, u2, _ = rng.uniform4(k0, k1, uid, _SLOT, np.uint32(number), _D0)
    litres = slot_litres(u0, u1, u2, np.float32(number % SLOTS), bath_slot, other_l, hour_share, cfg)
    return water_kwh(litres, cfg[CFG.USE_C], mains_c) * _PER_HOUR


@scalar
def daily_kwh(weekday_l, weekend_l, use_c, mains_c):  # type: ignore[no-untyped-def]
    """Return the daily heat that the home has learned to expect, kWh_th: its own mean at today's mains temperature."""
    return water_kwh(_WEEKDAY_SHARE * weekday_l + _WEEKEND_SHARE * weekend_l, use_c, mains_c)


@scalar
def daily_uses(cfg, mains_c):  # type: ignore[no-untyped-def]
    """Return what homes of one to five persons have learned to expect, kWh_th; see `daily_kwh`."""
    use_c, a, z = cfg[CFG.USE_C], CFG.WEEKDAY_L, CFG.WEEKEND_L
    return (
        daily_kwh(cfg[a], cfg[z], use_c, mains_c),
        daily_kwh(cfg[a + 1], cfg[z + 1], use_c, mains_c),
        daily_kwh(cfg[a + 2], cfg[z + 2], use_c, mains_c),
        daily_kwh(cfg[a + 3], cfg[z + 3], use_c, mains_c),
        daily_kwh(cfg[a + 4], cfg[z + 4], use_c, mains_c),
    )


@scalar
def machine(kind, mode, scale, outdoor_c, season, boil_c, first_c, second_c):  # type: ignore[no-untyped-def]
    """Return (boiling temperature, heat kW_th at full power, COP with defrost, nominal kW of the season)."""
    k, winter = np.int64(kind), season == _WINTER
    mode_c = second_c if mode > 0 else first_c
    second = _MODE_2 - _MODE_PER_K * max(second_c - _MODE_FROM_C, ZERO)  # equation 9
    season_c = mode_c if winter else boil_c
    target_c = boil_target(season_c, outdoor_c)
    heat_kw, cop = heat_pump(
        outdoor_c, target_c, _SLOPE[k], _BASE[k], scale, _COP_25[k], _COP_16[k], _COP_7[k], _COP_2[k], _DEFROST[k],
        second if mode > 0 else _MODE_1,
    )  # fmt: skip
    nominal_c = _WINTER_C if winter else (_SUMMER_C if season == _SUMMER else _MID_C)
    return target_c, heat_kw, cop, scale * input_kw(_SLOPE[k], _BASE[k], season_c, nominal_c)


@scalar
def conditions(sort, scale, outdoor_c, season, cfg):  # type: ignore[no-untyped-def]
    """Return what follows from the weather for a home's machine; see `machine`."""
    kind_mode = (np.int64(abs(sort)) - 1) % N_SORT
    boil_c, first_c, second_c = cfg[CFG.BOIL_C], cfg[CFG.BOIL_WINTER_C], cfg[CFG.BOIL_WINTER_C + 1]
    return machine(kind_mode // 2, kind_mode % 2, scale, outdoor_c, season, boil_c, first_c, second_c)


@scalar
def used_by(cfg, second):  # type: ignore[no-untyped-def]
    """Return the share of the mean home's daily hot water used before a second of the day."""
    hour = second / HOUR_S
    i = np.int64(min(hour, _LAST_HOUR))
    before, after = cfg[CFG.USED + i], cfg[CFG.USED + i + 1]
    return before + (after - before) * (hour - np.float32(i))

"""What is drawn about an EcoCute: the home and its machine once, the hot water of each day and of each 15 minutes.

Every draw has an address: what the home is belongs to the fleet's key; its luck to the world's key, the device's uid
and the day or slot. So the same home uses the same water at every tick length and beside any other devices.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.ecocute import config as c
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
from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import approx, rng
from der_gym.numerics.approx import clip

_HOME, _DAY, _SLOT = rng.stream("ecocute.home"), rng.stream("ecocute.day"), rng.stream("ecocute.slot")
_D0, _D1 = np.uint32(0), np.uint32(1)
_N_CLASS = len(c.CLASSES)
_INPUT = np.array([row[:3] for row in c.CLASSES], np.float32)  # kW at 25, 16, 7 degC
_COP_25, _COP_16, _COP_7 = (np.float32(c.CAPACITY_KW) / _INPUT).astype(np.float32).T.copy()
_COP_2 = np.array([row[3] for row in c.CLASSES], np.float32)
_DEFROST = np.array([row[4] / row[3] for row in c.CLASSES], np.float32)
_SLOPE = np.array([row[5] for row in c.CLASSES], np.float32)
_BASE = np.array([row[6] for row in c.CLASSES], np.float32)
_MID_BOIL_C, _WATT = np.float32(65.0), np.float32(1000.0)
_SUMMER_C, _MID_C, _WINTER_C = np.float32(25.0), np.float32(16.0), np.float32(7.0)
_SUMMER, _WINTER = np.float32(1.0), np.float32(2.0)
_MODE_1, _MODE_2 = np.float32(0.94), np.float32(0.90)  # practice over test, first and second mode [V]
_MODE_PER_K, _MODE_FROM_C = np.float32(0.005), np.float32(75.0)
_WEEKDAY_SHARE, _WEEKEND_SHARE = np.float32(5.0 / 7.0), np.float32(2.0 / 7.0)
_LEAST_OTHER = np.float32(0.15)  # of a day's hot water is not the bath, even on a day with little
_PER_HOUR = np.float32(4.0)  # slots
_BATH_FIRST_H, _BATH_LAST_H = np.float32(12.0), np.float32(22.75)  # so that showers end before midnight
_ONE_PERSON, _TWO_PERSONS, _THREE_PERSONS, _FOUR_PERSONS = (np.float32(c.N_SORT * k) for k in range(1, 5))
_LAST_SLOT, _LAST_HOUR, _TINY = np.float32(c.SLOTS - 1), np.float32(c.HOURS - 1), np.float32(1e-6)
_SLOT_S, _DAY_SECONDS = 900, 86_400


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


@kernel
def draw(s0, s1, n_shard, active, keys, uid, cfg, given, site_index, site, limits, params, fleet, lo):  # type: ignore[no-untyped-def]
    """Draw each home and its machine; RATED_KW is the compressor's input in mid-season."""
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        k0, k1, own, ids = keys[w, 0], keys[w, 1], params[s], uid[p, lo : lo + params.shape[2]]
        for i in range(own.shape[1]):
            a0, a1, a2, a3 = rng.uniform4(k0, k1, ids[i], _HOME, _D0, _D0)
            b0, b1, b2, b3 = rng.uniform4(k0, k1, ids[i], _HOME, _D0, _D1)
            home, kind = pick(cfg, c.C_HOUSEHOLD, c.N_PERSONS, a0), pick(cfg, c.C_CLASS, _N_CLASS, a1)
            large = 1 if a2 < cfg[c.C_LARGE + home] else 0
            rated = input_kw(_SLOPE[kind], _BASE[kind], _MID_BOIL_C, _MID_C)
            told_kw = fleet[s, FLEET.RATED_KW, lo + i]
            scale = told_kw / rated if told_kw > ZERO else ONE
            mode = 1 if a3 < cfg[c.C_SECOND_MODE] else 0
            sort = np.float32(c.N_SORT * home + 2 * kind + mode + 1)
            own[c.SORT, i], own[c.SCALE, i] = -sort if b0 < cfg[c.C_DAY_BOIL] else sort, scale
            own[c.TANK_KWH_K, i] = cfg[c.C_TANK_L + large] * WATER
            own[c.LEAD_S, i] = between(cfg, c.C_LEAD_S, b1)
            own[c.RAMP_PER_S, i] = ONE / between(cfg, c.C_RAMP_S, b2)
            gain = ONE + cfg[c.C_SHOWN_SD] * rng.normal(k0, k1, ids[i], _HOME, 0, 2)
            own[c.SHOWN_GAIN, i] = max(gain, HALF)
            fleet[s, FLEET.RATED_KW, lo + i] = rated * scale
            fleet[s, FLEET.DEAD_S, lo + i] = between(cfg, c.C_DEAD_S, b3)


@scalar
def day_water(u_total, u_time, u_bath, mean_l, bath_share, cfg):  # type: ignore[no-untyped-def]
    """Return a day's (slot of the bath, negative without one, other hot water L) from three uniforms."""
    sigma = cfg[c.C_DAY_SIGMA]
    total = mean_l * approx.exp(sigma * approx.normal_quantile(u_total) - HALF * sigma * sigma)
    hour = cfg[c.C_BATH_HOUR] + cfg[c.C_BATH_SD_H] * approx.normal_quantile(u_time)
    bath = u_bath < bath_share
    slot = np.floor(clip(hour, _BATH_FIRST_H, _BATH_LAST_H) * _PER_HOUR)
    rest = total - (cfg[c.C_BATH_L] if bath else ZERO)
    return slot if bath else -slot, max(rest, total * _LEAST_OTHER)


@scalar
def slot_litres(u_shower, u_other, u_size, slot, bath_slot, other_l, hour_share, cfg):  # type: ignore[no-untyped-def]
    """Return the hot water of one 15-min slot, L: the bath in its slot, showers after it, draws at the taps.

    Showers and draws come or not, with the chance and size that give the expected litres.
    """
    evening = abs(bath_slot)
    n = min(np.floor(cfg[c.C_SHOWER_H] * _PER_HOUR), _LAST_SLOT - evening)
    mean = cfg[c.C_SHOWER_SHARE] * other_l / n if (slot > evening) & (slot <= evening + n) else ZERO
    chance = min(mean / cfg[c.C_SHOWER_L], ONE)
    shower = mean / max(chance, _TINY) if u_shower < chance else ZERO
    middle = HALF * (cfg[c.C_OTHER_L] + cfg[c.C_OTHER_L + 1])
    mean = (ONE - cfg[c.C_SHOWER_SHARE]) * other_l * hour_share / _PER_HOUR
    chance = min(mean / middle, ONE)
    other = mean / max(chance, _TINY) * between(cfg, c.C_OTHER_L, u_size) / middle if u_other < chance else ZERO
    return (cfg[c.C_BATH_L] if slot == bath_slot else ZERO) + shower + other


@part
def draw_day(k0, k1, uid, day, weekend, cfg, own, state):  # type: ignore[no-untyped-def]
    """Draw the day's hot water and command threshold of one shard's homes; begin a new count of starts."""
    litres, shares = five(cfg, c.C_WEEKEND if weekend > ZERO else c.C_WEEKDAY), five(cfg, c.C_BATH)
    sort, today = own[c.SORT], state[c.STARTS_TODAY]
    slot, other, threshold = state[c.BATH_SLOT], state[c.OTHER_L], state[c.THRESHOLD]
    for i in range(uid.shape[0]):
        u0, u1, u2, u3 = rng.uniform4(k0, k1, uid[i], _DAY, np.uint32(day), _D0)
        mean_l, bath_share = by_home(sort[i], *litres), by_home(sort[i], *shares)
        slot[i], other[i] = day_water(u0, u1, u2, mean_l, bath_share, cfg)
        threshold[i] = u3
        today[i] = ZERO


@part
def draw_slot(k0, k1, uid, number, mains_c, cfg, state):  # type: ignore[no-untyped-def]
    """Draw the hot water of one slot (``number`` since 2000) of one shard's homes, as the taps' mean heat in kW."""
    slot = number % c.SLOTS
    now, hour_share, use_c = np.float32(slot), cfg[c.C_HOUR + slot // 4], cfg[c.C_USE_C]
    bath_slot, other, taps = state[c.BATH_SLOT], state[c.OTHER_L], state[c.DRAW_KW]
    for i in range(uid.shape[0]):
        u0, u1, u2, _ = rng.uniform4(k0, k1, uid[i], _SLOT, np.uint32(number), _D0)
        litres = slot_litres(u0, u1, u2, now, bath_slot[i], other[i], hour_share, cfg)
        taps[i] = water_kwh(litres, use_c, mains_c) * _PER_HOUR


@scalar
def daily_kwh(weekday_l, weekend_l, use_c, mains_c):  # type: ignore[no-untyped-def]
    """Return the daily heat that the home has learned to expect, kWh_th: its own mean at today's mains temperature."""
    return water_kwh(_WEEKDAY_SHARE * weekday_l + _WEEKEND_SHARE * weekend_l, use_c, mains_c)


@part
def daily_uses(cfg, mains_c):  # type: ignore[no-untyped-def]
    """Return what homes of one to five persons have learned to expect, kWh_th; see `daily_kwh`."""
    use_c, a, z = cfg[c.C_USE_C], c.C_WEEKDAY, c.C_WEEKEND
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


@part
def set_conditions(outdoor_c, mains_c, season, cfg, own, state):  # type: ignore[no-untyped-def]
    """Set what follows from the weather for one shard's homes: heat, COP, capacity, heat wanted, nominal power."""
    boil_c, first_c, second_c = cfg[c.C_BOIL_C], cfg[c.C_BOIL_WINTER], cfg[c.C_BOIL_WINTER + 1]
    uses, margin = daily_uses(cfg, mains_c), cfg[c.C_MARGIN]
    reserve = water_kwh(cfg[c.C_RESERVE_L], cfg[c.C_FLOOR_C], mains_c)
    sort, scale, tank, gain = own[c.SORT], own[c.SCALE], own[c.TANK_KWH_K], own[c.SHOWN_GAIN]
    wanted, nominal = state[c.WANTED_KWH], state[c.NOMINAL_KW]
    heat_kw, cop, capacity = state[c.HEAT_KW], state[c.COP], state[c.CAPACITY_KWH]
    for i in range(sort.shape[0]):
        kind_mode = (np.int64(abs(sort[i])) - 1) % c.N_SORT
        target_c, heat_i, cop_i, nominal_i = machine(
            kind_mode // 2, kind_mode % 2, scale[i], outdoor_c, season, boil_c, first_c, second_c
        )
        full = tank[i] * (target_c - mains_c)
        heat_kw[i], cop[i], capacity[i], nominal[i] = heat_i, cop_i, full, nominal_i * gain[i]
        wanted[i] = min(by_home(sort[i], *uses) * margin + reserve, full)


@kernel
def redraw(s0, s1, n_shard, active, keys, uid, abs_s, ctx, cfg, params, state, acc, lo, fresh):  # type: ignore[no-untyped-def]
    """Refresh the weather's part every 300 s, the taps every 900 s, the day at midnight; all of it where ``fresh``."""
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        k0, k1, now, mains_c = keys[w, 2], keys[w, 3], abs_s[w], ctx[w, EXOGENOUS.MAINS_C]
        ids = uid[p, lo : lo + params.shape[2]]
        set_conditions(ctx[w, EXOGENOUS.TEMP_C], mains_c, ctx[w, EXOGENOUS.SEASON], cfg, params[s], state[s])
        if fresh or now % _DAY_SECONDS == 0:
            draw_day(k0, k1, ids, now // _DAY_SECONDS, ctx[w, EXOGENOUS.WEEKEND], cfg, params[s], state[s])
        if fresh or now % _SLOT_S == 0:
            draw_slot(k0, k1, ids, now // _SLOT_S, mains_c, cfg, state[s])


@scalar
def used_by(cfg, second):  # type: ignore[no-untyped-def]
    """Return the share of the mean home's daily hot water used before a second of the day."""
    hour = second / HOUR_S
    i = np.int64(min(hour, _LAST_HOUR))
    before, after = cfg[c.C_USED + i], cfg[c.C_USED + i + 1]
    return before + (after - before) * (hour - np.float32(i))

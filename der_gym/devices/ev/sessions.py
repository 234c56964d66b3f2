"""When a car is plugged in, for how long and what it needs: pure functions of (key, uid, noon day).

A noon day runs from noon to noon; d = (seconds since 2000-01-01 00:00 - 43,200) // 86,400, and the 1st of January
2000 was a Saturday. A car has at most one session in a noon day: it arrives after 12:00 and leaves before the next.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.ev.config import CFG, DELAY_MAX_S
from der_gym.engine.compile import part, scalar
from der_gym.numerics import approx, rng

_TRIP = rng.stream("ev.trip")
_CLOCK = rng.stream("ev.clock")
_START = rng.stream("ev.start")
_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_COLDEST = np.float32(0.6)
_LEAST_SOC = np.float32(0.05)  # what a car still holds when it comes home, at least [A]
_LEAST_NEED_KWH = np.float32(0.1)  # a car that needs less is not plugged in
_HOUR_S, _MINUTE_S, _PER_MINUTE = np.float32(3600.0), np.float32(60.0), np.float32(1.0 / 60.0)
_HALF_DAY_H = np.float32(12.0)
_ABSENT_S, _BY_DEPARTURE_S = np.float32(1e9), np.float32(1e6)
_64 = np.float32(64.0)
_DELAY_MAX_S = np.float32(DELAY_MAX_S)
_U_MIN, _U_MAX = np.float32(1e-6), np.float32(1.0 - 1e-6)
_TINY = np.float32(1e-6)
LOCKED = np.float32(100.0)  # stops from here on: takes no commands until the session ends
_WEEK, _TWO = np.int64(7), np.int64(2)


@scalar
def weekend(day):  # type: ignore[no-untyped-def]
    """Return whether day number ``day`` since 2000-01-01 is a Saturday or a Sunday."""
    return day % _WEEK < _TWO


@scalar
def drive(k0, k1, uid, day, cfg, battery_kwh, mean_km, km, plugged):  # type: ignore[no-untyped-def]
    """Return (km since it was last plugged in, 1 if it is plugged in now, else 0) of a car after noon day ``day``."""
    u_trip, u_km, u_plug, _ = rng.uniform4(k0, k1, uid, _TRIP, np.uint32(day), np.uint32(0))
    spread = cfg[CFG.KM_SIGMA]
    trip_km = (
        mean_km
        / cfg[CFG.TRIP_PROBABILITY]
        * approx.exp(spread * approx.normal_quantile(u_km) - spread * spread * _HALF)
    )
    km = (_ZERO if plugged > _ZERO else km) + (trip_km if u_trip < cfg[CFG.TRIP_PROBABILITY] else _ZERO)
    soc = cfg[CFG.CHARGED_TO] - km / (cfg[CFG.KM_PER_KWH] * battery_kwh)
    wish = _ONE / (_ONE + approx.exp(cfg[CFG.PLUG_SLOPE] * (soc - cfg[CFG.PLUG_MID_SOC])))
    return km, _ONE if u_plug < max(wish, cfg[CFG.PLUG_FLOOR]) else _ZERO


@scalar
def sort_of(phase_d, battery, archetype, habit):  # type: ignore[no-untyped-def]
    """Return a car's SORT, a whole float32: its draws of four in one number, which `habits` takes apart."""
    return phase_d * _64 + np.float32(16 * battery + 4 * archetype + habit)


@scalar
def habits(sort, cfg):  # type: ignore[no-untyped-def]
    """Return what a car of a SORT is and does: (kWh, mean km of a weekday, of a weekend day, timer s, phase d)."""
    code = np.int64(sort)
    battery, archetype, habit = code // 16 % 4, code // 4 % 4, code % 4
    timer_s = cfg[CFG.TIMER_H] if habit == 1 else cfg[CFG.TIMER_H + 1]
    late_s = _BY_DEPARTURE_S if habit == 3 else timer_s
    return (
        cfg[CFG.BATTERY_KWH + battery],
        cfg[CFG.WEEKDAY_KM + archetype],
        cfg[CFG.WEEKEND_KM + archetype],
        late_s if habit > 0 else _ZERO,
        np.float32(code // 64),
    )


@scalar
def days_back(turn, phase_d, cycle):  # type: ignore[no-untyped-def]
    """Return the days since a car was last plugged in for sure, 1 .. cycle; ``turn``: the day's place in the cycle."""
    back = turn + phase_d - (cycle if turn + phase_d >= cycle else _ZERO)
    return back if back > _ZERO else cycle


@part
def replay(k0, k1, uid, day, cfg, pack_kwh, workday_km, holiday_km, phase_d, km, plugged):  # type: ignore[no-untyped-def]
    """Write whether each car is plugged in on noon day ``day`` (1 or 0), and the km since it was last plugged in.

    The cars' days are replayed from the last day on which each is plugged in whatever its state of charge, at most
    ``plug_cycle_d`` days back, so the answer needs no memory, and every km driven is charged once.
    """
    cycle, turn = cfg[CFG.PLUG_CYCLE_D], np.float32(day % np.int64(cfg[CFG.PLUG_CYCLE_D]))
    for i in range(uid.shape[0]):
        km[i], plugged[i] = _ZERO, _ZERO
    for past in range(day - np.int64(cycle) + 1, day + 1):
        ago, mean_km = np.float32(day - past), holiday_km if weekend(past) else workday_km
        for i in range(uid.shape[0]):
            far, now = drive(k0, k1, uid[i], past, cfg, pack_kwh[i], mean_km[i], km[i], plugged[i])
            counts, old_km, old = ago < days_back(turn, phase_d[i], cycle), km[i], plugged[i]
            km[i] = far if counts else old_km
            plugged[i] = now if counts else old
    for i in range(uid.shape[0]):
        plugged[i] = _ONE if days_back(turn, phase_d[i], cycle) >= cycle else plugged[i]


@scalar
def minute(seconds):  # type: ignore[no-untyped-def]
    """Return ``seconds`` cut down to a whole minute."""
    return np.floor(seconds * _PER_MINUTE) * _MINUTE_S


@scalar
def clock_h(u, cfg, row):  # type: ignore[no-untyped-def]
    """Return the cut-off normal's hour at probability ``u``; ``row`` is where its four settings start."""
    low, high = cfg[row + 2], cfg[row + 3]
    z = approx.normal_quantile(min(max(low + u * (high - low), _U_MIN), _U_MAX))
    return np.float32(cfg[row] + cfg[row + 1] * z)


@scalar
def start_delay_s(u_kind, u, cfg):  # type: ignore[no-untyped-def]
    """Return the seconds from the wish to charge to the first current, at most DELAY_MAX_S."""
    fast, slow = u_kind < cfg[CFG.START_DELAY_SHARE], u_kind < cfg[CFG.START_DELAY_SHARE + 1]
    ln_median = cfg[CFG.START_DELAY_S] if fast else cfg[CFG.START_DELAY_S + 1]
    sigma = cfg[CFG.START_DELAY_SIGMA] if fast else cfg[CFG.START_DELAY_SIGMA + 1]
    drawn = approx.exp(ln_median + sigma * approx.normal_quantile(u))
    return min(drawn if fast or slow else cfg[CFG.START_DELAY_S + 2], _DELAY_MAX_S)


@scalar
def need_kwh(km, temp_c, spare_s, cfg, charger_kw, battery_kwh):  # type: ignore[no-untyped-def]
    """Return the battery's need, kWh: the trips', held to what the car lacks and what the charger can give."""
    cold = cfg[CFG.COLD_FACTOR] + (_ONE - cfg[CFG.COLD_FACTOR]) * temp_c / cfg[CFG.MILD_C]
    trips = km / (cfg[CFG.KM_PER_KWH] * min(max(cold, _COLDEST), _ONE))
    room = (cfg[CFG.CHARGED_TO] - _LEAST_SOC) * battery_kwh
    return max(min(min(trips, room), cfg[CFG.EFFICIENCY] * charger_kw * spare_s / _HOUR_S), _ZERO)


@scalar
def hours(k0, k1, uid, d, cfg):  # type: ignore[no-untyped-def]
    """Return what noon day ``d`` draws of a car's hours, float32.

    Returns
    -------
    arrive, depart : float32
        Seconds after noon, whole minutes.
    now : float32
        0, or LOCKED where the owner pressed "now".
    threshold : float32
        In (0, 1); spreads steps and switching over the cars.
    """
    u_arrive, u_depart, u_now, threshold = rng.uniform4(k0, k1, uid, _CLOCK, np.uint32(d), np.uint32(0))
    arrive_h = clock_h(u_arrive, cfg, CFG.ARRIVAL_WEEKEND_H if weekend(d) else CFG.ARRIVAL_H)
    depart_h = clock_h(u_depart, cfg, CFG.DEPARTURE_WEEKEND_H if weekend(d + 1) else CFG.DEPARTURE_H)
    arrive = minute(min(max(arrive_h - _HALF_DAY_H, _ZERO) * _HOUR_S, _HALF_DAY_H * _HOUR_S - _MINUTE_S))
    depart = minute(min(depart_h + _HALF_DAY_H, _HALF_DAY_H + _HALF_DAY_H) * _HOUR_S - _MINUTE_S)
    return arrive, depart, LOCKED if u_now < cfg[CFG.NOW_PROBABILITY] else _ZERO, threshold


@scalar
def waking(k0, k1, uid, d, cfg):  # type: ignore[no-untyped-def]
    """Return (s from the wish to charge to the first current, number of the stop after which it does not wake)."""
    u_kind, u_delay, u_fail, _ = rng.uniform4(k0, k1, uid, _START, np.uint32(d), np.uint32(0))
    return start_delay_s(u_kind, u_delay, cfg), np.floor(approx.log(u_fail) * cfg[CFG.FAIL_TO_WAKE]) + _ONE


@scalar
def session(noon_s, arrive, depart, now, km, plugged, temp_c, cfg, charger_kw, battery_kwh, timer_s):  # type: ignore[no-untyped-def]
    """Return a car's session of a noon day.

    Parameters
    ----------
    noon_s : float32
        The day's noon in seconds of the episode.
    arrive, depart, now : float32
        See `hours`.
    km, plugged : float32
        See `replay`.
    temp_c : float32
        Outdoor temperature, degC.
    cfg : float32 (N_CFG,)
        Settings.
    charger_kw, battery_kwh, timer_s : float32
        The car's Params.

    Returns
    -------
    arrive_s, own_s, depart_s : float32
        Seconds of the episode, whole minutes; ``own_s`` is when it starts to charge if nobody commands. A car that
        is not plugged in arrives at 1e9 and departs at -1e9.
    need_kwh, obey_kwh : float32
        Battery side; commands count once no more than ``obey_kwh`` is missing.
    """
    need = need_kwh(km, temp_c, depart - arrive - cfg[CFG.FINISH_BEFORE_S] - _MINUTE_S, cfg, charger_kw, battery_kwh)
    urgent = max(need - (cfg[CFG.CHARGED_TO] - cfg[CFG.URGENT_SOC]) * battery_kwh, _ZERO)
    latest = depart - need * _HOUR_S / max(cfg[CFG.EFFICIENCY] * charger_kw, _TINY) - cfg[CFG.FINISH_BEFORE_S]
    own = arrive if (now > _ZERO) | (urgent > _ZERO) else max(arrive, min(timer_s, minute(latest)))
    here = (plugged > _ZERO) & (need > _LEAST_NEED_KWH)
    return (
        np.float32(noon_s + arrive if here else _ABSENT_S),
        np.float32(noon_s + own if here else _ABSENT_S),
        np.float32(noon_s + depart if here else -_ABSENT_S),
        np.float32(need if here else _ZERO),
        np.float32(need - urgent),
    )

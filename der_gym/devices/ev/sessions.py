"""When a car is plugged in, for how long and what it needs: pure functions of (key, uid, noon day).

A noon day runs from noon to noon; d = (seconds since 2000-01-01 00:00 - 43,200) // 86,400, and the 1st of January
2000 was a Saturday. A car has at most one session in a noon day: it arrives after 12:00 and leaves before the next.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.ev import config as c
from der_gym.engine.compile import part, scalar
from der_gym.numerics import approx, rng

BATTERY_KWH, WEEKDAY_KM, WEEKEND_KM, TIMER_S, PHASE_D, N_HABIT = range(6)  # see `habits`

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
_DELAY_MAX_S = np.float32(c.DELAY_MAX_S)
_U_MIN, _U_MAX = np.float32(1e-6), np.float32(1.0 - 1e-6)
_TINY = np.float32(1e-6)
LOCKED = np.float32(100.0)  # STOPS from here on: takes no commands until the session ends
_WEEK, _TWO = np.int64(7), np.int64(2)


@scalar
def weekend(day):  # type: ignore[no-untyped-def]
    """Return whether day number ``day`` since 2000-01-01 is a Saturday or a Sunday."""
    return day % _WEEK < _TWO


@scalar
def drive(k0, k1, uid, day, cfg, battery_kwh, mean_km, km, plugged):  # type: ignore[no-untyped-def]
    """Return (km since it was last plugged in, 1 if it is plugged in now, else 0) of a car after noon day ``day``."""
    u_trip, u_km, u_plug, _ = rng.uniform4(k0, k1, uid, _TRIP, np.uint32(day), np.uint32(0))
    spread = cfg[c.KM_SIGMA]
    trip_km = mean_km / cfg[c.TRIP_P] * approx.exp(spread * approx.normal_quantile(u_km) - spread * spread * _HALF)
    km = (_ZERO if plugged > _ZERO else km) + (trip_km if u_trip < cfg[c.TRIP_P] else _ZERO)
    soc = cfg[c.CHARGED_TO] - km / (cfg[c.KM_PER_KWH] * battery_kwh)
    wish = _ONE / (_ONE + approx.exp(cfg[c.PLUG_SLOPE] * (soc - cfg[c.PLUG_MID])))
    return km, _ONE if u_plug < max(wish, cfg[c.PLUG_FLOOR]) else _ZERO


@scalar
def sort_of(phase_d, battery, archetype, habit):  # type: ignore[no-untyped-def]
    """Return a car's SORT, a whole float32: its draws of four in one number, which `habits` takes apart."""
    return phase_d * _64 + np.float32(16 * battery + 4 * archetype + habit)


@part
def habits(sort, cfg, car):  # type: ignore[no-untyped-def]
    """Write what cars of each SORT are and do into ``car``, float32 (N_HABIT, n)."""
    for i in range(sort.shape[0]):
        code = np.int64(sort[i])
        battery, archetype, habit = code // 16 % 4, code // 4 % 4, code % 4
        timer_s = cfg[c.TIMER_S] if habit == 1 else cfg[c.TIMER_S + 1]
        late_s = _BY_DEPARTURE_S if habit == 3 else timer_s
        car[BATTERY_KWH, i] = cfg[c.BATTERY_KWH + battery]
        car[WEEKDAY_KM, i], car[WEEKEND_KM, i] = cfg[c.WEEKDAY_KM + archetype], cfg[c.WEEKEND_KM + archetype]
        car[TIMER_S, i] = late_s if habit > 0 else _ZERO
        car[PHASE_D, i] = np.float32(code // 64)


@scalar
def days_back(turn, phase_d, cycle):  # type: ignore[no-untyped-def]
    """Return the days since a car was last plugged in for sure, 1 .. cycle; ``turn``: the day's place in the cycle."""
    back = turn + phase_d - (cycle if turn + phase_d >= cycle else _ZERO)
    return back if back > _ZERO else cycle


@part
def replay(k0, k1, uid, d, cfg, car, km, plugged):  # type: ignore[no-untyped-def]
    """Write whether each car is plugged in on noon day ``d`` (1 or 0), and the km since it was last plugged in.

    The cars' days are replayed from the last day on which each is plugged in whatever its state of charge, at most
    ``plug_cycle_d`` days back, so the answer needs no memory, and every km driven is charged once.
    """
    battery_kwh, phase_d = car[BATTERY_KWH], car[PHASE_D]
    cycle, turn = cfg[c.PLUG_CYCLE_D], np.float32(d % np.int64(cfg[c.PLUG_CYCLE_D]))
    for i in range(uid.shape[0]):
        km[i], plugged[i] = _ZERO, _ZERO
    for day in range(d - np.int64(cycle) + 1, d + 1):
        ago, mean_km = np.float32(d - day), car[WEEKEND_KM] if weekend(day) else car[WEEKDAY_KM]
        for i in range(uid.shape[0]):
            far, now = drive(k0, k1, uid[i], day, cfg, battery_kwh[i], mean_km[i], km[i], plugged[i])
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
    fast, slow = u_kind < cfg[c.DELAY], u_kind < cfg[c.DELAY + 1]
    ln_median = cfg[c.DELAY + 2] if fast else cfg[c.DELAY + 4]
    sigma = cfg[c.DELAY + 3] if fast else cfg[c.DELAY + 5]
    drawn = approx.exp(ln_median + sigma * approx.normal_quantile(u))
    return min(drawn if fast or slow else cfg[c.DELAY + 6], _DELAY_MAX_S)


@scalar
def need_kwh(km, temp_c, spare_s, cfg, charger_kw, battery_kwh):  # type: ignore[no-untyped-def]
    """Return the battery's need, kWh: the trips', held to what the car lacks and what the charger can give."""
    cold = cfg[c.COLD_FACTOR] + (_ONE - cfg[c.COLD_FACTOR]) * temp_c / cfg[c.MILD_C]
    trips = km / (cfg[c.KM_PER_KWH] * min(max(cold, _COLDEST), _ONE))
    room = (cfg[c.CHARGED_TO] - _LEAST_SOC) * battery_kwh
    return max(min(min(trips, room), cfg[c.ETA] * charger_kw * spare_s / _HOUR_S), _ZERO)


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
    arrive_h = clock_h(u_arrive, cfg, c.ARRIVE + 4 if weekend(d) else c.ARRIVE)
    depart_h = clock_h(u_depart, cfg, c.DEPART + 4 if weekend(d + 1) else c.DEPART)
    arrive = minute(min(max(arrive_h - _HALF_DAY_H, _ZERO) * _HOUR_S, _HALF_DAY_H * _HOUR_S - _MINUTE_S))
    depart = minute(min(depart_h + _HALF_DAY_H, _HALF_DAY_H + _HALF_DAY_H) * _HOUR_S - _MINUTE_S)
    return arrive, depart, LOCKED if u_now < cfg[c.NOW_P] else _ZERO, threshold


@scalar
def waking(k0, k1, uid, d, cfg):  # type: ignore[no-untyped-def]
    """Return (s from the wish to charge to the first current, number of the stop after which it does not wake)."""
    u_kind, u_delay, u_fail, _ = rng.uniform4(k0, k1, uid, _START, np.uint32(d), np.uint32(0))
    return start_delay_s(u_kind, u_delay, cfg), np.floor(approx.log(u_fail) * cfg[c.FAIL_SCALE]) + _ONE


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
    need = need_kwh(km, temp_c, depart - arrive - cfg[c.FINISH_BEFORE_S] - _MINUTE_S, cfg, charger_kw, battery_kwh)
    urgent = max(need - (cfg[c.CHARGED_TO] - cfg[c.URGENT_SOC]) * battery_kwh, _ZERO)
    latest = depart - need * _HOUR_S / max(cfg[c.ETA] * charger_kw, _TINY) - cfg[c.FINISH_BEFORE_S]
    own = arrive if (now > _ZERO) | (urgent > _ZERO) else max(arrive, min(timer_s, minute(latest)))
    here = (plugged > _ZERO) & (need > _LEAST_NEED_KWH)
    return (
        np.float32(noon_s + arrive if here else _ABSENT_S),
        np.float32(noon_s + own if here else _ABSENT_S),
        np.float32(noon_s + depart if here else -_ABSENT_S),
        np.float32(need if here else _ZERO),
        np.float32(need - urgent),
    )

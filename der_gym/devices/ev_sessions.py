"""When a car is plugged in, for how long and what it needs: pure functions of (key, uid, noon day).

A noon day runs from noon to noon; d = (seconds since 2000-01-01 00:00 - 43,200) // 86,400, and the 1st of January
2000 was a Saturday. A car has at most one session in a noon day: it arrives after 12:00 and leaves before the next.
"""

from __future__ import annotations

import numpy as np

from der_gym.core import approx, rng
from der_gym.core.jit import scalar
from der_gym.devices import ev_config as c

_TRIP = rng.stream("ev.trip")
_CLOCK = rng.stream("ev.clock")
_START = rng.stream("ev.start")
_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_COLDEST = np.float32(0.6)
_LEAST_SOC = np.float32(0.05)  # what a car still holds when it comes home, at least [A]
_LEAST_NEED_KWH = np.float32(0.1)  # a car that needs less is not plugged in
_HOUR_S, _MINUTE_S, _PER_MINUTE = np.float32(3600.0), np.float32(60.0), np.float32(1.0 / 60.0)
_HALF_DAY_H = np.float32(12.0)
_ABSENT_S = np.float32(1e9)
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
def plugged_in(k0, k1, uid, d, cfg, battery_kwh, weekday_km, weekend_km, phase_d):  # type: ignore[no-untyped-def]
    """Return (whether the car is plugged in on noon day ``d``, km driven since it was last plugged in).

    The car's days are replayed from the last day on which it is plugged in whatever its state of charge, at most
    ``plug_cycle_d`` days back, so the answer needs no memory, and every km driven is charged once.
    """
    cycle = np.int64(cfg[c.PLUG_CYCLE_D])
    back = (d + np.int64(phase_d)) % cycle
    back = back if back > 0 else cycle
    spread = cfg[c.KM_SIGMA]
    km, plugged = _ZERO, False
    for day in range(d - back + 1, d + 1):
        u_trip, u_km, u_plug, _ = rng.uniform4(k0, k1, uid, _TRIP, np.uint32(day), np.uint32(0))
        mean_km = (weekend_km if weekend(day) else weekday_km) / cfg[c.TRIP_P]
        trip_km = mean_km * approx.exp(spread * approx.normal_quantile(u_km) - spread * spread * _HALF)
        km = (_ZERO if plugged else km) + (trip_km if u_trip < cfg[c.TRIP_P] else _ZERO)
        soc = cfg[c.CHARGED_TO] - km / (cfg[c.KM_PER_KWH] * battery_kwh)
        wish = _ONE / (_ONE + approx.exp(cfg[c.PLUG_SLOPE] * (soc - cfg[c.PLUG_MID])))
        plugged = u_plug < max(wish, cfg[c.PLUG_FLOOR])
    return plugged or back == cycle, km


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
def session(  # type: ignore[no-untyped-def]
    k0, k1, uid, d, noon_s, temp_c, cfg, charger_kw, battery_kwh, weekday_km, weekend_km, timer_s, phase_d
):
    """Return the car's session of noon day ``d``.

    Parameters
    ----------
    k0, k1, uid : uint32
        The world's key and the car's address.
    d : int64
        Noon day.
    noon_s : float32
        Its noon in seconds of the episode.
    temp_c : float32
        Outdoor temperature, degC.
    cfg : float32 (N_CFG,)
        Settings.
    charger_kw, battery_kwh, weekday_km, weekend_km, timer_s, phase_d : float32
        The car's Params.

    Returns
    -------
    arrive_s, own_s, depart_s : float32
        Seconds of the episode, whole minutes; ``own_s`` is when it starts to charge if nobody commands. A car that
        is not plugged in arrives at 1e9 and departs at -1e9.
    need_kwh, obey_kwh : float32
        Battery side; commands count once no more than ``obey_kwh`` is missing.
    delay_s : float32
        From the wish to charge to the first current.
    fail_at : float32
        The number of the stop after which it does not wake, >= 1.
    threshold : float32
        In (0, 1); spreads steps and switching over the cars.
    stops : float32
        0, or LOCKED where the owner pressed "now".
    """
    plugged, km = plugged_in(k0, k1, uid, d, cfg, battery_kwh, weekday_km, weekend_km, phase_d)
    slot = np.uint32(d)
    u_arrive, u_depart, u_now, threshold = rng.uniform4(k0, k1, uid, _CLOCK, slot, np.uint32(0))
    u_kind, u_delay, u_fail, _ = rng.uniform4(k0, k1, uid, _START, slot, np.uint32(0))
    arrive_h = clock_h(u_arrive, cfg, c.ARRIVE + 4 if weekend(d) else c.ARRIVE)
    depart_h = clock_h(u_depart, cfg, c.DEPART + 4 if weekend(d + 1) else c.DEPART)
    arrive = minute(min(max(arrive_h - _HALF_DAY_H, _ZERO) * _HOUR_S, _HALF_DAY_H * _HOUR_S - _MINUTE_S))
    depart = minute(min(depart_h + _HALF_DAY_H, _HALF_DAY_H + _HALF_DAY_H) * _HOUR_S - _MINUTE_S)
    need = need_kwh(km, temp_c, depart - arrive - cfg[c.FINISH_BEFORE_S] - _MINUTE_S, cfg, charger_kw, battery_kwh)
    now = u_now < cfg[c.NOW_P]
    urgent = max(need - (cfg[c.CHARGED_TO] - cfg[c.URGENT_SOC]) * battery_kwh, _ZERO)
    latest = depart - need * _HOUR_S / max(cfg[c.ETA] * charger_kw, _TINY) - cfg[c.FINISH_BEFORE_S]
    own = arrive if now or urgent > _ZERO else max(arrive, min(timer_s, minute(latest)))
    here = plugged and need > _LEAST_NEED_KWH
    return (
        np.float32(noon_s + arrive if here else _ABSENT_S),
        np.float32(noon_s + own if here else _ABSENT_S),
        np.float32(noon_s + depart if here else -_ABSENT_S),
        np.float32(need if here else _ZERO),
        np.float32(need - urgent),
        start_delay_s(u_kind, u_delay, cfg),
        np.floor(approx.log(u_fail) * cfg[c.FAIL_SCALE]) + _ONE,
        threshold,
        np.float32(LOCKED if now else _ZERO),
    )

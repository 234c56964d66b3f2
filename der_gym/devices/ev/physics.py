"""The physics of one EV charger and its car over a tick, as pure functions of float32 numbers.

Energy on the battery's side grows by ``eta * power`` while current flows, up to the session's need. AC charging goes
in steps of 1 A (0.2 kW at 200 V) from 6 A (1.2 kW) on, below which it stops (IEC 61851-1) [1]_; a car reached over
its maker's telematics can only be started and stopped. No command crosses the hard limits: spare time (laxity [2]_),
the least state of charge, the owner's "now" button, the number of stops in a session.

References
----------
.. [1] IEC 61851-1:2017, Annex A (control pilot: a duty cycle of 10 % allows 6 A).
.. [2] Spare time as the order of service is least-laxity-first scheduling: Mok, "Fundamental design problems of
   distributed systems for the hard-real-time environment", MIT/LCS/TR-297, 1983.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.ev.sessions import LOCKED
from der_gym.engine.compile import scalar
from der_gym.numerics.ramp import ramp

_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_FLOOR_KW = np.float32(1.2)  # 6 A at 200 V
_STEP_KW, _STEPS_PER_KW = np.float32(0.2), np.float32(5.0)  # 1 A at 200 V
_HOUR_S = np.float32(3600.0)
_HOLD_S, _PER_HOLD_H = np.float32(1800.0), np.float32(2.0)
_DONE_KWH = np.float32(1e-4)  # the charge is over when less is missing
_NEVER_S = np.float32(1e9)
_TINY = np.float32(1e-6)


@scalar
def level_kw(fraction, rated_kw, switched, threshold):  # type: ignore[no-untyped-def]
    """Return the power the charger is set to when ``fraction`` (0..1) of its rated power is wanted, kW.

    Between two steps, below the floor and for a charger that is switched, the threshold decides; over uniform
    thresholds the mean is ``fraction * rated_kw``.
    """
    wish = fraction * rated_kw
    floor = min(_FLOOR_KW, rated_kw)
    step = min(np.floor(wish * _STEPS_PER_KW + threshold) * _STEP_KW, rated_kw)
    least = floor if wish > floor * threshold else _ZERO
    stepped = step if wish >= floor else least
    on_off = rated_kw if fraction > threshold else _ZERO
    part = on_off if switched > _HALF else stepped
    return rated_kw if fraction >= _ONE else part


@scalar
def phase(  # type: ignore[no-untyped-def]
    t, d, a, left, power, wait, stops, rated, switched, rate, arrive, own_s, depart, delay, fail_at, threshold, ac_kws,
    eta_h,
):  # fmt: skip
    """Advance one car over ``d`` seconds from ``t`` under the fraction ``a``.

    Parameters
    ----------
    t, d : float32
        Start (s of the episode) and length (s).
    a : float32
        Fraction that the car obeys, -1..1; 0 leaves it on its own schedule.
    left, power, wait, stops : float32
        Missing kWh (battery side), present kW, seconds of the start delay still to wait, stops so far.
    rated, switched, rate : float32
        Charger kW, 1 where it is only switched, kW/s of a change of current.
    arrive, own_s, depart, delay, fail_at, threshold : float32
        The session, see `session`.
    ac_kws, eta_h : float32
        AC kW s that a missing kWh takes; battery kWh per AC kW s.

    Returns
    -------
    left, power, wait, stops : float32
        At the end.
    drawn : float32
        AC energy, kW s; exact for the piecewise linear power.
    stopped : float32
        1 where a command stopped the current.

    Notes
    -----
    A stop is immediate (the contactor opens); a change of current is a linear ramp.
    """
    own = own_s < t + max(d, _HALF)
    fraction = _ONE - max(a, _ZERO) if own else max(-a, _ZERO)
    level = level_kw(fraction, rated, switched, threshold) if left > _DONE_KWH else _ZERO
    on = level > _ZERO
    begin = min(max((own_s if own else arrive) - t, _ZERO), d)
    end = min(max(depart - t, _ZERO), d)
    span = max(end - begin, _ZERO)
    top, area = ramp(power, level, rate, rate, max(span - wait, _ZERO))
    drawn = min(area, left * ac_kws) if on else _ZERO
    stopped = _ONE if power > _ZERO and not on else _ZERO
    stops = stops + stopped
    wait = max(wait - span, _ZERO) if on else max(wait, delay)
    wait = _NEVER_S if stopped > _ZERO and stops >= fail_at else wait
    left = left - drawn * eta_h
    power = top if on and left > _DONE_KWH and depart > t + d else _ZERO
    return left, power, wait, stops, drawn, stopped


@scalar
def tick(  # type: ignore[no-untyped-def]
    t, dt, a0, a1, part, takes, left, power, wait, stops, rated, switched, rate, arrive, own_s, depart, obey, delay,
    fail_at, threshold, ac_kws, eta_h, margin, max_stops,
):  # fmt: skip
    """Return (power, wait, stops, AC kW s drawn, stops by command) of one car after a tick of ``dt`` seconds.

    A car whose spare time has come down to ``margin`` charges until it leaves, whatever is asked. That, the number
    of stops and the least state of charge are looked at once, at the tick's start. Other arguments: see `phase`.
    """
    lax = depart - t - left * ac_kws / max(rated, _TINY)
    stops = LOCKED if lax <= margin else stops
    obeys = takes if stops < max_stops and left <= obey else _ZERO
    before, after, d1 = a0 * obeys, a1 * obeys, part * dt
    d0 = dt - d1
    first, last = before if d0 > _ZERO else after, after if d1 > _ZERO else before
    left, power, wait, stops, drawn0, stop0 = phase(
        t, d0, first, left, power, wait, stops, rated, switched, rate, arrive, own_s, depart, delay, fail_at,
        threshold, ac_kws, eta_h,
    )  # fmt: skip
    left, power, wait, stops, drawn1, stop1 = phase(
        t + d0, d1, last, left, power, wait, stops, rated, switched, rate, arrive, own_s, depart, delay, fail_at,
        threshold, ac_kws, eta_h,
    )  # fmt: skip
    return power, wait, stops, drawn0 + drawn1, stop0 + stop1


@scalar
def uncommanded(t, dt, rated, need, arrive, own_s, depart, delay, ac_kws):  # type: ignore[no-untyped-def]
    """Return (AC kW s in the tick from ``t``, kWh that lack when it leaves) of a car that nobody ever commanded.

    Closed form: full power from its own start and its delay on, until the need is met or it leaves; ramps (1-8 s) are
    left out. Arguments: see `phase`; ``need`` is that of the session, kWh.
    """
    begin = max(own_s, arrive) + delay
    end = min(begin + need * ac_kws / max(rated, _TINY), depart)
    drawn = max(min(t + dt, end) - max(t, begin), _ZERO) * rated
    return drawn, max(need - max(end - begin, _ZERO) * rated / ac_kws, _ZERO)


@scalar
def capabilities(  # type: ignore[no-untyped-def]
    t, takes, left, wait, stops, rated, arrive, own_s, depart, obey, eta, margin, max_stops
):
    """Return (up kW, down kW, shiftable AC kWh, AC kWh that will be missing) of one car at ``t``.

    Up is what the car's own schedule draws and could be put off for 30 minutes; down what it could take for 30
    minutes before its own start. A car that is not there has none.
    """
    here = arrive <= t and t < depart
    left = left if here else _ZERO
    spare = depart - t - left * _HOUR_S / max(eta * rated, _TINY) - margin
    free = takes if stops < max_stops and left <= obey and spare > _ZERO else _ZERO
    ac_kwh = left / eta
    held = min(rated, ac_kwh * _PER_HOLD_H) * free
    up = held if own_s <= t and spare >= _HOLD_S else _ZERO
    down = held if own_s > t else _ZERO
    stored = free * min(ac_kwh, rated * max(spare, _ZERO) / _HOUR_S)
    debt = max(ac_kwh - rated * max(depart - t - wait, _ZERO) / _HOUR_S, _ZERO)
    return up, down, stored, debt

"""How a home battery works, one device at a time: limits, its own schedule, ramps, stored energy."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar
from der_gym.numerics.ramp import ramp

_0, _HALF, _1 = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_BLOCK_H, _QUARTER_H = np.float32(0.5), np.float32(0.25)
_DAY_S, _NIGHT_S, _TO_MIDNIGHT_S = np.float32(86400.0), np.float32(28800.0), np.float32(3600.0)  # cheap: 8 h from 23 h


@scalar
def limits(above, room, capacity, rated, eta, house, most_out, most_in, slope, zero, storm, hours):  # type: ignore[no-untyped-def]
    """Return (least, greatest) mean power over ``hours`` that no command and no schedule crosses, kW.

    Discharge: inverter, energy ``above`` the reserve, and the house's draw plus what may be fed back. Charge:
    inverter, ``room`` to full, import limit, and the taper, ``rated * slope * (zero - soc)`` at the middle of the
    time (implicit, so a minute agrees with sixty seconds to 1e-4).
    """
    out = min(min(rated, max(house + most_out, _0)), max(above, _0) * eta * (_1 / hours))
    taper = rated * slope * (room + (zero - _1) * capacity) / (capacity + _HALF * slope * rated * eta * hours)
    into = min(min(rated, taper), min(most_in - house, room * (_1 / hours) / eta))
    return _0 if storm > _HALF else -out, max(into, _0)


@scalar
def reach(above, room, capacity, rated, eta, house, most_out, most_in, slope, zero, storm):  # type: ignore[no-untyped-def]
    """Return (least, greatest) mean power that can be held for half an hour.

    The charge is taken as two quarters: at most 4 % high for one device, 1.5 % for a fleet.
    """
    low, _ = limits(above, room, capacity, rated, eta, house, most_out, most_in, slope, zero, storm, _BLOCK_H)
    _, first = limits(above, room, capacity, rated, eta, house, most_out, most_in, slope, zero, storm, _QUARTER_H)
    left = room - first * eta * _QUARTER_H
    _, second = limits(above, left, capacity, rated, eta, house, most_out, most_in, slope, zero, storm, _QUARTER_H)
    return low, (first + second) * _HALF


@scalar
def own_kw(above, rated, eta, house, night, start, target, queue, share, standby, storm, hours):  # type: ignore[no-untyped-def]
    """Return the power of the own schedule before limits, kW; ``night`` is the time since 23 h in s."""
    fill = min(max(target - above, _0) * (_1 / hours) / eta, rated)
    at_night = fill if night >= start else _0
    own = (at_night if queue < share else -house) if night < _NIGHT_S else -house
    own = _0 if standby > _HALF else own
    return rated if storm > _HALF else own


@scalar
def wanted_kw(a, own, rated, gain, offset):  # type: ignore[no-untyped-def]
    """Return the power aimed at: the share ``a`` of the way from the own schedule to full discharge, < 0: to charge."""
    span = rated + own if a > _0 else rated - own
    return own if a == _0 else own + offset - a * span * gain


@scalar
def move(power, first, second, low, high, rate, release, part, dt):  # type: ignore[no-untyped-def]
    """Return (power at the tick's end, mean power): towards ``first`` for ``1 - part`` of the tick, then ``second``.

    Limits act at once (a relay), the rest ramps; only the end of a discharge takes ``release``, a charge does not
    wait for it. Every power on the way lies within the limits, and so does the mean.
    """
    first, second = min(max(first, low), high), min(max(second, low), high)
    power = min(max(power, low), high)
    power, sum_first = ramp(power, first, rate if first > _0 else release, rate, dt * (_1 - part))
    power, sum_second = ramp(power, second, rate if second > _0 else release, rate, dt * part)
    return power, min(max((sum_first + sum_second) / dt, low), high)


@scalar
def store(above, power, eta, standby, hours):  # type: ignore[no-untyped-def]
    """Return (change of the stored energy, charged, discharged, lost) in kWh over ``hours`` at ``power``.

    All float32: what moves in a tick is small, so its rounding is too (1e-9 kWh in a minute). The standby loss comes
    out of the store down to the reserve; from there on the grid feeds the electronics, a draw of 10-40 W that is left
    out.
    """
    charged, discharged = max(power, _0) * hours, max(-power, _0) * hours
    change = charged * eta - discharged / eta
    lost = min(max(above + change, _0), standby * hours)
    return change - lost, charged, discharged, lost


@scalar
def since_23(sod):  # type: ignore[no-untyped-def]
    """Return the seconds since 23 h at second ``sod`` of the day."""
    return sod + _TO_MIDNIGHT_S - (_DAY_S if sod + _TO_MIDNIGHT_S >= _DAY_S else _0)


@scalar
def taper_line(taper_from, taper_to):  # type: ignore[no-untyped-def]
    """Return (slope, zero) of the charge's taper: power over rated = slope * (zero - soc)."""
    slope = (_1 - taper_to) / (_1 - taper_from)
    return slope, taper_from + _1 / slope

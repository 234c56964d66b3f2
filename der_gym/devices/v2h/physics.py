"""A V2H charger over a tick: what it may do, what it is asked; its contactor, pauses and ramps."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar
from der_gym.numerics.ramp import ramp

_0, _1, _HOUR_S = np.float32(0.0), np.float32(1.0), np.float32(3600.0)
_LEAST_KW = np.float32(0.1)


@scalar
def limits(held, floor, full, rated, eta, house, most_out, most_in, hours):  # type: ignore[no-untyped-def]
    """Return (least, greatest) mean power over ``hours``, kW: charger, store, wiring, right to feed back."""
    out = min(min(rated, max(house + most_out, _0)), max(held - floor, _0) * eta / hours)
    into = min(min(rated, max(most_in - house, _0)), max(full - held, _0) / (eta * hours))
    return -out, into


@scalar
def spare_s(t, depart, held, ready, rated, eta, house, most_in):  # type: ignore[no-untyped-def]
    """Return the seconds that are left before the car must charge, as fast as the home lets it, to be ready to go."""
    fastest = max(min(rated, most_in - house), _LEAST_KW)
    return depart - t - max(ready - held, _0) * _HOUR_S / (eta * fastest)


@scalar
def aim(a, own, rated, low, high):  # type: ignore[no-untyped-def]
    """Return the power aimed at, kW: the share ``a`` of the way from the own schedule to full discharge or charge."""
    span = rated + own if a > _0 else rated - own
    return min(max(own - a * span, low), high)


@scalar
def phase(  # type: ignore[no-untyped-def]
    seconds, target, own, commanded, power, direction, wait, cycles, idle, handshake, flip, rate, hold, most
):
    """Work ``seconds`` towards ``target``: down to zero where it turns, the pause, then up.

    An open contactor closes after the handshake; that is a cycle. It opens after ``hold`` seconds without current, and
    no more once the day's cycles are used up. A command does not take the last cycle, which is kept for the owner's
    charge: the own schedule holds in its place.

    Parameters
    ----------
    seconds : float32
        Length of the phase, s, >= 0.
    target, own : float32
        Power aimed at, and of the own schedule, kW.
    commanded : bool
        Whether a command asks for the target.
    power, direction, wait, cycles, idle : float32
        State; see the rows of the class.
    handshake, flip : float32
        Pauses, s.
    rate : float32
        Greatest change of power, kW/s, > 0.
    hold, most : float32
        Seconds without current until the contactor opens; cycles a day, >= 1.

    Returns
    -------
    drawn : float32
        kW s from the grid, < 0 into the home.
    power, direction, wait, cycles, idle : float32
        The state at the end.
    """
    refused = commanded & (direction == _0) & (cycles >= most - _1)
    target = own if refused else target
    sign = _1 if target > _0 else (-_1 if target < _0 else direction)
    turns = (sign != direction) & (seconds > _0)
    closes = turns & (direction == _0)
    wait = (handshake if closes else flip) if turns else wait
    cycles = cycles + (_1 if closes else _0)
    falls = (power * sign < _0) | (wait > _0)
    fall_s = min(abs(power) / rate, seconds) if falls else _0
    power, down = ramp(power, _0, rate, rate, fall_s)
    paused_s = min(wait, seconds - fall_s)
    power, up = ramp(power, target, rate, rate, seconds - fall_s - paused_s)
    idle = idle + seconds if target == _0 else _0
    opens = (idle > hold) & (cycles < most)
    return down + up, power, _0 if opens else (sign if turns else direction), wait - paused_s, cycles, idle

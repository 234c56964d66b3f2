"""A V2H charger over a tick: what it may do, what it is asked, and the pauses between charge and discharge."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar

_0, _HALF, _1, _HOUR_S = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(3600.0)
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
def phase(seconds, target, direction, wait, cycles, begun, handshake, flip, commanded, most):  # type: ignore[no-untyped-def]
    """Work ``seconds`` towards ``target``.

    Returns
    -------
    drawn : float32
        kW s from the grid, < 0 into the home.
    direction, wait, cycles, begun : float32
        1 charging, -1 discharging, 0 not yet; s of the pause still to wait; changes of direction by command; 1 after
        the handshake.
    """
    sign = _1 if target > _0 else (-_1 if target < _0 else direction)
    turns = (sign != direction) & (seconds > _0)
    refused = turns & commanded & (direction != _0) & (cycles >= most)  # the day's cycles are used up
    turns = turns & (not refused)
    pause = flip if begun > _0 else handshake
    wait = pause if turns else wait
    cycles = cycles + (_1 if turns & commanded & (direction != _0) else _0)
    begun = _1 if turns else begun
    power = _0 if refused else target
    drawn = power * max(seconds - wait, _0)
    return drawn, sign if turns else direction, max(wait - seconds, _0), cycles, begun

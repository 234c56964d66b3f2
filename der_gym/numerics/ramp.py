"""Ramp-limited power in closed form, so that a tick's mean does not depend on the tick's length."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar

_HALF = np.float32(0.5)
_TINY = np.float32(1e-9)


@scalar
def ramp(power, target, up, down, seconds):  # type: ignore[no-untyped-def]
    """Return (power at the end, integral of power over the phase).

    Parameters
    ----------
    power, target : float32
        Power at the start and the power aimed at, kW.
    up, down : float32
        Greatest rates, kW/s, > 0.
    seconds : float32
        Length of the phase, s, >= 0.

    Returns
    -------
    end : float32
        kW.
    integral : float32
        kW s; exact for a linear ramp that then holds.
    """
    step = min(max(target - power, -down * seconds), up * seconds)
    end = power + step
    rate = up if step > np.float32(0.0) else down
    moving = abs(step) / max(rate, _TINY)
    return end, end * seconds - step * moving * _HALF

"""Eligibility: a unit whose response is too slow for a product is not registered for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError


def too_slow(p95_s: NDArray[np.float64], response_time_s: float, names: Sequence[str]) -> list[str]:
    """Return a line for each name that is too slow for a product, slowest first.

    A unit is eligible only if the 95th percentile of path + dead time + ramp is at most the product's response time
    [A: no rule is published for groups; the market asks for full power within that time].

    Parameters
    ----------
    p95_s : float (n_cell,)
        95th percentile of the time from the request to full power, s; NaN counts as too slow.
    response_time_s : float
        The product's response time, s, > 0: 900 for tertiary-1.
    names : sequence of str (n_cell,)
        What the unit is called: path, leaf or class; of equal names the slowest is reported.

    Returns
    -------
    list of str
        ``"P4-slow: p95 1,712 s > 900 s"``; empty where all may serve.

    Raises
    ------
    InputError
        Where there is not one figure per name, or the response time is not above 0.
    """
    if len(p95_s) != len(names):
        raise InputError(f"p95_s: {len(p95_s)} figures for {len(names)} names; allowed: one each")
    if not response_time_s > 0.0:
        raise InputError(f"response_time_s: {response_time_s}; allowed: above 0 s")
    worst: dict[str, float] = {}
    for name, p95 in zip(names, np.nan_to_num(p95_s, nan=np.inf).tolist(), strict=True):
        if p95 > response_time_s:
            worst[name] = max(p95, worst.get(name, 0.0))
    slowest_first = sorted(worst.items(), key=lambda item: (-item[1], item[0]))
    return [f"{name}: p95 {_seconds(p95)} > {_seconds(response_time_s)}" for name, p95 in slowest_first]


def refuse(p95_s: NDArray[np.float64], response_time_s: float, names: Sequence[str], product: str) -> None:
    """Raise InputError with every line of `too_slow`; return where all may serve ``product``."""
    lines = too_slow(p95_s, response_time_s, names)
    if lines:
        raise InputError(f"{product}: {len(lines)} too slow for its list: {'; '.join(lines)}")


def _seconds(value: float) -> str:
    """Return a figure in whole seconds, below 100 s in tenths, rounded up so that a figure above a limit reads so."""
    if not math.isfinite(value):
        return "unknown"
    return f"{math.ceil(value):,} s" if value >= 100.0 else f"{math.ceil(value * 10.0) / 10.0:g} s"

"""Meters: what settlement sees is what happened times a gain that a meter keeps for life.

The gain's error is normal with a third of the tolerance as standard deviation, cut at the tolerance [A]. Meters in use
lie between 0.9 and 10 % in seven classes [S]; the tolerance is ``devices.behaviour.meter_tolerance``. Independent
errors cancel in a group: the standard deviation of a sum's gain is about ``tolerance / (3 * sqrt(n))`` for equal units.

A device's meter is drawn when the device joins, by the quick hash; a site's receiving-point meter once, by Philox.
"""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, scalar
from der_gym.numerics import approx, rng

STREAM = rng.stream("meter.gain")
_ONE = np.float32(1.0)
_THIRD = np.float32(1.0 / 3.0)


@scalar
def gain(z, tolerance):  # type: ignore[no-untyped-def]
    """Return a meter's gain, float32 in 1 - tolerance .. 1 + tolerance, of a standard normal number ``z``."""
    return _ONE + approx.clip(z * tolerance * _THIRD, -tolerance, tolerance)


@scalar
def device_gain(k0, k1, uid, tolerance):  # type: ignore[no-untyped-def]
    """Return the gain of a device's meter, from the fleet's key (two uint32) and the device's uid."""
    return gain(approx.normal_quantile(rng.quick_uniform(k0, k1, uid, STREAM, np.uint32(0))), tolerance)


@scalar
def site_gain(k0, k1, uid, tolerance):  # type: ignore[no-untyped-def]
    """Return the gain of a site's receiving-point meter, from a key (two uint32) and the site's uid."""
    return gain(rng.normal(k0, k1, uid, STREAM, 0, 0), tolerance)


@kernel
def draw_gain(s0, s1, n_shard, active, keys, uid, tolerance, out):  # type: ignore[no-untyped-def]
    """Write the gain of every receiving-point meter of active worlds.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards, and shards per world.
    active : (W,) bool
        Other worlds keep every bit.
    keys : (W, 4) u4
        Columns 0 and 1 are the fleet's key: a meter stays with its site whatever the day's luck.
    uid : (n_shard, N) u4
        The site's address for draws.
    tolerance : float32
        ``devices.behaviour.meter_tolerance``.
    out : (S, N) f4
        1 + gain error.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            k0, k1 = keys[w, 0], keys[w, 1]
            row, place = out[s], uid[s % n_shard]
            for i in range(row.shape[0]):
                row[i] = site_gain(k0, k1, place[i], tolerance)

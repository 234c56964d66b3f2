"""Meters: settlement reads the true power times a gain that each device's meter keeps for life."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.engine.compile import kernel, scalar
from der_gym.numerics import approx, rng
from der_gym.services.base import SettingsModel

STREAM = rng.stream("meter.gain")
_ONE = np.float32(1.0)
_THIRD = np.float32(1.0 / 3.0)


class MeterConfig(SettingsModel):
    """Error of the meters that settlement reads."""

    tolerance_share: float = Field(default=0.02, ge=0.0, le=0.10)
    """Largest gain error of a device's meter. Meters in use lie between 0.9 and 10 % in seven classes [S]; sweep
    .009, .02, .05, .10. That the error is normal with a third of the tolerance as sd is an assumption [A]."""


@scalar
def gain(k0, k1, uid, tolerance):  # type: ignore[no-untyped-def]
    """Return a meter's gain, float32 in 1 - tolerance .. 1 + tolerance, from the fleet's key and the device's uid."""
    z = rng.normal(k0, k1, uid, STREAM, 0, 0)
    return _ONE + approx.clip(z * tolerance * _THIRD, -tolerance, tolerance)


@kernel
def draw_gain(s0, s1, n_shard, active, keys, uid, tolerance, out):  # type: ignore[no-untyped-def]
    """Write the gain of every meter of active worlds.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards, and shards per world.
    active : (W,) bool
        Other worlds keep every bit.
    keys : (W, 4) u4
        Columns 0 and 1 are the fleet's key: a meter stays with its device whatever the day's luck.
    uid : (n_shard, N) u4
        The device's address for draws.
    tolerance : float32
        ``MeterConfig.tolerance_share``.
    out : (S, N) f4
        1 + gain error.

    Notes
    -----
    Independent errors cancel in a group: sd of the sum's gain is about ``tolerance / (3 * sqrt(n))`` for equal units.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if active[w]:
            k0, k1 = keys[w, 0], keys[w, 1]
            row, place = out[s], uid[s % n_shard]
            for i in range(row.shape[0]):
                row[i] = gain(k0, k1, place[i], tolerance)

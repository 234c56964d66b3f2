"""Standby as a message: which stores have heard that they shall stand by for a service.

The message goes out over each device's own path before its window begins, and again at every half hour of it to those
that have not got it. It is lost with the path's share of losses, does not get through a link or a cloud that is out,
and is not obeyed by an owner who has opted out. A device that has it keeps it until the window's end; one that has not
stays on its own schedule.
"""

from __future__ import annotations

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.engine.compile import kernel, part
from der_gym.engine.tables import FLEET
from der_gym.network.tables import CHANNEL, CLOUD, N_OUTAGE
from der_gym.numerics import rng

_STANDBY = rng.stream("network.standby")
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@part
def is_out(cloud, t):  # type: ignore[no-untyped-def]
    """Return whether a cloud, a row of CLOUD, is out at ``t`` s of the episode."""
    out = False
    for k in range(N_OUTAGE):
        out = out or cloud[CLOUD.OUT_0_FROM + 2 * k] <= t < cloud[CLOUD.OUT_0_FROM + 2 * k + 1]
    return out


@kernel
def stand_by(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, due, keys, uid, abs_s, t_s, standing, preloaded, cell_lo, cell_hi, cell_leaf, cell_cloud, path,
    cloud, fleet,
):  # fmt: skip
    """Write which stores stand by in the half hour that begins, where a world is ``due``.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    due : bool (n_world,)
        Worlds that stand at a half hour.
    keys : uint32 (n_world, 4); uid : uint32 (n_shard, N)
    abs_s : int64 (n_world,); t_s : float64 (n_world,)
    standing : bool (n_world, n_block, n_leaf)
        Where leaves stand by for a service.
    preloaded : bool
        Devices know their windows since their enrolment: nothing is sent.
    cell_lo, cell_hi, cell_leaf, cell_cloud : int64 (n_cell,)
    path : float32 (n_cell, CHANNEL.N); cloud : float64 (n_world, n_cloud, CLOUD.N)
    fleet : float32 (S, FLEET.N, N)
        STANDBY is written.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not due[w]:
            continue
        k0, k1, now, slot = keys[w, 2], keys[w, 3], np.float32(t_s[w]), np.uint32(abs_s[w] // BLOCK_S)
        b = int(t_s[w]) // BLOCK_S
        for c in range(cell_lo.shape[0]):
            lo, hi = cell_lo[c], cell_hi[c]
            row = fleet[s, FLEET.STANDBY, lo:hi]
            if b >= standing.shape[1] or not standing[w, b, cell_leaf[c]]:
                row[:] = _ZERO
                continue
            loss = _ONE if is_out(cloud[w, cell_cloud[c]], t_s[w]) else path[c, CHANNEL.LOSS]
            takes, ids = fleet[s, FLEET.ACCEPTS_COMMANDS, lo:hi], uid[p, lo:hi]
            down, up = fleet[s, FLEET.LINK_DOWN_S, lo:hi], fleet[s, FLEET.LINK_UP_S, lo:hi]
            for i in range(hi - lo):
                arrives = rng.quick_uniform(k0, k1, ids[i], _STANDBY, slot) >= loss
                hears = arrives & ((now < down[i]) | (now >= up[i]))
                knows = hears | preloaded | (row[i] > _ZERO)
                row[i] = takes[i] if knows else _ZERO

"""When a message reaches each device of a cell: a pure function of (key, uid, second at the cloud, path)."""

from __future__ import annotations

import numpy as np

from der_gym.core import approx, rng
from der_gym.core.jit import kernel, scalar
from der_gym.core.rows import DEAD_S, LINK_DOWN_S, LINK_UP_S
from der_gym.network.rows import (
    LONGEST_S,
    LOSS,
    MISSED_POLL,
    NEVER_S,
    POLL_A_S,
    POLL_A_SHARE,
    POLL_B_S,
    T_LAST,
)

_ARRIVAL = rng.stream("network.arrival")
_POLLER = rng.stream("network.poller")
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_NO_POLL = np.float32(1e-6)


@scalar
def next_poll(t, period, phase):  # type: ignore[no-untyped-def]
    """Return the first time >= ``t`` at which a device with this period and phase asks its cloud."""
    return np.ceil((t - phase) / period) * period + phase


@scalar
def arrival(t_cloud, latency, lost, missed, period, phase, down, up, dead, longest):  # type: ignore[no-untyped-def]
    """Return when a message acts at the device, s; ``NEVER_S`` where it is lost or later than ``longest``.

    Parameters
    ----------
    t_cloud, latency, period, phase, down, up, dead, longest : float32
        Seconds; ``period`` 0 where messages are pushed; the link is out in [down, up).
    lost, missed : bool
        The message is lost; the poll that would have fetched it fails.
    """
    polled = period > _ZERO
    step = max(period, _NO_POLL)
    first = next_poll(t_cloud, step, phase) + (period if missed else _ZERO)
    cut = (first >= down) & (first < up)
    first = next_poll(up, step, phase) if cut else first
    t = (first if polled else t_cloud) + latency
    out = lost | ((t >= down) & (t < up)) | (t - t_cloud > longest)
    return NEVER_S if out else np.float32(t + dead)


@kernel
def post(s0, s1, n_shard, keys, uid, cell_lo, cell_hi, cell_leaf, path, table, cell_t, cell_service_s, cell_slot, fleet, ring, last):  # type: ignore[no-untyped-def]
    """Write the arrival times of the messages that ``send`` has put out into the ring.

    Parameters
    ----------
    path : float32 (n_cell, N_PATH)
    table : float32 (n_cell, 256)
        Latency quantiles, s.
    cell_t : float64 (n_world, n_cell)
    cell_service_s : float64 (n_cell,)
    cell_slot : int64 (n_world, n_cell)
    fleet : float32 (S, N_FLEET, N)
    ring : float32 (S, n_slot, N)
        Out: seconds of the episode.
    last : float64 (S, n_cell)
        Out: the cell's last arrival.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        for c in range(cell_lo.shape[0]):
            slot = cell_slot[w, c]
            if slot < 0:
                continue
            lo, hi = cell_lo[c], cell_hi[c]
            row = path[c]
            latencies = table[c]
            t_cloud = np.float32(cell_t[w, c])
            spread = np.float32(cell_service_s[c])
            second = np.uint32(np.int64(cell_t[w, c]))
            ids = uid[p, lo:hi]
            dead, down, up = fleet[s, DEAD_S, lo:hi], fleet[s, LINK_DOWN_S, lo:hi], fleet[s, LINK_UP_S, lo:hi]
            out = ring[s, slot, lo:hi]
            f0, f1, k0, k1 = keys[w, 0], keys[w, 1], keys[w, 2], keys[w, 3]
            loss, miss, longest = row[LOSS], row[MISSED_POLL], row[LONGEST_S]
            poll_a, poll_b, share_a = row[POLL_A_S], row[POLL_B_S], row[POLL_A_SHARE]
            newest = np.float64(0.0)
            for i in range(hi - lo):
                u, v, x, y = rng.uniform4(k0, k1, ids[i], _ARRIVAL, second, np.uint32(0))
                q, z, _, _ = rng.uniform4(f0, f1, ids[i], _POLLER, np.uint32(0), np.uint32(0))
                period = poll_a if q < share_a else poll_b
                latency = approx.lookup(latencies, u)
                t = arrival(
                    t_cloud + y * spread, latency, v < loss, x < miss, period, z * period, down[i], up[i], dead[i], longest
                )
                out[i] = t
                newest = max(newest, np.float64(t) if t < NEVER_S else np.float64(0.0))
            last[s, c] = newest


@kernel
def book_last(active, n_shard, cell_leaf, cell_slot, last, mail):  # type: ignore[no-untyped-def]
    """Note each new message's last arrival at a device, over the cells and shards of its leaf."""
    for w in range(mail.shape[0]):
        if not active[w]:
            continue
        for c in range(cell_leaf.shape[0]):
            slot = cell_slot[w, c]
            if slot >= 0:
                m = mail[w, cell_leaf[c], slot]
                for s in range(w * n_shard, (w + 1) * n_shard):
                    m[T_LAST] = max(m[T_LAST], last[s, c])

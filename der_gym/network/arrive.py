"""When a message reaches each device of a cell: a pure function of (key, uid, second at the cloud, path)."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.scratch import borrow, give_back
from der_gym.engine.tables import FLEET
from der_gym.network.tables import CHANNEL, LOST_AT, NEVER_S, QUANTILE_STEPS, code, moment
from der_gym.numerics import approx, rng
from der_gym.numerics.sums import back, in_order

_LATENCY = rng.stream("network.latency")
_MISSED = rng.stream("network.missed")
_PLACE = rng.stream("network.place")
_POLLER = rng.stream("network.poller")
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_ZERO_BITS = np.int32(0)
_LEAST = np.float32(1e-9)
_LAST, _LOST = np.float32(QUANTILE_STEPS - 1), np.float32(LOST_AT)


@scalar
def next_poll(t, period, phase):  # type: ignore[no-untyped-def]
    """Return the first time >= ``t`` at which a device with this period and phase asks its cloud."""
    return np.ceil((t - phase) / period) * period + phase


@scalar
def fetched(ready, missed, period, phase, down, up):  # type: ignore[no-untyped-def]
    """Return when a polling device asks for a message that its cloud has had since ``ready``, s.

    Parameters
    ----------
    ready, period, phase, down, up : float32
        Seconds; the link is out in [down, up): a poll within waits for the first one after.
    missed : bool
        The first poll fails.
    """
    first = next_poll(ready, period, phase) + (period if missed else _ZERO)
    after = next_poll(up, period, phase)
    cut = (first >= down) & (first < up)
    return after if cut else first


@scalar
def arrival(t_cloud, latency, down, up, dead, longest):  # type: ignore[no-untyped-def]
    """Return when a message acts at the device, s; ``NEVER_S`` where it is lost or takes longer than ``longest``.

    Parameters
    ----------
    t_cloud, latency : float32
        When the cloud has the message, s of the episode; its way to the device, s.
    down, up : float32
        The device's link is out in [down, up), s.
    dead : float32
        Dead time of the device, s.
    longest : float32
        A message that takes longer is lost, s.
    """
    t = t_cloud + latency
    out = ((t >= down) & (t < up)) | (latency > longest)
    acts = t + dead
    return NEVER_S if out else np.float32(acts)


@scalar
def place(u, steps):  # type: ignore[no-untyped-def]
    """Return the place in the latency table of the draw ``u`` in (0, 1): one draw decides loss and latency.

    Parameters
    ----------
    u : float32
        Its lower part is spread over the table. Its upper part, the share of lost messages, lies behind the table.
    steps : float32
        The table's last quantile over the share of messages that come.
    """
    at = u * steps
    return at if at < _LAST else _LOST


@scalar
def in_queue(uid):  # type: ignore[no-untyped-def]
    """Return a device's place in its cloud's queue, float32 in (0, 1): a function of its address alone."""
    return rng.unit(rng.mix(np.uint32(uid ^ _PLACE)))


@kernel
def post(  # type: ignore[no-untyped-def]
    s0,
    s1,
    n_shard,
    keys,
    uid,
    cell_lo,
    cell_hi,
    cell_leaf,
    path,
    salt,
    table,
    cell_t,
    cell_service_s,
    cell_slot,
    fleet,
    ring_lo,
    ring,
    coming,
    last,
):
    """Write the arrival times of the messages that ``send`` has put out into the ring.

    Parameters
    ----------
    path : float32 (n_cell, N_PATH)
    salt : uint32 (n_cell,)
        Separates the draws of streams; 0 for dispatch.
    table : float32 (n_cell, 257, 2)
        Latency quantiles, s; see `ChannelConfig.table`.
    cell_t : float64 (n_world, n_cell)
    cell_service_s : float64 (n_cell,)
    cell_slot : int64 (n_world, n_cell)
    fleet : float32 (S, N_FLEET, N)
    ring_lo : int64 (n_cell,)
        Where a cell's slots begin in the ring; each is as long as the cell.
    ring : uint16 (S, n_ring)
        Out: the moments, in steps of the path's STEP_S after ``cell_t``; see `rows.code`. Known error: half a step.
    coming : float32 (S, n_slot, n_cell)
        Out: 0, so that ``deliver`` looks for arrivals.
    last : float64 (S, n_cell)
        Out: the cell's last arrival.
    """
    rows = borrow(1, fleet.shape[2])
    moments = rows[0]
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
            dead, down, up = (
                fleet[s, FLEET.DEAD_S, lo:hi],
                fleet[s, FLEET.LINK_DOWN_S, lo:hi],
                fleet[s, FLEET.LINK_UP_S, lo:hi],
            )
            out, at = moments[lo:hi], ring_lo[c] + slot * (hi - lo)
            f0, f1, k0, k1 = keys[w, 0], keys[w, 1], keys[w, 2], keys[w, 3]
            steps = _LAST / max(_ONE - row[CHANNEL.LOSS], _LEAST)
            miss, longest = row[CHANNEL.MISSED_POLL], row[CHANNEL.LONGEST_S] + spread
            poll_a, poll_b, share_a = row[CHANNEL.POLL_A_S], row[CHANNEL.POLL_B_S], row[CHANNEL.POLL_A_SHARE]
            longest_poll = max(poll_a, poll_b)
            polled = longest_poll > _ZERO
            latency, missed = np.uint32(_LATENCY ^ salt[c]), np.uint32(_MISSED ^ salt[c])
            for i in range(hi - lo):
                out[i] = place(rng.quick_uniform(k0, k1, ids[i], latency, second), steps)
            for i in range(hi - lo):  # a loop of its own: looking up a table keeps a loop from being vectorised
                out[i] = approx.lookup(latencies, out[i])
            if polled:
                for i in range(hi - lo):
                    x = rng.quick_uniform(k0, k1, ids[i], missed, second)
                    q = rng.quick_uniform(f0, f1, ids[i], _POLLER, np.uint32(0))
                    z = rng.quick_uniform(f0, f1, ids[i], _POLLER, np.uint32(1))
                    period = poll_a if q < share_a else poll_b
                    queue = in_queue(ids[i]) * spread
                    ready = t_cloud + queue
                    wait = fetched(ready, x < miss, period, z * period, down[i], up[i]) - ready
                    out[i] = arrival(t_cloud, out[i] + queue + wait, down[i], up[i], dead[i], longest)
            else:
                for i in range(hi - lo):
                    queue = in_queue(ids[i]) * spread
                    out[i] = arrival(t_cloud, out[i] + queue, down[i], up[i], dead[i], longest)
            last[s, c] = keep(out, t_cloud, row[CHANNEL.STEP_S], ring[s, at : at + hi - lo])
            coming[s, slot, c] = _ZERO
    give_back(rows)


@part
def keep(moments, since, step, ring):  # type: ignore[no-untyped-def]
    """Write a cell's arrivals into its slot of the ring; return the last that comes at all, float64 s.

    Parameters
    ----------
    moments : float32 (n,)
        Arrival at each device, s; ``NEVER_S`` where there is none.
    since, step : float
        First moment that a code stands for; length of a step, s.
    ring : uint16 (n,)
        Out.
    """
    last, per_s = _ZERO_BITS, _ONE / step
    for i in range(moments.shape[0]):
        arrive = code(moments[i], since, per_s)
        ring[i] = arrive
        t = moment(arrive, since, step)
        last = max(last, in_order(t if t < NEVER_S else _ZERO))
    return np.float64(back(last))

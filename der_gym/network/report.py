"""Telemetry: each device's last report in the aggregator's table, late, lossy and aged."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.tables import FLEET
from der_gym.network.tables import CHANNEL, CLOUD, N_OUTAGE
from der_gym.numerics import rng

_ZERO = np.float32(0.0)
_NONE = np.float32(np.inf)
_PHASES = np.float32(256.0)  # parts of a period
_SPREAD, _LOW = np.uint64(0x7FEB352D), np.uint64(0xFFFFFFFF)


@scalar
def hash_unit(x, y):  # type: ignore[no-untyped-def]
    """Return a float32 in (0, 1) from two uint32: a 32-bit avalanche hash, for draws of small weight."""
    return rng.unit(rng.mix(np.uint32(np.uint32(x) ^ np.uint32((np.uint64(y) * _SPREAD) & _LOW))))


@scalar
def report_one(  # type: ignore[no-untyped-def]
    shown, pending_kw, seen_kw, seen_s, x, key, down, up, start, end, phase, period, delay, loss
):
    """Return (pending_kw, seen_kw, seen_s) after the tick [start, end].

    A device samples at its own phase, and not before its last report has come (``period`` >= ``delay``). So a report on
    its way at the start of a tick is the last sample before the tick. Where a tick spans both, the newest sample that
    arrives by its end is seen. ``x`` is the device's uid as uint32, ``key`` the world's, ``phase`` from `draw_phases`.
    Known error: a sample reads the mean power of the tick, there also of one up to the delay before it, and of
    several samples in a tick only the newest counts: where it is lost, the table ages by the tick, not by the period.

    Parameters
    ----------
    shown : float32
        Power that the device shows, kW.
    pending_kw, seen_kw, seen_s : float32
        Report on its way (infinite: none), last report that arrived, kW, and the moment of its sample, s.
    x, key : uint32
        Address of the device; key of the world.
    down, up, start, end : float32
        The link is out in [down, up); start and end of the tick, s of the episode.
    phase, period, delay : float32
        Offset of the samples, time between two, time on the way, s.
    loss : float32
        Share of reports that are lost, 0..1.
    """
    last = np.floor((start - phase) / period) * period + phase
    on_way = pending_kw < _NONE
    came = on_way & (last + delay <= end)
    seen_kw = pending_kw if came else seen_kw
    seen_s = last if came else seen_s
    on_way = on_way & (not came)
    back = delay if max(period, delay) <= end - start else _ZERO
    n = np.floor((end - back - phase) / period)
    t = n * period + phase
    kept = hash_unit(x ^ key, np.uint32(np.int32(n + np.float32(1e6)))) >= loss
    take = (t > start - back) & (not on_way) & kept & ((t < down) | (t >= up))
    now = take & (t + delay <= end)
    seen_kw = shown if now else seen_kw
    seen_s = t if now else seen_s
    pending_kw = pending_kw if on_way else _NONE
    pending_kw = shown if take & (not now) else pending_kw
    return pending_kw, seen_kw, seen_s


@kernel
def draw_phases(uid, phase):  # type: ignore[no-untyped-def]
    """Write when each device samples, in 256ths of its period: a function of its address, the same in all worlds.

    Parameters
    ----------
    uid : uint32 (n_shard, N)
    phase : uint8 (n_shard, N)
        Out.
    """
    for p in range(uid.shape[0]):
        for i in range(uid.shape[1]):
            phase[p, i] = np.uint8(hash_unit(uid[p, i], np.uint32(7)) * _PHASES)


@kernel
def show_power(s0, s1, n_shard, active, fleet):  # type: ignore[no-untyped-def]
    """Let devices report their power itself, not their own estimate of it: the ideal network.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    fleet : float32 (S, N_FLEET, N)
        SHOWN_KW is written.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            shown, power = fleet[s, FLEET.SHOWN_KW], fleet[s, FLEET.POWER_KW]
            for i in range(shown.shape[0]):
                shown[i] = power[i]


@kernel
def report(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, keys, uid, phase, t_s, dt_s, cell_lo, cell_hi, cell_cloud, path, cloud, fleet
):
    """Advance the aggregator's table by one tick; while a cloud is out, all reports are lost.

    Parameters are those of ``deliver``, ``post`` and `draw_phases`.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        start, end = np.float32(t_s[w]), np.float32(t_s[w] + dt_s)
        key = keys[w, 2]
        for c in range(cell_lo.shape[0]):
            lo, hi = cell_lo[c], cell_hi[c]
            p_kw = fleet[s, FLEET.PENDING_KW, lo:hi]
            if _is_out(cloud[w, cell_cloud[c]], t_s[w] + dt_s):
                for i in range(hi - lo):
                    p_kw[i] = _NONE
                continue
            ids, phases = uid[p, lo:hi], phase[p, lo:hi]
            shown, down, up = (
                fleet[s, FLEET.SHOWN_KW, lo:hi],
                fleet[s, FLEET.LINK_DOWN_S, lo:hi],
                fleet[s, FLEET.LINK_UP_S, lo:hi],
            )
            s_kw, s_s = fleet[s, FLEET.SEEN_KW, lo:hi], fleet[s, FLEET.SEEN_S, lo:hi]
            cut = path[c, CHANNEL.TELEMETRY_S] / _PHASES
            period, delay, loss = (
                path[c, CHANNEL.TELEMETRY_S],
                path[c, CHANNEL.TELEMETRY_DELAY_S],
                path[c, CHANNEL.TELEMETRY_LOSS],
            )
            for i in range(hi - lo):
                p_kw[i], s_kw[i], s_s[i] = report_one(
                    shown[i],
                    p_kw[i],
                    s_kw[i],
                    s_s[i],
                    ids[i],
                    key,
                    down[i],
                    up[i],
                    start,
                    end,
                    np.float32(phases[i]) * cut,
                    period,
                    delay,
                    loss,
                )


@part
def _is_out(cloud, t):  # type: ignore[no-untyped-def]
    """Return whether a cloud is out at ``t`` by its row."""
    out = False
    for k in range(N_OUTAGE):
        out = out or cloud[CLOUD.OUT_0_FROM + 2 * k] <= t < cloud[CLOUD.OUT_0_FROM + 2 * k + 1]
    return out

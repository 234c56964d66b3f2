"""Sums over cells of the power that happened (true), that settlement reads (metered) and the aggregator sees (seen)."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.scratch import borrow, give_back
from der_gym.engine.tables import FLEET, SITE
from der_gym.numerics.lanes import N_LANE, packets
from der_gym.numerics.sums import dot, find_enrolled

POWER = Table(
    "power",
    "float64 (S, n_cell, N): a tick's power of each cell, and of all homes",
    """
    metered_kw | kW | meter | as the meters have it
    true_kw    | kW | truth | as it was
    """,
)
SEEN = Table(
    "seen",
    "float64 (S, n_cell, N): the aggregator's table, summed over cells",
    """
    seen_kw   | kW   | aggregator | last reports
    aged_kw_s | kW s | | rated kW x time of the report, of the devices that are not silent
    silent_kw | kW   | aggregator | rated kW of silent devices: no report in the last hour
    """,
)
SILENT_S = 3600.0  # a device whose last report is older is silent

_ZERO, _ONE, _SILENT_S = np.float32(0.0), np.float32(1.0), np.float32(SILENT_S)


@kernel
def sum_power_cells(s0, s1, n_shard, active, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write each cell's metered and true kW of the tick into ``out``, float64 (S, n_cell, N_POWER).

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    lo, hi : int64 (n_cell,)
        First place of each cell, and the one after its last.
    fleet : float32 (S, FLEET.N, N)
    out : float64 (S, n_cell, POWER.N)
        Out.
    """
    rows = borrow(1, fleet.shape[2])
    here = rows[0]
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        power, gain = fleet[s, FLEET.POWER_KW], fleet[s, FLEET.METER_GAIN]
        find_enrolled(gain, here)
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            out[s, c, POWER.METERED_KW] = dot(power[at:to], gain[at:to])
            out[s, c, POWER.TRUE_KW] = dot(power[at:to], here[at:to])
    give_back(rows)


@kernel
def sum_power_sites(s0, s1, n_shard, active, present, gain, site, out):  # type: ignore[no-untyped-def]
    """Write the sites' metered and true net kW into ``out``, float64 (S, N_POWER).

    Parameters
    ----------
    present, gain : float32 (n_shard, n_site)
        1 for a real site; that times 1 + the gain error of its receiving-point meter.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            p = s % n_shard
            net = site[s, SITE.NET_KW]
            out[s, POWER.METERED_KW], out[s, POWER.TRUE_KW] = dot(net, gain[p]), dot(net, present[p])


@kernel
def sum_seen_cells(s0, s1, n_shard, active, t_s, dt_s, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write the sums of the aggregator's table into ``out``, float64 (S, n_cell, N_SEEN).

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    t_s : float64 (n_world,)
        Seconds of the episode at the tick's start.
    dt_s : int
        Length of the tick, s.
    lo, hi : int64 (n_cell,)
        First place of each cell, and the one after its last.
    fleet : float32 (S, FLEET.N, N)
    out : float64 (S, n_cell, SEEN.N)
        Out.
    """
    rows = borrow(1, fleet.shape[2])
    here = rows[0]
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        seen, when, rated = fleet[s, FLEET.SEEN_KW], fleet[s, FLEET.SEEN_S], fleet[s, FLEET.RATED_KW]
        find_enrolled(fleet[s, FLEET.METER_GAIN], here)
        now = np.float32(t_s[s // n_shard] + dt_s)
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            out[s, c, SEEN.SEEN_KW] = dot(seen[at:to], here[at:to])
            given = (now, rated[at:to], when[at:to], here[at:to])
            out[s, c, SEEN.AGED_KW_S], out[s, c, SEEN.SILENT_KW] = reports(*given)
    give_back(rows)


@part
def reports(now, rated, when, silent):  # type: ignore[no-untyped-def]
    """Return float64 (sum of rated kW x time of the report, rated kW of silent devices) of a cell.

    A device is silent if its last report is more than ``SILENT_S`` old. Silent devices do not count in the first sum.
    Padding (rated 0) counts in neither.

    Parameters
    ----------
    now : float32
        s of the episode.
    rated, when : float32 (n,)
        Rated kW; moment of the last report, s of the episode.
    silent : float32 (n,)
        Scratch; 1 where a device is silent, else 0.
    """
    n, least = rated.shape[0], now - _SILENT_S
    total = packets(rated, when, least)
    for i in range(n // N_LANE * N_LANE, n):
        total += np.float64(rated[i] * max(when[i], least))
    for i in range(n):
        silent[i] = _ONE if when[i] < least else _ZERO
    silent_kw = dot(rated, silent)
    return total - silent_kw * np.float64(least), silent_kw


def fold(parts: np.ndarray, n_shard: int) -> np.ndarray:
    """Return the sum over a world's shards, in shard order: (S, ...) -> (n_world, ...)."""
    if n_shard == 1:
        return parts
    grouped = parts.reshape(parts.shape[0] // n_shard, n_shard, *parts.shape[1:])
    total = grouped[:, 0].copy()
    for k in range(1, n_shard):
        total += grouped[:, k]
    return total


@part
def folded(parts, w, n_shard, c, column):  # type: ignore[no-untyped-def]
    """Return the result of `fold` for one cell of one world."""
    total = parts[w * n_shard, c, column]
    for s in range(w * n_shard + 1, (w + 1) * n_shard):
        total += parts[s, c, column]
    return total

"""Sums over cells of the power that happened (true), that settlement reads (metered) and the aggregator sees (seen)."""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part
from der_gym.engine.schema import Table
from der_gym.engine.tables import FLEET, SITE
from der_gym.numerics.lanes import N_LANE, packets
from der_gym.numerics.sums import back, dot, find_enrolled, in_order

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
    aged_kw_s | kW s | | rated kW x time of the report
    oldest_s  | s    | | earliest report of the homes that have reported in the episode
    """,
)
OLDEST_SHOWN_S = 3600.0  # the age of an older report counts as this

_ZERO, _OLDEST_SHOWN_S = np.float32(0.0), np.float32(OLDEST_SHOWN_S)


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
    here = np.empty(fleet.shape[2], np.float32)
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        power, gain = fleet[s, FLEET.POWER_KW], fleet[s, FLEET.METER_GAIN]
        find_enrolled(gain, here)
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            out[s, c, POWER.METERED_KW] = dot(power[at:to], gain[at:to])
            out[s, c, POWER.TRUE_KW] = dot(power[at:to], here[at:to])


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
    here = np.empty(fleet.shape[2], np.float32)
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        seen, when, rated = fleet[s, FLEET.SEEN_KW], fleet[s, FLEET.SEEN_S], fleet[s, FLEET.RATED_KW]
        find_enrolled(fleet[s, FLEET.METER_GAIN], here)
        now = np.float32(t_s[s // n_shard] + dt_s)
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            out[s, c, SEEN.SEEN_KW] = dot(seen[at:to], here[at:to])
            out[s, c, SEEN.AGED_KW_S], out[s, c, SEEN.OLDEST_S] = reports(now, rated[at:to], when[at:to])


@part
def reports(now, rated, when):  # type: ignore[no-untyped-def]
    """Return float64 (sum of rated kW x time of the report, earliest report) of a cell.

    A report counts as at most ``OLDEST_SHOWN_S`` old. A home that was silent before the episode and still is counts so
    in the sum, for the mean age tells the rules the share of such homes. It does not set the earliest: one such home
    would hide the age of all others' reports. So the mean can lie above the oldest. Padding (rated 0) sets nothing.

    Parameters
    ----------
    now : float32
        s of the episode.
    rated, when : float32 (n,)
        Rated kW; moment of the last report, s of the episode.
    """
    n, least = rated.shape[0], now - _OLDEST_SHOWN_S
    total = packets(rated, when, least)
    for i in range(n // N_LANE * N_LANE, n):
        total += np.float64(rated[i] * max(when[i], least))
    low = in_order(now)
    for i in range(n):
        low = min(low, in_order(when[i] if (when[i] >= _ZERO) & (rated[i] > _ZERO) else now))
    return total, np.float64(back(low))


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

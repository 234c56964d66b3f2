"""Sums over cells of what happened (true), what settlement sees (metered) and what the aggregator sees (seen)."""

from __future__ import annotations

import numpy as np

from der_gym.core.jit import kernel
from der_gym.core.rows import (
    DEBT_KWH,
    DOWN_KW,
    LINK_DOWN_S,
    LINK_UP_S,
    METER_GAIN,
    NET_KW,
    POWER_KW,
    PRESENT,
    RATED_KW,
    SEEN_KW,
    SEEN_S,
    STORED_KWH,
    UP_KW,
)
from der_gym.core.sums import lane_sum_weighted

METERED, TRUE = 0, 1
N_POWER = 2
SEEN, OLD, OLDEST_S = 0, 1, 2  # kW; sum of rated kW x time of the report; earliest report
N_SEEN = 3
UP, DOWN, STORED, DEBT = 0, 1, 2, 3
N_STOCK = 4


@kernel
def tally_power(s0, s1, n_shard, active, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write each cell's metered and true kW of the tick into ``out``, float64 (S, n_cell, N_POWER)."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        power, gain, here = fleet[s, POWER_KW], fleet[s, METER_GAIN], fleet[s, PRESENT]
        for c in range(lo.shape[0]):
            out[s, c, METERED] = lane_sum_weighted(power, gain, lo[c], hi[c])
            out[s, c, TRUE] = lane_sum_weighted(power, here, lo[c], hi[c])


@kernel
def tally_sites(s0, s1, n_shard, active, present, gain, site, out):  # type: ignore[no-untyped-def]
    """Write the sites' metered and true net kW into ``out``, float64 (S, N_POWER).

    Parameters
    ----------
    present, gain : float32 (n_shard, n_site)
        1 for a real site; that times 1 + the gain error of its receiving-point meter.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            p = s % n_shard
            net = site[s, NET_KW]
            out[s, METERED] = lane_sum_weighted(net, gain[p], 0, net.shape[0])
            out[s, TRUE] = lane_sum_weighted(net, present[p], 0, net.shape[0])


@kernel
def tally_seen(s0, s1, n_shard, active, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write the sums of the aggregator's table into ``out``, float64 (S, n_cell, N_SEEN)."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        seen, when = fleet[s, SEEN_KW], fleet[s, SEEN_S]
        rated, here = fleet[s, RATED_KW], fleet[s, PRESENT]
        for c in range(lo.shape[0]):
            out[s, c, SEEN] = lane_sum_weighted(seen, here, lo[c], hi[c])
            out[s, c, OLD] = lane_sum_weighted(rated, when, lo[c], hi[c])
            out[s, c, OLDEST_S] = np.float64(lane_min(when[lo[c] : hi[c]]))


@kernel
def lane_min(v):  # type: ignore[no-untyped-def]
    """Return the least value of a row, in eight lanes; 0 for an empty one."""
    n = v.shape[0]
    if n < 8:
        return v.min() if n else np.float32(0.0)
    low = v[:8].copy()
    for j in range(n // 8):
        for k in range(8):
            low[k] = min(low[k], v[8 * j + k])
    for i in range(8 * (n // 8), n):
        low[0] = min(low[0], v[i])
    return low.min()


@kernel
def tally_stock(s0, s1, n_shard, active, t_s, lo, hi, fleet, gauge, reached, out):  # type: ignore[no-untyped-def]
    """Write each cell's sums of the gauge into ``out``, float64 (S, n_cell, N_STOCK).

    Parameters
    ----------
    reached : bool
        Count only devices whose link is up now: what the aggregator can learn; else all that are present.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        now = np.float32(t_s[w])
        here, down, up = fleet[s, PRESENT], fleet[s, LINK_DOWN_S], fleet[s, LINK_UP_S]
        for c in range(lo.shape[0]):
            total = np.zeros(N_STOCK)
            for i in range(lo[c], hi[c]):
                k = here[i] if (now < down[i]) | (now >= up[i]) | (not reached) else np.float32(0.0)
                total[0] += np.float64(gauge[s, UP_KW, i] * k)
                total[1] += np.float64(gauge[s, DOWN_KW, i] * k)
                total[2] += np.float64(gauge[s, STORED_KWH, i] * k)
                total[3] += np.float64(gauge[s, DEBT_KWH, i] * k)
            for r in range(N_STOCK):
                out[s, c, r] = total[r]


def fold(parts: np.ndarray, n_shard: int) -> np.ndarray:
    """Return the sum over a world's shards, in shard order: (S, ...) -> (n_world, ...)."""
    if n_shard == 1:
        return parts
    grouped = parts.reshape(parts.shape[0] // n_shard, n_shard, *parts.shape[1:])
    total = grouped[:, 0].copy()
    for k in range(1, n_shard):
        total += grouped[:, k]
    return total

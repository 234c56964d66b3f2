"""Sums over cells of what happened (true), what settlement sees (metered) and what the aggregator sees (seen)."""

from __future__ import annotations

import numpy as np

from der_gym.core.jit import kernel
from der_gym.core.lanes import products_8
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
from der_gym.core.sums import back, in_order, wide_sum_weighted

METERED, TRUE = 0, 1
N_POWER = 2
SEEN, OLD, OLDEST_S = 0, 1, 2  # kW; sum of rated kW x time of the report; earliest report
N_SEEN = 3
UP, DOWN, STORED, DEBT = 0, 1, 2, 3
N_STOCK = 4
OLDEST_SHOWN_S = 3600.0  # a report older than that counts as so old

_ZERO, _ZERO8, _OLDEST_SHOWN_S = np.float32(0.0), np.float64(0.0), np.float32(OLDEST_SHOWN_S)


@kernel
def tally_power(s0, s1, n_shard, active, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write each cell's metered and true kW of the tick into ``out``, float64 (S, n_cell, N_POWER)."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        power, gain, here = fleet[s, POWER_KW], fleet[s, METER_GAIN], fleet[s, PRESENT]
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            out[s, c, METERED] = wide_sum_weighted(power[at:to], gain[at:to])
            out[s, c, TRUE] = wide_sum_weighted(power[at:to], here[at:to])


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
            out[s, METERED], out[s, TRUE] = wide_sum_weighted(net, gain[p]), wide_sum_weighted(net, present[p])


@kernel
def tally_seen(s0, s1, n_shard, active, t_s, dt_s, lo, hi, fleet, out):  # type: ignore[no-untyped-def]
    """Write the sums of the aggregator's table into ``out``, float64 (S, n_cell, N_SEEN)."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        seen, when = fleet[s, SEEN_KW], fleet[s, SEEN_S]
        rated, here = fleet[s, RATED_KW], fleet[s, PRESENT]
        now = np.float32(t_s[s // n_shard] + dt_s)
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            out[s, c, SEEN] = wide_sum_weighted(seen[at:to], here[at:to])
            out[s, c, OLD], out[s, c, OLDEST_S] = reports(now, rated[at:to], when[at:to])


@kernel
def reports(now, rated, when):  # type: ignore[no-untyped-def]
    """Return float64 (sum of rated kW x time of the report, earliest report) of a cell, the sum in eight lanes.

    A report counts as at most ``OLDEST_SHOWN_S`` old, and a home that was silent before the episode and still is does
    not set the earliest: else the few homes that never answer would hide how old the others' reports are. Padding
    (rated 0) sets nothing.
    """
    n, least = rated.shape[0], now - _OLDEST_SHOWN_S
    a, b, c, d, e, f, g, h = products_8(rated, when, least)
    for i in range(8 * (n // 8), n):
        a += np.float64(rated[i]) * np.float64(max(when[i], least))
    low = in_order(now)
    for i in range(n):
        low = min(low, in_order(when[i] if (when[i] >= _ZERO) & (rated[i] > _ZERO) else now))
    return a + b + c + d + e + f + g + h, np.float64(back(low))


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
        for c in range(lo.shape[0]):
            at, to = lo[c], hi[c]
            here, down, up = fleet[s, PRESENT, at:to], fleet[s, LINK_DOWN_S, at:to], fleet[s, LINK_UP_S, at:to]
            give, take = gauge[s, UP_KW, at:to], gauge[s, DOWN_KW, at:to]
            stored, debt = gauge[s, STORED_KWH, at:to], gauge[s, DEBT_KWH, at:to]
            a, b, d, e = _ZERO8, _ZERO8, _ZERO8, _ZERO8
            for i in range(to - at):
                k = here[i] if (now < down[i]) | (now >= up[i]) | (not reached) else _ZERO
                a += np.float64(give[i] * k)
                b += np.float64(take[i] * k)
                d += np.float64(stored[i] * k)
                e += np.float64(debt[i] * k)
            out[s, c, UP], out[s, c, DOWN], out[s, c, STORED], out[s, c, DEBT] = a, b, d, e


def fold(parts: np.ndarray, n_shard: int) -> np.ndarray:
    """Return the sum over a world's shards, in shard order: (S, ...) -> (n_world, ...)."""
    if n_shard == 1:
        return parts
    grouped = parts.reshape(parts.shape[0] // n_shard, n_shard, *parts.shape[1:])
    total = grouped[:, 0].copy()
    for k in range(1, n_shard):
        total += grouped[:, k]
    return total


@kernel
def folded(parts, w, n_shard, c, column):  # type: ignore[no-untyped-def]
    """Return what `fold` gives for one cell of one world."""
    total = parts[w * n_shard, c, column]
    for s in range(w * n_shard + 1, (w + 1) * n_shard):
        total += parts[s, c, column]
    return total

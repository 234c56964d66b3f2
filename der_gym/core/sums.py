"""Sums in a fixed order: per cell in four float64 lanes, then shard by shard; the same bits for any worker count.

A plain float32 sum of 16,384 powers errs by about 1e-5 of itself; these lanes err by less than 1e-12 of the sum of
magnitudes, and every tree is a sum of the same cells.
"""

from __future__ import annotations

import numpy as np

from der_gym.core.jit import kernel, scalar
from der_gym.core.lanes import products_4

_ZERO, _LOWEST = np.float64(0.0), np.float32(-np.inf)


@scalar
def lane_sum(v, lo, hi):  # type: ignore[no-untyped-def]
    """Return the float64 sum of float32 ``v[lo:hi]``: lane ``k`` takes places ``lo + k, lo + k + 4, ...``."""
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    cut = v[lo:hi]
    n = hi - lo
    full = n // 4
    for j in range(full):
        i = 4 * j
        a += np.float64(cut[i])
        b += np.float64(cut[i + 1])
        c += np.float64(cut[i + 2])
        d += np.float64(cut[i + 3])
    i = 4 * full
    a += np.float64(cut[i]) if i < n else _ZERO
    b += np.float64(cut[i + 1]) if i + 1 < n else _ZERO
    c += np.float64(cut[i + 2]) if i + 2 < n else _ZERO
    return (a + b) + (c + d)


@scalar
def lane_sum_weighted(v, w, lo, hi):  # type: ignore[no-untyped-def]
    """Return the float64 sum of ``v * w`` over ``[lo, hi)`` in the lanes of `lane_sum`; each product is exact."""
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    cut, by = v[lo:hi], w[lo:hi]
    n = hi - lo
    full = n // 4
    for j in range(full):
        i = 4 * j
        a += np.float64(cut[i]) * np.float64(by[i])
        b += np.float64(cut[i + 1]) * np.float64(by[i + 1])
        c += np.float64(cut[i + 2]) * np.float64(by[i + 2])
        d += np.float64(cut[i + 3]) * np.float64(by[i + 3])
    i = 4 * full
    a += np.float64(cut[i]) * np.float64(by[i]) if i < n else _ZERO
    b += np.float64(cut[i + 1]) * np.float64(by[i + 1]) if i + 1 < n else _ZERO
    c += np.float64(cut[i + 2]) * np.float64(by[i + 2]) if i + 2 < n else _ZERO
    return (a + b) + (c + d)


@kernel
def wide_sum_weighted(v, w):  # type: ignore[no-untyped-def]
    """Return what `lane_sum_weighted` gives for all of two float32 arrays, in wide registers."""
    a, b, c, d = products_4(v, w, _LOWEST)
    n = v.shape[0]
    i = n // 4 * 4
    a += np.float64(v[i]) * np.float64(w[i]) if i < n else _ZERO
    b += np.float64(v[i + 1]) * np.float64(w[i + 1]) if i + 1 < n else _ZERO
    c += np.float64(v[i + 2]) * np.float64(w[i + 2]) if i + 2 < n else _ZERO
    return (a + b) + (c + d)


@scalar
def in_order(t):  # type: ignore[no-untyped-def]
    """Return an int32 that orders float32 ``t`` >= 0 as ``t`` does: a loop for the least or greatest of these packs."""
    return np.float32(t).view(np.int32)


@scalar
def back(bits):  # type: ignore[no-untyped-def]
    """Return the float32 of `in_order`."""
    return np.int32(bits).view(np.float32)


@kernel
def sum_cells(s0, s1, n_shard, active, values, row, lo, hi, out):  # type: ignore[no-untyped-def]
    """Write each cell's sum of one row into ``out``.

    Parameters
    ----------
    s0, s1 : int
        Range of shards to work on.
    n_shard : int
        Shards per world.
    active : bool (W,)
        Worlds to work on; the others' sums stay as they are.
    values : float32 (S, n_row, N)
        The fleet's, the gauge's or the sites' rows.
    row : int
        Row to sum.
    lo, hi : int64 (n_cell,)
        Each cell's places, ``[lo, hi)``.
    out : float64 (S, n_cell)
        Filled in place, in the unit of the row.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            v = values[s, row]
            total = out[s]
            for c in range(lo.size):
                total[c] = lane_sum(v, lo[c], hi[c])


@kernel
def sum_cells_weighted(s0, s1, n_shard, active, values, row, weight_row, lo, hi, out):  # type: ignore[no-untyped-def]
    """Write each cell's sum of ``values[row] * values[weight_row]`` into ``out``; else as `sum_cells`."""
    for s in range(s0, s1):
        if active[s // n_shard]:
            v = values[s, row]
            w = values[s, weight_row]
            total = out[s]
            for c in range(lo.size):
                total[c] = lane_sum_weighted(v, w, lo[c], hi[c])


@kernel
def fold_shards(w0, w1, n_shard, active, parts, out):  # type: ignore[no-untyped-def]
    """Add the shards of worlds ``w0 .. w1`` in shard order.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    n_shard : int
        Shards per world.
    active : bool (W,)
        Worlds to work on.
    parts : float64 (S, n_cell)
        What `sum_cells` wrote, S = W * n_shard.
    out : float64 (W, n_cell)
        Filled in place.
    """
    for w in range(w0, w1):
        if active[w]:
            total = out[w]
            first = parts[w * n_shard]
            for c in range(total.size):
                total[c] = first[c]
            for s in range(w * n_shard + 1, (w + 1) * n_shard):
                part = parts[s]
                for c in range(total.size):
                    total[c] += part[c]


@kernel
def sum_register(w0, w1, n_shard, due, acc, row, present, lo, first, out):  # type: ignore[no-untyped-def]
    """Write a register's sum over a class's devices into each due world's figure, shard by shard.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    n_shard : int
        Shards per world.
    due : bool (n_world,)
        Other worlds' figures stay.
    acc : float64 (S, n_acc, n)
        The class's registers.
    row : int
        Register to sum.
    present : uint8 (n_shard, N)
        0 for padding; the class takes places ``lo .. lo + n``.
    first : bool
        Begin at 0; else add to what other classes gave.
    out : float64 (n_world,)
    """
    n = acc.shape[2]
    for w in range(w0, w1):
        if due[w]:
            total = _ZERO if first else out[w]
            for p in range(n_shard):
                total += lane_sum_weighted(acc[w * n_shard + p, row], present[p, lo : lo + n], 0, n)
            out[w] = total

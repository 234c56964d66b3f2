"""Sums in a fixed order: in lanes within a cell, then shard by shard; the same bits for any worker count.

A plain float32 sum of 16,384 powers errs by about 1e-5 of itself; these lanes add nothing to the rounding of each
float32 product (6e-8 of it, none where the weight is 0 or 1), and every tree is a sum of the same cells.
"""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import kernel, part, scalar
from der_gym.numerics.lanes import N_LANE, packets

_ZERO, _LOWEST = np.float64(0.0), np.float32(-np.inf)
_0, _ONE = np.float32(0.0), np.float32(1.0)


@part
def dot(v, w):  # type: ignore[no-untyped-def]
    """Return the float64 sum of ``v * w`` over two float32 arrays: full packets in lanes, then the rest one by one."""
    n = v.shape[0]
    total = packets(v, w, _LOWEST)
    for i in range(n // N_LANE * N_LANE, n):
        total += np.float64(v[i] * w[i])
    return total


@part
def find_enrolled(gain, here):  # type: ignore[no-untyped-def]
    """Write 1 into ``here``, float32 (n,), where a device is enrolled (its METER_GAIN is not 0), else 0."""
    for i in range(gain.shape[0]):
        here[i] = _ONE if gain[i] > _0 else _0


@part
def enter(values, here, scale, out):  # type: ignore[no-untyped-def]
    """Add a tick of a shard's devices to one of their registers; only enrolled devices count.

    Parameters
    ----------
    values : float32 (n,)
        Of each device, in the register's unit over ``scale``.
    here : float32 (n,)
        1 while the device is enrolled, else 0.
    scale : float
    out : float64 (1,) or (n,)
        Their sum, or each device's own.
    """
    if out.shape[0] == values.shape[0]:
        for i in range(values.shape[0]):
            out[i] += np.float64(values[i] * here[i]) * scale
    else:
        out[0] += dot(values, here) * scale


@part
def kept_row(registers, number, place, n_register):  # type: ignore[no-untyped-def]
    """Return where a class enters a register now, float64 (1,) or (n,).

    Parameters
    ----------
    registers : float64 (n_row, 1) or (n_row, n)
        A row for each register; or, with fewer rows, the sums of all and a mark in the first, then a row of every
        device for each register that is booked. Those are entered by device while the mark, behind the sums, is 1.
    number, place : int
        Of the register; its place among those that are booked, -1 for another.
    n_register : int
    """
    if registers.shape[0] >= n_register:
        return registers[number]
    apart = place >= 0 and registers[0, n_register] > _ZERO
    return registers[place + 1] if apart else registers[0, number : number + 1]


@part
def any_positive(values):  # type: ignore[no-untyped-def]
    """Return whether any of ``values``, float32 (n,), all >= 0, is above 0."""
    most = np.int32(0)
    for i in range(values.shape[0]):
        most = max(most, in_order(values[i]))
    return most > np.int32(0)


@scalar
def in_order(t):  # type: ignore[no-untyped-def]
    """Return an int32 that orders float32 ``t`` >= 0 as ``t`` does; loops for the least or greatest of these pack."""
    return np.float32(t).view(np.int32)


@scalar
def back(bits):  # type: ignore[no-untyped-def]
    """Return the float32 of `in_order`."""
    return np.int32(bits).view(np.float32)


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
        Begin at 0; else add to the sum of other classes.
    out : float64 (n_world,)
    """
    n = acc.shape[2]
    for w in range(w0, w1):
        if due[w]:
            total = _ZERO if first else out[w]
            for p in range(n_shard):
                total += _four_lanes(acc[w * n_shard + p, row], present[p, lo : lo + n])
            out[w] = total


@part
def _four_lanes(v, w):  # type: ignore[no-untyped-def]
    """Return the sum of float64 ``v`` where ``w`` is 1: lane ``k`` takes places ``k, k + 4, ...``."""
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    n = v.shape[0]
    full = n // 4 * 4
    for i in range(0, full, 4):
        a += v[i] * np.float64(w[i])
        b += v[i + 1] * np.float64(w[i + 1])
        c += v[i + 2] * np.float64(w[i + 2])
        d += v[i + 3] * np.float64(w[i + 3])
    total = (a + b) + (c + d)
    for i in range(full, n):
        total += v[i] * np.float64(w[i])
    return total

"""Kernels that empty, copy and weigh whole shards of an array, in the threads that go on to work on them.

Arrays are float32 (S, k, n); those of float64 are given as a view of twice as many.
"""

from __future__ import annotations

from der_gym.engine.compile import kernel
from der_gym.engine.tables import FLEET


@kernel
def blank(s0, s1, n_shard, active, out):  # type: ignore[no-untyped-def]
    """Set the shards of ``active`` worlds to 0.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    out : float32 (S, k, n)
        Out.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            out[s] = 0.0


@kernel
def tell(s0, s1, n_shard, active, rated_kw, fleet):  # type: ignore[no-untyped-def]
    """Write each device's rated power of the resource table, float32 (n_shard, N or 1); NaN: to be drawn.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    rated_kw : float32 (n_shard, N or 1)
    fleet : float32 (S, FLEET.N, N)
        RATED_KW is written.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            given, rated = rated_kw[s % n_shard], fleet[s, FLEET.RATED_KW]
            for i in range(rated.shape[0]):
                rated[i] = given[i if given.shape[0] > 1 else 0]


@kernel
def copy(s0, s1, n_shard, active, given, given_from, out, out_from):  # type: ignore[no-untyped-def]
    """Copy the shards of ``active`` worlds from one array to another; each begins with a shard of its own.

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    given, out : float32 (S, k, n)
        Source; target.
    given_from, out_from : int
        Shard that each begins with.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            for row in range(out.shape[1]):
                line, kept = out[s - out_from, row], given[s - given_from, row]
                for i in range(line.shape[0]):
                    line[i] = kept[i]


@kernel
def copy_params(s0, s1, n_shard, active, model, n_row, out):  # type: ignore[no-untyped-def]
    """Copy the first rows of the shards of ``active`` worlds from those of their ``model``, int64 (n_world,).

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    model : int64 (n_world,)
        World that each world copies.
    n_row : int
        Rows to copy.
    out : float32 (S, k, n)
        Updated.
    """
    for s in range(s0, s1):
        w = s // n_shard
        if active[w] and model[w] != w:
            like = model[w] * n_shard + s % n_shard
            for row in range(n_row):
                line, kept = out[s, row], out[like, row]
                for i in range(line.shape[0]):
                    line[i] = kept[i]


@kernel
def weigh(s0, s1, n_shard, active, weight, row, out):  # type: ignore[no-untyped-def]
    """Multiply a row of ``out`` by ``weight`` uint8 (n_shard, n).

    Parameters
    ----------
    s0, s1, n_shard : int
        Range of shards; shards of a world.
    active : bool (n_world,)
        Other worlds keep every bit.
    weight : uint8 (n_shard, n)
    row : int
        Row to multiply.
    out : float32 (S, k, n)
        Updated.
    """
    for s in range(s0, s1):
        if active[s // n_shard]:
            line, here = out[s, row], weight[s % n_shard]
            for i in range(here.shape[0]):
                line[i] = line[i] if here[i] else 0.0

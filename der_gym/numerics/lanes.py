"""Sums of products in lanes that the processor's wide registers hold: fast, and the same bits on every machine.

A compiler may not reorder a sum, so it adds numbers one by one. Here the order is fixed: lane ``k`` takes the places
``k, k + 16, k + 32, ...``, so that one wide addition serves all lanes. Then the upper half of the lanes is added to the
lower half until one lane is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

N_LANE = 16  # several registers: the next addition into one need not wait for the last


def packets(v: Any, w: Any, floor: Any) -> Any:
    """Return the float64 sum of the float32 products ``v * max(w, floor)`` over all full packets of ``N_LANE``.

    Parameters
    ----------
    v, w : float32 (n,)
    floor : float32
    """
    lanes = [np.float64(0.0)] * N_LANE
    for i in range(len(v) // N_LANE * N_LANE):
        lanes[i % N_LANE] += np.float64(v[i] * max(w[i], floor))
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [lanes[k] + lanes[k + half] for k in range(half)]
    return lanes[0]


@intrinsic
def _wide(typing_context: Any, v: Any, w: Any, floor: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the result of `packets` in wide registers; both arrays must be contiguous and of one length."""
    if v.layout != "C" or w.layout != "C":
        raise TypeError(f"packets: {v}, {w}; allowed: contiguous arrays")
    return types.float64(v, w, types.float32), _write


def _write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    from llvmlite import ir

    narrow, wide = (ir.VectorType(kind, N_LANE) for kind in (ir.FloatType(), ir.DoubleType()))
    arrays = [context.make_array(kind)(context, builder, a) for kind, a in zip(signature.args, given[:2], strict=False)]
    floors = ir.Constant(narrow, ir.Undefined)
    for k in range(N_LANE):
        floors = builder.insert_element(floors, given[2], ir.IntType(32)(k))
    sums = cgutils.alloca_once_value(builder, ir.Constant(wide, [0.0] * N_LANE))
    n = cgutils.unpack_tuple(builder, arrays[0].shape)[0]
    with cgutils.for_range(builder, builder.sdiv(n, n.type(N_LANE))) as loop:
        at = builder.mul(loop.index, n.type(N_LANE))
        x, y = (builder.load(_packet(builder, array.data, at, narrow), align=4) for array in arrays)
        y = builder.select(builder.fcmp_ordered("<", y, floors), floors, y)
        product = builder.fpext(builder.fmul(x, y), wide)
        builder.store(builder.fadd(builder.load(sums), product), sums)
    return _folded(builder, builder.load(sums))


def _folded(builder: Any, lanes: Any) -> Any:
    """Return the sum of a vector's lanes, upper half to lower half."""
    from llvmlite import ir

    n = N_LANE
    while n > 1:
        n //= 2
        halves = [
            builder.shuffle_vector(lanes, lanes, ir.Constant(ir.VectorType(ir.IntType(32), n), list(range(k, k + n))))
            for k in (0, n)
        ]
        lanes = builder.fadd(*halves)
    return builder.extract_element(lanes, ir.IntType(32)(0))


def _packet(builder: Any, data: Any, at: Any, kind: Any) -> Any:
    return builder.bitcast(builder.gep(data, [at]), kind.as_pointer())


@overload(packets)
def _packets(v, w, floor):  # type: ignore[no-untyped-def]
    return lambda v, w, floor: _wide(v, w, floor)

"""Sums of products in lanes that the processor's wide registers hold: fast, and the same bits on every machine.

A compiler may not reorder a sum, so it adds numbers one by one. Here the order is ours: lane ``k`` takes the places
``k, k + n, k + 2 n, ...``, which is what one wide addition does for all lanes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload


def products_4(v, w, floor):  # type: ignore[no-untyped-def]
    """Return four float64 sums of ``v * max(w, floor)`` over all full packets of four; each product is exact.

    Parameters
    ----------
    v, w : float32 (n,)
    floor : float32
    """
    return _products(v, w, floor, 4)


def products_8(v, w, floor):  # type: ignore[no-untyped-def]
    """Return eight sums, else as `products_4`."""
    return _products(v, w, floor, 8)


def _products(v: Any, w: Any, floor: Any, n_lane: int) -> tuple[Any, ...]:
    sums = [np.float64(0.0)] * n_lane
    for i in range(len(v) // n_lane * n_lane):
        sums[i % n_lane] += np.float64(v[i]) * np.float64(max(w[i], floor))
    return tuple(sums)


def _wide(n_lane: int) -> Any:
    """Return the compiled form of `_products` for so many lanes."""

    @intrinsic
    def wide(typing_context: Any, v: Any, w: Any, floor: Any) -> tuple[Any, Callable[..., Any]]:
        result = types.UniTuple(types.float64, n_lane)
        return result(v, w, types.float32), _write

    def _write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        from llvmlite import ir

        narrow, wide_ = (ir.VectorType(kind, n_lane) for kind in (ir.FloatType(), ir.DoubleType()))
        arrays = [
            context.make_array(kind)(context, builder, a) for kind, a in zip(signature.args, given[:2], strict=False)
        ]
        floors = ir.Constant(narrow, ir.Undefined)
        for k in range(n_lane):
            floors = builder.insert_element(floors, given[2], ir.IntType(32)(k))
        sums = cgutils.alloca_once_value(builder, ir.Constant(wide_, [0.0] * n_lane))
        n = cgutils.unpack_tuple(builder, arrays[0].shape)[0]
        with cgutils.for_range(builder, builder.sdiv(n, n.type(n_lane))) as loop:
            at = builder.mul(loop.index, n.type(n_lane))
            x, y = (builder.load(_packet(builder, array.data, at, narrow), align=4) for array in arrays)
            y = builder.select(builder.fcmp_ordered("<", y, floors), floors, y)
            product = builder.fmul(builder.fpext(x, wide_), builder.fpext(y, wide_))
            builder.store(builder.fadd(builder.load(sums), product), sums)
        lanes = [builder.extract_element(builder.load(sums), ir.IntType(32)(k)) for k in range(n_lane)]
        return context.make_tuple(builder, signature.return_type, lanes)

    return wide


def _packet(builder: Any, data: Any, at: Any, kind: Any) -> Any:
    return builder.bitcast(builder.gep(data, [at]), kind.as_pointer())


_wide_4, _wide_8 = _wide(4), _wide(8)


@overload(products_4)
def _products_4(v, w, floor):  # type: ignore[no-untyped-def]
    return lambda v, w, floor: _wide_4(v, w, floor)


@overload(products_8)
def _products_8(v, w, floor):  # type: ignore[no-untyped-def]
    return lambda v, w, floor: _wide_8(v, w, floor)

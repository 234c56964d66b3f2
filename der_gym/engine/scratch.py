"""Rows that a kernel works in for one call: borrowed and given back, without counting references to them.

An array that is made inside a loop is counted by numba, and with it every view of every argument: a hundred calls in
a device class's tick, half a microsecond for a world. Borrowed rows are freed by `give_back` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

_ALIGN = 64  # bytes: rows of whole packets begin where the processor's lines do
_ROOM = 2 * _ALIGN


def borrow(n_row: int, n: int) -> Any:
    """Return float32 (n_row, n), not filled; a kernel gives it back before it ends.

    Raises
    ------
    MemoryError
        Where there is no room.
    """
    return np.empty((n_row, n), np.float32)


def give_back(rows: Any) -> None:
    """Free what `borrow` returned: no view of it may be read any more."""


@intrinsic
def _borrow(typing_context: Any, n_row: Any, n: Any) -> tuple[Any, Callable[..., Any]]:
    rows = types.Array(types.float32, 2, "C")

    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        from llvmlite import ir

        size = context.get_value_type(types.intp)
        n_row, n = given
        n_byte = builder.mul(builder.mul(n_row, n), size(4))
        pointer = ir.IntType(8).as_pointer()
        allocate = cgutils.get_or_insert_function(builder.module, ir.FunctionType(pointer, [size]), "NRT_Allocate")
        allocate.return_value.add_attribute("noalias")
        whole = builder.call(allocate, [builder.add(n_byte, size(_ROOM))])
        with builder.if_then(cgutils.is_null(builder, whole), likely=False):
            context.call_conv.return_user_exc(builder, MemoryError, ("no room for a kernel's rows",))
        past = builder.and_(builder.ptrtoint(builder.gep(whole, [size(_ALIGN)]), size), size(_ALIGN - 1))
        first = builder.gep(whole, [builder.sub(size(_ROOM), past)])
        builder.store(whole, builder.bitcast(builder.gep(first, [size(-8)]), pointer.as_pointer()))
        array = context.make_array(rows)(context, builder)
        data = builder.bitcast(first, context.get_data_type(types.float32).as_pointer())
        shape, strides = [n_row, n], [builder.mul(n, size(4)), size(4)]
        populate_array(array, data=data, shape=shape, strides=strides, itemsize=size(4), meminfo=None)
        return array._getvalue()

    return rows(types.intp, types.intp), write


@intrinsic
def _give_back(typing_context: Any, rows: Any) -> tuple[Any, Callable[..., Any]]:
    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        from llvmlite import ir

        size, pointer = context.get_value_type(types.intp), ir.IntType(8).as_pointer()
        first = builder.bitcast(context.make_array(rows)(context, builder, given[0]).data, pointer)
        whole = builder.load(builder.bitcast(builder.gep(first, [size(-8)]), pointer.as_pointer()))
        free = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), "NRT_Free")
        builder.call(free, [whole])
        return context.get_dummy_value()

    return types.none(rows), write


@overload(borrow, inline="always")
def _borrowed(n_row, n):  # type: ignore[no-untyped-def]
    return lambda n_row, n: _borrow(n_row, n)


@overload(give_back, inline="always")
def _given_back(rows):  # type: ignore[no-untyped-def]
    return lambda rows: _give_back(rows)

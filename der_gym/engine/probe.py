"""A trial of the way into kernels before the first one is called.

`native` lays arguments down in the order of numba's machine code. Numba does not document this order. So a small kernel
is called by the same way first, with known numbers and arrays, and returns what it found. It reads no array before the
words of all of them are right, so that a changed order of words is reported and does not end the process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from der_gym.engine import native

Array = np.ndarray
_FIELDS = ("meminfo", "parent", "nitems", "itemsize", "data", "shape", "strides")
_LO, _HI, _WHOLE, _SINGLE, _DOUBLE = 1, 2, -5, np.float32(0.1), 0.1
_ONE = np.float32(1.0)


def _arrays() -> tuple[Array, Array, Array]:
    """Return float32 (5,) with steps, float64 (2, 3) without, int32 (2, 3, 5) whose words all differ."""
    line = np.arange(10, dtype=np.float32)[::2]
    sheet = np.arange(6, dtype=np.float64).reshape(2, 3) / 8.0
    block = np.arange(210, dtype=np.int32).reshape(5, 6, 7).transpose(2, 0, 1)[:4:2, ::2, 1:]
    return line, sheet, block


def _told(arrays: tuple[Array, ...]) -> list[float]:
    """Return the values that the words of the numbers and arrays hold."""
    words = [word for a in arrays for word in (a.size, a.itemsize, *a.shape, *a.strides)]
    return [float(each) for each in (_LO, _HI, _WHOLE, True, _SINGLE, _DOUBLE, *words)]


_TOLD = np.array(_told(_arrays()))
_N_TOLD = len(_TOLD)
_N = _N_TOLD + 3
_WIDTH = _TOLD.itemsize


def _touch(lo, hi, whole, sure, single, double, line, sheet, block, out):  # type: ignore[no-untyped-def]
    """Write into ``out`` what the arguments are and, where that is right, weighted sums; then into the arrays."""
    if out.size != _N or out.itemsize != _WIDTH or out.shape[0] != _N or out.strides[0] != _WIDTH:
        return
    out[0], out[1], out[2], out[3], out[4], out[5] = lo, hi, whole, 1 if sure else 0, single, double
    out[6], out[7], out[8], out[9] = line.size, line.itemsize, line.shape[0], line.strides[0]
    out[10], out[11], out[12], out[13] = sheet.size, sheet.itemsize, sheet.shape[0], sheet.shape[1]
    out[14], out[15], out[16], out[17] = sheet.strides[0], sheet.strides[1], block.size, block.itemsize
    out[18], out[19], out[20] = block.shape[0], block.shape[1], block.shape[2]
    out[21], out[22], out[23] = block.strides[0], block.strides[1], block.strides[2]
    for k in range(_N_TOLD):
        if out[k] != _TOLD[k]:
            return
    weight = 1
    for i in range(line.shape[0]):
        out[_N_TOLD] += line[i] * weight
        line[i] += _ONE
        weight += 1
    for i in range(sheet.shape[0]):
        for j in range(sheet.shape[1]):
            out[_N_TOLD + 1] += sheet[i, j] * weight
            sheet[i, j] += double
            weight += 1
    for i in range(block.shape[0]):
        for j in range(block.shape[1]):
            for k in range(block.shape[2]):
                out[_N_TOLD + 2] += block[i, j, k] * weight
                block[i, j, k] += whole
                weight += 1


def _called(way_in: Callable[..., Any]) -> list[Array]:
    """Return the arrays that a call leaves behind."""
    given = [*(np.array(a, order="K") if a.flags.c_contiguous else a for a in _arrays()), np.zeros(_N)]
    way_in(_LO, _HI, [_WHOLE, True, _SINGLE, _DOUBLE, *given])
    return given


def fault(kernel: Callable[..., Any]) -> str | None:
    """Return the fault of the way into kernels, None where it works.

    Parameters
    ----------
    kernel : callable
        The decorator that compiles a loop (`compile.kernel`).
    """
    try:
        _check_fields()
        touch = kernel(_touch)
        found = _called(lambda lo, hi, given: native.call(touch, lo, hi, given))
        right = _called(lambda lo, hi, given: _touch(lo, hi, *given))
    except Exception as error:  # another version of numba may raise anything
        return f"{type(error).__name__}: {error}"
    same = all(a.tobytes() == b.tobytes() for a, b in zip(found, right, strict=True))
    return None if same else "a kernel found other arguments than it was given"


def _check_fields() -> None:
    """Raise ValueError where numba's description of an array has another order of words."""
    import numba
    from numba.core.registry import cpu_target

    model = cpu_target.target_context.data_model_manager[numba.types.Array(numba.types.float64, 2, "C")]
    found = [model.get_field_position(name) for name in _FIELDS]
    if found != list(range(model.field_count)):
        raise ValueError(f"an array's words {_FIELDS} stand at {found}")


def warn(reason: str) -> None:
    """Warn that kernels are called one by one."""
    import numba

    warnings.warn(
        f"numba {numba.__version__} takes arguments in a way that der_gym does not know ({reason}): every kernel is "
        "called from Python, with the same results, but slowly; use a numba version that constraints.txt names",
        stacklevel=2,
    )

"""The decorators: what is compiled keeps its arithmetic, and is kept on disk where it may be."""

from __future__ import annotations

import gc
from typing import Any

import numba
import numpy as np
import pytest

from der_gym.engine import compile
from der_gym.engine.program import Call, Program
from der_gym.numerics import rng


def test_numbas_own_settings_stay_as_they_are() -> None:
    before = numba.config.CACHE_DIR

    @compile.kernel
    def ours(x):
        return x + 1

    assert ours(1) == 2
    assert before == numba.config.CACHE_DIR


def test_kernels_keep_ieee_arithmetic_and_release_the_lock() -> None:
    @compile.kernel
    def total(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[0] += x[i]

    x = np.array([1e8, 1.0, -1e8] * 7, dtype=np.float32)
    out, slow = np.zeros(1, np.float32), np.zeros(1, np.float32)
    total(x, out)
    total.py_func(x, slow)  # type: ignore[attr-defined]
    assert out.tobytes() == slow.tobytes()  # added in order, never regrouped
    options = total.targetoptions  # type: ignore[attr-defined]
    assert options["nogil"] and not options["fastmath"] and options["error_model"] == "numpy"


def test_a_part_works_in_a_kernel_and_from_python_but_in_no_program() -> None:
    @compile.part
    def double(x: Any) -> None:
        for i in range(x.shape[0]):
            x[i] = x[i] + x[i]

    @compile.kernel
    def doubled(s0: Any, s1: Any, x: Any) -> None:
        for s in range(s0, s1):
            double(x[s])

    x = np.ones((3, 4))
    doubled(0, 2, x)
    double(x[1])
    assert x.sum(axis=1).tolist() == [8.0, 16.0, 4.0]

    @compile.part
    def alone(s0: Any, s1: Any, x: Any) -> None:
        for s in range(s0, s1):
            x[s, 0] = x[s, 0] + x[s, 0]

    with pytest.raises(TypeError, match="alone is a part of kernels"):
        Program([Call(alone, x)], 3, 1, 1)()


def test_a_loop_may_make_and_copy_arrays() -> None:
    @compile.kernel
    def halve(s0: Any, s1: Any, x: Any) -> None:
        for s in range(s0, s1):
            x[s] = x[s] * 0.5  # an array of its own, by no name that could be looked for

    x = np.ones((3, 4))
    halve(0, 2, x)
    assert x.sum(axis=1).tolist() == [2.0, 2.0, 4.0]


def test_a_scalar_is_plain_python_from_python_and_compiled_within_a_kernel() -> None:
    @compile.kernel
    def each(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = rng.unit(x[i])

    x, out = np.arange(5, dtype=np.uint32), np.zeros(5, np.float32)
    assert [type(rng.unit(k)) for k in x] == [np.float32] * 5
    each(x, out)
    assert out.tolist() == [float(rng.unit(k)) for k in x] and each.opened.signatures  # type: ignore[attr-defined]


def test_garbage_is_collected_again_after_a_compilation() -> None:
    @compile.kernel
    def twice(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = x[i] * np.float32(2.0)

    out = np.zeros(3, np.float32)
    twice(np.ones(3, np.float32), out)
    assert gc.isenabled() and out.tolist() == [2.0, 2.0, 2.0]
    gc.disable()
    try:
        twice(np.ones(3), np.zeros(3))  # other types: compiled anew
        assert not gc.isenabled()
    finally:
        gc.enable()

"""Loops that make arrays free them again, wherever the arrays are made; loops that make none count no references."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from der_gym.engine import references
from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.dispatch import Closed
from der_gym.engine.program import Call, Program
from der_gym.engine.scratch import borrow, give_back
from der_gym.env.worlds import Worlds

TABLE = np.arange(12.0).reshape(3, 4)


@part
def zeroed(row):  # type: ignore[no-untyped-def]
    held = np.zeros(row.shape[0])
    for i in range(row.shape[0]):
        held[i] += row[i]
    for i in range(row.shape[0]):
        row[i] = held[i]


@part
def copied(row):  # type: ignore[no-untyped-def]
    return row.copy()


@part
def halves(row):  # type: ignore[no-untyped-def]
    return row[:2], row[2:]


@scalar
def looked_up(x):  # type: ignore[no-untyped-def]
    steps = np.zeros(3)
    steps[1] = x
    return steps[0] + steps[1] + steps[2]


def zeros(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        held = np.zeros(x.shape[1])
        held[0] = x[s, 0]
        x[s, 0] = held[0]


def ones(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        held = np.ones_like(x[s])
        x[s, 0] *= held[0]


def full(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] *= np.full(x.shape[1], 1.0)[0]


def steps(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] += np.arange(x.shape[1])[0]


def joined(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] = np.concatenate((x[s], x[s]))[4]


def cast(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] = x[s].astype(np.float32)[0]


def sums(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s] = x[s] * 0.5 + x[s] * 0.5


def slices(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, :2] = x[s, 2:]


def places(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] = x[s][np.array([0, 1])][0]


def lists(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        held = [x[s, 0], x[s, 1]]
        held.append(x[s, 2])
        x[s, 0] = max([each for each in held if each == held[0]])


def ordered(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] = np.median(x[s]) + np.sort(x[s])[0] * 0.0


def by_part(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        zeroed(x[s])
        x[s, 0] = copied(x[s])[0]


def by_scalar(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        x[s, 0] = looked_up(x[s, 0])


def by_view(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        first, second = halves(x[s].copy())
        x[s, 0] = first[0] + second[0]


def borrowed(s0, s1, x):  # type: ignore[no-untyped-def]
    rows = borrow(2, x.shape[1])
    one, two = rows[0], rows[1]
    for s in range(s0, s1):
        for i in range(x.shape[1]):
            one[i] = np.float32(i)
            two[i] = one[i] * np.float32(2.0)
        x[s, 0] += one[1] + two[2]
    give_back(rows)


MAKERS = [zeros, ones, full, steps, joined, cast, sums, slices, places, lists, ordered, by_part, by_scalar, by_view]


def views(s0, s1, x):  # type: ignore[no-untyped-def]
    """Make nothing: rows, tuples of arrays, other views, a constant array and numbers."""
    for s in range(s0, s1):
        row, pair = x[s], (x[s, 1:], x.T)
        whole = row.view(np.int64)
        for i in range(row.shape[0]):
            row[i] = min(row[i], np.sqrt(row[i] * row[i])) + whole[i] * 0 + pair[0][0] * TABLE[0, 0] + pair[1][0, 0] * 0


@pytest.fixture
def balance() -> Iterator[Callable[[], tuple[int, int]]]:
    """Yield what returns how many arrays compiled code has made, and how many it has not freed."""
    was_on = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()

    def count() -> tuple[int, int]:
        stats = rtsys.get_allocation_stats()
        return stats.alloc, stats.alloc - stats.free

    yield count
    if not was_on:
        _nrt_python.memsys_disable_stats()


@pytest.mark.parametrize("loop", [borrowed, *MAKERS], ids=lambda loop: loop.__name__)
def test_what_a_loop_makes_is_freed(loop: Any, balance: Callable[[], tuple[int, int]]) -> None:
    x = np.random.default_rng(1).normal(size=(100, 4))
    slow, run = x.copy(), kernel(loop)
    loop(0, 100, slow)
    run(0, 1, x.copy())
    before, held = balance()
    Program([Call(run, x)], 100, 1, 1)()
    after, still_held = balance()
    assert still_held == held
    assert after > before or loop is slices  # a copy of a slice is freed without being counted
    assert np.array_equal(x, slow)


def halved(s0, s1, x):  # type: ignore[no-untyped-def]
    for s in range(s0, s1):
        first, second = halves(x[s])
        first[0] += second[0]


def test_a_part_that_returns_a_view_takes_the_reference_that_is_given_back() -> None:
    x = np.ones((100, 4))
    held = sys.getrefcount(x)
    kernel(halved).opened(0, 100, x)  # type: ignore[attr-defined]  # by numba's own way in, which counts
    assert sys.getrefcount(x) == held
    assert x[:, 0].tolist() == [2.0] * 100


@pytest.mark.parametrize("loop", [views, borrowed, *MAKERS], ids=lambda loop: loop.__name__)
def test_references_are_counted_where_something_is_made(loop: Any) -> None:
    options = dict(kernel(loop).targetoptions)  # type: ignore[attr-defined]
    made = Closed(loop, targetoptions=options, pipeline_class=references.Counted)  # not from the cache
    made.compile((numba.int64, numba.int64, numba.float64[:, ::1]))
    (compiled,) = made.overloads.values()
    # What a part or a scalar makes and does not return, it frees itself.
    assert compiled.target_context.enable_nrt is (loop not in (views, by_scalar, borrowed))


@part
def two_rows(x):  # type: ignore[no-untyped-def]
    """Return views of an array that was given."""
    return x[0], x[1]


@kernel
def by_two_rows(lo, hi, x):  # type: ignore[no-untyped-def]
    one, two = two_rows(x)
    for i in range(lo, hi):
        two[i] = one[i] + 1.0


def test_views_that_a_part_returns_are_held_until_its_caller_lets_them_go() -> None:
    x = np.zeros((2, 8))
    before = sys.getrefcount(x)
    for _ in range(50):
        by_two_rows.opened(0, 8, x)  # type: ignore[attr-defined]
    assert sys.getrefcount(x) == before and x[1].tolist() == [1.0] * 8


def test_borrowed_rows_begin_where_the_processors_lines_do() -> None:
    places = np.zeros(3, dtype=np.int64)
    kernel(find_places)(0, 3, places)
    assert (places % 64 == 0).all() and places.all()


def find_places(lo, hi, places):  # type: ignore[no-untyped-def]
    for k in range(lo, hi):
        rows = borrow(k + 1, 16)
        places[k] = rows.ctypes.data
        give_back(rows)


def test_a_step_frees_what_its_kernels_borrow(balance: Callable[[], tuple[int, int]]) -> None:
    worlds = Worlds("tertiary-1-tiny", None, 1)
    mask = np.ones(1, dtype=bool)
    worlds.reset(mask, {0: np.random.default_rng(0)}, None)
    action = np.zeros((1, *worlds.action_space.shape), np.float32)
    worlds.step(action, mask)
    before, held = balance()
    for _ in range(40):
        worlds.step(action, mask)
    after, still_held = balance()
    assert after > before and still_held == held

"""Programs make the same bits as calls from Python, whoever works them, and are bound anew in a copy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from der_gym.engine import program
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, Program, share

N_SHARD, N = 3, 40


@kernel
def add(s0, s1, n_shard, active, by, weight, sign, table, out):  # type: ignore[no-untyped-def]
    """Add to each row of active worlds: every kind of argument has its part in it."""
    for s in range(s0, s1):
        if active[s // n_shard]:
            for i in range(out.shape[1]):
                out[s, i] = (
                    out[s, i] * weight + table[i] * np.float32(by) + (np.float32(1.0) if sign else np.float32(-1.0))
                )


@kernel
def fold(w0, w1, n_shard, scale, rows, out):  # type: ignore[no-untyped-def]
    """Sum a world's rows."""
    for w in range(w0, w1):
        total = 0.0
        for s in range(w * n_shard, (w + 1) * n_shard):
            for i in range(rows.shape[1]):
                total += np.float64(rows[s, i])
        out[w] += total * scale


def made(n_world: int, workers: int, kernels: tuple[Any, Any] = (add, fold)) -> tuple[Program, np.ndarray, np.ndarray]:
    """Return a program of four calls with its arrays."""
    draw = np.random.default_rng(1)
    rows, sums = draw.normal(size=(n_world * N_SHARD, N)).astype(np.float32), np.zeros(n_world)
    active, table = draw.random(n_world) < 0.7, draw.normal(size=N).astype(np.float32)
    adds = [Call(kernels[0], N_SHARD, active, 3, np.float32(0.9), sign, table, rows) for sign in (True, False)]
    folds = Call(kernels[1], N_SHARD, 0.5, rows, sums, by_world=True)
    return Program([adds[0], folds, adds[1], folds], n_world, N_SHARD, workers), rows, sums


@pytest.mark.parametrize("n_world", [1, 2, 40])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_program_is_its_calls_from_python(n_world: int, workers: int) -> None:
    fast, rows, sums = made(n_world, workers)
    slow, slow_rows, slow_sums = made(n_world, 1)
    for _ in range(3):
        fast()
        slow.plainly()
    assert np.array_equal(rows, slow_rows) and np.array_equal(sums, slow_sums) and sums.all()


def test_plain_functions_do_as_well() -> None:
    plain, rows, sums = made(2, 2, (add.py_func, fold.py_func))
    fast, fast_rows, fast_sums = made(2, 2)
    plain()
    fast()
    assert np.array_equal(rows, fast_rows) and np.array_equal(sums, fast_sums)


def test_a_copy_works_on_its_own_arrays() -> None:
    one, rows, sums = made(2, 1)
    one()
    other = copy.deepcopy(one)
    before = rows.copy(), sums.copy()
    other()
    assert np.array_equal(rows, before[0]) and np.array_equal(sums, before[1])
    mine = other.calls[0].given[-1]
    one()
    assert np.array_equal(rows, mine) and not np.array_equal(rows, before[0])


def test_who_listens_hears_every_call_and_changes_no_bit() -> None:
    heard, (one, rows, _), (other, same, _) = [], made(2, 1), made(2, 1)
    with program.listening(lambda call, hi: heard.append((call.kernel, hi))):
        one()
    other()
    assert heard == [(add, 6), (fold, 2), (add, 6), (fold, 2)] and np.array_equal(rows, same)


@kernel
def visit(s0, s1, seen):  # type: ignore[no-untyped-def]
    """Count the visits of each shard."""
    for s in range(s0, s1):
        seen[s] += 1


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("first", [0, 10])
@pytest.mark.parametrize("how", [visit, visit.py_func])
def test_calls_made_once_are_shared_out(workers: int, first: int, how: Any) -> None:
    seen = np.zeros(60, dtype=np.int64)
    share([Call(how, seen), Call(how, seen)], 50, workers, first)
    assert (seen[first:50] == 2).all() and seen.sum() == 2 * (50 - first)


def test_a_kernel_called_from_python_is_the_same_code_and_one_that_returns_something_is_opened() -> None:
    seen = np.zeros(4, dtype=np.int64)
    visit(1, 3, seen)
    assert seen.tolist() == [0, 1, 1, 0] and "opened" not in vars(visit)
    assert count(0, 1, np.zeros((3, 4), np.float32)) == 3 and "opened" in vars(count)
    visit(np.int64(1), np.int64(3), seen)  # no plain numbers: the other form
    assert seen.tolist() == [0, 2, 2, 0] and "opened" in vars(visit)


def test_what_cannot_be_handed_over_is_refused() -> None:
    with pytest.raises(TypeError, match="a program cannot hand over str"):
        Program([Call(fold, N_SHARD, "half", np.zeros((3, 4), np.float32), np.zeros(1), by_world=True)], 1, 3, 1)()


@kernel
def count(s0, s1, rows):  # type: ignore[no-untyped-def]
    """Return something, which a program's kernels do not."""
    return rows.shape[0]


def test_a_kernel_that_returns_something_is_refused() -> None:
    with pytest.raises(TypeError, match="count returns something: a program has no place for it"):
        Program([Call(count, np.zeros((3, 4), np.float32))], 1, 3, 1)()

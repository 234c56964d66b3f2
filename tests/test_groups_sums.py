"""Sums per cell and over shards: the compiled loop is the plain loop, and the order is fixed."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.core import sums
from der_gym.core.sums import fold_shards, sum_cells, sum_cells_weighted

BOUNDS = [0, 0, 1, 3, 7, 11, 40, 103]  # an empty cell, cells shorter than the lanes, every remainder


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(3)  # so far apart that a float64 sum is not exact: the order shows
    return (rng.standard_normal((6, 3, 103)) * 10.0 ** rng.integers(-12, 13, (6, 3, 103))).astype(np.float32)


def bounds() -> tuple[np.ndarray, np.ndarray]:
    edge = np.array(BOUNDS, dtype=np.int64)
    return edge[:-1].copy(), edge[1:].copy()


def slow_sum(numbers: list[float]) -> float:
    """Four lanes, dealt in turn, then (0 + 1) + (2 + 3)."""
    lanes = [0.0, 0.0, 0.0, 0.0]
    for k, number in enumerate(numbers):
        lanes[k % 4] += number
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])


def plain(monkeypatch: pytest.MonkeyPatch, kernel):
    """Return the kernel's source as plain Python, with plain scalars in it."""
    for name in ("lane_sum", "lane_sum_weighted"):
        compiled = getattr(sums, name)
        monkeypatch.setattr(sums, name, getattr(compiled, "py_func", compiled))
    return getattr(kernel, "py_func", kernel)


def test_sum_is_the_four_lane_sum(values: np.ndarray) -> None:
    lo, hi = bounds()
    out = np.full((6, 7), np.nan)
    sum_cells(0, 6, 2, np.ones(3, bool), values, 1, lo, hi, out)
    for s in range(6):
        for c in range(7):
            assert out[s, c] == slow_sum([float(x) for x in values[s, 1, lo[c] : hi[c]]])


def test_weighted_sum_multiplies_in_float64(values: np.ndarray) -> None:
    lo, hi = bounds()
    out = np.full((6, 7), np.nan)
    sum_cells_weighted(0, 6, 2, np.ones(3, bool), values, 1, 2, lo, hi, out)
    for s in range(6):
        for c in range(7):
            pairs = zip(values[s, 1, lo[c] : hi[c]], values[s, 2, lo[c] : hi[c]], strict=True)
            assert out[s, c] == slow_sum([float(x) * float(y) for x, y in pairs])


def test_kernels_equal_their_plain_loops(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    lo, hi = bounds()
    active = np.array([True, False, True])
    fast, slow = np.zeros((2, 6, 7)), np.zeros((2, 6, 7))
    folded_fast, folded_slow = np.zeros((3, 7)), np.zeros((3, 7))
    sum_cells(1, 6, 2, active, values, 0, lo, hi, fast[0])
    sum_cells_weighted(0, 5, 2, active, values, 0, 1, lo, hi, fast[1])
    fold_shards(0, 3, 2, active, fast[1], folded_fast)
    plain(monkeypatch, sum_cells)(1, 6, 2, active, values, 0, lo, hi, slow[0])
    plain(monkeypatch, sum_cells_weighted)(0, 5, 2, active, values, 0, 1, lo, hi, slow[1])
    plain(monkeypatch, fold_shards)(0, 3, 2, active, slow[1], folded_slow)
    assert fast.tobytes() == slow.tobytes()
    assert folded_fast.tobytes() == folded_slow.tobytes()


def test_only_active_worlds_in_the_range_are_written(values: np.ndarray) -> None:
    lo, hi = bounds()
    active = np.array([True, False, True])
    out = np.full((6, 7), -1.0)
    sum_cells(1, 5, 2, active, values, 0, lo, hi, out)
    assert np.unique(np.flatnonzero((out != -1.0).any(axis=1))).tolist() == [1, 4]
    total = np.full((3, 7), -1.0)
    fold_shards(0, 2, 2, active, out, total)
    assert np.flatnonzero((total != -1.0).any(axis=1)).tolist() == [0]


def test_fold_adds_in_shard_order() -> None:
    parts = np.array([[1e16], [1.0], [-1e16], [1.0], [1e16], [-1e16]])
    out = np.zeros((2, 1))
    fold_shards(0, 2, 3, np.ones(2, bool), parts, out)
    assert out[:, 0].tolist() == [(1e16 + 1.0) - 1e16, (1.0 + 1e16) - 1e16]


def test_calls_from_any_split_of_the_shards_give_the_same_bits(values: np.ndarray) -> None:
    lo, hi = bounds()
    whole, pieces = np.zeros((6, 7)), np.zeros((6, 7))
    sum_cells(0, 6, 2, np.ones(3, bool), values, 2, lo, hi, whole)
    for s in (4, 1, 0, 5, 3, 2):
        sum_cells(s, s + 1, 2, np.ones(3, bool), values, 2, lo, hi, pieces)
    assert whole.tobytes() == pieces.tobytes()


def test_one_signature_per_kernel(values: np.ndarray) -> None:
    lo, hi = bounds()
    for shape in (6, 3):
        sum_cells(0, shape, 1, np.ones(shape, bool), values[:shape], 0, lo, hi, np.zeros((shape, 7)))
    assert len(getattr(sum_cells, "signatures", [0])) == 1  # a plain function where the compiler is off

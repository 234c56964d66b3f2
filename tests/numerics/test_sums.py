"""Sums in a fixed order: the compiled loop is a slow plain one, bit for bit, whoever asks and however it is split."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from plain import plain
from slow_sums import far_apart, slow_dot

from der_gym.engine.compile import _OPTIONS
from der_gym.numerics import lanes, sums
from der_gym.numerics.sums import dot, enter, sum_register

LENGTHS = (0, 1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 32, 33, 40, 48, 103, 1000)  # every kind of remainder, of 16 and of 4
PLAIN = plain(sums)
F4 = np.float32
NO_FLOOR = F4(-np.inf)


@numba.njit(**_OPTIONS)
def packets(v, w, floor):
    """Call `lanes.packets` in compiled code, where it is wide registers; called from Python it is a plain loop."""
    return lanes.packets(v, w, floor)


def weights(n: int, seed: int = 4) -> np.ndarray:
    """Return weights of the kind in use: not in the list, and gains about 1."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 4, n).clip(0, 1) * rng.normal(1.0, 0.02, n)).astype(F4)


def slow_register(numbers: np.ndarray, here: np.ndarray) -> float:
    """Add float64 numbers into four lanes dealt in turn, then (0 + 1) + (2 + 3), then what is left."""
    weighed = [float(x) * float(y) for x, y in zip(numbers, here, strict=True)]
    full = len(weighed) // 4 * 4
    lane = [0.0] * 4
    for k in range(full):
        lane[k % 4] += weighed[k]
    total = (lane[0] + lane[1]) + (lane[2] + lane[3])
    for k in range(full, len(weighed)):
        total += weighed[k]
    return total


# a cell ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", LENGTHS)
def test_dot_adds_in_sixteen_lanes_and_then_one_by_one(n: int) -> None:
    v, w = far_apart(n), weights(n)
    assert dot(v, w) == slow_dot(v, w) == PLAIN["dot"](v, w)


def test_the_order_shows_in_these_numbers() -> None:
    v, w = far_apart(103), weights(103)
    one_by_one = 0.0
    for x, y in zip(v, w, strict=True):
        one_by_one += float(x * y)
    assert one_by_one != slow_dot(v, w) != slow_dot(v[::-1], w[::-1])


def test_products_are_float32_and_their_sum_is_float64() -> None:
    third, ones = np.full(16 * 2**12, 1 / 3, F4), np.ones(16 * 2**12, F4)
    assert dot(third, ones) == 16 * 2**12 * float(F4(1 / 3))  # exact: every partial sum fits 53 bits
    v, w = np.array([1 / 3], F4), np.array([1.01], F4)
    assert dot(v, w) == float(v[0] * w[0]) != float(v[0]) * float(w[0])


def test_dot_takes_a_part_of_a_row() -> None:
    table = far_apart(4 * 103).reshape(4, 103)
    gains = weights(103)
    for a, b in ((0, 103), (1, 18), (7, 7), (40, 103), (5, 21)):
        assert dot(table[2, a:b], gains[a:b]) == slow_dot(table[2, a:b], gains[a:b])


@pytest.mark.parametrize("floor", [-np.inf, 0.0, 1.0])
@pytest.mark.parametrize("n", [0, 15, 16, 40, 103])
def test_packets_leave_the_rest_and_hold_the_weights_above_a_floor(n: int, floor: float) -> None:
    v, w = far_apart(n), far_apart(n, seed=5)
    want = slow_dot(v, w, F4(floor), rest=False)
    assert packets(v, w, F4(floor)) == lanes.packets(v, w, F4(floor)) == want


# a device's register --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 15, 16, 17, 103])
def test_a_shards_register_takes_the_sum(n: int) -> None:
    v, w = far_apart(n), weights(n)
    out, slow = np.array([0.1]), np.array([0.1])
    for scale in (1.0, 1.0 / 3600.0):
        enter(v, w, scale, out)
        PLAIN["enter"](v, w, scale, slow)
    assert out[0] == slow[0] == (0.1 + slow_dot(v, w)) + slow_dot(v, w) * (1.0 / 3600.0)


@pytest.mark.parametrize("n", [1, 2, 16, 103])
def test_a_register_of_each_device_takes_its_own(n: int) -> None:
    v, w = far_apart(n), weights(n)
    start = np.linspace(0.1, 0.2, n)
    out, slow = start.copy(), start.copy()
    enter(v, w, 1.0 / 3600.0, out)
    PLAIN["enter"](v, w, 1.0 / 3600.0, slow)
    want = [x + float(y * z) * (1.0 / 3600.0) for x, y, z in zip(start, v, w, strict=True)]
    assert out.tolist() == slow.tolist() == want


def test_who_is_not_in_the_list_enters_nothing() -> None:
    v, here = np.arange(1, 41, dtype=F4), np.tile(np.array([1, 0], F4), 20)
    each, whole = np.zeros(40), np.zeros(1)
    enter(v, here, 1.0, each)
    enter(v, here, 1.0, whole)
    assert not each[1::2].any() and (each[::2] == v[::2]).all() and whole[0] == v[::2].sum()


# a world --------------------------------------------------------------------------------------------------------------


def registers(n: int, n_shard: int = 3, n_world: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return registers (S, 2, n) and who is no padding (n_shard, 5 + n + 2): the class stands from place 5 on."""
    acc = far_apart(n_world * n_shard * 2 * n).astype(np.float64).reshape(n_world * n_shard, 2, n) / 3.0
    present = np.random.default_rng(6).integers(0, 4, (n_shard, 5 + n + 2)).clip(0, 1).astype(np.uint8)
    return acc, present


@pytest.mark.parametrize("n", [1, 3, 4, 7, 103])
@pytest.mark.parametrize("first", [True, False])
def test_a_worlds_figure_adds_its_shards_in_order_without_padding(n: int, first: bool) -> None:
    acc, present = registers(n)
    due = np.ones(2, bool)
    out, slow = np.array([0.1, 0.2]), np.array([0.1, 0.2])
    want = [0.0, 0.0] if first else [0.1, 0.2]
    for w in range(2):
        for p in range(3):
            want[w] += slow_register(acc[3 * w + p, 1], present[p, 5 : 5 + n])
    sum_register(0, 2, 3, due, acc, 1, present, 5, first, out)
    PLAIN["sum_register"](0, 2, 3, due, acc, 1, present, 5, first, slow)
    assert out.tolist() == slow.tolist() == want


def test_padding_does_not_count_whatever_its_register_holds() -> None:
    acc, present = registers(103)
    present[:, 5:9] = 0
    others = acc.copy()
    others[:, 1, :4] = 7e7
    out, again = np.zeros(2), np.zeros(2)
    sum_register(0, 2, 3, np.ones(2, bool), acc, 1, present, 5, True, out)
    sum_register(0, 2, 3, np.ones(2, bool), others, 1, present, 5, True, again)
    assert out.tolist() == again.tolist()


def test_shards_are_added_in_order() -> None:
    acc = np.array([1e16, 1.0, -1e16, 1.0, 1e16, -1e16]).reshape(6, 1, 1)
    out = np.zeros(2)
    sum_register(0, 2, 3, np.ones(2, bool), acc, 0, np.ones((3, 1), np.uint8), 0, True, out)
    assert out.tolist() == [(1e16 + 1.0) - 1e16, (1.0 + 1e16) - 1e16]


def test_only_due_worlds_in_the_range_are_written() -> None:
    acc, present = registers(20, n_shard=2, n_world=4)
    due = np.array([True, False, True, True])
    for first in (True, False):
        out = np.full(4, -1.0)
        sum_register(1, 3, 2, due, acc, 0, present, 5, first, out)
        assert np.flatnonzero(out != -1.0).tolist() == [2]


def test_any_split_of_the_worlds_gives_the_same_bits_by_one_compiled_form() -> None:
    acc, present = registers(103, n_world=6)
    due, whole, pieces = np.ones(6, bool), np.zeros(6), np.zeros(6)
    sum_register(0, 6, 3, due, acc, 1, present, 5, True, whole)
    for w in (4, 1, 0, 5, 3, 2):
        sum_register(w, w + 1, 3, due, acc, 1, present, 5, True, pieces)
    assert whole.tobytes() == pieces.tobytes()
    assert len(getattr(sum_register, "signatures", [0])) == 1  # a plain function where the compiler is off


# the least and the greatest -------------------------------------------------------------------------------------------


def test_floats_from_zero_on_are_ordered_by_their_bits() -> None:
    times = np.sort(np.abs(far_apart(200)))
    times[0] = 0.0
    bits = [int(sums.in_order(t)) for t in times]
    assert bits == sorted(bits) and len(set(bits)) == len(set(times.tolist()))
    assert [float(sums.back(b)) for b in bits] == times.tolist()

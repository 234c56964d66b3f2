"""Arrays of an arena are zeros that share no byte; those of a small simulator stay arrays of their own."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.engine.memory import Arena

MIB = 1024 * 1024


@pytest.mark.parametrize("n_byte", [0, 1000, 8 * MIB, 500 * MIB])
def test_arrays_are_zeros_that_share_no_byte(n_byte: int) -> None:
    arena = Arena(n_byte)
    made = [
        arena.zeros(shape, dtype)
        for shape, dtype in [((3, 5, 7), np.float32), ((4, 0), np.float64), ((2 * MIB,), np.float32), ((9,), np.int64)]
    ]
    for each in made:
        assert not each.any() and each.flags.c_contiguous and each.flags.writeable
    for k, each in enumerate(made):
        each[...] = k + 1
    assert [set(each.ravel().tolist()) for each in made] == [{1.0}, set(), {3.0}, {4}]


def test_a_large_arena_cuts_its_arrays_from_one_block() -> None:
    arena = Arena(8 * MIB)
    one, two = arena.zeros((MIB,), np.uint8), arena.zeros((1000,), np.float64)
    assert two.ctypes.data - one.ctypes.data == MIB and one.ctypes.data % 64 == 0
    assert arena.zeros((16 * MIB,), np.uint8).nbytes == 16 * MIB  # more than a block: an array of its own

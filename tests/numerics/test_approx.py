"""The approximations err no more than they state, and give the same bits compiled and in plain Python."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from plain import plain
from scipy import special

from der_gym.numerics import approx

PLAIN = plain(approx)


@numba.njit
def each_exp(x, out):
    for i in range(x.size):
        out[i] = approx.exp(x[i])


@numba.njit
def each_log(x, out):
    for i in range(x.size):
        out[i] = approx.log(x[i])


@numba.njit
def each_quantile(x, out):
    for i in range(x.size):
        out[i] = approx.normal_quantile(x[i])


def each(loop: Any, x: np.ndarray) -> np.ndarray:
    """Return a function of every float32 of ``x`` as float64."""
    out = np.empty(x.size, dtype=np.float32)
    loop(x.astype(np.float32), out)
    return out.astype(np.float64)


def test_exp() -> None:
    x = np.concatenate([np.linspace(-87, 88, 400_001), np.linspace(-1, 1, 100_001)]).astype(np.float32)
    true = np.exp(x.astype(np.float64))
    assert (abs(each(each_exp, x) - true) / true).max() < 2e-7
    ends = each(each_exp, np.array([-1e9, -88.0, 89.0, 1e9, 0.0]))
    assert ends[0] == ends[1] > 0 and ends[2] == ends[3] < np.inf and ends[4] == 1.0


def test_log() -> None:
    x = np.concatenate([np.geomspace(1.2e-38, 3.4e38, 400_001), np.linspace(0.5, 2, 100_001)]).astype(np.float32)
    true = np.log(x.astype(np.float64))
    error = abs(each(each_log, x) - true)
    assert np.minimum(error, error / np.maximum(abs(true), 1e-30)).max() < 2e-7
    assert each(each_log, np.array([1.0]))[0] == 0.0


def test_normal_quantile() -> None:
    tail = np.geomspace(1.0001e-6, 0.5, 200_001)
    u = np.concatenate([tail, 1 - tail]).astype(np.float32)
    u = u[(u > 1e-6) & (u < 1 - 1e-6)]
    got, true = each(each_quantile, u), special.ndtri(u.astype(np.float64))
    assert abs(got - true).max() < 1e-4
    order = np.argsort(u)
    assert (np.diff(got[order]) >= -1e-6).all()
    ends = each(each_quantile, np.array([2.0**-24, 1 - 2.0**-24]))  # the least and greatest draw
    assert ends == pytest.approx(special.ndtri([2.0**-24, 1 - 2.0**-24]), abs=2e-4)


def test_lookup_is_linear_between_entries_and_exact_on_them() -> None:
    table = np.sort(np.random.default_rng(2).exponential(5.0, 256)).astype(np.float32)
    at = np.linspace(0, 254.99, 5001).astype(np.float32)
    pairs = approx.paired(table)
    got = np.array([approx.lookup(pairs, x) for x in at])
    straight = np.interp(at.astype(np.float64), np.arange(256), table.astype(np.float64))
    np.testing.assert_allclose(got, straight, rtol=1e-5, atol=1e-5)
    assert [approx.lookup(pairs, np.float32(k)) for k in range(256)] == table.tolist()


def test_clip() -> None:
    low, high = np.float32(-1.5), np.float32(2.0)
    assert [approx.clip(np.float32(x), low, high) for x in (-9, -1.5, 0.25, 2, 9)] == [-1.5, -1.5, 0.25, 2.0, 2.0]


@pytest.mark.parametrize("name", ["exp", "log", "normal_quantile"])
def test_compiled_and_plain_python_give_the_same_bits(name: str) -> None:
    draw = np.random.default_rng(7)
    inputs = {
        "exp": np.concatenate([draw.uniform(-95, 95, 3000), draw.normal(0, 1, 3000)]),
        "log": np.concatenate([np.exp(draw.uniform(-85, 85, 3000)), draw.uniform(0.5, 2, 3000)]),
        "normal_quantile": np.concatenate([draw.random(3000), 10 ** -draw.uniform(0, 7, 3000)]),
    }
    for x in inputs[name].astype(np.float32):
        compiled, slow = getattr(approx, name)(x), PLAIN[name](x)
        assert np.float32(compiled).tobytes() == np.float32(slow).tobytes()


def test_lookup_compiled_and_plain_give_the_same_bits() -> None:
    draw = np.random.default_rng(8)
    table = approx.paired(np.sort(draw.exponential(5.0, 256)))
    for at in (*draw.uniform(0, 254.99, 3000).astype(np.float32), np.float32(0), np.float32(254)):
        assert np.float32(approx.lookup(table, at)).tobytes() == np.float32(PLAIN["lookup"](table, at)).tobytes()

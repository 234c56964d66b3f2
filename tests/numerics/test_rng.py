"""Randomness by address: published vectors, the open unit interval, moments, and independence of neighbours."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import combinations

import numba
import numpy as np
import pytest
from plain import plain
from scipy import stats

from der_gym.numerics import rng

K0, K1 = np.uint32(0x12345678), np.uint32(0x9ABCDEF0)
A, B = rng.stream("test.a"), rng.stream("test.b")
N = 100_000
Draws = Callable[..., np.ndarray]


@numba.njit
def many_uniform(k0, k1, uid, stream, slot, draw, out):
    for i in range(out.size):
        out[i] = rng.uniform(k0, k1, uid[i], stream[i], slot[i], draw[i])


@numba.njit
def many_normal(k0, k1, uid, stream, slot, draw, out):
    for i in range(out.size):
        out[i] = rng.normal(k0, k1, uid[i], stream[i], slot[i], draw[i])


@numba.njit
def many_quick(k0, k1, uid, stream, slot, draw, out):
    for i in range(out.size):
        out[i] = rng.quick_uniform(k0, k1, uid[i], stream[i], slot[i])


@numba.njit
def compiled_philox(k0, k1, c0, c1, c2, c3):
    return rng.philox(k0, k1, c0, c1, c2, c3)


@numba.njit
def many_mix(x, out):
    for i in range(out.size):
        out[i] = rng.mix(x[i])


def draws(
    name: str, uid: object = 7, stream: object = A, slot: object = 3, draw: object = 0, k0: int = K0
) -> np.ndarray:
    """Return N float32 of one kind; each part of the address is a number or an array (N,)."""
    parts = [
        np.ascontiguousarray(np.broadcast_to(np.asarray(x, dtype=np.uint32), (N,))) for x in (uid, stream, slot, draw)
    ]
    out = np.empty(N, dtype=np.float32)
    kinds = {"uniform": many_uniform, "normal": many_normal, "quick": many_quick}
    kinds[name](np.uint32(k0), K1, *parts, out)
    return out


def to_unit(name: str, x: np.ndarray) -> np.ndarray:
    return stats.norm.cdf(x.astype(np.float64)) if name == "normal" else x.astype(np.float64)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(abs(np.corrcoef(x, y)[0, 1]))


def chi2_p(x: np.ndarray, y: np.ndarray) -> float:
    """Return the p-value of independence of two units, in a table of 16 x 16."""
    table = np.histogram2d(x, y, bins=16, range=((0, 1), (0, 1)))[0]
    expected = x.size / 256
    return float(stats.chi2.sf(((table - expected) ** 2 / expected).sum(), 255))


ALL_ONES = 0xFFFFFFFF
VECTORS = [
    ((0, 0), (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ALL_ONES, ALL_ONES), (ALL_ONES,) * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ((0xA4093822, 0x299F31D0), (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("key", "counter", "expected"), VECTORS)
@pytest.mark.parametrize("compiled", [True, False])
def test_philox_gives_the_published_vectors(
    key: tuple[int, ...], counter: tuple[int, ...], expected: str, compiled: bool
) -> None:
    philox = compiled_philox if compiled else plain(rng)["philox"]
    got = philox(*map(np.uint32, key), *map(np.uint32, counter))
    assert " ".join(f"{int(x):08x}" for x in got) == expected


def test_streams_are_the_crc_of_their_names() -> None:
    assert rng.stream("123456789") == np.uint32(0xCBF43926)  # the published check value of CRC-32
    assert rng.stream("ev.arrival") == zlib.crc32(b"ev.arrival") and isinstance(A, np.uint32)


@pytest.mark.parametrize("x", [0, 1, 511, 512, 2**31, 2**32 - 512, 2**32 - 1])
def test_units_lie_inside_the_open_interval_and_are_exact(x: int) -> None:
    got = rng.unit(np.uint32(x))
    assert isinstance(got, np.float32) and 0.0 < got < 1.0
    assert np.float32(got) == got == (2 * (x >> 9) + 1) * 2.0**-24
    assert plain(rng)["unit"](np.uint32(x)) == got


@pytest.mark.parametrize("name", ["uniform", "quick", "normal"])
def test_moments_and_shape(name: str) -> None:
    for address in ({"uid": np.arange(N)}, {"slot": np.arange(N)}, {"uid": np.arange(N) * 2**14}):
        x = draws(name, **address).astype(np.float64)
        law = stats.norm() if name == "normal" else stats.uniform()
        assert stats.kstest(x, law.cdf).pvalue > 1e-4
        assert x.mean() == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(N))
        assert x.std() == pytest.approx(law.std(), rel=0.01)
        if name == "normal":
            assert abs(x).max() <= 5.4 and stats.skew(x) == pytest.approx(0, abs=0.03)
            assert stats.kurtosis(x) == pytest.approx(0, abs=0.08)
        else:
            assert x.min() > 0 and x.max() < 1


STEPS = np.arange(N)
NEIGHBOURS = {
    "uid and the next": [{"uid": STEPS}, {"uid": STEPS + 1}],
    "uid and one bit of it": [{"uid": STEPS}, {"uid": STEPS ^ 2**20}],
    "slot and the next": [{"slot": STEPS}, {"slot": STEPS + 1}],
    "slot and the next, many devices": [{"uid": STEPS}, {"uid": STEPS, "slot": 4}],
    "slot and the next day": [{"slot": STEPS}, {"slot": STEPS + 288}],
    "streams by slot": [{"slot": STEPS}, {"slot": STEPS, "stream": B}],
    "streams by uid": [{"uid": STEPS}, {"uid": STEPS, "stream": B}],
    "streams next to each other": [{"uid": STEPS}, {"uid": STEPS, "stream": A + np.uint32(1)}],
    "devices by slot": [{"slot": STEPS}, {"slot": STEPS, "uid": 8}],
    "worlds": [{"uid": STEPS}, {"uid": STEPS, "k0": int(K0) + 1}],
    "uid against slot": [{"uid": STEPS}, {"slot": STEPS}],
}


@pytest.mark.parametrize("name", ["uniform", "quick", "normal"])
@pytest.mark.parametrize("pair", NEIGHBOURS)
def test_neighbouring_addresses_are_independent(name: str, pair: str) -> None:
    x, y = (to_unit(name, draws(name, **address)) for address in NEIGHBOURS[pair])
    limit = 4.5 / np.sqrt(N)
    assert correlation(x, y) < limit
    assert correlation((x - 0.5) ** 2, (y - 0.5) ** 2) < limit
    assert correlation(abs(x - 0.5), y) < limit
    assert chi2_p(x, y) > 1e-5


@pytest.mark.parametrize("name", ["uniform", "quick"])
def test_a_series_has_no_memory_and_no_lattice(name: str) -> None:
    x = draws(name, slot=STEPS).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(x - x.mean()))[1:] ** 2
    assert spectrum.max() / spectrum.mean() < np.log(N / 2) + 14  # no line in it
    ranks = stats.rankdata(x[: N // 2 * 2].reshape(-1, 2), axis=1)[:, 0]
    assert ranks.mean() == pytest.approx(1.5, abs=0.01)
    for bit in range(8):
        up = (x * 2 ** (bit + 1)).astype(int) % 2
        runs = 1 + (np.diff(up) != 0).sum()
        assert runs == pytest.approx(N / 2, abs=5 * np.sqrt(N) / 2)


def test_the_four_lanes_of_a_draw_are_independent() -> None:
    rows = np.array([rng.uniform4(K0, K1, np.uint32(i), A, np.uint32(0), np.uint32(0)) for i in range(20_000)])
    for i, j in combinations(range(4), 2):
        assert correlation(rows[:, i], rows[:, j]) < 4.5 / np.sqrt(20_000)
    first = [rng.uniform(K0, K1, np.uint32(i), A, np.uint32(0), np.uint32(0)) for i in range(50)]
    assert rows[:50, 0].tolist() == first  # the one draw is the first of four


def test_no_two_addresses_share_a_draw_more_than_by_chance() -> None:
    parts = [draws("uniform", uid=STEPS), draws("uniform", slot=STEPS), draws("uniform", draw=STEPS)]
    parts += [draws("uniform", uid=STEPS, stream=B)]
    x = np.concatenate(parts)
    shared = x.size - np.unique(x).size
    expected = x.size**2 / 2 / 2**23  # of 2^23 values
    assert shared == pytest.approx(expected, rel=0.1)


def test_mix_is_a_bijection_that_turns_half_the_bits() -> None:
    x = np.concatenate([np.arange(2**18), 2**32 - 1 - np.arange(2**18)]).astype(np.uint32)
    out = np.empty_like(x)
    many_mix(x, out)
    assert np.unique(out).size == x.size
    for bit in range(32):
        turned = np.empty_like(x)
        many_mix(x ^ np.uint32(1 << bit), turned)
        share = np.unpackbits((out ^ turned).view(np.uint8)).mean()
        assert share == pytest.approx(0.5, abs=0.01)


def test_the_same_address_always_gives_the_same_bits() -> None:
    one = draws("uniform", uid=STEPS, slot=9)
    np.testing.assert_array_equal(one[::-1], draws("uniform", uid=STEPS[::-1], slot=9))
    names = plain(rng)
    for i in range(200):
        address = (K0, K1, np.uint32(i * 977), A, np.uint32(9 * i), np.uint32(i % 5))
        assert names["uniform"](*address) == rng.uniform(*address)
        assert names["normal"](*address) == rng.normal(*address)
        assert names["uniform4"](*address) == rng.uniform4(*address)
        assert names["quick"](*address[:5]) == rng.quick(*address[:5])
        assert names["quick_uniform"](*address[:5]) == rng.quick_uniform(*address[:5])
        assert names["mix"](address[2]) == rng.mix(address[2])

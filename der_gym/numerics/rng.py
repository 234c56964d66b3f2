"""Randomness by address: a draw is a pure function of its address, and does not depend on the draws before it.

Philox4x32-10 [1]_ hashes the counter (uid, stream, slot, draw) under a world's key. A device keeps its
draws under another tree, beside one more class, and at another tick length.

References
----------
.. [1] Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
   doi:10.1145/2063384.2063405; test vectors in the authors' kat_vectors file.
.. [2] C. Wellons, "Prospecting for hash functions", 2018: constants 0x7feb352d, 0x846ca68b.
"""

from __future__ import annotations

import zlib

import numpy as np

from der_gym.engine.compile import scalar
from der_gym.numerics import approx

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint32(0x9E3779B9)
_W1 = np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_9 = np.uint32(9)
_S16, _S15 = np.uint32(16), np.uint32(15)
_H0, _H1 = np.uint64(0x7FEB352D), np.uint64(0x846CA68B)
_UNIT = np.float32(2.0**-23)
_HALF = np.float32(2.0**-24)
_0 = np.uint32(0)


def stream(name: str) -> np.uint32:
    """Return the stream number of a purpose such as ``"meter.gain"``: the CRC-32 of its name."""
    return np.uint32(zlib.crc32(name.encode()))


@scalar
def philox(k0, k1, c0, c1, c2, c3):  # type: ignore[no-untyped-def]
    """Return four uint32 from key (k0, k1) and counter (c0..c3), all uint32."""
    for _ in range(10):
        p0 = _M0 * np.uint64(c0)
        p1 = _M1 * np.uint64(c2)
        c0 = np.uint32(np.uint32(p1 >> _32) ^ np.uint32(c1) ^ np.uint32(k0))
        c1 = np.uint32(p1 & _LOW)
        c2 = np.uint32(np.uint32(p0 >> _32) ^ np.uint32(c3) ^ np.uint32(k1))
        c3 = np.uint32(p0 & _LOW)
        k0 = np.uint32((np.uint64(k0) + np.uint64(_W0)) & _LOW)
        k1 = np.uint32((np.uint64(k1) + np.uint64(_W1)) & _LOW)
    return c0, c1, c2, c3


@scalar
def unit(x):  # type: ignore[no-untyped-def]
    """Return a float32 inside (0, 1), never 0 or 1, from a uint32."""
    return np.float32(np.float32(np.uint32(x) >> _9) * _UNIT + _HALF)


@scalar
def uniform(k0, k1, uid, stream_, slot, draw):  # type: ignore[no-untyped-def]
    """Return the float32 in (0, 1) at an address; slot and draw are integers >= 0.

    Parameters
    ----------
    k0, k1 : uint32
        Key.
    uid : uint32
        Address of the device.
    stream_ : uint32
        Number of the purpose, see `stream`.
    slot : int
        Number of the time slot, >= 0.
    draw : int
        Number of the draw in the slot, >= 0.
    """
    c0, _, _, _ = philox(k0, k1, np.uint32(uid), stream_, np.uint32(slot), np.uint32(draw))
    return unit(c0)


@scalar
def normal(k0, k1, uid, stream_, slot, draw):  # type: ignore[no-untyped-def]
    """Return the standard normal float32 at an address (|z| <= 5.4; error of the quantile below 2e-4).

    Parameters
    ----------
    k0, k1 : uint32
        Key.
    uid : uint32
        Address of the device.
    stream_ : uint32
        Number of the purpose, see `stream`.
    slot : int
        Number of the time slot, >= 0.
    draw : int
        Number of the draw in the slot, >= 0.
    """
    return approx.normal_quantile(uniform(k0, k1, uid, stream_, slot, draw))


@scalar
def mix(x):  # type: ignore[no-untyped-def]
    """Return 32 well-mixed bits of a uint32 (Wellons' lowbias32 [2]_): a bijection, bias below 0.2 %."""
    x = np.uint32(x ^ np.uint32(x >> _S16))
    x = np.uint32((np.uint64(x) * _H0) & _LOW)
    x = np.uint32(x ^ np.uint32(x >> _S15))
    x = np.uint32((np.uint64(x) * _H1) & _LOW)
    return np.uint32(x ^ np.uint32(x >> _S16))


@scalar
def quick(k0, k1, uid, stream_, slot):  # type: ignore[no-untyped-def]
    """Return 32 bits at an address, four times as fast as Philox: for values that are redrawn every few minutes.

    Independence between neighbouring addresses is tested (correlation, serial and chi-square tests), not proven.

    Parameters
    ----------
    k0, k1 : uint32
        Key.
    uid : uint32
        Address of the device.
    stream_ : uint32
        Number of the purpose, see `stream`.
    slot : int
        Number of the time slot, >= 0.
    """
    x = mix(np.uint32(np.uint32(uid) ^ np.uint32(k0)))
    x = mix(np.uint32(x ^ np.uint32(stream_) ^ np.uint32(k1)))
    return mix(np.uint32((np.uint64(x) + np.uint64(slot) * np.uint64(_W0)) & _LOW))


@scalar
def quick_uniform(k0, k1, uid, stream_, slot):  # type: ignore[no-untyped-def]
    """Return the float32 in (0, 1) at an address of `quick`.

    Parameters
    ----------
    k0, k1 : uint32
        Key.
    uid : uint32
        Address of the device.
    stream_ : uint32
        Number of the purpose, see `stream`.
    slot : int
        Number of the time slot, >= 0.
    """
    return unit(quick(k0, k1, uid, stream_, slot))


@scalar
def uniform4(k0, k1, uid, stream_, slot, draw):  # type: ignore[no-untyped-def]
    """Return four independent float32 in (0, 1) at an address, in the time of one.

    Parameters
    ----------
    k0, k1 : uint32
        Key.
    uid : uint32
        Address of the device.
    stream_ : uint32
        Number of the purpose, see `stream`.
    slot : int
        Number of the time slot, >= 0.
    draw : int
        Number of the draw in the slot, >= 0.
    """
    c0, c1, c2, c3 = philox(k0, k1, np.uint32(uid), stream_, np.uint32(slot), np.uint32(draw))
    return unit(c0), unit(c1), unit(c2), unit(c3)

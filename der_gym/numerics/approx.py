"""Exponential, logarithm, normal quantile and table look-up in float32, built from exact operations only.

A library's ``exp`` differs between machines in the last bit. These functions give the same bits on every machine, and
loops over them vectorise.
"""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar

_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_TWO = np.float32(2.0)
_LOG2E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_EXP_MIN = np.float32(-87.0)
_EXP_MAX = np.float32(88.0)
# Cephes expf (Moshier, 1992): 1 + x + x^2 p(x) on |x| <= ln(2)/2
_E0, _E1, _E2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_E3, _E4, _E5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
# Cephes logf
_L0, _L1, _L2 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1), np.float32(1.1676998740e-1)
_L3, _L4, _L5 = np.float32(-1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
_L6, _L7, _L8 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1), np.float32(3.3333331174e-1)
_SQRT_HALF = np.float32(0.70710678118654752)
_BIAS, _SHIFT = np.int32(127), np.int32(23)
_MANTISSA, _ONE_BITS = np.int32(0x007FFFFF), np.int32(0x3F800000)
# Giles (2010), "Approximating the erfinv function", single precision: sqrt(2) erfinv(x)
_C0, _C1, _C2 = np.float32(2.81022636e-08), np.float32(3.43273939e-07), np.float32(-3.5233877e-06)
_C3, _C4, _C5 = np.float32(-4.39150654e-06), np.float32(0.00021858087), np.float32(-0.00125372503)
_C6, _C7, _C8 = np.float32(-0.00417768164), np.float32(0.246640727), np.float32(1.50140941)
_T0, _T1, _T2 = np.float32(-0.000200214257), np.float32(0.000100950558), np.float32(0.00134934322)
_T3, _T4, _T5 = np.float32(-0.00367342844), np.float32(0.00573950773), np.float32(-0.0076224613)
_T6, _T7, _T8 = np.float32(0.00943887047), np.float32(1.00167406), np.float32(2.83297682)
_FIVE, _W0, _W1 = np.float32(5.0), np.float32(2.5), np.float32(3.0)
_SQRT_TWO = np.float32(1.4142135623730951)


@scalar
def clip(x, low, high):  # type: ignore[no-untyped-def]
    """Return ``x`` held within [low, high]."""
    return min(max(x, low), high)


@scalar
def degree_8(x, x2, a, b, c, d, e, f, g, h, i):  # type: ignore[no-untyped-def]
    """Return ``a x^8 + b x^7 + ... + i`` in pairs (Estrin), with half as many dependent steps."""
    high = (a * x2 + (b * x + c)) * x2 + (d * x + e)
    return (high * x2 + (f * x + g)) * x2 + (h * x + i)


@scalar
def exp(x):  # type: ignore[no-untyped-def]
    """Return e**x for float32 ``x`` held within [-87, 88]; relative error below 2e-7."""
    x = min(max(np.float32(x), _EXP_MIN), _EXP_MAX)
    n = np.floor(x * _LOG2E + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    r2 = r * r
    p = ((_E0 * r + _E1) * r2 + (_E2 * r + _E3)) * r2 + (_E4 * r + _E5)
    y = (p * r2 + r) + _ONE
    power = np.int32((np.int32(n) + _BIAS) << _SHIFT).view(np.float32)
    return np.float32(y * power)


@scalar
def log(x):  # type: ignore[no-untyped-def]
    """Return the natural logarithm of a normal positive float32; error below 2e-7 (relative or absolute)."""
    bits = np.float32(x).view(np.int32)
    e = np.float32(np.int32(bits >> _SHIFT) - _BIAS)
    m = np.int32((bits & _MANTISSA) | _ONE_BITS).view(np.float32)
    small = m * _HALF  # in [0.5, 1)
    low = small < _SQRT_HALF
    f = (m if low else small) - _ONE
    e = e if low else e + _ONE
    z = f * f
    p = degree_8(f, z, _L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8) * f * z
    p = p + e * _LN2_LOW - z * _HALF
    return np.float32(f + p + e * _LN2_HIGH)


@scalar
def normal_quantile(u):  # type: ignore[no-untyped-def]
    """Return the standard normal quantile of ``u`` in (0, 1); error below 1e-4 for 1e-6 < u < 1 - 1e-6."""
    u = np.float32(u)
    x = _TWO * u - _ONE
    w = -log(max(_TWO * u * (_TWO * (_ONE - u)), np.float32(1e-30)))  # 1 - x^2 of the exact x
    a = w - _W0
    b = np.sqrt(max(w, _ZERO)) - _W1
    p = degree_8(a, a * a, _C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8)
    q = degree_8(b, b * b, _T0, _T1, _T2, _T3, _T4, _T5, _T6, _T7, _T8)
    return np.float32(_SQRT_TWO * x * (p if w < _FIVE else q))


def paired(values: np.ndarray) -> np.ndarray:
    """Return the table of `lookup`, float32 (n, 2): each value and the step to the next one, 0 after the last."""
    value = values.astype(np.float32)
    return np.stack([value, np.diff(value, append=value[-1:])], axis=1)


@scalar
def lookup(table, at):  # type: ignore[no-untyped-def]
    """Return the value at place ``at``, 0 or more and below the length, of a table made by `paired`; linear between."""
    i = np.int32(at)
    part, k = at - np.float32(i), np.uint32(i)
    return np.float32(table[k, 0] + table[k, 1] * part)

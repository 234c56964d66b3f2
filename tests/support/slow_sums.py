"""The obvious, slow form of a sum in lanes, and numbers whose order of addition shows."""

from __future__ import annotations

import numpy as np

F4 = np.float32
NO_FLOOR = F4(-np.inf)


def far_apart(n: int, seed: int = 3) -> np.ndarray:
    """Return numbers so far apart that a float64 sum of them is not exact: the order shows."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(n) * 10.0 ** rng.integers(-12, 13, n)).astype(F4)


def slow_dot(v: np.ndarray, w: np.ndarray, floor: np.float32 = NO_FLOOR, rest: bool = True) -> float:
    """Add float32 products into sixteen lanes dealt in turn, halve the lanes, then add what fills no packet."""
    products = [float(x * max(y, floor)) for x, y in zip(v, w, strict=True)]
    full = len(products) // 16 * 16
    lane = [0.0] * 16
    for k in range(full):
        lane[k % 16] += products[k]
    eight = [lane[k] + lane[k + 8] for k in range(8)]
    four = [eight[k] + eight[k + 4] for k in range(4)]
    total = (four[0] + four[2]) + (four[1] + four[3])
    for k in range(full, len(products) if rest else full):
        total += products[k]
    return total

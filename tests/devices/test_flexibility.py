"""What a cell of devices could give is the sum of what they could, over those that count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from batteries import LO, capability, make, own
from plain import plain
from slow_sums import far_apart, slow_dot
from test_ev import Fleet

from der_gym.devices import flexibility
from der_gym.devices.battery.model import BATTERY
from der_gym.devices.ev.model import EV
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET

N = 47  # the class takes the places 3 .. 50 of 55
CELLS = ((0, 3), (3, 4), (4, 24), (24, 50), (50, 55))  # the first and the last belong to other classes
OWN = slice(1, 4)
NOW_S = 600.0


def devices() -> tuple[np.ndarray, np.ndarray]:
    """Return each device's capability and the fleet's rows: all in the list, no link ever down."""
    each = np.ones((flexibility.N_SCRATCH, N), np.float32)
    each[: CAPABILITY.N] = far_apart(CAPABILITY.N * N).reshape(CAPABILITY.N, N)
    fleet = np.zeros((FLEET.N, 55), np.float32)
    return each, fleet


def sum_cells(each: np.ndarray, fleet: np.ndarray, reached: bool) -> np.ndarray:
    """Return the sums (n_cell, N_CAPABILITY), -1 where nothing was written; the plain loop gives the same bits."""
    lo, hi = (np.array(edge, np.int64) for edge in zip(*CELLS, strict=True))
    out, slow = np.full((2, len(CELLS), CAPABILITY.N), -1.0)
    given = np.float32(NOW_S), each.copy(), fleet, LO, lo, hi, reached
    flexibility.sum_cells(*given, out)
    plain(flexibility)["sum_cells"](*given, slow)
    assert np.array_equal(out, slow)
    return out


def expected(each: np.ndarray, counts: np.ndarray) -> list[list[float]]:
    """Return the sums over the class's cells with weight ``counts`` (N,)."""
    spans = [slice(a - LO, b - LO) for a, b in CELLS[OWN]]
    return [[slow_dot(each[row, span], counts[span]) for row in range(CAPABILITY.N)] for span in spans]


@pytest.mark.parametrize("reached", [False, True])
def test_each_cell_sums_its_devices_and_other_classes_cells_stay(reached: bool) -> None:
    each, fleet = devices()
    out = sum_cells(each, fleet, reached)
    assert out[OWN].tolist() == expected(each, np.ones(N, np.float32))
    assert (out[0] == -1.0).all() and (out[-1] == -1.0).all()


def test_who_is_not_in_the_list_does_not_count() -> None:
    each, fleet = devices()
    each[flexibility.HERE, ::3] = 0.0
    for reached in (False, True):
        assert sum_cells(each, fleet, reached)[OWN].tolist() == expected(each, each[flexibility.HERE])


def test_only_who_can_be_reached_now_counts_where_asked() -> None:
    each, fleet = devices()
    # whole outage ahead, begins now, within, ends now, over
    times = [(700, 900), (NOW_S, 900), (100, 601), (100, NOW_S), (100, 200)]
    for k, (down, up) in enumerate(times):
        fleet[FLEET.LINK_DOWN_S, k::5], fleet[FLEET.LINK_UP_S, k::5] = down, up
    up_now = np.isin(np.arange(LO, LO + N) % 5, (0, 3, 4)).astype(np.float32)
    assert sum_cells(each, fleet, True)[OWN].tolist() == expected(each, up_now)
    assert sum_cells(each, fleet, False)[OWN].tolist() == expected(each, np.ones(N, np.float32))


def batteries() -> tuple[Any, Any, tuple[Any, ...], np.ndarray]:
    """Return a class's capability, its batteries, the arguments that come before ``heard`` and what each could give."""
    f = make(n=N)
    return BATTERY.kernels.capability, f, (0, 1, 1, *own(f)), capability(f)[:, 0]


def cars() -> tuple[Any, Any, tuple[Any, ...], np.ndarray]:
    """Return the same of cars."""
    f = Fleet(n=N, lo=LO, clock_h=20.0).begin().run(int(NOW_S))
    return EV.kernels.capability, f, f.common(), f.capability()[0].copy()


@pytest.mark.parametrize("kind", [batteries, cars])
def test_a_class_gauges_its_cells_at_the_time_it_is_and_by_the_row_it_is_told(kind: Any) -> None:
    of_class, f, given, each = kind()
    assert (each[CAPABILITY.UP_KW] > 0).any() and (each[CAPABILITY.STORED_KWH] > 0).any()
    f.ctx[:, EXOGENOUS.T_S] = NOW_S
    f.fleet[:, FLEET.ACCEPTS_COMMANDS] = 0.0  # all have opted out, which nobody knows
    f.fleet[:, FLEET.LINK_DOWN_S, ::4], f.fleet[:, FLEET.LINK_UP_S, ::4] = NOW_S, NOW_S + 1.0
    up_now = (np.arange(LO, LO + N) % 4 > 0).astype(np.float32)
    lo, hi = (np.array(edge, np.int64) for edge in zip(*CELLS, strict=True))
    for reached, counts in ((True, up_now), (False, np.ones(N, np.float32))):
        out = np.full((1, len(CELLS), CAPABILITY.N), -1.0)
        of_class(*given, False, reached, lo, hi, out)
        assert out[0, OWN].tolist() == expected(each.astype(np.float32), counts)
        assert (out[0, [0, -1]] == -1.0).all()

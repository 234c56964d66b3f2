"""Units too slow for a product are named with their figure."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.fleet.eligibility import refuse, too_slow


def test_lines_name_the_worst_figure_slowest_first() -> None:
    p95 = np.array([120.0, 1711.6, 1600.0, 900.0, 905.4])
    lines = too_slow(p95, 900.0, ["P3", "P4-slow", "P4-slow", "P4", "P5"])
    assert lines == ["P4-slow: p95 1,712 s > 900 s", "P5: p95 906 s > 900 s"]


def test_a_figure_just_above_does_not_read_as_equal() -> None:
    assert too_slow(np.array([900.2]), 900.0, ["P4"]) == ["P4: p95 901 s > 900 s"]
    assert too_slow(np.array([10.02]), 10.0, ["P2"]) == ["P2: p95 10.1 s > 10 s"]


def test_a_figure_that_is_not_known_is_too_slow() -> None:
    assert too_slow(np.array([np.nan]), 900.0, ["P9"]) == ["P9: p95 unknown > 900 s"]


def test_refuse_raises_once_with_all() -> None:
    refuse(np.array([10.0, 900.0]), 900.0, ["a", "b"], "tertiary-1")
    with pytest.raises(InputError, match=r"tertiary-1: 2 too slow for its list: b: .*; a: "):
        refuse(np.array([11.0, 20.0]), 10.0, ["a", "b"], "tertiary-1")


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="1 figures for 2 names"):
        too_slow(np.array([1.0]), 900.0, ["a", "b"])
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="response_time_s"):
            too_slow(np.array([1.0]), wrong, ["a"])

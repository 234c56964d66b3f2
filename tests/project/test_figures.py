"""Figures for people: decimals by size, no minus before nought."""

from __future__ import annotations

import doctest

import pytest

from der_gym.core import figures
from der_gym.core.figures import figure


def test_the_examples_hold() -> None:
    assert doctest.testmod(figures).failed == 0


@pytest.mark.parametrize("value", [-0.0, -1e-9, -0.0004, 0.0])
def test_nought_has_no_sign(value: float) -> None:
    assert figure(value) == "0" and figure(value, 500.0) == "0"


@pytest.mark.parametrize(
    ("value", "text"), [(0.35, "0.35"), (-0.049, "-0.049"), (5.0, "5"), (22.6, "23"), (0.999, "1"), (-1600.4, "-1,600")]
)
def test_decimals_follow_the_size(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_plus_is_shown_where_asked() -> None:
    assert [figure(value, sign="+") for value in (0.35, -3.0, 0.0, 1e-9)] == ["+0.35", "-3", "0", "0"]


def test_what_is_not_finite_is_a_dash() -> None:
    assert [figure(value) for value in (float("nan"), float("inf"), -float("inf"))] == ["-"] * 3

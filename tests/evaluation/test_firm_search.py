"""The search for the largest award kept, on curves that are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from der_gym.evaluation.firm_search import BEGIN, NONE, Found, found, kept, resampled, share_of, wanted, wilson

FLOOR = -40


def searched(rate: Callable[[float], float], level: float, budget: int = 64, floor: int = FLOOR) -> dict[int, float]:
    """Return what the search played of a curve: multiple of the award -> share of blocks passed."""
    rates = {place: rate(share_of(place)) for place in BEGIN}
    while more := sorted(wanted(rates, level, floor))[: budget - len(rates)]:
        rates |= {place: rate(share_of(place)) for place in more}
    return rates


@pytest.mark.parametrize(
    ("rates", "level", "expected"),
    [
        ([1.0, 1.0, 1.0, 1.0], 0.9, (0, 3)),
        ([0.7, 0.95, 1.0, 0.8], 0.9, (1, 2)),
        ([0.7, 0.95, 1.0, 0.8], 0.99, (2, 2)),
        ([1.0, 0.8, 1.0, 1.0], 0.9, (0, 0)),
        ([0.5, 0.4, 0.3, 0.2], 0.9, None),
    ],
)
def test_kept_awards(rates: list[float], level: float, expected: tuple[int, int] | None) -> None:
    assert kept(dict(enumerate(rates)), level) == expected


def test_a_higher_level_never_keeps_more() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        rates = dict(enumerate(np.round(generator.random(5), 1).tolist()))
        most = [NONE if (run := kept(rates, level)) is None else run[1] for level in (0.5, 0.7, 0.9, 1.0)]
        assert most == sorted(most, reverse=True)


@pytest.mark.parametrize("edge", [0.3, 0.9, 1.7, 3.0, 11.0, 60.0])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_the_edge_of_a_curve_is_found_wherever_it_lies(edge: float, level: float) -> None:
    rates = searched(lambda share: 1.0 if share <= edge else max(0.0, 1.0 - share / edge / 4), level)
    answer = found(rates, level, FLOOR)
    assert answer.answer == "kept"
    assert answer.most is not None
    assert answer.fails == answer.most + 1
    assert share_of(answer.most) <= edge < share_of(answer.fails)
    assert len(rates) <= 12


def test_a_peak_above_the_first_grid_is_climbed() -> None:
    rates = searched(lambda share: float(np.exp(-((np.log2(share) - 3.3) ** 2))), 0.9)
    answer = found(rates, 0.9, FLOOR)
    assert answer.answer == "kept"
    assert answer.most is not None
    assert share_of(answer.most) == pytest.approx(2 ** (3.3 + 0.3246), rel=0.1)
    assert answer.least_closed


def test_no_award_kept_is_said_only_once_the_peak_is_closed_in() -> None:
    def rate(share: float) -> float:
        return 0.8 * float(np.exp(-((np.log2(share) - 2.0) ** 2)))

    assert found(searched(rate, 0.9), 0.9, FLOOR).answer == "none"
    assert found(searched(rate, 0.9, budget=4), 0.9, FLOOR).answer == "unknown"


def test_an_edge_is_no_answer_when_the_budget_ends() -> None:
    rates = searched(lambda _: 1.0, 0.9, budget=5)
    assert found(rates, 0.9, FLOOR) == Found("above", -8, 24, None, False)
    assert found(searched(lambda _: 0.0, 0.9, budget=9), 0.9, FLOOR).answer == "unknown"


def test_nothing_below_the_least_bid_is_asked_for() -> None:
    rates = searched(lambda share: 0.5 / share if share > 0.5 else 1.0, 0.9, floor=-10)
    assert min(rates) >= -10
    falling = searched(lambda share: 0.1 / share, 0.9, floor=-10)
    assert found(falling, 0.9, -10).answer == "none"


def test_wilson_is_the_textbook_s_where_blocks_are_independent() -> None:
    day = np.arange(200)
    passed = (np.arange(200) % 10 > 0).astype(float)
    value, low, high = wilson(passed, day, 1)
    assert (value, round(low, 4), round(high, 4)) == (0.9, 0.8506, 0.9343)


def test_days_that_fail_whole_count_as_days() -> None:
    alike = wilson(np.full(8, 0.9), np.arange(8), 12)
    whole = wilson(np.array([0.2] + 7 * [1.0]), np.arange(8), 12)
    assert whole.low < alike.low
    assert wilson(np.ones(8), np.arange(8), 12).low == pytest.approx(1 / (1 + 1.96**2 / 8), rel=1e-3)


def test_the_interval_of_the_award_draws_days() -> None:
    day = np.repeat(np.arange(10), 2)
    sharp = {0: np.ones(20), 8: np.ones(20), 16: np.zeros(20)}
    assert resampled(sharp, day, 0.9) == (8, 8)
    blurred = sharp | {8: np.where(day == 0, 0.0, 1.0)}
    assert resampled(blurred, day, 0.9) == (0, 8)
    assert resampled({0: np.zeros(20)}, day, 0.9) == (NONE, NONE)

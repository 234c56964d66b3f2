"""High 4 of 5 on days made by hand."""

import numpy as np
import pytest

from der_gym.services.baselines.high_4_of_5 import adjusted, candidates, high_4_of_5, mean_excess_kw

EVENT = np.arange(28, 34)  # 14 to 17 h
WORKING = False


def days(*kw: float) -> np.ndarray:
    """Return days that draw a constant power each, oldest first, (n, 48)."""
    return np.repeat(np.array(kw), 48).reshape(len(kw), 48)


def all_working(n: int) -> np.ndarray:
    return np.zeros(n, dtype=bool)


def test_the_lowest_of_the_five_latest_does_not_count() -> None:
    history = days(900, 10, 50, 20, 40, 30)  # the sixth day back is too old
    assert candidates(history, all_working(6), WORKING, EVENT).tolist() == [5, 4, 3, 2, 1]
    assert high_4_of_5(history, all_working(6), WORKING, EVENT) == pytest.approx(np.full(48, (50 + 20 + 40 + 30) / 4))


def test_the_event_window_chooses_the_days_and_all_half_hours_follow() -> None:
    history = days(10, 20, 30, 40, 50)
    history[0, EVENT] = 100  # highest in the event window, lowest elsewhere; day 1 falls out
    base = high_4_of_5(history, all_working(5), WORKING, EVENT)
    assert base[30] == pytest.approx((100 + 30 + 40 + 50) / 4)
    assert base[10] == pytest.approx((10 + 30 + 40 + 50) / 4)


def test_a_day_below_a_quarter_of_the_mean_makes_way_for_the_next_earlier_one() -> None:
    # Five latest: 40 40 40 40 4, mean 32.8, a quarter 8.2: the 4 goes, 80 moves up; mean 48, a quarter 12: all stay.
    history = days(80, 40, 40, 4, 40, 40)
    assert candidates(history, all_working(6), WORKING, EVENT).tolist() == [5, 4, 2, 1, 0]
    assert high_4_of_5(history, all_working(6), WORKING, EVENT)[0] == pytest.approx((80 + 40 + 40 + 40) / 4)


def test_a_day_at_a_quarter_of_the_mean_stays() -> None:
    history = days(40, 40, 40, 40, 10)  # mean 34, a quarter 8.5
    assert candidates(history, all_working(5), WORKING, EVENT).tolist() == [4, 3, 2, 1, 0]


def test_an_excluded_day_may_bring_up_another_that_goes_too() -> None:
    history = days(60, 5, 40, 40, 4, 40, 40)
    assert candidates(history, all_working(7), WORKING, EVENT).tolist() == [6, 5, 3, 2, 0]


def test_fewer_days_lose_their_lowest_and_one_alone_stays() -> None:
    assert high_4_of_5(days(10, 20, 40), all_working(3), WORKING, EVENT)[0] == pytest.approx(30)
    assert high_4_of_5(days(10), all_working(1), WORKING, EVENT)[0] == pytest.approx(10)


def test_days_off_take_the_highest_two_of_three() -> None:
    history = days(500, 10, 20, 30, 999, 999)
    off = np.array([True, True, True, True, False, False])
    assert candidates(history, off, True, EVENT).tolist() == [3, 2, 1]
    assert high_4_of_5(history, off, True, EVENT)[0] == pytest.approx(25)


def test_all_days_serve_where_none_is_of_the_kind() -> None:
    history = days(1, 2, 3, 4, 5, 6)
    assert candidates(history, np.ones(6, dtype=bool), WORKING, EVENT).tolist() == [5, 4, 3, 2, 1]


def test_a_node_that_feeds_the_grid_excludes_nobody() -> None:
    history = days(-10, -20, -30, -40, -1)
    assert len(candidates(history, all_working(5), WORKING, EVENT)) == 5
    assert high_4_of_5(history, all_working(5), WORKING, EVENT)[0] == pytest.approx((-10 - 20 - 30 - 1) / 4)


def test_adjustment_is_the_mean_excess_from_5_to_2_hours_before() -> None:
    actual, base = np.arange(20.0), np.full(20, 3.0)
    assert mean_excess_kw(actual, base, 14) == pytest.approx(np.arange(4, 10).mean() - 3)
    assert mean_excess_kw(actual, base, 6) == pytest.approx(np.mean([0, 1]) - 3)  # what of it the episode holds
    assert mean_excess_kw(actual, base, 4) == 0


@pytest.mark.parametrize(
    ("base_kw", "adjustment_kw", "load_kw", "feeding_kw"),
    [(50, 10, 60, 60), (50, -10, 40, 40), (50, -80, 0, -30), (0, -5, 0, -5), (-20, 5, 0, -15), (-20, -30, 0, -50)],
)
def test_adjusted_falls_below_zero_only_where_the_node_feeds_the_grid(
    base_kw: float, adjustment_kw: float, load_kw: float, feeding_kw: float
) -> None:
    found = [adjusted.py_func(float(base_kw), float(adjustment_kw), feeds) for feeds in (0.0, 1.0)]
    assert found == [load_kw, feeding_kw]

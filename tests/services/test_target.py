"""The judged trajectory and what a late response may be."""

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.services.tertiary_1.config import Tertiary1Config
from der_gym.services.tertiary_1.target import announced, bounds, trajectory

EDC = Tertiary1Config()
SIMPLE = Tertiary1Config(signal="simple")


def request(*bins: float, n_bin: int) -> np.ndarray:
    row = np.zeros((1, n_bin))
    row[0, : len(bins)] = bins
    return row


def test_target_moves_a_third_of_the_award_per_bin_and_stops_where_it_is_told() -> None:
    target, end = trajectory(request(90, 90, 90, 90, 75, 0, n_bin=12), np.array([[90.0, 0.0]]), EDC)
    # 90 kW in 900 s is 30 kW per 300 s; 75 is reached within its bin; then down, the unawarded block included
    assert end[0].tolist() == [0, 30, 60, 90, 90, 75, 45, 15, 0, 0, 0, 0, 0]
    assert target[0, :5].tolist() == [3, 9, 15, 21, 27]  # minute means of a line from 0 to 30
    assert target[0, 20:25].tolist() == [88.5, 85.5, 82.5, 79.5, 76.5]
    assert target.shape == (1, 60)


def test_a_smaller_award_keeps_the_ramp_of_the_larger() -> None:
    award = np.array([[90.0, 30.0, 0.0]])
    _, end = trajectory(request(*[90] * 6, *[30] * 6, n_bin=18), award, EDC)
    assert end[0, 6:10].tolist() == [90, 60, 30, 30]
    assert end[0, 12:15].tolist() == [30, 20, 10]  # leaving an award of 30 goes by 10 per bin
    _, end = trajectory(request(*[30] * 6, *[90] * 6, n_bin=18), award[:, [1, 0, 2]], EDC)
    assert end[0, 6:9].tolist() == [30, 60, 90]


def test_slowest_allowed_ramp_still_ends_within_one_block() -> None:
    slow = Tertiary1Config(response_time_s=1800)
    _, end = trajectory(request(*[90] * 6, n_bin=18), np.array([[90.0, 0.0, 0.0]]), slow)
    assert end[0, 6] == pytest.approx(90) and abs(end[0, 12]) < 1e-9


def slow_bounds(end_kw: np.ndarray, lag_s: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of every bin at every whole second of lag, by summing a target sampled each second."""
    seconds = np.arange(-lag_s, (len(end_kw) - 1) * 300) + 0.5
    y = np.interp(seconds, np.arange(len(end_kw)) * 300.0, end_kw, left=0.0)
    means = [
        [y[lag_s + start - lag : lag_s + start - lag + 300].mean() for lag in range(lag_s + 1)]
        for start in range(0, (len(end_kw) - 1) * 300, 300)
    ]
    return np.min(means, axis=1), np.max(means, axis=1)


@pytest.mark.parametrize("lag_s", [0, 130, 300, 700])
def test_bounds_equal_a_search_over_every_second_of_lag(lag_s: int) -> None:
    rng = np.random.default_rng(1)
    award = np.array([[90.0, 60.0, 0.0], [80.0, 80.0, 0.0]])
    config = Tertiary1Config(lag_allowance_s=lag_s)
    _, end = trajectory(rng.uniform(0, 1, (2, 18)) * np.repeat(award, 6, axis=1), award, config)
    low, high = bounds(end, config)
    for w in range(2):
        slow_low, slow_high = slow_bounds(end[w], lag_s)
        np.testing.assert_allclose(low[w], slow_low, atol=1e-3)  # the search steps by a second
        np.testing.assert_allclose(high[w], slow_high, atol=1e-3)
        assert (low[w] <= slow_low + 1e-9).all() and (high[w] >= slow_high - 1e-9).all()


def test_peak_inside_the_lag_window_is_found() -> None:
    config = Tertiary1Config(lag_allowance_s=600)
    _, end = trajectory(request(30, 0, 0, n_bin=12), np.array([[90.0, 0.0]]), config)
    _, high = bounds(end, config)
    # triangle 0-30-0 over bins 0 and 1: bin 1 seen half a bin late is centred on the tip, mean (15+30)/2
    assert high[0, 1] == pytest.approx(22.5)


def test_simple_signal_is_a_step_per_block_and_lag_mixes_in_the_block_before() -> None:
    target, end = trajectory(request(*[60] * 6, *[30] * 6, n_bin=18), np.array([[60.0, 60.0, 0.0]]), SIMPLE)
    low, high = bounds(end, SIMPLE)
    assert np.unique(target[0, :30]).tolist() == [60] and np.unique(target[0, 30:60]).tolist() == [30]
    # 300 of 1800 s belong to the block before: 60 * 5/6 = 50; 30 * 5/6 + 60/6 = 35; 30/6 = 5
    np.testing.assert_allclose(low, [[50, 30, 0]])
    np.testing.assert_allclose(high, [[60, 35, 5]])


def test_a_simple_command_is_announced_15_minutes_before_its_block() -> None:
    asked = request(*[60] * 6, *[30] * 6, n_bin=18)
    assert announced(asked, SIMPLE)[0].tolist() == [60] * 3 + [30] * 6 + [0] * 9
    assert announced(asked, EDC) is asked


@pytest.mark.parametrize(
    ("rows", "award", "config", "words"),
    [
        (np.zeros((1, 6)), [[90.0, 0.0]], EDC, "shape"),
        (request(91, n_bin=12), [[90.0, 0.0]], EDC, "bin 0; allowed: 0..90"),
        (request(-1, n_bin=12), [[90.0, 0.0]], EDC, "bin 0"),
        (request(float("nan"), n_bin=12), [[90.0, 0.0]], EDC, "bin 0"),
        (request(*[0] * 6, 5, n_bin=12), [[90.0, 0.0]], EDC, "bin 6; allowed: 0..0"),
        (request(60, 50, n_bin=12), [[90.0, 0.0]], SIMPLE, "changes within block 0"),
    ],
)
def test_bad_requests_are_refused(
    rows: np.ndarray, award: list[list[float]], config: Tertiary1Config, words: str
) -> None:
    with pytest.raises(InputError, match="request_kw.*" + words):
        trajectory(rows, np.array(award), config)

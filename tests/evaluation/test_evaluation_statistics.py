"""Interquartile mean, intervals and comparisons against examples worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.evaluation import statistics as st

EIGHT = np.array([[8.0], [1.0], [2.0], [3.0], [4.0], [100.0], [5.0], [-50.0]])


def test_iqm_drops_a_quarter_at_each_end() -> None:
    assert float(st.iqm(EIGHT)) == (2.0 + 3.0 + 4.0 + 5.0) / 4
    assert float(st.iqm(EIGHT.reshape(4, 2))) == 3.5


@pytest.mark.parametrize(("n", "kept"), [(1, 1), (2, 2), (3, 3), (4, 2), (7, 5), (16, 8)])
def test_iqm_of_few_runs_keeps_what_no_whole_quarter_holds(n: int, kept: int) -> None:
    scores = np.arange(float(n))[:, None]
    cut = (n - kept) // 2
    assert float(st.iqm(scores)) == pytest.approx(scores[cut : n - cut].mean())


def test_iqm_works_along_leading_axes() -> None:
    both = np.stack([EIGHT, EIGHT + 1.0])
    assert st.iqm(both).tolist() == [3.5, 4.5]


def test_interval_of_equal_scores_is_a_point() -> None:
    assert st.interval(np.full((5, 2), 0.25)) == st.Interval(0.25, 0.25, 0.25)


def test_interval_is_the_plain_loop_over_resamples() -> None:
    which = st.resample(EIGHT, 50, seed=3)
    slow = sorted(float(st.iqm(EIGHT[w[:, 0]])) for w in which)
    got = st.interval(EIGHT, level=0.9, n_resample=50, seed=3)
    assert got.value == 3.5
    assert (got.low, got.high) == pytest.approx(tuple(np.percentile(slow, [5, 95])))
    assert got.low <= got.value <= got.high


def test_resamples_stay_within_their_task() -> None:
    scores = np.array([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]])
    drawn = np.take_along_axis(scores[None], st.resample(scores, 200), axis=1)
    assert drawn[..., 0].max() == 2.0
    assert drawn[..., 1].min() == 10.0


def test_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for k in range(200):
        low_high = st.interval(generator.normal(size=(40, 1)), st.mean, n_resample=300, seed=k)
        hits += low_high.low <= 0.0 <= low_high.high
    assert 0.88 <= hits / 200 <= 0.99


def test_pairing_removes_what_the_seeds_share() -> None:
    luck = np.random.default_rng(2).normal(size=(20, 1)) * 10
    difference = st.paired_difference(luck + 0.5, luck)
    assert difference == pytest.approx((0.5, 0.5, 0.5))
    assert st.interval(luck, st.mean).high - st.interval(luck, st.mean).low > 2.0


def test_probability_of_improvement_counts_all_pairs_and_halves_ties() -> None:
    a, b = np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])
    assert float(st.improves(a, b)) == (0.5 + 0.0 + 1.0 + 1.0) / 4
    assert st.probability_of_improvement(a, b).value == 0.625
    assert st.probability_of_improvement(a, a).value == 0.5
    assert st.probability_of_improvement(a + 5, b) == st.Interval(1.0, 1.0, 1.0)


def test_probability_of_improvement_is_the_mean_over_tasks() -> None:
    a, b = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    assert float(st.improves(a, b)) == (1.0 + 0.25) / 2


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((0, 1)), np.array([[np.nan]])])
def test_scores_that_are_none_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(InputError, match="scores"):
        st.interval(scores)


def test_scores_of_other_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="differ"):
        st.paired_difference(np.zeros((2, 1)), np.zeros((3, 1)))


def test_paired_wins_look_at_the_same_seed() -> None:
    a, b = np.array([[0.0], [10.0], [20.0]]), np.array([[-1.0], [9.0], [19.0]])
    assert st.wins(a, b) == 1.0 and st.improves(a, b) < 0.7  # days differ more than controllers do


def test_an_interval_by_day_is_wider_where_a_days_episodes_are_alike() -> None:
    day = np.repeat(np.arange(20), 10)
    scores = np.random.default_rng(0).normal(size=20)[day]
    alone, together = st.clustered(scores, np.arange(200)), st.clustered(scores, day)
    assert alone.value == together.value
    assert together.high - together.low > 2 * (alone.high - alone.low)
    with pytest.raises(InputError, match="one for each score"):
        st.clustered(scores, day[:5])


def test_an_interval_over_runs_draws_runs_and_days() -> None:
    day = np.repeat(np.arange(8), 2)
    only_runs_differ = np.array([[0.0], [1.0]]) * np.ones(16)
    found = st.over_runs(only_runs_differ, day)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)  # of two runs one is drawn twice, half the time
    luck = np.random.default_rng(0).normal(size=8)[day]
    alike = np.stack([luck, luck, luck])
    by_day, alone = st.clustered(luck, day), st.over_runs(alike, day)
    assert alone.value == pytest.approx(by_day.value)
    assert alone.low == pytest.approx(by_day.low, abs=0.05)
    assert alone.high == pytest.approx(by_day.high, abs=0.05)
    both = st.over_runs(alike + np.array([[-1.0], [0.0], [1.0]]), day)
    assert both.high - both.low > 1.2 * (alone.high - alone.low)
    assert st.over_runs(EIGHT.T, np.arange(8), st.iqm).value == 3.5
    with pytest.raises(InputError, match="one for each seed"):
        st.over_runs(alike, day[:5])
    with pytest.raises(InputError, match="not finite"):
        st.over_runs(alike * np.nan, day)


def test_money_is_told_by_start() -> None:
    assert st.by_group(np.array([1.0, 3.0, 5.0]), np.array([17, 17, 5])) == {5: 5.0, 17: 2.0}

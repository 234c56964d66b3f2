"""The curves of a scoreboard against what can be counted by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from der_gym.core.units import DAY_S, HOUR_S
from der_gym.evaluation.report.profiles import hours, pass_rates, points, profile, season_rates, weights
from der_gym.signals.calendar import day_of

SCORES = np.array([0.1, 0.2, 0.2, 0.9])
PASSED = np.array([[1.0, 0.0, np.nan], [1.0, 1.0, np.nan], [0.0, 0.0, np.nan]])


def played(days: tuple[str, ...] = ("2026-05-01", "2026-08-03", "2026-08-04"), hour: int = 23) -> Any:
    """Return a play of three seeds that each start at 23:00: two judged blocks and one that is not."""
    start = np.array([day_of(day) * DAY_S + hour * HOUR_S for day in days])
    return SimpleNamespace(passed=PASSED, start_abs_s=start)


def test_a_profile_is_the_share_of_seeds_that_reach_a_reward() -> None:
    found = profile(SCORES, np.array([0.0, 0.1, 0.15, 0.2, 0.3, 0.9, 1.0]))
    assert found["share"].tolist() == [1.0, 1.0, 0.75, 0.75, 0.25, 0.25, 0.0]
    assert (found["low"] <= found["share"]).all()
    assert (found["high"] >= found["share"]).all()
    assert (np.diff(found["share"]) <= 0).all()
    assert (found["low"][[0, -1]] == [1.0, 0.0]).all()


def test_more_seeds_make_a_narrower_band() -> None:
    draws = np.random.default_rng(1).normal(size=400)
    few, many = profile(draws[:25], np.zeros(1)), profile(draws, np.zeros(1))
    assert many["high"] - many["low"] < 0.5 * (few["high"] - few["low"])


def test_the_band_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for i in range(100):
        found = profile(np.random.default_rng(i).normal(size=60), np.zeros(1))
        hits += bool(found["low"][0] <= 0.5 <= found["high"][0])
    assert 88 <= hits <= 99


def test_the_points_hold_the_ends_of_all() -> None:
    at = points({"a": SCORES, "b": SCORES - 5.0})
    assert (at[0], at[-1]) == (-4.9, 0.9)
    assert (np.diff(at) > 0).all()


def test_resamples_draw_as_many_seeds_as_there_are() -> None:
    assert (weights(7, 50).sum(axis=1) == 7).all()
    assert (weights(7, 50) == weights(7, 50)).all()


def test_pass_rates_by_hour() -> None:
    found = pass_rates(played(), hours(played()))
    assert [(row["key"], row["n"]) for row in found] == [(23, 6)]
    assert found[0]["rate"] == 0.5
    assert found[0]["low"] < 0.5 < found[0]["high"]
    late = hours(played(hour=22))
    assert late.tolist() == [[22, 22, 23]] * 3
    assert hours(played())[0].tolist() == [23, 23, 0]  # over midnight


def test_one_seed_has_no_band() -> None:
    one = SimpleNamespace(passed=PASSED[:1], start_abs_s=played().start_abs_s[:1])
    (row,) = pass_rates(one, hours(one))  # type: ignore[arg-type]
    assert row["rate"] == 0.5
    assert np.isnan([row["low"], row["high"]]).all()


def test_pass_rates_by_season() -> None:
    found = {row["key"]: (row["n"], row["rate"]) for row in season_rates(played())}
    assert found == {"mid": (2, 0.5), "summer": (4, 0.5)}


def test_the_band_draws_whole_episodes() -> None:
    """Ten seeds that pass all or nothing: blocks are many, luck is only ten."""
    passed = np.repeat(np.arange(10) % 2, 12).reshape(10, 12).astype(float)
    whole = SimpleNamespace(passed=passed)
    (row,) = pass_rates(whole, np.zeros((10, 12), dtype=np.int64))  # type: ignore[arg-type]
    assert row["rate"] == 0.5
    assert row["high"] - row["low"] == pytest.approx(0.6, abs=0.11)

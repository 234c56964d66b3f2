"""Wide changes of one leaf find what small steps do not, take nothing that is not sure, and hand over to evolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.offer_policy import OPEN_SD
from agents.wide import FOLLOWS, GATE_SD, Wide

PLACES = np.arange(8).reshape(2, 4)
SIGMA = np.full(10, 0.05)


def after(score: Callable[[np.ndarray], np.ndarray], generations: int, wide: int) -> Wide:
    search = Wide(np.zeros(10), SIGMA, 8, 0, PLACES, wide)
    for _ in range(generations):
        search.tell(score(search.ask()))
    return search


def none_is_best(candidates: np.ndarray) -> np.ndarray:
    """Less of the first leaf's price costs until it is 0, as where people are called all the same."""
    part = candidates[:, 0]
    gain = np.where(part <= -1.0, 1.0, np.minimum(part, 0.5)) - np.abs(candidates[:, 4:]).sum(axis=1)
    return np.repeat(gain[:, None], 6, axis=1)


def test_a_leaf_that_must_be_paid_nothing_is_found_by_wide_changes_alone() -> None:
    assert after(none_is_best, 8, 8).centre[0] == -1.0
    assert after(none_is_best, 8, 0).centre[0] > 0.0


def test_a_change_draws_the_parameters_of_one_leaf() -> None:
    search = Wide(np.zeros(10), SIGMA, 8, 1, PLACES, 1)
    moved = search.ask() != 0.0
    assert search.n_candidate == len(moved) == 17 and not moved[0].any() and not moved[:, 8:].any()
    first, second = moved[:, :4].any(axis=1), moved[:, 4:8].any(axis=1)
    assert not (first & second).any() and first.sum() >= 6 and second.sum() >= 6


def test_leaves_with_gates_are_drawn_gates_too() -> None:
    search = Wide(np.zeros(11), np.full(11, 0.05), 40, 1, np.arange(10).reshape(2, 5), 1)
    tried = search.ask()
    drawn = tried[:, [4, 9]].max(axis=1)
    others = np.delete(tried, [4, 9], axis=1)[drawn > 0.0]
    assert (drawn > 0.0).sum() > 5 and (abs(drawn[drawn > 0.0] - OPEN_SD) <= GATE_SD).all() and not others.any()


def test_what_is_not_surely_better_is_not_taken() -> None:
    luck = np.random.default_rng(0)
    search = after(lambda candidates: luck.normal(size=(len(candidates), 60)), 1, 3)
    np.testing.assert_array_equal(search.centre, np.zeros(10))


def test_evolution_goes_on_from_where_the_changes_led() -> None:
    search = after(none_is_best, 3, 3)
    led = search.centre.copy()
    candidates = search.ask()
    np.testing.assert_array_equal(candidates[0], led)
    np.testing.assert_allclose(candidates[1:9] + candidates[9:], 2.0 * np.tile(led, (8, 1)))
    search.tell(-((candidates[:, 8:] - 3.0) ** 2).sum(axis=1, keepdims=True))
    assert (search.centre[8:] > led[8:]).all()


def test_the_mean_of_the_centres_follows_the_evolution() -> None:
    search = after(none_is_best, 3, 3)
    np.testing.assert_array_equal(search.found, search.centre)
    mean = search.centre.copy()
    for _ in range(4):
        candidates = search.ask()
        search.tell(-((candidates[:, 8:] - 3.0) ** 2).sum(axis=1, keepdims=True))
        mean += FOLLOWS * (search.centre - mean)
        np.testing.assert_allclose(search.found, mean)
    assert (search.found[8:] < search.centre[8:]).all()


def test_a_change_of_one_parameter_leaves_all_others() -> None:
    search = Wide(np.zeros(10), SIGMA, 40, 1, PLACES, 1, one=0.1)
    tried = search.ask()
    assert not tried[0].any() and ((tried[1:] != 0).sum(axis=1) == 1).all()
    assert len(set(np.nonzero(tried[1:])[1])) == PLACES.size and np.abs(tried).max() < 0.5

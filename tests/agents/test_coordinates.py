"""A search along single parameters: what it takes, what it leaves, and the order in which it tries."""

from __future__ import annotations

import numpy as np

from agents.coordinates import GROWS, SHRINKS, Coordinates


def test_a_generation_is_the_centre_and_single_steps_in_both_directions() -> None:
    search = Coordinates(np.array([1.0, 2.0, 3.0]), 0.5, pairs=2, seed=0)
    moved = search.ask() - search.centre
    assert moved.shape == (search.n_candidate, 3) == (5, 3)
    assert not moved[0].any() and (np.count_nonzero(moved[1:], axis=1) == 1).all()
    np.testing.assert_array_equal(moved[1:3], -moved[3:])


def test_a_sure_gain_is_taken_and_grows_and_a_doubtful_one_is_left_and_shrinks() -> None:
    search = Coordinates(np.zeros(2), 1.0, pairs=2, seed=0)
    first, second = (int(np.flatnonzero(row)[0]) for row in search.ask()[1:3])
    day = np.array([0.0, 5.0, -3.0, 8.0])  # days differ by more than steps do
    score = day + np.array([[0.0], [-0.1], [0.0], [0.1], [0.0]])
    score[2] += [1.0, -1.0, 1.0, -0.9]  # of two signs
    search.tell(score)
    assert search.centre[first] == -1.0 and search.centre[second] == 0.0
    assert search.sigma[first] == GROWS and search.sigma[second] == SHRINKS


def test_wide_steps_are_tried_first_and_every_parameter_once_before_any_twice() -> None:
    search = Coordinates(np.zeros(6), np.array([0.1, 1.0, 0.1, 1.0, 0.1, 1.0]), pairs=3, seed=3)
    tried = [sorted(int(np.flatnonzero(row)[0]) for row in search.ask()[1:4]) for _ in range(2)]
    assert tried == [[1, 3, 5], [0, 2, 4]]


def test_it_finds_the_top_of_a_hill_under_the_noise_of_days() -> None:
    draw, top = np.random.default_rng(0), np.array([0.7, -1.2, 0.0, 2.0, -0.3])
    search = Coordinates(np.zeros(5), 0.5, pairs=3, seed=1)
    for _ in range(60):
        candidates = search.ask()
        days = draw.normal(0.0, 3.0, 16)
        search.tell(
            -((candidates - top) ** 2).sum(axis=1)[:, None] + days + draw.normal(0.0, 0.01, (len(candidates), 16))
        )
    np.testing.assert_allclose(search.centre, top, atol=0.15)

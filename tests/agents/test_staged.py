"""Wide single steps of some parameters, then small steps of all."""

from __future__ import annotations

import numpy as np

from agents.staged import MOST, ROUNDS, WIDE, Staged

SIGMA = np.array([0.1, 0.1, 0.03])


def test_wide_parameters_are_tried_alone_before_all_move() -> None:
    sigma = np.array([0.1, 0.1, 0.03, 0.1, 0.1])
    search = Staged(np.zeros(5), sigma, pairs=2, seed=0)
    for half in ([0, 1], [3, 4]):
        for _ in range(ROUNDS):
            moved = search.ask() - search.centre
            assert moved.shape == (search.n_candidate, 5) and not moved[0].any()
            assert (np.count_nonzero(moved[1:], axis=1) == 1).all()
            assert np.flatnonzero(moved.any(axis=0)).tolist() == half
            search.tell(np.zeros((5, 4)))
    moved = search.ask() - search.centre
    assert not moved[0].any() and (np.count_nonzero(moved[1:], axis=1) == 5).all()
    assert abs(moved).max() < 0.6 * WIDE


def test_a_generation_takes_the_best_steps_alone() -> None:
    search = Staged(np.zeros(8), np.full(8, 0.1), pairs=4, seed=0)
    tried = [int(np.flatnonzero(row)[0]) for row in search.ask()[1:5]]
    search.tell(np.repeat(np.array([0.0, 0.3, 0.1, 0.2, 0.4, 0.0, 0.0, 0.0, 0.0])[:, None], 3, axis=1))
    assert sorted(np.flatnonzero(search.centre)) == sorted([tried[0], tried[3]]) and MOST == 2


def test_it_crosses_a_valley_that_small_steps_do_not() -> None:
    """A price saves the calls only where it is 0: just below the usual one it is worse than that."""

    def worth(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.where(x[:, 0] >= 0.8, 1.0, -np.abs(x[:, 0])) - (x[:, 2] - 0.2) ** 2
        return found[:, None] + np.zeros(3)

    search = Staged(np.zeros(3), SIGMA, pairs=2, seed=0)
    for _ in range(60):
        search.tell(worth(search.ask()))
    assert worth(search.centre[None])[0, 0] > 0.9

"""Wide single steps first, then an evolution strategy from where they led.

A price can be good only where it is 0: who is offered nothing is not called either. The way there leads through prices
at which owners are called and give less, so small steps never find it. `coordinates` tries such wide steps of the
parameters that are a leaf's own, and takes the best few of a generation, for steps that help alone may hurt together.
`evolution` then moves all parameters by small steps.
"""

from __future__ import annotations

import numpy as np

from agents.coordinates import Coordinates
from agents.evolution import Search

Array = np.ndarray
WIDE = 1.0  # first step of a wide parameter: all of a correction's reach
ROUNDS = 3  # times that each wide parameter is tried
MOST = 2  # steps that a generation takes


class Staged:
    """A search for the parameters with the greatest score.

    Parameters
    ----------
    centre : float64 (n,)
        Where it begins.
    sigma : float64 (n,)
        First step of each parameter in the second stage; those with the widest are tried by steps of ``WIDE`` before.
    pairs : int
        Mirrored pairs of a generation.
    seed : int

    Attributes
    ----------
    centre, sigma : float64 (n,)
    n_candidate : int
        Of a generation: the centre and its pairs.
    """

    def __init__(self, centre: Array, sigma: Array, pairs: int, seed: int) -> None:
        self._wide = np.flatnonzero(sigma == sigma.max())
        self.centre, self.sigma = centre.astype(np.float64), sigma.astype(np.float64)
        self.pairs = min(pairs, len(self._wide))
        self.n_candidate, self._seed = 2 * self.pairs + 1, seed
        self._steps = Coordinates(self.centre[self._wide], WIDE, self.pairs, seed, most=MOST)
        self._left, self._moves = -(-ROUNDS * len(self._wide) // self.pairs), Search(centre, sigma, self.pairs, seed)

    def ask(self) -> Array:
        """Return a generation of candidates, float64 (n_candidate, n), the centre first."""
        if not self._left:
            return np.concatenate([self.centre[None], self._moves.ask()])
        candidates = np.repeat(self.centre[None], self.n_candidate, axis=0)
        candidates[:, self._wide] = self._steps.ask()
        return candidates

    def tell(self, score: Array) -> None:
        """Move by the scores of each seed, float64 (n_candidate, n_seed)."""
        if self._left:
            self._steps.tell(score)
            self.centre[self._wide] = self._steps.centre
            self._left -= 1
            self._moves = Search(self.centre, self.sigma, self.pairs, self._seed)
        else:
            self._moves.tell(score[1:])
            self.centre, self.sigma = self._moves.centre, self._moves.sigma

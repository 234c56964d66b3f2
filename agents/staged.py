"""Wide single steps first, then an evolution strategy from where they led.

A price can be good only where it is 0: who is offered nothing is not called either. The way there leads through prices
at which owners are called and give less, so small steps never find it. `coordinates` tries such wide steps of the
parameters that are a leaf's own: of its bias first, and then of its weight of the need, which may bring back on days of
great need who is offered nothing on others. The best few steps of a generation are taken, for what helps alone may hurt
together.
`evolution` then moves all parameters by small steps.
"""

from __future__ import annotations

import numpy as np

from agents.coordinates import Coordinates
from agents.evolution import Search

Array = np.ndarray
WIDE = 1.0  # first step of a wide parameter: all of a correction's reach
ROUNDS = 3  # generations of each half of the wide parameters
MOST = 2  # steps that a generation takes


class Staged:
    """A search for the parameters with the greatest score.

    Parameters
    ----------
    centre : float64 (n,)
        Where it begins.
    sigma : float64 (n,)
        First step of each parameter in the last stage. Those with the widest are tried by steps of ``WIDE`` before: the
        first half of them, then the other.
    pairs : int
        Mirrored pairs of a generation, at most half as many as there are wide parameters.
    seed : int

    Attributes
    ----------
    centre, sigma : float64 (n,)
    n_candidate : int
        Of a generation: the centre and its pairs.
    """

    def __init__(self, centre: Array, sigma: Array, pairs: int, seed: int) -> None:
        self.centre, self.sigma = centre.astype(np.float64), sigma.astype(np.float64)
        self._halves = np.array_split(np.flatnonzero(sigma == sigma.max()), 2)
        self.pairs, self._seed, self._past = min(pairs, len(self._halves[-1])), seed, 0
        self.n_candidate = 2 * self.pairs + 1
        self._wide, self._steps = self._halves[0], self._tries(self._halves[0])
        self._moves = Search(self.centre, self.sigma, self.pairs, seed)

    def ask(self) -> Array:
        """Return a generation of candidates, float64 (n_candidate, n), the centre first."""
        half, past = divmod(self._past, ROUNDS)
        if half == len(self._halves) and not past:
            self._moves = Search(self.centre, self.sigma, self.pairs, self._seed)
        if half >= len(self._halves):
            return np.concatenate([self.centre[None], self._moves.ask()])
        if not past:
            self._wide, self._steps = self._halves[half], self._tries(self._halves[half])
        candidates = np.repeat(self.centre[None], self.n_candidate, axis=0)
        candidates[:, self._wide] = self._steps.ask()
        return candidates

    def tell(self, score: Array) -> None:
        """Move by the scores of each seed, float64 (n_candidate, n_seed)."""
        if self._past < ROUNDS * len(self._halves):
            self._steps.tell(score)
            self.centre[self._wide] = self._steps.centre
        else:
            self._moves.tell(score[1:])
            self.centre, self.sigma = self._moves.centre, self._moves.sigma
        self._past += 1

    def _tries(self, wide: Array) -> Coordinates:
        return Coordinates(self.centre[wide], WIDE, self.pairs, self._seed, most=MOST)

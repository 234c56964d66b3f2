"""A search along single parameters, each pair of steps compared with the centre on the same seeds.

An evolution strategy moves all parameters at once, so what one of them brings drowns in what the others do. Here a
candidate differs from the centre in one parameter. The same days are played with and without the step, and the
difference of the two has little noise. A step that brought more than ``SURE`` of its standard errors is taken and
grows; one that did not shrinks [1]_. Parameters with the widest steps are tried first. Steps of one generation are
taken together, as if their gains added up; the next generation plays the centre that came of it.

References
----------
.. [1] Hooke, Jeeves, "Direct search solution of numerical and statistical problems", Journal of the ACM 8 (1961)
   212-229.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
SURE = 1.0  # standard errors of the paired difference [A]
GROWS, SHRINKS = 1.3, 0.5  # of a step that was taken, and of one that was not [A]


class Coordinates:
    """A search for the parameters with the greatest score.

    Parameters
    ----------
    centre : float64 (n,)
        Where it begins.
    sigma : float or float64 (n,)
        First step of each parameter.
    pairs : int
        Parameters that are tried in a generation, in both directions.
    seed : int
        Of the order in which parameters are tried.
    most : int or None
        Steps that a generation takes at most, the best ones; what helps alone may hurt together. None: all.

    Attributes
    ----------
    centre, sigma : float64 (n,)
    n_candidate : int
        Of a generation: the centre and its pairs.
    """

    def __init__(self, centre: Array, sigma: float | Array, pairs: int, seed: int, most: int | None = None) -> None:
        self.centre, self.sigma = centre.astype(np.float64), np.broadcast_to(sigma, centre.shape).astype(np.float64)
        self.most, self.pairs, self.n_candidate = most, min(pairs, len(centre)), 2 * min(pairs, len(centre)) + 1
        self._draw, self._queue, self._tried = np.random.default_rng(seed), list[int](), np.zeros(0, dtype=np.int64)

    def ask(self) -> Array:
        """Return a generation of candidates, float64 (n_candidate, n): the centre, then each step up, then down."""
        while len(self._queue) < self.pairs:
            order = [int(k) for k in self._draw.permutation(len(self.centre)) if k not in self._queue]
            self._queue += sorted(order, key=lambda k: -self.sigma[k])
        self._tried, self._queue = np.array(self._queue[: self.pairs]), self._queue[self.pairs :]
        moves = np.zeros((self.pairs, len(self.centre)))
        moves[np.arange(self.pairs), self._tried] = self.sigma[self._tried]
        candidates: Array = self.centre + np.concatenate([np.zeros((1, len(self.centre))), moves, -moves])
        return candidates

    def tell(self, score: Array) -> None:
        """Take the steps that beat the centre, by the scores of each seed, float64 (n_candidate, n_seed)."""
        gain = score[1:] - score[0]
        error = gain.std(axis=1) / np.sqrt(gain.shape[1])
        mean = gain.mean(axis=1)
        up, down = np.arange(self.pairs), np.arange(self.pairs, 2 * self.pairs)
        best = np.where(mean[up] >= mean[down], up, down)
        helps = mean[best] > np.maximum(SURE * error[best], 1e-9)
        first = np.argsort(-mean[best], kind="stable")[: self.most]
        taken = helps & np.isin(up, first)
        step = np.where(best == up, 1.0, -1.0) * self.sigma[self._tried]
        self.centre[self._tried] += np.where(taken, step, 0.0)
        self.sigma[self._tried] *= np.where(taken, GROWS, np.where(helps, 1.0, SHRINKS))

"""Natural evolution strategies with a step of its own for each parameter [1]_, mirrored in pairs.

A search over few parameters needs no gradient of the worlds. Candidates are drawn around a centre; their ranks, not
their rewards, say where the centre goes, so one lucky day does not carry it away.

References
----------
.. [1] Wierstra, Schaul, Glasmachers, Sun, Peters, Schmidhuber, "Natural evolution strategies", Journal of Machine
   Learning Research 15 (2014) 949-980: the separable form (SNES), its utilities and step sizes.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


class Search:
    """A search for the parameters with the greatest score.

    Parameters
    ----------
    centre : float64 (n,)
        Where it begins.
    sigma : float or float64 (n,)
        First step of each parameter.
    pairs : int
        Candidates of a generation come in so many mirrored pairs.
    seed : int

    Attributes
    ----------
    centre, sigma : float64 (n,)
    """

    def __init__(self, centre: Array, sigma: float | Array, pairs: int, seed: int) -> None:
        self.centre, self.sigma = centre.astype(np.float64), np.broadcast_to(sigma, centre.shape).astype(np.float64)
        self.pairs, self.n_candidate, self._draw = pairs, 2 * pairs, np.random.default_rng(seed)
        self._steps = np.zeros((2 * pairs, len(centre)))

    def ask(self) -> Array:
        """Return a generation of candidates, float64 (2 pairs, n)."""
        half = self._draw.normal(size=(self.pairs, len(self.centre)))
        self._steps = np.concatenate([half, -half])
        candidates: Array = self.centre + self.sigma * self._steps
        return candidates

    def tell(self, score: Array) -> None:
        """Move centre and steps by the ranks of a generation's mean scores, float64 (2 pairs, n_seed) or (2 pairs,)."""
        u = utilities(score.reshape(len(score), -1).mean(axis=1))
        n = len(self.centre)
        rate = (3.0 + np.log(n)) / (5.0 * np.sqrt(n))
        self.centre = self.centre + self.sigma * (u @ self._steps)
        self.sigma = self.sigma * np.exp(0.5 * rate * (u @ (self._steps**2 - 1.0)))


def utilities(score: Array) -> Array:
    """Return the weight of each candidate by its rank, float64 (n,): the better half is drawn to; the sum is 0."""
    n = len(score)
    rank = np.empty(n)
    rank[np.argsort(-score, kind="stable")] = np.arange(1, n + 1)
    raw = np.maximum(np.log(n / 2.0 + 1.0) - np.log(rank), 0.0)
    weight: Array = raw / raw.sum() - 1.0 / n
    return weight

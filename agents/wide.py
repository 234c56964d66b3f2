"""Wide changes of one leaf first, then an evolution strategy from where they led.

A price can be good only where it is 0: who is offered nothing is not called either. The way there leads through prices
at which owners are called and give less, so small steps never find it. Nor do they find a leaf that is worth its calls
only late on days of great need. So the first generations draw all own parameters of one leaf anew. They take the best
change that is better than the centre on the same days by more than its error. `evolution` then moves all parameters by
small steps. Its centre wanders with the luck of the days, so the mean of its last centres is what is found [1]_.

References
----------
.. [1] Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control and
   Optimization 30 (1992) 838-855, doi:10.1137/0330046; here with weights that fade.
"""

from __future__ import annotations

import numpy as np

from agents.evolution import Search
from agents.offer_policy import OPEN_SD, OWN

Array = np.ndarray
SPREAD = 0.4  # of a parameter that is drawn, in parts of a correction's reach [A]
FOLLOWS = 0.15  # part of the way to a generation's centre that the mean of the centres goes [A]
KINDS = 4  # of changes, drawn alike: no offer at all, another part, all but the part, an offer from some need on alone
GATE_SD = 1.5  # and, where leaves have gates, another gate, within so many standard deviations of the mean need [A]
STEEPEST, LAST_FROM = 1.0, 1.5  # of such an offer: rise and beginning, in standard deviations of the need [A]


class Wide:
    """A search for the parameters with the greatest score.

    Parameters
    ----------
    centre : float64 (n,)
        Where it begins.
    sigma : float64 (n,)
        First step of each parameter in the evolution.
    pairs : int
        Mirrored pairs of a generation.
    seed : int
    own : int64 (n_leaf, 4) or (n_leaf, 5)
        Places of each leaf's own parameters, in the order of `offer_policy.OWN`; a fifth is its gate.
    generations : int
        Of wide changes, before the evolution.
    sure : float
        Standard errors of its paired difference that a change must stand above the centre. The best of 32 changes that
        change nothing stands 2 above it by luck.
    one : float
        Above 0 a change moves one parameter of a leaf, with this standard deviation; 0: it draws all of a leaf's anew.

    Attributes
    ----------
    centre, sigma : float64 (n,)
    found : float64 (n,)
        Mean of the centres of the evolution so far, the last ones most; before it, the centre.
    n_candidate : int
        Of a generation: the centre and its pairs.
    """

    def __init__(
        self,
        centre: Array,
        sigma: Array,
        pairs: int,
        seed: int,
        own: Array,
        generations: int,
        sure: float = 1.0,
        one: float = 0.0,
    ) -> None:
        self.centre, self.sigma = centre.astype(np.float64), sigma.astype(np.float64)
        self.found = self.centre.copy()
        self.pairs, self.n_candidate, self._seed, self._own = pairs, 2 * pairs + 1, seed, own
        self._sure, self._one = sure, one
        self._left, self._draw, self._tried = generations, np.random.default_rng(seed), np.zeros((0, len(centre)))
        self._moves = Search(self.centre, self.sigma, pairs, seed)

    def ask(self) -> Array:
        """Return a generation of candidates, float64 (n_candidate, n), the centre first."""
        if self._left <= 0:
            return np.concatenate([self.centre[None], self._moves.ask()])
        self._tried = np.repeat(self.centre[None], self.n_candidate, axis=0)
        leaves = self._draw.permutation(np.arange(self.n_candidate - 1) % len(self._own))
        for row, leaf in zip(self._tried[1:], leaves, strict=True):
            row[self._own[leaf]] = self._changed(row[self._own[leaf]])
        return self._tried

    def tell(self, score: Array) -> None:
        """Move by the scores of each seed, float64 (n_candidate, n_seed)."""
        if self._left <= 0:
            self._moves.tell(score[1:])
            self.centre, self.sigma = self._moves.centre, self._moves.sigma
            self.found = self.found + FOLLOWS * (self.centre - self.found)
            return
        gain = score - score[0]
        surely = gain.mean(axis=1) - self._sure * gain.std(axis=1) / np.sqrt(gain.shape[1])
        self.centre, self._left = self._tried[int(np.argmax(surely))], self._left - 1  # the centre's own is 0
        self.found = self.centre.copy()
        self._moves = Search(self.centre, self.sigma, self.pairs, self._seed)

    def _changed(self, own: Array) -> Array:
        """Return the own parameters of a leaf, drawn anew, float64 like ``own``."""
        if self._one > 0.0:
            moved = own.copy()
            moved[self._draw.integers(len(OWN))] += self._draw.normal(0.0, self._one)
            return moved
        gate = own[len(OWN) :]
        kind, drawn = self._draw.integers(KINDS + len(gate)), self._draw.normal(0.0, SPREAD, len(OWN))
        steep, begins = self._draw.uniform(0.0, STEEPEST), self._draw.uniform(0.0, LAST_FROM)
        part, time = drawn[OWN.index("part")], drawn[OWN.index("time")]
        bare = dict.fromkeys(OWN, 0.0) | {"part": -1.0}
        if kind == KINDS:
            return np.append(own[: len(OWN)], OPEN_SD + self._draw.uniform(-GATE_SD, GATE_SD))
        changes = (
            bare,
            dict(zip(OWN, own, strict=False)) | {"part": part},
            dict(zip(OWN, drawn, strict=True)) | {"part": own[OWN.index("part")]},
            bare | {"bias": -steep * begins, "need": steep, "time": time},
        )
        return np.append([changes[kind][name] for name in OWN], gate)

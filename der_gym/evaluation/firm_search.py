"""The search for the largest award that is kept: which awards to play next, and what the played ones say.

Awards are multiples of the scenario's, on a lattice of `PER_OCTAVE` steps for each doubling, so that windows share the
awards that they play. The search doubles or halves until a failure stands above the largest award kept, then halves the
gap. The rate of blocks passed has one peak: too large an award exceeds what is there, too small a one has a band
narrower than the plan's error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from der_gym.evaluation.statistics import Interval

F8 = NDArray[np.float64]
PER_OCTAVE = 8  # the finest step is 2 ** (1 / 8), 9 %
BEGIN = (-PER_OCTAVE, 0, PER_OCTAVE)  # half, once and twice the scenario's award
MOST = 8 * PER_OCTAVE  # no award beyond 256 times the scenario's is played
BUDGET = 16  # awards played per controller and window
_Z = 1.959964  # 95 %
Answer = Literal["kept", "above", "none", "unknown"]


@dataclass(frozen=True)
class Found:
    """What the played awards say of one level.

    Attributes
    ----------
    answer : str
        ``kept``: ``most`` was kept and ``fails`` was not. ``above``: ``most`` is the largest that was played, so the
        answer is above it. ``none``: no award is kept, the best one is between two that do worse. ``unknown``: none of
        the played ones is kept, but the best of them stands at an edge or was not closed in.
    least, most, fails : int or None
        Places on the lattice: the kept awards' least and largest, and the next played one above.
    least_closed : bool
        Whether a failure, or the least bid, stands below ``least``.
    """

    answer: Answer
    least: int | None = None
    most: int | None = None
    fails: int | None = None
    least_closed: bool = False


def share_of(place: int) -> float:
    """Return the multiple of the scenario's award at a place of the lattice."""
    return float(2.0 ** (place / PER_OCTAVE))


def kept(rates: Mapping[int, float], level: float) -> tuple[int, int] | None:
    """Return the ends of the run without failures around the place that does best; None where none is kept.

    The run starts from the same place for every level, so a higher level never allows more, and a lucky pass beyond a
    failure does not count.

    Parameters
    ----------
    rates : mapping of int to float
        Place on the ladder of awards -> share of blocks passed, 0..1.
    level : float
        Share that must pass, 0..1.

    Examples
    --------
    >>> kept({-8: 0.7, 0: 0.95, 8: 1.0, 16: 0.8, 24: 1.0}, 0.9)
    (0, 8)
    """
    places = sorted(rates)
    best = max(range(len(places)), key=lambda i: (rates[places[i]], -i))
    if rates[places[best]] < level:
        return None
    low = high = best
    while low > 0 and rates[places[low - 1]] >= level:
        low -= 1
    while high + 1 < len(places) and rates[places[high + 1]] >= level:
        high += 1
    return places[low], places[high]


def wanted(rates: Mapping[int, float], level: float, least_place: int) -> set[int]:
    """Return the places to play next for a level; none where the answer is closed in to the finest step.

    Parameters
    ----------
    rates : mapping
        Place -> share of blocks passed, 0..1; not empty.
    level : float
        Share of blocks, 0..1.
    least_place : int
        The least place that may be played: below it the market takes no bid.
    """
    run, places = kept(rates, level), sorted(rates)
    if run is not None:
        return {each for each in (_above(places, run[1]),) if each is not None}
    best = max(rates.values())
    peaks = [place for place in places if rates[place] == best]
    both = (_above(places, peaks[-1]), _below(places, peaks[0], least_place))
    return {each for each in both if each is not None}


def _above(places: list[int], place: int) -> int | None:
    """Return a place between this one and the next, or beyond the last; None where they touch."""
    if place == places[-1]:
        return place + PER_OCTAVE if place < MOST else None
    gap = places[places.index(place) + 1] - place
    return place + gap // 2 if gap > 1 else None


def _below(places: list[int], place: int, least_place: int) -> int | None:
    if place == places[0]:
        return max(place - PER_OCTAVE, least_place) if place > least_place else None
    gap = place - places[places.index(place) - 1]
    return place - gap // 2 if gap > 1 else None


def found(rates: Mapping[int, float], level: float, least_place: int) -> Found:
    """Return what the played awards say of a level; arguments as for `wanted`."""
    run, places = kept(rates, level), sorted(rates)
    if run is None:
        return Found("unknown" if wanted(rates, level, least_place) else "none")
    above = [place for place in places if place > run[1]]
    closed = run[0] > places[0] or run[0] <= least_place
    return Found("kept" if above else "above", run[0], run[1], above[0] if above else None, closed)


def wilson(passed: F8, day: NDArray[np.int64], n_block: int) -> Interval:
    """Return the share of blocks passed with Wilson's interval at 95 %, its size by the spread between days.

    Blocks of one day fail together. So the blocks count as ``p (1 - p) / variance of the mean over days``, at least as
    many as there are days and at most as many as there are blocks; where all or none passed, as the days.

    Parameters
    ----------
    passed : float64 (n,)
        Share of blocks passed in each episode.
    day : int64 (n,)
        Day of each episode.
    n_block : int
        Blocks of an episode.
    """
    p, days = float(passed.mean()), np.unique(day)
    means = np.array([passed[day == each].mean() for each in days])
    spread = float(((means - p) ** 2).sum() / max(len(days) - 1, 1) / len(days))
    n = len(days) if p in (0.0, 1.0) else np.clip(p * (1 - p) / max(spread, 1e-12), len(days), len(passed) * n_block)
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return Interval(p, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def resampled(passed: Mapping[int, F8], day: NDArray[np.int64], level: float, n: int = 400) -> tuple[int, int]:
    """Return the 95 % interval of the largest place kept, days drawn anew; -1000 stands for none.

    Parameters
    ----------
    passed : mapping
        Place -> share of blocks passed in each episode, float64 (n_episode,), the same episodes at every place.
    day : int64 (n_episode,)
    level : float
        Share of blocks, 0..1.
    n : int
        Resamples.
    """
    places, days = sorted(passed), np.unique(day)
    sums = np.array([[passed[place][day == each].sum() for each in days] for place in places])
    counts = np.array([(day == each).sum() for each in days])
    drawn = np.random.default_rng(0).integers(len(days), size=(n, len(days)))
    rates = sums[:, drawn].sum(axis=2) / counts[drawn].sum(axis=1)
    runs = [kept(dict(zip(places, column.tolist(), strict=True)), level) for column in rates.T]
    most = np.sort([NONE if run is None else run[1] for run in runs])
    return int(most[int(0.025 * n)]), int(most[min(n - 1, int(0.975 * n))])


NONE = -1000  # a place below all others: nothing is kept

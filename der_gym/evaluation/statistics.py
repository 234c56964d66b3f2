"""Small pure functions on scores of shape (runs, tasks): interquartile mean, bootstrap intervals, comparisons.

After Agarwal et al. [1]_. Runs are seeds, tasks are scenarios; a bootstrap draws runs anew within every task
(stratified). Scores that are compared come from the same seeds, so the same runs are drawn for both.

References
----------
.. [1] Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021,
   arXiv:2108.13264.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError

F8 = NDArray[np.float64]
N_RESAMPLE = 2000
LEVEL = 0.95


class Interval(NamedTuple):
    """A statistic and its bootstrap interval."""

    value: float
    low: float
    high: float


def iqm(scores: F8) -> F8:
    """Return the interquartile mean over the last two axes: the mean without the lowest and the highest quarter.

    Examples
    --------
    >>> float(iqm(np.array([[0.0], [1.0], [2.0], [90.0]])))
    1.5
    """
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    middle: F8 = flat[..., cut : flat.shape[-1] - cut].mean(axis=-1)
    return middle


def mean(scores: F8) -> F8:
    """Return the mean over the last two axes."""
    average: F8 = scores.mean(axis=(-2, -1))
    return average


def resample(scores: F8, n_resample: int = N_RESAMPLE, seed: int = 0) -> NDArray[np.int64]:
    """Return the runs that each resample takes, int64 (n_resample, n_run, n_task), drawn within each task.

    Parameters
    ----------
    scores : float64 (n_run, n_task)
        One controller's; its shape alone counts.
    n_resample : int
        >= 1.
    seed : int
        Of the draws, >= 0.
    """
    return np.random.default_rng(seed).integers(len(scores), size=(n_resample, *scores.shape))


def interval(
    scores: F8, statistic: Callable[[F8], F8] = iqm, level: float = LEVEL, n_resample: int = N_RESAMPLE, seed: int = 0
) -> Interval:
    """Return a statistic of ``scores`` (runs, tasks) with its stratified percentile bootstrap interval.

    Parameters
    ----------
    scores : float64 (n_run, n_task)
    statistic : callable
        ``(..., n_run, n_task) -> (...)``.
    level : float
        Coverage, 0..1.
    n_resample, seed : int
        The same seed gives the same interval.

    Raises
    ------
    InputError
        For scores of another shape, empty, or not finite.
    """
    _check(scores)
    which = resample(scores, n_resample, seed)
    drawn = np.take_along_axis(scores[None], which, axis=1)
    return _interval(statistic(scores), statistic(drawn), level)


def paired_difference(
    a: F8,
    b: F8,
    statistic: Callable[[F8], F8] = mean,
    level: float = LEVEL,
    n_resample: int = N_RESAMPLE,
    seed: int = 0,
) -> Interval:
    """Return the statistic of ``a - b`` run by run (the same seeds), with its interval; positive: ``a`` is better."""
    _check_pair(a, b)
    return interval(a - b, statistic, level, n_resample, seed)


def improves(a: F8, b: F8) -> F8:
    """Return P(a > b) over the last two axes: mean over tasks of all pairs of runs, a tie counting half.

    Parameters
    ----------
    a, b : float64 (..., n_run, n_task)
        Scores of two controllers, higher is better.

    Examples
    --------
    >>> float(improves(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])))
    0.625
    """
    left, right = a[..., :, None, :], b[..., None, :, :]
    wins: F8 = ((left > right) + 0.5 * (left == right)).mean(axis=(-3, -2, -1))
    return wins


def probability_of_improvement(
    a: F8, b: F8, level: float = LEVEL, n_resample: int = N_RESAMPLE, seed: int = 0
) -> Interval:
    """Return P(a > b) of two controllers with its interval; the same runs are drawn for both.

    Parameters
    ----------
    a, b : float64 (n_run, n_task)
        Scores of two controllers.
    level : float
        Of the interval, 0..1.
    n_resample, seed : int
        Of the bootstrap; see `resample`.
    """
    _check_pair(a, b)
    which = resample(a, n_resample, seed)
    drawn = [improves(np.take_along_axis(a, w, axis=0), np.take_along_axis(b, w, axis=0)) for w in which]
    return _interval(improves(a, b), np.array(drawn), level)


def wins(a: F8, b: F8) -> F8:
    """Return the share of pairs over the last two axes in which ``a`` is above ``b`` on the same seed; a tie is half.

    Examples
    --------
    >>> float(wins(np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]])))
    0.5
    """
    share: F8 = ((a > b) + 0.5 * (a == b)).mean(axis=(-2, -1))
    return share


def clustered(
    scores: F8, cluster: NDArray[Any], level: float = LEVEL, n_resample: int = N_RESAMPLE, seed: int = 0
) -> Interval:
    """Return the mean of ``scores`` (n,) with an interval from a bootstrap of whole clusters, such as days.

    Episodes of one day share weather and homes; drawn one by one they would make the interval too narrow.

    Parameters
    ----------
    scores : float64 (n,)
    cluster : (n,)
        The cluster of each score.

    Raises
    ------
    InputError
        For scores that are empty or not finite, or clusters that are not one for each score.
    """
    _check(scores[:, None])
    if cluster.shape != scores.shape:
        raise InputError(f"cluster: shape {cluster.shape}; allowed: one for each score, {scores.shape}")
    _, at = np.unique(cluster, return_inverse=True)
    total, size = np.bincount(at, scores), np.bincount(at)
    drawn = np.random.default_rng(seed).integers(len(size), size=(n_resample, len(size)))
    return _interval(scores.mean(), total[drawn].sum(axis=1) / size[drawn].sum(axis=1), level)


def over_runs(
    scores: F8,
    cluster: NDArray[Any],
    statistic: Callable[[F8], F8] = mean,
    level: float = LEVEL,
    n_resample: int = N_RESAMPLE,
    seed: int = 0,
) -> Interval:
    """Return a statistic of several trainings on the same seeds; runs and whole clusters of seeds are drawn anew.

    It tells of the training, not of one policy: another training would give other runs. Few runs make it too narrow.

    Parameters
    ----------
    scores : float64 (n_run, n_seed)
        A row for each run.
    cluster : (n_seed,)
        The cluster of each seed, such as its day.
    statistic : callable
        ``(..., n_run, n_seed) -> (...)``.
    level : float
        Of the interval, 0..1.
    n_resample, seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        For scores that are empty or not finite, or clusters that are not one for each seed.
    """
    _check(scores)
    if cluster.shape != scores.shape[1:]:
        raise InputError(f"cluster: shape {cluster.shape}; allowed: one for each seed, {scores.shape[1:]}")
    members = [np.flatnonzero(cluster == each) for each in np.unique(cluster)]
    generator, drawn = np.random.default_rng(seed), np.empty(n_resample)
    for k in range(n_resample):
        runs = generator.integers(len(scores), size=len(scores))
        days = generator.integers(len(members), size=len(members))
        drawn[k] = statistic(scores[np.ix_(runs, np.concatenate([members[d] for d in days]))])
    return _interval(statistic(scores), drawn, level)


def by_group(scores: F8, group: NDArray[Any]) -> dict[Any, float]:
    """Return the mean of ``scores`` (n,) in each group, in the groups' order: money by the hour of the start."""
    return {each.item(): float(scores[group == each].mean()) for each in np.unique(group)}


def _interval(value: F8, drawn: F8, level: float) -> Interval:
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(drawn, [tail, 100.0 - tail])
    return Interval(float(value), float(low), float(high))


def _check(scores: F8) -> None:
    if scores.ndim != 2 or not scores.size:
        raise InputError(f"scores: shape {scores.shape}; allowed: (runs, tasks), at least one of each")
    if not np.isfinite(scores).all():
        raise InputError("scores: not finite; allowed: finite numbers")


def _check_pair(a: F8, b: F8) -> None:
    _check(a)
    _check(b)
    if a.shape != b.shape:
        raise InputError(f"scores: shapes {a.shape} and {b.shape} differ; allowed: the same seeds and tasks")

"""Curves of a scoreboard: performance profiles and pass rates by hour and season, each with a bootstrap band."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import BLOCK_S, DAY_S, HOUR_S
from der_gym.evaluation.play import Played
from der_gym.evaluation.statistics import LEVEL, N_RESAMPLE
from der_gym.signals import calendar
from der_gym.signals.calendar import SEASONS

F8 = NDArray[np.float64]
N_POINT = 201


def weights(n: int, n_resample: int = N_RESAMPLE, seed: int = 0) -> F8:
    """Return how often each of ``n`` seeds is drawn in each resample, (n_resample, n); rows sum to n."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), n_resample).astype(np.float64)


def points(scores: dict[str, F8]) -> F8:
    """Return the rewards at which profiles are drawn: quantiles of all controllers' together, ends included."""
    return np.unique(np.quantile(np.concatenate(list(scores.values())), np.linspace(0.0, 1.0, N_POINT)))


def profile(scores: F8, at: F8) -> dict[str, F8]:
    """Return the share of seeds with a reward of at least each point, with its 95 % band over resampled seeds.

    Parameters
    ----------
    scores : float64 (n_seed,)
    at : float64 (n_point,)

    Returns
    -------
    dict of float64 (n_point,)
        ``share``, ``low``, ``high``, 0..1.
    """
    reached = (scores[:, None] >= at).astype(np.float64)
    drawn = weights(len(scores)) @ reached / len(scores)
    low, high = _band(drawn)
    return {"share": reached.mean(axis=0), "low": low, "high": high}


def _band(drawn: F8) -> tuple[F8, F8]:
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(drawn, [tail, 100.0 - tail], axis=0)
    return low, high


def pass_rates(played: Played, key: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the share of judged blocks that passed for each value of ``key``, with its band.

    Blocks of one episode share their luck, so the band draws whole seeds, not blocks; NaN where there is but one seed.

    Parameters
    ----------
    played : Played
    key : int64 (n_seed, n_block)
        What blocks are grouped by.
    """
    judged, passed = ~np.isnan(played.passed), played.passed == 1.0
    draws = weights(len(key))
    out = []
    for value in np.unique(key[judged]).tolist():
        here = judged & (key == value)
        n, good = here.sum(axis=1).astype(np.float64), (here & passed).sum(axis=1).astype(np.float64)
        total = draws @ n
        low, high = _band((draws @ good)[total > 0] / total[total > 0]) if (n > 0).sum() > 1 else (np.nan, np.nan)
        row = {"key": int(value), "n": int(n.sum()), "rate": float(good.sum() / n.sum())}
        out.append(row | {"low": float(low), "high": float(high)})
    return out


def hours(played: Played) -> NDArray[np.int64]:
    """Return the hour of the day in which each block starts, int64 (n_seed, n_block)."""
    starts = played.start_abs_s[:, None] + BLOCK_S * np.arange(played.passed.shape[1])
    hour: NDArray[np.int64] = starts % DAY_S // HOUR_S
    return hour


def seasons(played: Played) -> NDArray[np.int64]:
    """Return each block's season as its number in ``SEASONS``, by the day on which its episode starts."""
    own = np.asarray(calendar.season(played.start_abs_s // DAY_S), dtype=np.int64)
    return np.broadcast_to(own[:, None], played.passed.shape)


def season_rates(played: Played) -> list[dict[str, Any]]:
    """Return pass rates by season, named."""
    return [row | {"key": SEASONS[row["key"]]} for row in pass_rates(played, seasons(played))]

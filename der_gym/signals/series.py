"""Random series whose luck belongs to the date, and the two filters that shape them.

Each stream draws its normals day by day from a Philox generator whose key is (seed, stream) and whose counter is the
day, so a date has the same luck whatever range of dates is asked for. Autoregressive memory is forgotten during
``BURN_DAYS`` before the first day.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from der_gym.numerics.rng import stream

F8 = npt.NDArray[np.float64]

BURN_DAYS = 60  # the slowest memory, 0.88 per day (prices), is below 5e-4 after them


def normals(seed: int, name: str, days: npt.NDArray[np.int64], n: int) -> F8:
    """Return standard normals (n_day, n): row ``d`` depends on the seed, the stream's name and the day number only.

    Parameters
    ----------
    seed : int
        >= 0.
    name : str
        Of the stream.
    days : int64 (n_day,)
        Day numbers since 2000-01-01.
    n : int
        Draws of a day, >= 1.
    """
    key = np.array([seed, int(stream(name))], np.uint64)
    rows = (np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, int(day)])) for day in days)
    return np.stack([row.standard_normal(n) for row in rows])


def uniforms(seed: int, name: str, days: npt.NDArray[np.int64], n: int) -> F8:
    """Return uniforms in [0, 1) (n_day, n), addressed like ``normals``.

    Parameters
    ----------
    seed : int
        >= 0.
    name : str
        Of the stream.
    days : int64 (n_day,)
        Day numbers since 2000-01-01.
    n : int
        Draws of a day, >= 1.
    """
    key = np.array([seed, int(stream(name))], np.uint64)
    rows = (np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, int(day)])) for day in days)
    return np.stack([row.random(n) for row in rows])


def ar1(noise: F8, phi: float) -> F8:
    """Return the autoregressive series of unit variance ``x[t] = phi x[t-1] + sqrt(1 - phi^2) noise[t]``, x[-1] = 0.

    Parameters
    ----------
    noise : float64 (n,)
        Standard normals.
    phi : float
        -1..1, exclusive.
    """
    x, found = 0.0, []
    for innovation in (np.sqrt(1.0 - phi * phi) * noise.ravel()).tolist():
        x = phi * x + innovation
        found.append(x)
    return np.array(found)


def decay(step_s: float, tau_s: float) -> float:
    """Return the coefficient of an AR(1) series whose correlation falls as exp(-t / tau).

    Parameters
    ----------
    step_s, tau_s : float
        Step and time constant, s, > 0.
    """
    return float(np.exp(-step_s / tau_s))


def moving_mean(series: F8, n: int) -> F8:
    """Return the centred mean over ``n`` steps (odd); at the ends over those steps that exist.

    Parameters
    ----------
    series : float64 (n_step,)
    n : int
        Steps, odd, >= 1.
    """
    half = n // 2
    total = np.concatenate([[0.0], np.cumsum(series)])
    at = np.arange(series.size)
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, series.size)
    return np.asarray((total[high] - total[low]) / (high - low), np.float64)


def trailing_mean(series: F8, n: int) -> F8:
    """Return the mean over the last ``n`` steps; at the start over those steps that exist.

    Parameters
    ----------
    series : float64 (n_step,)
    n : int
        Steps, >= 1.
    """
    total = np.concatenate([[0.0], np.cumsum(series)])
    high = np.arange(1, series.size + 1)
    low = np.maximum(high - n, 0)
    return np.asarray((total[high] - total[low]) / (high - low), np.float64)

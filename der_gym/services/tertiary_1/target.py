"""The judged trajectory of a request, and the values that a lagging response may have.

At the start of each 5-minute bin a request is announced. Under ``edc`` the target runs linearly towards it through
the bin, by at most ``award / response_time_s`` per second, and then holds its value (Δ = 300 s):

    y[b+1] = y[b] + clip(request[b] - y[b], -rate * Δ, rate * Δ),   rate = max(award now, award before) / response_time

Under ``simple`` the value is known 15 minutes before its block and stands from its first minute to its last. After the
last awarded block the target goes to zero; it is not judged there.

A window's mean, seen a lag ``l`` late, is ``F(l) = mean of y(t - l)``. F is continuous, so a response equal to any
value between its least and its greatest for ``0 <= l <= lag_allowance_s`` was the target at some allowed lag. Both are
exact: F is quadratic between multiples of 300 s, so its extremes stand at the ends or at a vertex of a piece.

All of it is worked out at reset, because requests do not depend on the group. So these arrays hold the future. The
aggregator's view shows only the requests announced so far and the target up to now.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.engine.compile import kernel
from der_gym.services.tertiary_1.config import BIN_MIN, BIN_PER_BLOCK, BLOCK_MIN, Tertiary1Config

F8 = NDArray[np.float64]
BIN_S = BIN_MIN * 60.0
SIMPLE_AHEAD = 3  # bins from the announcement of a simple command to its block [P]
_MINUTE_MID = (np.arange(BIN_MIN) + 0.5) / BIN_MIN


def trajectory(request_kw: F8, award_kw: F8, config: Tertiary1Config) -> tuple[F8, F8]:
    """Return the target of each minute and its value at the ends of the bins.

    Parameters
    ----------
    request_kw : (W, n_bin) f8
        Announced at the start of each 5-minute bin, 0..award of the bin's block; one value per block under ``simple``.
    award_kw : (W, n_block) f8
        Reserved power, 0 in unawarded blocks; ``n_bin = 6 * n_block``.
    config : Tertiary1Config
        Takes ``signal`` and ``response_time_s``.

    Returns
    -------
    target_kw : (W, n_bin * 5) f8
        Mean of the target in each minute.
    end_kw : (W, n_bin + 1) f8
        Target at the start and at the end of each bin; under ``simple`` the value of the bin that begins there.

    Raises
    ------
    InputError
        For shapes that do not belong together, a request outside 0..award, or one that changes within a block under
        ``simple``.
    """
    _check(request_kw, award_kw, config)
    if config.signal == "simple":
        end = np.pad(request_kw, ((0, 0), (0, 1)))
        return np.repeat(request_kw, BIN_MIN, axis=1), end
    end = _ramped(request_kw, np.repeat(_ramp_kw(award_kw, config), BIN_PER_BLOCK, axis=1))
    step = np.diff(end, axis=1)
    minutes = end[:, :-1, None] + step[:, :, None] * _MINUTE_MID
    return minutes.reshape(len(end), request_kw.shape[1] * BIN_MIN), end


def announced(request_kw: F8, config: Tertiary1Config) -> F8:
    """Return the request announced last at each bin, (W, n_bin) f8: under ``simple`` that of the bin 15 minutes on."""
    if config.signal != "simple":
        return request_kw
    return np.pad(request_kw[:, SIMPLE_AHEAD:], ((0, 0), (0, SIMPLE_AHEAD)))


def bounds(end_kw: F8, config: Tertiary1Config) -> tuple[F8, F8]:
    """Return the least and the greatest target mean of each judged window over the allowed lags, (W, n_window) f8 each.

    ``end_kw`` (W, n_bin + 1) f8 comes from :func:`trajectory`; a window is 5 minutes (edc) or 30 (simple). Before the
    episode the target is 0.
    """
    if config.signal == "simple":
        return _simple_bounds(end_kw[:, :-1:BIN_PER_BLOCK], config.lag_allowance_s / (BLOCK_MIN * 60.0))
    start_s = np.arange(end_kw.shape[1] - 1) * BIN_S
    lag_s = np.append(np.arange(0.0, config.lag_allowance_s, BIN_S), config.lag_allowance_s)
    means = [_mean_at(end_kw, start_s, lag) for lag in lag_s]
    means += [_vertex(end_kw, start_s, *lags, mean) for lags, mean in zip(pairwise(lag_s), means, strict=False)]
    return np.min(means, axis=0), np.max(means, axis=0)


def _simple_bounds(block_kw: F8, lag_share: float) -> tuple[F8, F8]:
    """Return the bounds of block means of a step function: F is linear in the lag, so its ends are its extremes."""
    before = np.pad(block_kw, ((0, 0), (1, 0)))[:, :-1]
    late = block_kw + (before - block_kw) * lag_share
    return np.minimum(block_kw, late), np.maximum(block_kw, late)


def _check(request_kw: F8, award_kw: F8, config: Tertiary1Config) -> None:
    n_world, n_block = award_kw.shape
    if request_kw.shape != (n_world, n_block * BIN_PER_BLOCK):
        raise InputError(
            f"request_kw: shape {request_kw.shape} does not fit award_kw {award_kw.shape}; "
            f"allowed: ({n_world}, {n_block * BIN_PER_BLOCK})"
        )
    limit = np.repeat(award_kw, BIN_PER_BLOCK, axis=1)
    bad = ~((request_kw >= 0.0) & (request_kw <= limit * (1.0 + 1e-12)))
    if bad.any():
        w, b = (int(i[0]) for i in np.nonzero(bad))
        raise InputError(f"request_kw: {request_kw[w, b]:g} in world {w}, bin {b}; allowed: 0..{limit[w, b]:g} (award)")
    blocks = request_kw.reshape(n_world, n_block, BIN_PER_BLOCK)
    moved = (blocks != blocks[:, :, :1]).any(axis=2)
    if config.signal == "simple" and moved.any():
        w, k = (int(i[0]) for i in np.nonzero(moved))
        raise InputError(
            f"request_kw: changes within block {k} of world {w}; allowed with signal simple: one value per block"
        )


def _ramp_kw(award_kw: F8, config: Tertiary1Config) -> F8:
    """Return the most the target may move in a bin of each block, (W, n_block)."""
    before = np.pad(award_kw, ((0, 0), (1, 0)))[:, :-1]
    limit: F8 = np.maximum(award_kw, before) * (BIN_S / config.response_time_s)
    return limit


def _ramped(request_kw: F8, ramp_kw: F8) -> F8:
    end = np.zeros((len(request_kw), request_kw.shape[1] + 1))
    follow_request(0, len(end), np.ascontiguousarray(request_kw, np.float64), np.ascontiguousarray(ramp_kw), end)
    return end


@kernel
def follow_request(w0, w1, request_kw, ramp_kw, end_kw):  # type: ignore[no-untyped-def]
    """Let each world's target follow its request within the ramp.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    request_kw, ramp_kw : float64 (n_world, n_bin)
        What is asked for, and the most that the target may move in a bin.
    end_kw : float64 (n_world, n_bin + 1)
        Out: the target at the end of each bin, from that of the start, which is given.
    """
    for w in range(w0, w1):
        for b in range(request_kw.shape[1]):
            step = request_kw[w, b] - end_kw[w, b]
            end_kw[w, b + 1] = end_kw[w, b] + min(max(step, -ramp_kw[w, b]), ramp_kw[w, b])


def _value(end_kw: F8, t_s: F8) -> F8:
    """Return the target at times ``t_s`` (n,) of the episode, (W, n); 0 before it."""
    b, part = _place(end_kw, t_s)
    y: F8 = end_kw[:, b] + (end_kw[:, b + 1] - end_kw[:, b]) * part
    return np.where(t_s < 0.0, 0.0, y)


def _integral(end_kw: F8, t_s: F8) -> F8:
    """Return the target's integral from the episode's start to times ``t_s`` (n,), (W, n), in kW s."""
    whole = np.zeros_like(end_kw)
    np.cumsum((end_kw[:, :-1] + end_kw[:, 1:]) / 2.0 * BIN_S, axis=1, out=whole[:, 1:])
    b, part = _place(end_kw, t_s)
    rest = (end_kw[:, b] + _value(end_kw, t_s)) / 2.0 * part * BIN_S
    return np.where(t_s < 0.0, 0.0, whole[:, b] + rest)


def _place(end_kw: F8, t_s: F8) -> tuple[NDArray[np.int64], F8]:
    """Return the bin of each time and the part of it that has passed, 0..1."""
    b = np.clip(np.floor(t_s / BIN_S).astype(np.int64), 0, end_kw.shape[1] - 2)
    return b, t_s / BIN_S - b


def _mean_at(end_kw: F8, start_s: F8, lag_s: float) -> F8:
    begin = start_s - lag_s
    mean: F8 = (_integral(end_kw, begin + BIN_S) - _integral(end_kw, begin)) / BIN_S
    return mean


def _vertex(end_kw: F8, start_s: F8, a_s: float, b_s: float, mean_a: F8) -> F8:
    """Return, per window, F where its slope is zero within the lags [a, b], or at an end where it is nowhere zero.

    ``mean_a`` is F at a.
    """
    at_a, at_b = (_value(end_kw, start_s - lag + BIN_S) - _value(end_kw, start_s - lag) for lag in (a_s, b_s))
    change = at_a - at_b  # -BIN_S * dF/dl runs linearly from at_a to at_b
    part = np.clip(np.divide(at_a, change, out=np.zeros_like(at_a), where=change != 0.0), 0.0, 1.0)
    drop = (b_s - a_s) * part * (at_a - change * part / 2.0) / BIN_S
    vertex: F8 = mean_a - drop
    return vertex

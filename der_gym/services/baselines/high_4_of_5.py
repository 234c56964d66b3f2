"""High 4 of 5 with same-day adjustment: the yardstick of demand response, from the days before and the day itself.

    BL0 = mean over the 4 of the 5 latest eligible days that drew most in the event window, per half hour
    adj = mean of (actual - BL0) over the half hours from 5 h to 2 h before the event
    BL  = max(0, BL0 + adj), or BL0 + adj where the node has fed the grid on the days before

Eligible are days of the same kind (working day or not), without days of demand response and without days whose mean
in the event window is below 25 % of the candidates' mean [1]_. On Saturdays, Sundays and holidays the best 2 of 3 days
count [M]. The published ``max(0, BL0 + adj)`` is for loads. A node that feeds the grid by itself keeps that in its
yardstick, so it is not paid for it. A floor under its yardstick would cut the adjustments of one sign only: on the list
of ``capacity-call`` it made the yardstick 30 kW too high on average, without it 10 kW.

Known limit: the yardstick is for loads. Batteries that serve homes follow the sun of the day. They charge in the
morning of a bright day and carry their homes in its afternoon, so the adjustment moves the yardstick away from what
they do. RMSE of the yardstick in called half hours of an idle group, 96 days of the test split, kW:

    node of capacity-call, 1,000 devices     draws    BL0    with adjustment    contract
    all devices, of them 43 % batteries          0     47                 99         120
    batteries                                  -69     58                118          52
    water heaters and cars                      69     12                 13          68

A relative RMSE of 20 % is what the rules ask of a yardstick [M]; only loads come near.

Known errors: the days before hold no demand response here, so no day is left out for it. The history is ten days long,
so an exclusion or a row of holidays may leave fewer than five days; then the lowest one of those that are left does not
count. Where no day is of the same kind, all days are candidates. An actual of the adjustment hours that lies before the
episode is not known and is left out of the mean.

References
----------
.. [1] Agency for Natural Resources and Energy, "エネルギー・リソース・アグリゲーション・ビジネスに関するガイドライン"
   (ERAB guidelines), baseline chapter: candidates, exclusion, adjustment [S].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import SLOT_PER_DAY
from der_gym.engine.compile import kernel, scalar
from der_gym.services.base import F8

ADJUST_FROM, ADJUST_TO = 10, 4  # half hours before the event: 5 h to 2 h [S]
EXCLUDED_SHARE = 0.25  # of the candidates' mean in the event window [S]
_OF_WORKING_DAYS, _OF_OTHERS = 5, 3


def candidates(
    history_kw: F8, day_off: NDArray[np.bool_], today_off: bool, event: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the days that count as candidates, latest first, int64 (n,), n <= 5 (3 on a day off).

    Parameters
    ----------
    history_kw : float64 (n_day, 48)
        Half-hour means of the days before, oldest first, kW.
    day_off : bool (n_day,)
        Whether those days were Saturdays, Sundays or holidays.
    today_off : bool
        Whether today is one.
    event : int64 (n,)
        Half hours of the day in the event window, 0..47.

    Notes
    -----
    A day below 25 % of the candidates' mean is left out and the next earlier day moves up, until all stay. A mean that
    is not positive leaves no day out.
    """
    like = np.flatnonzero(day_off == today_off)[::-1]
    like = like if len(like) else np.arange(len(history_kw))[::-1]
    mean_kw = history_kw[:, event].mean(axis=1)
    n = _OF_OTHERS if today_off else _OF_WORKING_DAYS
    while True:
        chosen = like[:n]
        low = mean_kw[chosen] < EXCLUDED_SHARE * mean_kw[chosen].mean()
        if not low.any() or mean_kw[chosen].mean() <= 0.0:
            return chosen
        like = np.setdiff1d(like, chosen[low])[::-1]


def high_4_of_5(history_kw: F8, day_off: NDArray[np.bool_], today_off: bool, event: NDArray[np.int64]) -> F8:
    """Return BL0, the yardstick before adjustment, of every half hour of the day, float64 (48,), kW.

    Arguments are those of :func:`candidates`. Of the candidates the one with the lowest mean in the event window (the
    earlier one where two are equal) does not count, unless it is the only one.

    Examples
    --------
    >>> days = np.repeat([10.0, 20.0, 30.0, 40.0, 50.0], 48).reshape(5, 48)
    >>> high_4_of_5(days, np.zeros(5, dtype=bool), False, np.arange(28, 34))[0]
    35.0
    """
    days = candidates(history_kw, day_off, today_off, event)
    mean_kw = history_kw[days][:, event].mean(axis=1)
    best = days[np.argsort(-mean_kw, kind="stable")[: max(len(days) - 1, 1)]]
    base: F8 = history_kw[best].mean(axis=0)
    assert base.shape == (SLOT_PER_DAY,)
    return base


@scalar
def adjusted(base_kw, adjustment_kw, feeds):  # type: ignore[no-untyped-def]
    """Return BL of a half hour, kW.

    Parameters
    ----------
    base_kw, adjustment_kw : float
        BL0; the mean of (actual - BL0) in the adjustment hours, kW.
    feeds : float
        1 where the node has fed the grid on the days before: then BL may be negative.
    """
    return base_kw + adjustment_kw if feeds > 0.0 else max(base_kw + adjustment_kw, 0.0)


@kernel
def mean_excess_kw(actual_kw, base_kw, start):  # type: ignore[no-untyped-def]
    """Return the same-day adjustment of an event, kW: the mean of actual less BL0 over the adjustment hours.

    Parameters
    ----------
    actual_kw, base_kw : float64 (n_block,)
        Metered half-hour means of the episode, of which those that have ended are read; BL0.
    start : int
        Half hour of the episode at which the event begins. Hours before the episode are left out; where none is left,
        the adjustment is 0.
    """
    total, n = 0.0, 0
    for k in range(max(start - ADJUST_FROM, 0), max(start - ADJUST_TO, 0)):
        total += actual_kw[k] - base_kw[k]
        n += 1
    return total / n if n > 0 else 0.0

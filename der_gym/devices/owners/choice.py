"""How an owner chooses, as pure functions of float32 numbers.

A person who looks at a notice opts in where

    u < 1 / (1 + exp(-x - slope * ln(pay / half)))      u uniform, drawn once for three hours of one home
    x = type + notice - stake_weight * stake - tired_weight * calls

which is the same as pay > price with ``ln price = ln half + (logit u - x) / slope``. So each event has a price of its
own for each home: an offer of nothing never reaches it, and more pay never falls below it. The logit is in ln(pay), the
concave form in which the rate of pay matters little (`config`).

Whoever takes part gives what her automation sells at the offer: nothing up to the device's cost, all of its swing
``span`` above it, a straight line between.
"""

from __future__ import annotations

import numpy as np

from der_gym.engine.compile import scalar
from der_gym.numerics import approx

_0, _1, _2 = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_DAY_S = np.float32(86_400.0)
NEVER_YEN = np.float32(1e30)
"""The price of someone who never answers."""


@scalar
def least_pay(u, mind, stake, calls, slope, ln_half, notice, stake_weight, tired_weight):  # type: ignore[no-untyped-def]
    """Return the pay from which on a person opts in, yen/kWh, > 0.

    Parameters
    ----------
    u : float32
        The home's luck, in (0, 1).
    mind : float32
        Type of the owner, a logit.
    stake : float32
        Comfort at stake, 0..1.
    calls : float32
        Calls of the last days that still weigh.
    slope, ln_half, notice, stake_weight, tired_weight : float32
        See `config.CFG`.
    """
    x = mind + notice - stake_weight * stake - tired_weight * calls
    return approx.exp(ln_half + (approx.log(u / (_1 - u)) - x) / slope)


@scalar
def notice_given(acts_s, t_s, weight, full_s):  # type: ignore[no-untyped-def]
    """Return the logit that the notice from ``t_s`` to ``acts_s`` adds, >= 0: in full from ``full_s`` on."""
    return weight * min(max((acts_s - t_s) / full_s, _0), _1)


@scalar
def looks_at(t_s, sod_s, delay_s, sleep_s, wake_s):  # type: ignore[no-untyped-def]
    """Return when a person looks at a notice that comes at ``t_s``, s of the episode; who sleeps looks after waking.

    ``sod_s`` is the second of the day at ``t_s``; ``sleep_s`` and ``wake_s`` bound the night, across midnight or not.
    """
    across = sleep_s > wake_s
    late, early = sod_s >= sleep_s, sod_s < wake_s
    asleep = (late | early) if across else (late & early)
    until = wake_s - sod_s + (_DAY_S if across & late else _0)
    return t_s + (until if asleep else _0) + delay_s


@scalar
def sold(offer_yen_kwh, ask_yen_kwh, factor, hassle, span):  # type: ignore[no-untyped-def]
    """Return the part of the device's swing that is given at an offer >= 0, 0..1; monotone in the offer."""
    begin = ask_yen_kwh * factor + hassle
    return min(max((offer_yen_kwh - begin) / span, _0), _1)


@scalar
def leaves(u, quit_share, stake):  # type: ignore[no-untyped-def]
    """Return whether a person leaves the event in this half hour."""
    return u < quit_share * (_1 + _2 * stake)

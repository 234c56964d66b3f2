"""Appeals: calls for help without pay. An offer of less than ``below_yen_kwh`` is one where a scenario has them.

An appeal is answered as if it were pay: people decide as if ``worth_yen_kwh`` were offered, less with each recent call,
and act as if they got ``effort_yen_kwh``. See `config.AppealConfig`.

Each device has one number for the offer in force, yen/kWh; its sign is the direction, and 0 is no offer. `mark_appeals`
replaces the number of an appeal by `APPEAL_MARK_YEN` with that sign, and `is_appeal` recognises it.
"""

from __future__ import annotations

import numpy as np

from der_gym.devices.owners.config import CFG
from der_gym.devices.owners.draws import PARAMS
from der_gym.engine.compile import kernel, scalar
from der_gym.numerics import approx

_0, _1 = np.float32(0.0), np.float32(1.0)
APPEAL_MARK_YEN = np.float32(1e-9)
"""Stands for an appeal among the offers in force, yen/kWh.

It is not 0, so an appeal begins an event as an offer does. It is settled like pay: a thousand kWh cost a millionth of a
yen. No offer has this value, for `mark_appeals` replaces the small ones.
"""


@scalar
def is_appeal(pay):  # type: ignore[no-untyped-def]
    """Return whether an offer in force, yen/kWh without its sign, is an appeal."""
    return pay == APPEAL_MARK_YEN


@scalar
def worth_of_appeal(worth, fades, calls):  # type: ignore[no-untyped-def]
    """Return the pay as which a person weighs an appeal, yen/kWh: that of a first one, less with each recent call.

    Parameters
    ----------
    worth, fades : float32
        See `config.CFG`. In the logit a call takes ``pay_slope * fades`` off an appeal beside what it takes off pay.
    calls : float32
        Calls of the last days that still weigh, >= 0.
    """
    return worth * approx.exp(-fades * calls)


@kernel
def mark_appeals(told, below, offers):  # type: ignore[no-untyped-def]
    """Write what was told, float32 (n,), into ``offers``, and the mark of an appeal where it is one."""
    for i in range(told.shape[0]):
        x = told[i]
        mark = APPEAL_MARK_YEN if x > _0 else -APPEAL_MARK_YEN
        offers[i] = mark if (x != _0) & (abs(x) < below) else x


@kernel
def weigh_appeals(offers, cfg, params, calls, weighed, acted):  # type: ignore[no-untyped-def]
    """Write the pay by which each owner decides, and that by which she acts.

    Parameters
    ----------
    offers : float32 (n,)
        What `mark_appeals` wrote.
    cfg : float32 (CFG.N,); params : float32 (PARAMS.N, n)
    calls : float32 (n,)
        Events of this episode, the running one counted.
    weighed, acted : float32 (n,)
        Out, yen/kWh, >= 0. An agent weighs an appeal as nothing.
    """
    automated, before = params[PARAMS.AUTOMATED], params[PARAMS.CALLS_BEFORE]
    worth, fades, effort = cfg[CFG.APPEAL_WORTH], cfg[CFG.APPEAL_FADES], cfg[CFG.APPEAL_EFFORT]
    for i in range(offers.shape[0]):
        pay = abs(offers[i])
        recent = before[i] + max(calls[i] - _1, _0)
        helps = worth_of_appeal(worth, fades, recent) * (_1 - automated[i])
        appeals = is_appeal(pay)
        weighed[i] = helps if appeals else pay
        acted[i] = effort if appeals else pay

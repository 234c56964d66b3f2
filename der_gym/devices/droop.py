"""Droop: a device follows the grid's frequency by itself, on top of the dispatch in force.

    fraction = dispatch - a * (f - f0, less the dead band) / full_hz, within -1..1

``a`` is the share of the droop that the message presets; nothing is sent in real time [1]_. Within the dead band the
rule decides nothing, and dispatch holds. The device reads the mean deviation of the tick, so a scenario with this rule
wants ticks of a few seconds. Known errors: the reading has no error and no delay; the response holds for whole ticks.

References
----------
.. [1] Primary control reserve of the Japanese balancing market (一次調整力): full at 0.2 Hz, dead band 0.01 Hz at most
   [M]; only upward response is bought, and nothing is sent in real time [S].
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.core.heads import Head
from der_gym.devices.base import DeviceConfig
from der_gym.devices.behaviours import MESSAGE, RULE, Behaviour
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.scratch import borrow, give_back
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics.approx import clip
from der_gym.numerics.sums import enter, find_enrolled

_0, _1, _NAN, _HOUR_S = np.float32(0.0), np.float32(1.0), np.float32(np.nan), np.float32(3600.0)
_ONCE = np.float64(1.0)


class DroopConfig(DeviceConfig):
    """Settings of the droop."""

    full_hz: float = Field(0.2, gt=0, le=2, description="deviation beyond the dead band at which all is given, Hz [M]")
    dead_band_hz: float = Field(0.01, ge=0, le=1, description="deviation to which nobody answers, Hz [M]")
    upward_only: bool = Field(True, description="whether only a low frequency is answered [S]")


@scalar
def asked(a, hz, full_hz, dead_band_hz, upward_only):  # type: ignore[no-untyped-def]
    """Return the fraction that the frequency asks for; ``hz`` is the deviation from the nominal one."""
    fraction = -a * (hz - clip(hz, -dead_band_hz, dead_band_hz)) / full_hz
    return max(fraction, _0) if upward_only > _0 else fraction


@kernel
def follow(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):  # type: ignore[no-untyped-def]
    """Decide on the dispatch at the tick's end and what the frequency asks for; arguments as of `Behaviour`."""
    for s in range(s0, s1):
        if active[s // n_shard]:
            a, fraction, sent = message[s, MESSAGE.A], message[s, MESSAGE.FRACTION], fleet[s, FLEET.CMD_END]
            hz = ctx[s // n_shard, EXOGENOUS.FREQ_HZ]
            for i in range(a.shape[0]):
                more = asked(a[i], hz, cfg[0], cfg[1], cfg[2])
                both = clip(sent[i] + more, -_1, _1)
                fraction[i] = _NAN if more == _0 else both


@kernel
def account(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):  # type: ignore[no-untyped-def]
    """Add the energy that the rule asked for of the rated swings, upward and downward."""
    rows = borrow(3, fleet.shape[2])
    up, down, enrolled = rows[0], rows[1], rows[2]
    for s in range(s0, s1):
        if active[s // n_shard]:
            a, rated, takes = message[s, MESSAGE.A], fleet[s, FLEET.RATED_KW], fleet[s, FLEET.ACCEPTS_COMMANDS]
            hz = ctx[s // n_shard, EXOGENOUS.FREQ_HZ]
            find_enrolled(fleet[s, FLEET.METER_GAIN], enrolled)
            for i in range(a.shape[0]):
                asked_kwh = asked(a[i], hz, cfg[0], cfg[1], cfg[2]) * rated[i] * takes[i] * dt_s / _HOUR_S
                up[i] = max(asked_kwh, _0)
                down[i] = max(-asked_kwh, _0)
            enter(up, enrolled, _ONCE, registers[s, 0])
            enter(down, enrolled, _ONCE, registers[s, 1])
    give_back(rows)


DROOP = Behaviour(
    "rule",
    RULE,
    "the device follows the frequency, on top of dispatch",
    decide=follow,
    account=account,
    registers=("droop_up_kwh", "droop_down_kwh"),
    config=DroopConfig,
)
HEAD = Head("droop", "leaf", "rule", 0.0, 1.0, "share of the droop that devices follow by themselves", gate_s=1800)

"""How owners opt out of commands: the settings ``behaviours.dispatch``, and the choice as pure functions of numbers.

For three hours of the clock a home takes no commands where

    u < 1 / (1 + exp(-x))      u uniform, drawn once for three hours of one home
    x = base + stake_weight * stake + tired_weight * calls - pay_weight * ln(pay / usual pay) - type

``type`` and the calls of the days before are those that the same owner has as one who is offered pay (`draws.owner`):
who opts in readily opts out rarely. ``base`` is set so that over all owners, at ``usual_stake`` and the usual pay, the
mean of the chance is the device class's share. So what is commanded, when and how often moves the chance, and the mean
stays where it is observed.

A car whose time runs short is taken back in the middle of a command, for the rest of its stay.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from der_gym.devices.declare import DeviceConfig
from der_gym.engine.compile import scalar
from der_gym.engine.schema import Table
from der_gym.numerics import approx

_0, _1 = np.float32(0.0), np.float32(1.0)
NEVER = np.float32(-1e4)
"""The logit of a chance of nothing."""
_LEAST_PAY = 0.05  # of the contract's money: at no pay at all the logarithm stays finite

CFG = Table(
    "opting.cfg",
    "float32 (N,): settings that the kernels of opting out read",
    """
    stake_weight   | - | engine | see DispatchConfig
    tired_weight   | - |        | see DispatchConfig
    pay            | - |        | logit that the owners' pay takes away
    type_sigma     | - |        | see DispatchConfig
    tired_mean     | - |        | calls of the days before that still weigh, mean
    gap_s          | s |        | see gap_min
    override_share | - |        | see DispatchConfig
    override_stake | - |        | see DispatchConfig
    """,
)


class DispatchConfig(DeviceConfig):
    """Owners who are commanded, under ``behaviours.dispatch``; all [A] where no source stands beside them."""

    opting_out: Literal["coin", "owner"] = "coin"
    """``coin``: each device opts out for three hours with the chance of its class, whatever happens. ``owner``: each
    home's owner decides, once for all her devices."""
    stake_weight: float = Field(1.5, ge=0, le=5)
    """Logit that full comfort at stake adds [A] .5-3."""
    usual_stake: float = Field(0.3, ge=0, le=1)
    """Comfort at stake at which the mean chance is the class's share [A]."""
    tired_weight: float = Field(0.15, ge=0, le=3)
    """Logit that each recent call adds [A] .05-.4, as for offers of pay."""
    tired_days: float = Field(7.0, gt=0, le=60)
    """Days in which the weight of a call falls to 1/e [A] 3-14."""
    calls_per_week: float = Field(2.0, ge=0, le=14)
    """Calls in the weeks before the episode, mean [A]."""
    gap_min: float = Field(60.0, ge=0, le=720)
    """A command that comes back within so many minutes belongs to the same call [A]."""
    pay_weight: float = Field(0.3, ge=0, le=3)
    """Logit per unit of ln(pay) [A] 0-1: owners answer pay weakly, as in `IncentiveConfig.pay_slope`."""
    usual_pay: float = Field(0.5, gt=0, le=1)
    """``owners_share`` of the services at which the mean chance is the class's share [A]."""
    type_sigma: float = Field(1.0, ge=0, le=4)
    """Spread of the logit between owners; it stays with the owner [A] .5-2."""
    override_share: float = Field(0.3, ge=0, le=1)
    """Owners of cars who would take them back in the middle of a command, of those with no time to spare [A] .1-.5."""
    override_stake: float = Field(0.5, ge=0, lt=1)
    """Comfort at stake from which on the first of them do: .5 is three hours to spare [A]."""

    def base(self, chance: float) -> float:
        """Return the base logit at which the mean over all owners, at the usual stake and pay, is ``chance``, 0..1."""
        if not 0.0 < chance < 1.0:
            return float(NEVER) if chance <= 0.0 else -float(NEVER)
        low, high = -60.0, 60.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._mean(middle) < chance else (low, middle)
        return 0.5 * (low + high)

    def _mean(self, base: float) -> float:
        """Return the mean chance over types and calls, by the midpoints of equal shares of owners."""
        n = 200
        u = (np.arange(n) + 0.5) / n
        types = approx_normal(u)[:, None] * self.type_sigma
        calls = -np.log(u)[None, :] * self.tired_mean
        x = base + self.stake_weight * self.usual_stake + self.tired_weight * calls - types
        return float((1.0 / (1.0 + np.exp(-x))).mean())

    @property
    def tired_mean(self) -> float:
        """Return the calls of the days before that still weigh, mean."""
        return self.calls_per_week / 7.0 * self.tired_days


def approx_normal(u: np.ndarray) -> np.ndarray:
    """Return the quantiles of the standard normal at ``u``, (n,) in (0, 1), as the kernels work them out."""
    return np.array([approx.normal_quantile(np.float32(each)) for each in u], dtype=np.float64)


def constants(config: DispatchConfig, pay: float | None = None) -> np.ndarray:
    """Return the settings that the kernels read, float32 (CFG.N,).

    Parameters
    ----------
    config : DispatchConfig
    pay : float, optional
        Mean ``owners_share`` of the services, 0..1. Default: no service pays owners a share; the pay is the usual one.
    """
    ratio = 1.0 if pay is None else (pay + _LEAST_PAY) / (config.usual_pay + _LEAST_PAY)
    values = {
        **{name: value for name, value in config.model_dump().items() if name in CFG},
        "pay": config.pay_weight * math.log(ratio),
        "tired_mean": config.tired_mean,
        "gap_s": 60.0 * config.gap_min,
    }
    return np.array([values[name] for name in CFG], dtype=np.float32)


@scalar
def opts_out(u, base, stake, calls, type_, stake_weight, tired_weight, pay):  # type: ignore[no-untyped-def]
    """Return whether a home takes no commands for three hours.

    Parameters
    ----------
    u : float32
        The home's luck, in (0, 1).
    base : float32
        Logit of its class, see `DispatchConfig.base`.
    stake, calls : float32
        Comfort at stake, 0..1; calls of the last days that still weigh.
    type_ : float32
        Of the owner, a logit.
    stake_weight, tired_weight, pay : float32
        See `CFG`.
    """
    x = base + stake_weight * stake + tired_weight * calls - pay - type_
    return u * (_1 + approx.exp(-x)) < _1


@scalar
def takes_back(u, stake, share, from_stake):  # type: ignore[no-untyped-def]
    """Return whether an owner takes her car back at this comfort at stake: the more at stake, the more owners do.

    ``u`` is drawn once for each owner and night; ``share`` of them do at a stake of 1, nobody up to ``from_stake``.
    """
    part = max((stake - from_stake) / (_1 - from_stake), _0)
    return u < share * part

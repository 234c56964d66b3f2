"""The base of the plan (基準値): like days before, per leaf and block; and the plan of the method ``like_days``.

The method ``forecast`` adds what is known at the gate: see `simulation.planner` and docs/plan.md.

The base of a block is the mean of the latest like days (weekday or weekend) at that half hour, moved by a temperature
slope per leaf; as its gate closes it is corrected by the last seen power of leaves without commands.

    base = mean_like(P) + beta * (T_forecast - mean_like(T)),    beta = S_xy / (S_xx + n * shrink_k^2)
    plan = base + persistence * (seen / share - plan_now)        where no command was in force for an hour, else base

``share`` is the part of the leaf, by rated kW, that has reported: devices that are silent show nothing. S_xy
and S_xx are sums over all days and the window's half hours of deviations from the mean of the same half hour and kind
of day; the ridge draws a slope from few or mild days to zero [1]_.

A plan that read the response would let a group earn by moving its own yardstick (sandbagging); the power of leaves
under command therefore never moves it. The simulator fills in ``perfect`` plans from the twin.

Known error: a window over midnight keeps the first day's kind; holidays need to be in the flags; one slope serves all
half hours of the window. Aim: sd of the 5-minute error 3-4 % of the award at the device point [C].

References
----------
.. [1] Hoerl, Kennard, "Ridge regression", Technometrics 12 (1970) 55-67, doi:10.1080/00401706.1970.10488634.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, SLOT_PER_DAY
from der_gym.engine.compile import scalar
from der_gym.services.base import F8, SettingsModel

BLOCK_MIN = BLOCK_S // 60
GATE_MIN = 60  # gate closure: one hour before the block [S]


class PlanConfig(SettingsModel):
    """Settings of the plan."""

    method: Literal["forecast", "like_days", "perfect"] = "forecast"
    """``forecast``: what the aggregator knows at the gate, by weights learned on the train split. ``like_days``: the
    base below and its persistence. ``perfect``: the power that the fleet would draw without commands, an ablation."""
    like_days: int = Field(default=5, ge=1, le=10)
    """Latest days of the same kind that are averaged [A]; High 4 of 5 takes its five candidates the same way [S]."""
    shrink_k: float = Field(default=2.0, ge=0.0, le=20.0)
    """Ridge of the temperature slope, in kelvin: day-to-day deviations of this size halve the slope [A]."""
    persistence: float = Field(default=0.35, ge=0.0, le=1.0)
    """Part of the error last seen that is carried to the block whose gate closes: .7 per half hour [C], three half
    hours on. Of ``like_days`` alone."""


class PlanForecaster:
    """Forecasts per leaf for all worlds at once. It keeps no state; the caller owns the plan.

    Parameters
    ----------
    config : PlanConfig
        Days, shrinkage, persistence.
    """

    def __init__(self, config: PlanConfig) -> None:
        self.config = config

    def base(
        self,
        history_kw: F8 | NDArray[np.float32],
        kind: NDArray[np.bool_],
        kind_now: NDArray[np.bool_],
        first_slot: NDArray[np.int64],
        n_block: int,
        temp_history_c: F8,
        temp_forecast_c: F8,
    ) -> F8:
        """Return the forecast of every block before the day began, kW, (W, n_block, n_leaf) f8.

        Parameters
        ----------
        history_kw : (W, n_day, 48, n_leaf) f4 or f8
            Half-hour means without commands, oldest day first.
        kind, kind_now : (W, n_day) and (W,) bool
            True on Saturday, Sunday and holidays.
        first_slot : (W,) int
            Half hour of the day of block 0, 0..47.
        n_block : int
            Blocks, >= 1.
        temp_history_c : (W, n_day, 48) f8
            Outdoor temperature of those days.
        temp_forecast_c : (W, n_block) f8
            Temperature forecast for the blocks at the time of the plan.

        Raises
        ------
        InputError
            For shapes that do not belong together or values that are not finite.
        """
        _check(history_kw, kind, temp_history_c, temp_forecast_c, n_block)
        slot = (np.asarray(first_slot)[:, None] + np.arange(n_block)) % SLOT_PER_DAY
        power = np.take_along_axis(history_kw, slot[:, None, :, None], axis=2).astype(np.float64)
        temp = np.take_along_axis(temp_history_c, slot[:, None, :], axis=2)
        weight = _like(kind, kind_now, self.config.like_days)
        mean_kw = np.einsum("wd,wdbl->wbl", weight, power)
        mean_c = np.einsum("wd,wdb->wb", weight, temp)
        moved = mean_kw + self._slope(power, temp, kind)[:, None, :] * (temp_forecast_c - mean_c)[:, :, None]
        low, high = power.min(axis=(1, 2))[:, None, :], power.max(axis=(1, 2))[:, None, :]
        held: F8 = np.clip(moved, low, high)  # not beyond the range of the leaf's power at these hours
        return held

    def _slope(self, power_kw: F8, temp_c: F8, kind: NDArray[np.bool_]) -> F8:
        """Return kW per kelvin, (W, n_leaf), from (W, n_day, n_block, n_leaf) and (W, n_day, n_block)."""
        x, y = _deviation(temp_c, kind), _deviation(power_kw, kind)
        n = x.shape[1] * x.shape[2]
        below = np.einsum("wdb,wdb->w", x, x) + n * self.config.shrink_k**2
        above = np.einsum("wdb,wdbl->wl", x, y)
        slope: F8 = np.divide(above, below[:, None], out=np.zeros_like(above), where=below[:, None] > 0.0)
        return slope


@scalar
def corrected(base_kw, seen_kw, plan_now_kw, quiet, persistence):  # type: ignore[no-untyped-def]
    """Return the plan of a leaf for the block whose gate closes now, kW.

    Parameters
    ----------
    base_kw : float
        Base of that block.
    seen_kw : float
        Latest half-hour mean that the aggregator has of the whole leaf: what reporting devices show, over their share
        of the leaf; read where ``quiet``.
    plan_now_kw : float
        Plan in force over that half hour (0 for leaves on standby).
    quiet : bool
        True where the leaf was under no command, and in no standby, during the hour before now.
    persistence : float
        See `PlanConfig`.
    """
    return base_kw + persistence * (seen_kw - plan_now_kw) if quiet else base_kw


def stand_by(plan_kw: F8, standby: NDArray[np.bool_], awarded: NDArray[np.bool_]) -> F8:
    """Return ``plan_kw`` (W, n_block, n_leaf) with 0 for leaves on standby in awarded blocks.

    ``standby`` is (n_leaf,) bool, ``awarded`` (W, n_block) bool. A store's plan is its planned operation: energy made
    ready, then standing by [A]. Apply it after `corrected`.
    """
    return np.where(standby & awarded[:, :, None], 0.0, plan_kw)


def gate_block(minute: int) -> int:
    """Return the block whose gate closes at the start of ``minute`` of the episode, or -1 where none does.

    Blocks 0 and 1 were frozen before the episode began; at minute 0 closes block 2.

    Examples
    --------
    >>> [gate_block(minute) for minute in (0, 15, 30)]
    [2, -1, 3]
    """
    return (minute + GATE_MIN) // BLOCK_MIN if minute % BLOCK_MIN == 0 else -1


def _like(kind: NDArray[np.bool_], kind_now: NDArray[np.bool_], like_days: int) -> F8:
    """Return each day's weight, (W, n_day): equal over the latest like days; over all days where there are none."""
    like = kind == np.asarray(kind_now)[:, None]
    later = np.cumsum(like[:, ::-1], axis=1)[:, ::-1]  # like days from this one on
    chosen = like & (later <= like_days)
    chosen |= ~chosen.any(axis=1, keepdims=True)
    weight: F8 = chosen / chosen.sum(axis=1, keepdims=True)
    return weight


def _deviation(values: F8, kind: NDArray[np.bool_]) -> F8:
    """Return (W, n_day, ...) less the mean over the days of the same kind."""
    same = (kind[:, :, None] == kind[:, None, :]).astype(np.float64)
    weight = same / same.sum(axis=2, keepdims=True)
    rest: F8 = values - np.einsum("wde,we...->wd...", weight, values)
    return rest


def _check(
    history_kw: F8 | NDArray[np.float32], kind: NDArray[np.bool_], temp_history_c: F8, temp_forecast_c: F8, n_block: int
) -> None:
    n_world, n_day, n_slot = history_kw.shape[:3]
    expected = {
        "history_kw": (history_kw.shape[:3], (n_world, max(n_day, 1), SLOT_PER_DAY)),
        "kind": (kind.shape, (n_world, n_day)),
        "temp_history_c": (temp_history_c.shape, (n_world, n_day, n_slot)),
        "temp_forecast_c": (temp_forecast_c.shape, (n_world, n_block)),
    }
    for key, (given, allowed) in expected.items():
        if given != allowed:
            raise InputError(f"{key}: shape {given}; allowed: {allowed}")
    for key, values in (("history_kw", history_kw), ("temp_history_c", temp_history_c)):
        if not np.isfinite(values).all():
            raise InputError(f"{key}: holds a value that is not finite; allowed: numbers for every day and half hour")

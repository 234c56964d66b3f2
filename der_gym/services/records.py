"""What a service is given and what it records: boundaries, samples, openings, sizes, and the outcome's common rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import BLOCK_S
from der_gym.engine.schema import Table
from der_gym.signals.request_file import OwnRequest

F8 = NDArray[np.float64]
Array = NDArray[Any]


@dataclass(frozen=True)
class Periods:
    """A service's own boundaries; no other part of the code depends on them.

    Attributes
    ----------
    sample_s : int
        Length of a mean of the meter, s; the tick divides it.
    period_s : int
        Length of a row of the outcome, s; samples divide it.
    """

    sample_s: int = 60
    period_s: int = BLOCK_S


class Sample(NamedTuple):
    """The sample that has just ended in each world: arrays (n_world,), read when a call is made."""

    ends: Array  # bool: one has ended
    number: Array  # int64, of the episode
    true_kw: F8  # mean power of the node, drawn from the grid
    metered_kw: F8
    plan_kw: F8  # of the plan or baseline


@dataclass(frozen=True)
class Opening:
    """The episodes that begin.

    Attributes
    ----------
    mask : bool (n_world,)
    which : int64 (n,)
        Worlds of the mask.
    start_h, season : int64 (n_world,)
        Hour of the day; 0 mid-season, 1 summer, 2 winter.
    day0 : int64 (n_world,)
        Day number of the first day.
    abs_s : int64 (n_world,)
        Absolute second of the start.
    kinds : int64 (n_world, n_day, 3)
        Weekend, season, storm of the episode's days.
    window : float32 (n_world, SIGNALS.N, n_step)
        Signals every 300 s from the start; it holds the future.
    history_kw : float64 (n_world, n_day, 48)
        Half-hour means of the node's power on the days before, oldest first, without commands; no day for a service
        that reads none.
    history_weekend : bool (n_world, n_day)
        Whether those days were Saturdays, Sundays or holidays.
    luck : sequence of Generator
        Of each world of ``which``, the service's own.
    request : OwnRequest, optional
        A request of one's own, in place of drawn ones.
    """

    mask: Array
    which: Array
    start_h: Array
    season: Array
    day0: Array
    abs_s: Array
    kinds: Array
    window: Array
    history_kw: F8
    history_weekend: Array
    luck: Sequence[np.random.Generator]
    request: OwnRequest | None = None


@dataclass(frozen=True)
class Scope:
    """The sizes that a service is made for.

    Attributes
    ----------
    n_world : int
    n_block, n_block_awarded : int
        Half hours of an episode; those at its start that may carry a commitment.
    n_device : int
        Devices of the node.
    """

    n_world: int
    n_block: int
    n_block_awarded: int
    n_device: int


OUTCOME_ROWS = """
    judged_share           | -   | meter | judged part of the period; 1 at its end
    passed                 | -   |       | 1 or 0 at the period's end; NaN before, and where nothing is judged
    worst_error_kw         | kW  |       | error of the judged mean farthest from what is allowed, signed
    shortfall_kw           | kW  |       | missing power where it is out of band, else 0
    mean_abs_error_kw      | kW  |       | mean over the period of |response - target|, without lag
    mean_error_kw          | kW  |       | of response - target
    idle_abs_error_kw      | kW  |       | of |target|: the error of a group that does nothing and keeps its plan
    delivered_kwh          | kWh |       | plan - metered; uncommitted periods too
    requested_kwh          | kWh |       | target
    paid_kwh               | kWh |       | delivered energy that is paid
    penalty_yen            | yen |       | of the period
    abandoned              | -   |       | 1: lost, and every later window above the band got less than half
    true_minus_metered_kwh | kWh | truth | drawn in truth less drawn by the meter
"""
"""Rows that every service's outcome begins with, so that a scoreboard reads all of them alike."""

OUTCOME = Table("outcome", "float64 (n_world, n_period, N): the rows that all services share", OUTCOME_ROWS)

NO_FIELDS = Table("no fields", "float64 (n_world, 0)", "")

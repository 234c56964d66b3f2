"""The form of a service: its settings, its arrays, and the calls that it adds to the step.

A service is a market product or another use of the group (三次調整力①, 発動指令電源, インバランス ...). It settles one
node: a set of control leaves, each with a weight. A scenario may hold several services; `simulation.market_session`
composes them. Every array here leads with the world.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import BLOCK_S
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.services.config import ServiceConfig, SettingsModel
from der_gym.services.records import (
    F8,
    NO_FIELDS,
    OUTCOME,
    OUTCOME_ROWS,
    Array,
    Opening,
    Periods,
    Sample,
    Scope,
)

__all__ = [
    "F8",
    "NO_FIELDS",
    "OUTCOME",
    "OUTCOME_ROWS",
    "Array",
    "Opening",
    "Periods",
    "Sample",
    "Scope",
    "Service",
    "ServiceConfig",
    "SettingsModel",
]


class BoundTerms(NamedTuple):
    """What a bound must know of a service whose target is judged and whose deviations are imbalance.

    Attributes
    ----------
    energy_yen_kwh : float
        Paid for a kWh of reserve energy, after compensation.
    imbalance_yen_kwh : float64 (n_world, n_block)
        One price for short and long.
    """

    energy_yen_kwh: float
    imbalance_yen_kwh: F8


class Service:
    """A service in ``n_world`` worlds: base of the plug-ins.

    Contract: arrays lead with the world; a world that is not masked or active keeps every bit; every array that changes
    stands in ``arrays()``, so that a caller may save and restore chosen worlds by copying rows. Luck comes only from
    `Opening.luck`.

    Attributes
    ----------
    award_kw : float64 (n_world, n_block)
        Committed upward kW of each half hour.
    unit_kw : float64 (n_world,)
        The unit of the observation: the episode's greatest commitment.
    request_kw : float64 (n_world, n_bin); target_kw : float64 (n_world, n_minute)
        Requested power of each 5 minutes; the trajectory to follow. Both hold the future.
    window_kw : float64 (n_world, 2, n_window)
        Least and greatest mean that each judged window may have, tolerance apart.
    outcome : float64 (n_world, n_period, OUTCOME.N)
    ledger_yen : float64 (n_world, LINES.N)
        Cumulative, income positive.
    outside_kwh : float64 (n_world,)
        Plan - metered of the half hour that has just ended, where nothing was committed in it; else 0.
    outside_yen_kwh : float64 (n_world,)
        What a kWh of it earned.
    score_kw : float64 (n_world, 2)
        Cumulative |error| and |error of an idle group|, kW x periods; zeros for a service that follows nothing.
    failed_before : int64 (n_world,)
        Periods failed in the 30 days before the episode.
    baseline_kw : float64 (n_world, n_block)
        Its own yardstick of each half hour, where ``own_baseline``; else the plan of the node is.
    shown : float64 (n_world, FIELDS.N)
        Its own columns of the aggregator's view.
    """

    name: ClassVar[str]
    japanese: ClassVar[str]
    Config: ClassVar[type[ServiceConfig]]
    LINES: ClassVar[Table]
    OUTCOME: ClassVar[Table]
    FIELDS: ClassVar[Table] = NO_FIELDS
    scales: ClassVar[dict[str, tuple[float | str, float, float]]] = {}  # field -> (reads 1 at, low, high)
    announces: ClassVar[str] = ""  # field with the seconds until a start that is announced to homes; 0 none
    deferred: ClassVar[tuple[str, ...]] = ()  # lines that pay for later days, such as a lock-out
    worlds_luck: ClassVar[bool] = False  # draws from the world's own generator, not from one by its name

    own_baseline: ClassVar[bool] = False  # settles against ``baseline_kw``, not against the node's plan
    reads_history: ClassVar[bool] = False  # ``Opening.history_kw`` is looked up (it is for those with an own baseline)
    prices_plan: ClassVar[bool] = False  # `bound_terms` has the prices at which a correction of the plan is bought
    keeps_plan: ClassVar[bool] = False  # its target holds in every half hour, committed or not

    config: Any
    scope: Scope
    award_kw: F8
    unit_kw: F8
    request_kw: F8
    target_kw: F8
    window_kw: F8
    outcome: F8
    ledger_yen: F8
    outside_kwh: F8
    outside_yen_kwh: F8
    score_kw: F8
    failed_before: NDArray[np.int64]
    baseline_kw: F8
    shown: F8

    def __init__(self, config: Any, scope: Scope) -> None:
        self.config, self.scope = config, scope
        n, n_block = scope.n_world, scope.n_block
        self.award_kw, self.unit_kw = np.zeros((n, n_block)), np.ones(n)
        self.request_kw, self.target_kw = np.zeros((n, n_block * 6)), np.zeros((n, n_block * 30))
        self.window_kw = np.zeros((n, 2, n_block * BLOCK_S // self.window_s))
        self.outcome = np.zeros((n, n_block * BLOCK_S // self.periods.period_s, self.OUTCOME.N))
        self.ledger_yen = np.zeros((n, self.LINES.N))
        self.outside_kwh, self.outside_yen_kwh, self.score_kw = np.zeros(n), np.zeros(n), np.zeros((n, 2))
        self.failed_before, self.baseline_kw = np.zeros(n, dtype=np.int64), np.zeros((n, n_block))
        self.shown = np.zeros((n, self.FIELDS.N))

    @property
    def periods(self) -> Periods:
        """Return the service's own boundaries."""
        return Periods()

    @property
    def window_s(self) -> int:
        """Return the length of a judged window, s."""
        return self.periods.period_s

    @property
    def band_share(self) -> float:
        """Return half the width of the tolerance, as a share of the commitment; 0 where nothing is tolerated."""
        return float(getattr(self.config, "band_share", 0.0))

    @property
    def stands_by(self) -> bool:
        """Return whether stores stand by for the service: their plan is then 0 kW."""
        return False

    def standing(self) -> NDArray[np.bool_]:
        """Return the half hours in which stores stand by, (n_world, n_block): the committed ones, or none."""
        found: NDArray[np.bool_] = (self.award_kw > 0.0) & self.stands_by
        return found

    def arrays(self) -> dict[str, Array]:
        """Return everything that ``draw`` or the calls change, by name, not copied."""
        names = ("award_kw", "unit_kw", "request_kw", "target_kw", "window_kw", "outcome", "ledger_yen")
        return {
            name: getattr(self, name)
            for name in (*names, "outside_kwh", "outside_yen_kwh", "score_kw", "failed_before", "baseline_kw", "shown")
        }

    def choose(self, w: int, generator: np.random.Generator) -> None:
        """Draw the service's part of the episode's choice from the world's own generator; the default draws nothing.

        Parameters
        ----------
        w : int
            World.
        generator : numpy Generator
            The world's own; the number of draws must not depend on what was drawn.
        """

    def draw(self, opening: Opening) -> None:
        """Start an episode in the masked worlds: commitments, requests, prices."""
        raise NotImplementedError

    def settle(self, active: Array, t_s: F8, sample: Sample) -> list[Call]:
        """Return the calls, by worlds, that take the sample just ended.

        Parameters
        ----------
        active : bool (n_world,)
            Worlds that take the step; read when a call is made.
        t_s : float64 (n_world,)
            Seconds of the episode.
        sample : Sample
            Read when a call is made.
        """
        raise NotImplementedError

    def advance_penalty(self, active: Array, sample: Sample, yen: F8) -> list[Call]:
        """Return the calls, by worlds, that add to ``yen`` what the open period is to be fined so far; default: none.

        The amount is 0 once the period is booked, so what is advanced is taken back when the fine itself comes.

        Parameters
        ----------
        active : bool (n_world,)
        sample : Sample
            The last one; read when a call is made.
        yen : float64 (n_world,)
            Updated.
        """
        return []

    def show(self, active: Array, t_s: F8) -> list[Call]:
        """Return the calls, by worlds, that write ``shown`` at a decision; the default shows nothing of its own.

        Parameters
        ----------
        active : bool (n_world,)
        t_s : float64 (n_world,)
            Seconds of the episode.
        """
        return []

    def yardstick_yen(self, mask: Array, costs: Any) -> F8:
        """Return the yen of a group that follows every request exactly, (n,): the unit of the reward's money.

        Parameters
        ----------
        mask : bool (n_world,)
            Worlds that begin, ``n`` of them.
        costs : CostConfig
            Prices of the fleet.
        """
        raise NotImplementedError

    def bound_terms(self) -> BoundTerms | None:
        """Return what an upper bound of the reward reads; None where no bound is known for the service."""
        return None

    def yardstick_kw(self, mask: Array) -> F8:
        """Return the episode's sum of |error of an idle group|, kW x periods, (n,): the unit of its accuracy."""
        blocks = self.target_kw[mask].reshape(int(mask.sum()), self.award_kw.shape[1], -1).mean(axis=2)
        total: F8 = np.where(self.award_kw[mask] > 0, blocks, 0.0).sum(axis=1)
        return total

    def skill(self) -> F8:
        """Return accuracy against doing nothing, (n_world,): 1 perfect, 0 as good as nothing, 0 before a request."""
        o = self.OUTCOME
        e = self.outcome[:, :, o.MEAN_ABS_ERROR_KW].sum(axis=1, where=self._committed())
        idle = self.outcome[:, :, o.IDLE_ABS_ERROR_KW].sum(axis=1)
        ratio: F8 = np.divide(e, idle, out=np.ones_like(e), where=idle > 0.0)
        return 1.0 - ratio

    def mae_share(self) -> F8:
        """Return the mean of |response - target| over the mean commitment, (n_world,), in judged periods; 0 before."""
        judged = ~np.isnan(self.outcome[:, :, self.OUTCOME.PASSED])
        e = self.outcome[:, :, self.OUTCOME.MEAN_ABS_ERROR_KW].sum(axis=1, where=judged)
        award = self.period_award_kw().sum(axis=1, where=judged)
        share: F8 = np.divide(e, award, out=np.zeros_like(e), where=award > 0.0)
        return share

    def period_award_kw(self) -> F8:
        """Return the commitment of each period, kW, (n_world, n_period)."""
        n, per = self.outcome.shape[1], self.periods.period_s
        at = np.arange(n) * per // BLOCK_S
        award: F8 = self.award_kw[:, at]
        return award

    def _committed(self) -> NDArray[np.bool_]:
        committed: NDArray[np.bool_] = self.period_award_kw() > 0.0
        return committed

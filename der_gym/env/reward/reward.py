"""The reward: yen, accuracy, comfort, lock-out and debt, in shares of a yardstick.

    reward = money * d(total without lock-out) / Y  +  accuracy * d(sum|e_idle| - sum|e|) / E
             - (comfort + lock-out share + debt) * money / Y

This is the variant ``shared``. ``ledger`` is the books: money alone, with weight 1, no accuracy and the whole
lock-out. ``relative`` is ``shared`` less the reward of the idle twin in the same step (`Worlds.reset` plays it): a
number that no action changes.

Y is the yen of a group that follows every request exactly (`MarketSession.yardstick_yen`). It is a unit, not the
greatest reward: ``der-gym evaluate --bound`` searches that one. E is the episode's
sum|e_idle| over the services that follow a target. Energy that a home must buy later stands in the owners' bill, so
``debt`` holds only what homes will lack at their next need: cars and hot water. Comfort counts what people lack beyond
what the same luck brings without commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.registry import Registry
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
_WHOLE = 1.0  # the books count all of a lock-out; `shared` a part, since its yen come by the luck of the month before
_LEAST_ASKED = 0.1  # of the commitment: an episode that asks for less is scored as one that asks for this [A]
TERMS = Table(
    "reward",
    "float64 (n_world, N): parts of a step's reward",
    """
    money    | - | aggregator | the ledger's yen, lock-out aside
    accuracy | - |            | skill of the response against doing nothing
    comfort  | - |            | harm to the homes
    lockout  | - |            | the share of the lock-out's yen that counts
    debt     | - |            | refill of what stores lack at the end
    """,
)

LAST = Table(
    "reward's last",
    "float64 (n_world, N): what the reward has counted of the episode so far",
    """
    booked_yen | yen | aggregator | the ledger, lock-out aside, less penalties that are advanced
    locked_yen | yen |            | the lock-out
    error_kw   | kW  |            | sum over periods of |error|
    idle_kw    | kW  |            | of |error of an idle group|
    harm_yen   | yen |            | lost comfort
    debt_yen   | yen |            | debt at the end
    """,
)
IDLE_TWIN = "idle_twin"  # name of what ``relative`` subtracts, among the terms that are added


@dataclass(frozen=True)
class RewardTerm:
    """A plug-in term: ``value(simulator, active) -> (n_world,)`` is added to the reward each step."""

    name: str
    value: Callable[[Simulator, Array], Array]


REWARD_TERMS: Registry[RewardTerm] = Registry("reward term", "der_gym.reward_terms")


@kernel
def add_scores(w0, w1, active, first, part, score_kw):  # type: ignore[no-untyped-def]
    """Add a service's |error| and |error of an idle group|, float64 (n_world, 2), to those of all; ``first`` begins.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    active : bool (n_world,)
    first : bool
        Begin the sum; else add to it.
    part, score_kw : float64 (n_world, 2)
        Of the service; of all, updated.
    """
    for w in range(w0, w1):
        if active[w]:
            for k in range(2):
                score_kw[w, k] = part[w, k] if first else score_kw[w, k] + part[w, k]


@kernel
def score(  # type: ignore[no-untyped-def]
    w0, w1, active, refreshed, harm, prices, yen, deferred, open_yen, score_kw, harm_yen, debt_yen, unit, weights,
    last, terms, reward,
):  # fmt: skip
    """Write each active world's reward terms since the last step.

    Parameters
    ----------
    refreshed : bool (n_world,)
        Worlds whose comfort is read now: as often as the capability, and at the end.
    harm : float64 (n_harm, n_world); prices : float64 (n_harm,)
        Registers of lost comfort; yen of one.
    yen : float64 (n_world, n_line); deferred : int64 (k,)
        The statement, its total last; columns that pay for later days.
    open_yen : float64 (n_world,)
        Penalties of open periods that are advanced; set to 0 once they are read.
    score_kw : float64 (n_world, 2)
        Cumulative |error| and |error of an idle group| of all services.
    harm_yen, debt_yen : float64 (n_world,)
        Comfort's cumulative yen, kept between readings; debt at the end, else 0.
    unit : float64 (n_world, 2)
        Yen of the yardstick; kW-blocks of error of an idle group.
    weights : float64 (3,)
        Money, accuracy, share of the deferred lines that counts.
    last : float64 (n_world, LAST.N)
        The episode's values up to the last step; updated.
    terms : float64 (n_world, 5); reward float64 (n_world,)
    """
    for w in range(w0, w1):
        if refreshed[w]:
            harm_yen[w] = 0.0
            for k in range(prices.shape[0]):
                harm_yen[w] += harm[k, w] * prices[k]
        if not active[w]:
            reward[w] = 0.0
            for k in range(terms.shape[1]):
                terms[w, k] = 0.0
            continue
        error, idle, locked = score_kw[w, 0], score_kw[w, 1], 0.0
        for k in range(deferred.shape[0]):
            locked += yen[w, deferred[k]]
        booked = yen[w, yen.shape[1] - 1] - locked - open_yen[w]
        open_yen[w] = 0.0
        per_yen = weights[0] / unit[w, 0]
        was = last[w]
        terms[w, TERMS.MONEY] = per_yen * (booked - was[LAST.BOOKED_YEN])
        terms[w, TERMS.ACCURACY] = weights[1] / unit[w, 1] * ((idle - was[LAST.IDLE_KW]) - (error - was[LAST.ERROR_KW]))
        terms[w, TERMS.COMFORT] = -per_yen * (harm_yen[w] - was[LAST.HARM_YEN])
        terms[w, TERMS.LOCKOUT] = per_yen * weights[2] * (locked - was[LAST.LOCKED_YEN])
        terms[w, TERMS.DEBT] = -per_yen * debt_yen[w]
        was[LAST.BOOKED_YEN], was[LAST.LOCKED_YEN], was[LAST.HARM_YEN] = booked, locked, harm_yen[w]
        was[LAST.ERROR_KW], was[LAST.IDLE_KW] = error, idle
        was[LAST.DEBT_YEN] += debt_yen[w]
        total = 0.0
        for k in range(terms.shape[1]):
            total += terms[w, k]
        reward[w] = total


def _setting(scenario: Any, path: str) -> float:
    """Return the setting of a scenario by its dotted path."""
    for name in path.split("."):
        scenario = getattr(scenario, name)
    return float(scenario)


class Reward:
    """The reward of ``simulator``'s worlds."""

    def __init__(self, simulator: Simulator) -> None:
        n = simulator.n_world
        self.simulator, self.config = simulator, simulator.scenario.reward
        self.unit = np.ones((n, 2))
        self.harm_yen, self.debt_yen, self.debt_start = np.zeros(n), np.zeros(n), np.zeros(n)
        self.open_yen = np.zeros(n)  # 0 between two steps
        self.last, self.score_kw = np.zeros((n, LAST.N)), np.zeros((n, 2))
        self.terms = np.zeros((n, len(TERMS)))
        self.reward = np.zeros(n)
        c = self.config
        only_yen = c.variant == "ledger"
        self.weights = np.array((1.0, 0.0, _WHOLE) if only_yen else (c.money, c.accuracy, c.lockout_share))
        self.relative = c.variant == "relative"
        self.twin = np.zeros((n, simulator.scenario.n_step if self.relative else 0))  # rewards of the idle group
        self.extra = {name: np.zeros(n) for name in (*REWARD_TERMS, *([IDLE_TWIN] if self.relative else []))}
        self.harms = simulator.fleet.harm()
        self.harm = np.zeros((len(self.harms), n))
        self.prices = np.array([_setting(simulator.scenario, price) for price in self.harms.values()], dtype=np.float64)

    def scoring(self, active: Array) -> list[Call]:
        """Return the calls that work out the ``active`` worlds' reward; comfort is read where `refreshed`."""
        market, fleet, read = self.simulator.market, self.simulator.fleet, self.simulator.step_plan.refreshed
        totals = [call for k, name in enumerate(self.harms) for call in fleet.totalling(name, read, self.harm[k])]
        scores = [
            Call(add_scores, active, k == 0, session.service.score_kw, self.score_kw, by_world=True)
            for k, session in enumerate(market.sessions)
        ]
        booked = (market.ledger.yen, market.ledger.deferred, self.open_yen, self.score_kw)
        own = (self.harm_yen, self.debt_yen, self.unit, self.weights, self.last, self.terms, self.reward)
        return [
            *totals,
            *scores,
            *self._advancing(active),
            Call(score, active, read, self.harm, self.prices, *booked, *own, by_world=True),
        ]

    def _advancing(self, active: Array) -> list[Call]:
        """Return the calls that add up the penalties of open periods where they are credited window by window.

        The reward then counts the ledger less those penalties: a difference of potentials that is 0 at both ends of an
        episode, so that its sum, and with it the best policy, is the same.
        """
        if self.config.credit == "block":
            return []
        sessions = self.simulator.market.sessions
        return [call for s in sessions for call in s.service.advance_penalty(active, s.sample, self.open_yen)]

    def arrays(self) -> dict[str, Array]:
        """Return the arrays that a world's future reward depends on."""
        return {
            "reward.unit": self.unit,
            "reward.last": self.last,
            "reward.harm_yen": self.harm_yen,
            "reward.debt_start": self.debt_start,
            **({"reward.twin": self.twin} if self.relative else {}),
        }

    def shown(self) -> dict[str, Array]:
        """Return the arrays of the last step's result."""
        return {"reward.terms": self.terms, "reward.reward": self.reward}

    def begin(self, mask: Array) -> None:
        """Start the episodes of ``mask``."""
        services = [session.service for session in self.simulator.market.sessions]
        yen = self.simulator.market.yardstick_yen(mask)
        kw = np.sum([service.yardstick_kw(mask) for service in services], axis=0)
        self.unit[mask, 0], self.unit[mask, 1] = np.maximum(yen, 1.0), self._error_unit(mask, kw)
        self.last[mask], self.harm_yen[mask] = 0.0, 0.0
        self.terms[mask], self.reward[mask], self.twin[mask] = 0.0, 0.0, 0.0
        for value in self.extra.values():
            value[mask] = 0.0
        self.debt_start[mask] = self.simulator.debt_kwh(mask)[mask]

    def _error_unit(self, mask: Array, idle_kw: Array) -> Array:
        """Return the unit of accuracy, kW x periods, (n,): an idle group's error, a tenth of the commitment at least.

        Where next to nothing is asked for, an idle group makes next to no error: a share of it would have no bound.
        """
        sessions = self.simulator.market.sessions
        committed = np.sum([session.service.period_award_kw()[mask].sum(axis=1) for session in sessions], axis=0)
        unit: Array = np.maximum(np.maximum(idle_kw, _LEAST_ASKED * committed), 1.0)
        return unit

    def charge_terminal_debt(self, ended: Array) -> None:
        """Let the worlds that have ended pay their debt with the reward of this step."""
        owed = np.maximum(self.simulator.debt_kwh(ended) - self.debt_start, 0.0) * self.config.debt_yen_kwh
        self.debt_yen[:] = np.where(ended, owed, 0.0)
        self.simulator.step_plan.refreshed[ended] = True

    def finish(self, active: Array) -> None:
        """Add the plug-in terms of the step just taken; the debt is now charged."""
        self.debt_yen.fill(0.0)
        for name in self.extra:
            value = self._less_twin() if name == IDLE_TWIN else REWARD_TERMS[name].value(self.simulator, active)
            self.extra[name] = np.where(active, value, 0.0)
            self.reward += self.extra[name]

    def _less_twin(self) -> Array:
        """Return minus the idle twin's reward of the step just taken, (n_world,)."""
        step = (self.simulator.fleet.t_s // self.simulator.scenario.decision_s).astype(np.int64) - 1
        less: Array = -self.twin[np.arange(len(step)), np.maximum(step, 0)]
        return less

    def plugged_in(self) -> Array:
        """Return the sum of the plug-in terms of the step just taken, (n_world,)."""
        return sum((v for name, v in self.extra.items() if name != IDLE_TWIN), np.zeros(len(self.reward)))

    def so_far(self) -> dict[str, Array]:
        """Return the episode's sums under ``ledger`` and ``shared``, (n_world,), plug-in terms aside, in any variant.

        ``relative`` is ``shared`` less that of an idle group on the same seed.
        """
        was, c = self.last.T, self.config
        yen = was[LAST.BOOKED_YEN] - was[LAST.HARM_YEN] - was[LAST.DEBT_YEN]
        books, part = ((yen + share * was[LAST.LOCKED_YEN]) / self.unit[:, 0] for share in (_WHOLE, c.lockout_share))
        skill = (was[LAST.IDLE_KW] - was[LAST.ERROR_KW]) / self.unit[:, 1]
        return {"ledger": books, "shared": c.money * part + c.accuracy * skill}

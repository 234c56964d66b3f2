"""The shared reward: yen, accuracy, comfort, lock-out and debt, scaled so that a perfect episode is about +1.

    reward = money * d(total without lock-out) / Y  +  accuracy * d(sum|e_idle| - sum|e|) / E
             - (comfort + lock-out share + debt) * money / Y

Y is what the same awards and requests would leave a group that follows them exactly (kW revenue after fee and owners'
share, and the energy margin), at least half of the kW part; E is the episode's sum|e_idle|. Batteries' owners are
repaid every kWh in the ledger, so ``debt`` holds only what homes will lack at their next need: cars and hot water.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from der_gym.core.registry import Registry
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.services.tertiary_1 import settlement as s
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
# registers of comfort lost: EV energy missing, hot water missing, times that a tank ran dry
HARM = ("missing_kwh", "unserved_kwh", "runouts")
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


@dataclass(frozen=True)
class RewardTerm:
    """A plug-in term: ``value(simulator, active) -> (n_world,)`` is added to the reward each step."""

    name: str
    value: Callable[[Simulator, Array], Array]


REWARD_TERMS: Registry[RewardTerm] = Registry("reward term")


@kernel
def score(  # type: ignore[no-untyped-def]
    w0, w1, active, refreshed, harm, prices, book, outcome, harm_yen, debt_yen, unit, weights, last, terms, reward
):
    """Write each active world's reward terms since the last step.

    Parameters
    ----------
    refreshed : bool (n_world,)
        Worlds whose comfort is read now: as often as the capability, and at the end.
    harm : float64 (n_harm, n_world); prices : float64 (n_harm,)
        Registers of lost comfort; yen of one.
    book : float64 (n_world, n_line); outcome (n_world, n_block, n_column)
    harm_yen, debt_yen : float64 (n_world,)
        Comfort's cumulative yen, kept between readings; debt at the end, else 0.
    unit : float64 (n_world, 2)
        Yen of a perfect episode; kW-blocks of error of an idle one.
    weights : float64 (3,)
        Money, accuracy, share of the lock-out that counts.
    last : float64 (n_world, 5)
        What was booked up to the last step; updated.
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
        error, idle = 0.0, 0.0
        for b in range(outcome.shape[1]):
            if outcome[w, b, s.OUTCOME.IDLE_ABS_ERROR_KW] > 0.0 or outcome[w, b, s.OUTCOME.JUDGED_SHARE] > 0.0:
                error += outcome[w, b, s.OUTCOME.MEAN_ABS_ERROR_KW]
                idle += outcome[w, b, s.OUTCOME.IDLE_ABS_ERROR_KW]
        locked = book[w, s.LINES.LOCKOUT]
        booked = book[w, s.LINES.TOTAL] - locked
        yen = weights[0] / unit[w, 0]
        terms[w, TERMS.MONEY] = yen * (booked - last[w, 0])
        terms[w, TERMS.ACCURACY] = weights[1] / unit[w, 1] * ((idle - last[w, 3]) - (error - last[w, 2]))
        terms[w, TERMS.COMFORT] = -yen * (harm_yen[w] - last[w, 4])
        terms[w, TERMS.LOCKOUT] = yen * weights[2] * (locked - last[w, 1])
        terms[w, TERMS.DEBT] = -yen * debt_yen[w]
        last[w, 0], last[w, 1], last[w, 2], last[w, 3], last[w, 4] = booked, locked, error, idle, harm_yen[w]
        total = 0.0
        for k in range(terms.shape[1]):
            total += terms[w, k]
        reward[w] = total


class Reward:
    """The reward of ``simulator``'s worlds."""

    def __init__(self, simulator: Simulator) -> None:
        n = simulator.n_world
        self.simulator, self.config = simulator, simulator.scenario.reward
        self.unit = np.ones((n, 2))
        self.harm_yen, self.debt_yen, self.debt_start = np.zeros(n), np.zeros(n), np.zeros(n)
        self.last = np.zeros((n, 5))
        self.terms = np.zeros((n, len(TERMS)))
        self.reward = np.zeros(n)
        c = self.config
        self.weights = np.array([c.money, c.accuracy, c.lockout_share])
        self.extra = {name: np.zeros(n) for name in REWARD_TERMS}
        self.harm = np.zeros((len(HARM), n))
        self.prices = np.array([c.comfort_yen_kwh, c.heat_yen_kwh, c.runout_yen])

    def scoring(self, active: Array) -> list[Call]:
        """Return what works out the reward of the ``active`` worlds' step; comfort is read where `refreshed`."""
        product, fleet, read = self.simulator.market.product, self.simulator.fleet, self.simulator.step_plan.refreshed
        totals = [call for k, name in enumerate(HARM) for call in fleet.totalling(name, read, self.harm[k])]
        books = (product.book, product.outcome, self.harm_yen, self.debt_yen, self.unit, self.weights, self.last)
        given = (active, read, self.harm, self.prices, *books, self.terms, self.reward)
        return [*totals, Call(score, *given, by_world=True)]

    def arrays(self) -> dict[str, Array]:
        """Return what a world's future reward depends on."""
        return {
            "reward.unit": self.unit,
            "reward.last": self.last,
            "reward.harm_yen": self.harm_yen,
            "reward.debt_start": self.debt_start,
        }

    def begin(self, mask: Array) -> None:
        """Start the episodes of ``mask``."""
        product = self.simulator.market.product
        rules, award = product.config, product.award_kw[mask]
        fixed = award.sum(axis=1) * (rules.bid_price_yen_kw * (1 - rules.owners_share) - rules.fee_yen_kw)
        blocks = product.target_kw[mask].reshape(len(award), award.shape[1], -1).mean(axis=2)
        kwh = np.where(award > 0, blocks, 0.0).sum(axis=1) / 2
        margin = rules.energy_price_yen_kwh - rules.retailer_compensation_yen_kwh - rules.wear_yen_kwh
        yen = fixed + kwh * (margin - rules.retail_day_yen_kwh)
        self.unit[mask, 0] = np.maximum(np.maximum(yen, 0.5 * fixed), 1.0)
        self.unit[mask, 1] = np.maximum(np.where(award > 0, blocks, 0.0).sum(axis=1), 1e-6)
        self.last[mask], self.harm_yen[mask] = 0.0, 0.0
        self.terms[mask], self.reward[mask] = 0.0, 0.0
        for value in self.extra.values():
            value[mask] = 0.0
        self.debt_start[mask] = self.simulator.debt_kwh(mask)[mask]

    def charge_terminal_debt(self, ended: Array) -> None:
        """Let the worlds that have ended pay their debt with the reward of this step."""
        owed = np.maximum(self.simulator.debt_kwh(ended) - self.debt_start, 0.0) * self.config.debt_yen_kwh
        self.debt_yen[:] = np.where(ended, owed, 0.0)
        self.simulator.step_plan.refreshed[ended] = True

    def finish(self, active: Array) -> None:
        """Add the plug-in terms of the step just taken; what was owed is paid."""
        self.debt_yen[:] = 0.0
        for name in self.extra:
            self.extra[name] = np.where(active, REWARD_TERMS[name].value(self.simulator, active), 0.0)
            self.reward += self.extra[name]

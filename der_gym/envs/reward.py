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

from der_gym.core.jit import kernel
from der_gym.core.registry import Registry
from der_gym.markets import settlement as s
from der_gym.simulator import Simulator

Array = np.ndarray
TERMS = ("money", "accuracy", "comfort", "lockout", "debt")
MONEY, ACCURACY, COMFORT, LOCKOUT, DEBT = range(len(TERMS))


@dataclass(frozen=True)
class RewardTerm:
    """A plug-in term: ``value(simulator, active) -> (n_world,)`` is added to the reward each step."""

    name: str
    value: Callable[[Simulator, Array], Array]


REWARD_TERMS: Registry[RewardTerm] = Registry("reward term")


@kernel
def score(active, book, outcome, harm_yen, debt_yen, unit, weights, last, terms, reward):  # type: ignore[no-untyped-def]
    """Write each active world's reward terms since the last step.

    Parameters
    ----------
    book : float64 (n_world, n_line); outcome (n_world, n_block, n_column)
    harm_yen, debt_yen : float64 (n_world,)
        Comfort's cumulative yen; debt at the end, else 0.
    unit : float64 (n_world, 2)
        Yen of a perfect episode; kW-blocks of error of an idle one.
    weights : float64 (3,)
        Money, accuracy, share of the lock-out that counts.
    last : float64 (n_world, 5)
        What was booked up to the last step; updated.
    terms : float64 (n_world, 5); reward float64 (n_world,)
    """
    for w in range(active.shape[0]):
        if not active[w]:
            reward[w] = 0.0
            for k in range(terms.shape[1]):
                terms[w, k] = 0.0
            continue
        error, idle = 0.0, 0.0
        for b in range(outcome.shape[1]):
            if outcome[w, b, s.IDLE_ABS] > 0.0 or outcome[w, b, s.JUDGED] > 0.0:
                error += outcome[w, b, s.MEAN_ABS]
                idle += outcome[w, b, s.IDLE_ABS]
        locked = book[w, s.L_LOCKOUT]
        booked = book[w, s.L_TOTAL] - locked
        yen = weights[0] / unit[w, 0]
        terms[w, MONEY] = yen * (booked - last[w, 0])
        terms[w, ACCURACY] = weights[1] / unit[w, 1] * ((idle - last[w, 3]) - (error - last[w, 2]))
        terms[w, COMFORT] = -yen * (harm_yen[w] - last[w, 4])
        terms[w, LOCKOUT] = yen * weights[2] * (locked - last[w, 1])
        terms[w, DEBT] = -yen * debt_yen[w]
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
        product = simulator.desk.product
        self._scoring = (
            *(product.book, product.outcome, self.harm_yen, self.debt_yen, self.unit, self.weights, self.last),
            *(self.terms, self.reward),
        )

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
        product = self.simulator.desk.product
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

    def step(self, active: Array, ended: Array | None = None) -> None:
        """Work out the reward of the step just taken; ``ended`` worlds, where there are any, pay their debt."""
        sim, read = self.simulator, self.simulator.refreshed
        if ended is not None:
            self._owe(ended)
            read = ended if read is None else read | ended
        if read is not None:  # registers of comfort are read as often as the gauge, and at the end
            self.harm_yen[read] = self._harm()[read]
        score(active, *self._scoring)
        if ended is not None:
            self.debt_yen[:] = 0.0
        for name in self.extra:
            self.extra[name] = np.where(active, REWARD_TERMS[name].value(sim, active), 0.0)
            self.reward += self.extra[name]

    def _owe(self, ended: Array) -> None:
        owed = np.maximum(self.simulator.debt_kwh(ended) - self.debt_start, 0.0) * self.config.debt_yen_kwh
        self.debt_yen[ended] = owed[ended]

    def _harm(self) -> Array:
        """Return the yen of comfort lost so far: missing EV energy, missing hot water, run-outs."""
        fleet, c = self.simulator.fleet, self.config
        yen: Array = (
            fleet.total("missing_kwh") * c.comfort_yen_kwh
            + fleet.total("unserved_kwh") * c.heat_yen_kwh
            + fleet.total("runouts") * c.runout_yen
        )
        return yen

"""An independent settlement: every ledger line of tertiary-1 and of the fleet, from recorded minutes, in plain loops.

It shares no code with the engine. It reads what a settlement office would have: each device's power and the gain of its
meter every minute, the plan, the requests and awards, the registers at every half hour, the messages, and the prices of
the settings. Write it from `docs/money.md`, not from the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from der_gym.engine.tables import FLEET
from der_gym.network.tables import GATE, SENDER
from der_gym.simulation.aggregator_view import LEAF
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
REGISTERS = (
    "import_more_kwh", "export_more_kwh", "stored_more_kwh", "deferred_kwh", "withheld_kwh", "worn_kwh", "starts",
    "stops",
)  # fmt: skip
LAGS = 601  # of the response, tried one by one


@dataclass
class Record:
    """What is written down while worlds are played; every array leads with the world."""

    metered_kw: list[Array] = field(default_factory=list)  # (n_world,) a minute
    registers: dict[str, list[Array]] = field(default_factory=lambda: {name: [] for name in REGISTERS})  # a half hour
    messages: list[Array] = field(default_factory=list)  # units told so far, a half hour
    asked_kwh: list[Array] = field(default_factory=list)  # rated swing x fraction x hours, added up

    @staticmethod
    def of(sim: Simulator, step: Any, n_step: int) -> Record:
        """Play ``n_step`` decisions of a minute each by calling ``step()`` and write down what happens."""
        kept, asked = Record(), np.zeros(sim.n_world)
        rated = sim.nominal_kw
        for k in range(n_step):
            arrived = sim.view.leaf[:, :, LEAF.ARRIVED_A].copy()  # what devices should have by now
            step()
            sent = sim.network.leaf[:, : len(rated)]
            alive = sent[:, :, SENDER.SENT_UNTIL] > (k * 60.0)
            up = np.maximum(np.maximum(sent[:, :, SENDER.SENT_A] * alive, arrived), 0.0)
            asked = asked + (up * rated).sum(axis=1) / 60.0
            fleet = sim.fleet.fleet.astype(np.float64)
            power = fleet[:, FLEET.POWER_KW] * fleet[:, FLEET.METER_GAIN]
            kept.metered_kw.append(power.reshape(sim.n_world, -1).sum(axis=1))
            if (k + 1) % 30 == 0:
                for name in REGISTERS:
                    kept.registers[name].append(sim.fleet.total(name))
                units = sent[:, :, SENDER.N_SENT] * sim.network.gate[:, GATE.N_UNIT]
                kept.messages.append(units.sum(axis=1))
                kept.asked_kwh.append(asked)
        return kept


def slow_trajectory(request: list[float], award: list[float], response_s: float) -> list[float]:
    """Return the target at the end of every 5 minutes, 0 first; it moves by at most the greater award over its time."""
    level, ends = 0.0, [0.0]
    for b, wish in enumerate(request):
        block = b // 6
        most = max(award[block], award[block - 1] if block else 0.0) * 300.0 / response_s
        level += max(-most, min(most, wish - level))
        ends.append(level)
    return ends


def slow_value(ends: list[float], t_s: float) -> float:
    """Return the target at ``t_s`` seconds; 0 before the episode."""
    if t_s < 0:
        return 0.0
    b = min(int(t_s // 300), len(ends) - 2)
    return ends[b] + (ends[b + 1] - ends[b]) * (t_s / 300.0 - b)


def slow_mean(ends: list[float], start_s: float) -> float:
    """Return the mean of the target over 300 s from ``start_s``: two straight pieces that meet at a multiple of 300."""
    knee = np.floor(start_s / 300.0) * 300.0 + 300.0
    a, b, c = (slow_value(ends, t) for t in (start_s, knee, start_s + 300.0))
    if knee <= 0.0:
        return 0.0
    return ((a + b) / 2 * (knee - start_s) + (b + c) / 2 * (start_s + 300.0 - knee)) / 300.0


def settle_tertiary_1(sim: Simulator, kept: Record, w: int, price: Array) -> dict[str, float]:
    """Return the lines of tertiary-1 of world ``w``, yen; ``price`` is the imbalance price of each half hour."""
    service = sim.market.primary.service
    c, n_block = service.config, service.award_kw.shape[1]
    award, request = service.award_kw[w].tolist(), service.request_kw[w].tolist()
    plan, metered = sim.market.primary.plan_kw[w].tolist(), [kw[w] for kw in kept.metered_kw]
    ends = slow_trajectory(request, award, c.response_time_s)
    lines = dict.fromkeys(("revenue", "energy", "fee", "penalty", "owners", "retailer", "imbalance", "lockout"), 0.0)
    failed = int(service.failed_before[w])
    margin = sum(award) * max(c.bid_price_yen_kw * (1 - c.owners_share) - c.fee_yen_kw, 0.0)
    for b in range(n_block):
        response = [plan[b] - metered[30 * b + m] for m in range(30)]
        delivered = sum(response) / 60.0
        paid = 0.0
        if award[b] > 0.0:
            requested = sum((ends[6 * b + k] + ends[6 * b + k + 1]) / 2 for k in range(6)) / 12.0
            paid = max(0.0, min(delivered, requested))
            worst, shortfall, lost = 0.0, 0.0, False
            for k in range(6):
                mean = sum(response[5 * k : 5 * k + 5]) / 5.0
                start = 300.0 * (6 * b + k)
                allowed = [slow_mean(ends, start - c.lag_allowance_s * i / (LAGS - 1)) for i in range(LAGS)]
                error = max(mean - max(allowed), 0.0) + min(mean - min(allowed), 0.0)
                worst = error if abs(error) > abs(worst) else worst
                if abs(error) > c.band_share * award[b]:
                    lost, shortfall = True, max(shortfall, -error)
            lines["revenue"] += award[b] * c.bid_price_yen_kw
            lines["owners"] -= award[b] * c.bid_price_yen_kw * c.owners_share
            lines["fee"] -= award[b] * c.fee_yen_kw
            lines["energy"] += paid * c.energy_price_yen_kwh
            lines["retailer"] -= paid * c.retailer_compensation_yen_kwh
            if lost:
                short = award[b] if c.penalty_mode == "block" else min(max(shortfall, abs(worst)), award[b])
                lines["penalty"] -= c.penalty_factor * c.bid_price_yen_kw * short
                failed += 1
                lines["lockout"] -= c.lockout_days * margin if failed == c.lockout_failures else 0.0
        lines["imbalance"] += (delivered - paid) * price[b]
    return lines


def settle_fleet(sim: Simulator, kept: Record, w: int, price: Array, told: float, fee_yen: float) -> dict[str, float]:
    """Return the fleet's own lines of world ``w``, yen.

    ``told``: messages to units that told stores to stand by; ``fee_yen``: makers' fees of a half hour.
    """
    c, service = sim.scenario.costs, sim.market.primary.service
    award, plan = service.award_kw[w], sim.market.primary.plan_kw[w]
    first = int(sim.market.episode.start_h[w]) * 2
    lines = dict.fromkeys(("owners_bill", "rebound", "maker", "wear", "message"), 0.0)
    bill, before, asked_before = 0.0, dict.fromkeys(REGISTERS, 0.0), 0.0
    for b in range(len(award)):
        slot = (first + b) % 48
        retail = c.retail_night_yen_kwh if slot < 14 or slot >= 46 else c.retail_day_yen_kwh
        new = {name: kept.registers[name][b][w] - before[name] for name in REGISTERS}
        before = {name: kept.registers[name][b][w] for name in REGISTERS}
        outside = 0.0
        if award[b] == 0.0:
            outside = sum(plan[b] - kept.metered_kw[30 * b + m][w] for m in range(30)) / 60.0
        held = min(max(outside, 0.0), kept.asked_kwh[b][w] - asked_before)
        asked_before = kept.asked_kwh[b][w]
        if c.owners == "bill":
            bill += new["import_more_kwh"] * retail - new["export_more_kwh"] * c.export_yen_kwh
            bill += new["deferred_kwh"] * c.deferred_yen_kwh - new["stored_more_kwh"] * c.stored_yen_kwh
            lines["rebound"] -= held * max(price[b], 0.0)
        else:
            bill += max(new["withheld_kwh"], held) * retail
        lines["wear"] -= new["worn_kwh"] * c.wear_yen_kwh + new["starts"] * c.start_yen + new["stops"] * c.plug_stop_yen
        lines["maker"] -= fee_yen
    lines["owners_bill"] = -max(bill, 0.0)
    lines["message"] = -(kept.messages[-1][w] + told) * c.message_yen
    return lines

"""The worked example of docs/money.md, played by the battery and booked by the ledger; the lock-out's arithmetic."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from batteries import EXACT, advance, make

from der_gym.devices import DEVICES
from der_gym.devices.battery.model import BATTERY
from der_gym.engine.tables import FLEET
from der_gym.network.tables import GATE, SENDER
from der_gym.services.base import Sample, Scope
from der_gym.services.costs import CostConfig
from der_gym.services.tertiary_1.config import Tertiary1Config
from der_gym.services.tertiary_1.service import Tertiary1
from der_gym.simulation.fleet_ledger import LINES, FleetLedger, booked

PAGE = (Path(__file__).parents[2] / "docs" / "money.md").read_text(encoding="utf-8")


def test_the_worked_example() -> None:
    # One battery without ramps to speak of, from 17 h: a home of 1 kW.
    f = make(
        n=1, given=(3.0, 1.0), usable_kwh=(9.8,), usable_share=(1.0,), usable_spread=0.0, reserve=(0.0,),
        reserve_share=(1.0,), round_trip_mean=0.81, round_trip_sd=0.0, ramp_fast_share=1.0, ramp_middle_share=0.0,
        ramp_fast_min_s=0.001, ramp_fast_max_s=0.001, dead_median_s=0.001, **EXACT,
    )  # fmt: skip
    f.fleet[:, FLEET.STANDBY] = 1.0
    service = Tertiary1(Tertiary1Config(response_time_s=300, signal="simple", min_bid_kw=1.0), Scope(1, 3, 2, 1))
    on = np.ones(1, dtype=bool)
    request = np.array([[0.0] * 6 + [2.0] * 6 + [0.0] * 6])
    service.begin(on, np.array([[2.0, 2.0, 0.0]]), request, np.full((1, 3), 12.0))
    ledger = FleetLedger(CostConfig(maker_fee_yen_month=0.0), 1, 3, 0.0, booked([DEVICES["battery"]]), on)
    ledger.begin(on, np.array([34]), np.zeros(1))
    t_s, ends = np.zeros(1), np.ones(1, dtype=bool)
    outside = [(service.outside_kwh, service.outside_yen_kwh)]
    books = ledger.booking(ends, t_s, np.zeros((1, 1, SENDER.N)), np.zeros((1, GATE.N)), outside)
    bills = []
    for minute in range(60):
        power = advance(f, 0.0 if minute < 30 else 2.0 / 3.0).astype(float).ravel()
        taken = Sample(on, np.array([minute]), power, power, np.zeros(1))
        for call in service.settle(on, t_s, taken):
            call(0, 1)
        t_s += 60.0
        if (minute + 1) % 30 == 0:
            for each, total in zip(ledger.registers, ledger.totals, strict=True):
                total[:] = f.registers[0, BATTERY.registers.number(each.name)].sum()
            for call in books:
                call(0, 1)
            bills.append(float(ledger.bill_yen[0]))
    fleet = dict(zip(LINES, ledger.ledger_yen[0], strict=True))
    market = dict(zip(service.LINES, service.ledger_yen[0], strict=True))
    shown = dict(re.findall(r"`(\w+)`(?: is)?(?: 2 x 2 x 2\.5 =)? (-?[\d.]+[\d])", PAGE.split("<!-- example -->")[1]))
    assert [bills[0], bills[1] - bills[0]] == pytest.approx([5.0, 6.25], abs=0.01)
    assert fleet["owners_bill"] == pytest.approx(float(shown["owners_bill"]), abs=0.02)
    assert market["revenue"] == pytest.approx(float(shown["revenue"]))
    assert market["owners"] == pytest.approx(float(shown["owners"]))
    assert market["energy"] == pytest.approx(float(shown["energy"]), abs=0.01)
    assert (fleet["wear"], market["imbalance"]) == pytest.approx((0, 0), abs=0.01)


def locked_share(pass_rate: float, blocks_a_day: int = 12, failures: int = 3, days: float = 7.0) -> float:
    """Return the share of days without bids: the days until the third failure, then a week."""
    until = failures / (blocks_a_day * (1.0 - pass_rate))
    return days / (until + days)


def test_the_lock_outs_arithmetic() -> None:
    """At the pass rates that the page names."""
    assert locked_share(0.95) == pytest.approx(0.58, abs=0.01)
    assert locked_share(0.992) == pytest.approx(0.18, abs=0.01)
    assert locked_share(0.997) == pytest.approx(0.08, abs=0.01)
    assert 1.1 * (1 - locked_share(0.988)) == pytest.approx(1 - locked_share(0.992), abs=0.01)
    p, n = 0.003, 360  # failures within 30 days: fewer than three, by the binomial law
    fewer = sum(float(np.prod([(n - i) / (i + 1) for i in range(k)])) * p**k * (1 - p) ** (n - k) for k in range(3))
    assert fewer == pytest.approx(0.90, abs=0.01)

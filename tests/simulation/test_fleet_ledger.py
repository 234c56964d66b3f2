"""The fleet's own lines: owners, makers, wear and messages, worked by hand; the statement that sums all lines."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.devices import DEVICES
from der_gym.network.tables import GATE, SENDER
from der_gym.services.costs import CostConfig
from der_gym.simulation.fleet_ledger import LINES, ROLES, FleetLedger, booked, interface_yen
from der_gym.simulation.ledger import FLEET, Ledger

COSTS = CostConfig(retail_day_yen_kwh=30.0, maker_fee_yen_month=730.0, plug_stop_yen=0.25)
HOURLY = 10 * 0.5  # ten units, 1 yen per unit and hour, of a half hour
BOOKED = booked([DEVICES["battery"], DEVICES["ecocute"], DEVICES["ev"]])


class Books:
    """A fleet of ten units in one leaf, from 14 h on, with one service."""

    def __init__(self, committed: list[int]) -> None:
        self.ledger = FleetLedger(COSTS, 1, len(committed), HOURLY, BOOKED, np.array([True]))
        self.ledger.begin(np.ones(1, dtype=bool), np.array([28]))
        self.sender, self.gate = np.zeros((1, 1, SENDER.N)), np.zeros((1, GATE.N))
        self.gate[0, GATE.N_UNIT] = 10.0
        self.t_s, self.outside = np.zeros(1), np.zeros(1)
        table = np.array([committed], dtype=np.uint8)
        ends = np.ones(1, dtype=bool)
        self.calls = self.ledger.booking(ends, self.t_s, self.sender, self.gate, table, [self.outside])

    def end(self, discharged: float, starts: float, withheld: float, sent: float, asked: float, outside: float) -> None:
        """Let a half hour end with these cumulative registers."""
        self.t_s += 1800.0
        values = {"withheld_kwh": withheld, "discharged_kwh": discharged, "starts": starts, "stops": 2 * starts}
        for each, total in zip(BOOKED, self.ledger.totals, strict=True):
            total[:] = values[each.name]
        self.sender[0, 0, SENDER.N_SENT], self.ledger.asked_kwh[:], self.outside[:] = sent, asked, outside
        for call in self.calls:
            call(0, 1)

    @property
    def yen(self) -> dict[str, float]:
        return dict(zip(LINES, self.ledger.ledger_yen[0].tolist(), strict=True))


def test_lines_by_hand() -> None:
    b = Books([1, 1, 0])
    b.end(26, 0, 25, 20, 40, 0)
    b.end(60, 2, 58, 50, 90, 0)
    b.end(70, 6, 61, 50, 90, -15)
    assert b.yen == pytest.approx(
        {
            "owners_energy": -61 * 30,  # withheld by stores, at the day price
            "maker": -3 * 10 * 0.5,  # ten units, three half hours, 1 yen an hour
            "wear": -(60 * 4 + 6 * 0.5 + 12 * 0.25),  # of discharge in committed half hours, of starts and stops in all
            "message": -500 * 0.01,
        }
    )


@pytest.mark.parametrize(
    ("asked_kwh", "withheld_kwh", "repaid_kwh"),
    [(0.0, 0.0, 0.0), (3.0, 0.0, 3.0), (8.0, 0.0, 5.0), (3.0, 2.0, 3.0), (0.0, 4.0, 4.0), (8.0, 9.0, 9.0)],
)
def test_load_held_back_outside_a_commitment_is_repaid_as_far_as_it_was_asked_for(
    asked_kwh: float, withheld_kwh: float, repaid_kwh: float
) -> None:
    b = Books([1, 0])
    b.end(0, 0, 0, 0, 70, 0)
    b.end(0, 0, withheld_kwh, 0, 70 + asked_kwh, 5.0)
    assert b.yen["owners_energy"] == pytest.approx(-repaid_kwh * 30)  # theirs, or load that comes back later


def test_each_services_own_deviation_is_repaid_as_far_as_its_own_leaves_were_asked() -> None:
    # Two services: the first's node holds stores, the second's does not.
    ledger = FleetLedger(COSTS, 1, 1, HOURLY, BOOKED, np.array([True, False]))
    ledger.begin(np.ones(1, dtype=bool), np.array([28]))
    outside, ends = [np.array([5.0]), np.array([6.0])], np.ones(1, dtype=bool)
    sender, gate, t_s = np.zeros((1, 1, SENDER.N)), np.zeros((1, GATE.N)), np.full(1, 1800.0)
    calls = ledger.booking(ends, t_s, sender, gate, np.ones((1, 1), dtype=np.uint8), outside)
    ledger.asked_kwh[0] = (8.0, 2.0)
    ledger.totals[0][:] = 4.0  # withheld by stores: part of the 5 kWh of their node, which counts
    for call in calls:
        call(0, 1)
    assert ledger.ledger_yen[0, LINES.OWNERS_ENERGY] == pytest.approx(-(5 + 2) * 30)


def test_registers_are_booked_by_the_role_that_their_class_declares() -> None:
    assert [(each.name, ROLES[each.role], each.price) for each in BOOKED] == [
        ("withheld_kwh", "withheld", ""),
        ("discharged_kwh", "discharge", "costs.wear_yen_kwh"),
        ("starts", "start", "costs.start_yen"),
        ("stops", "start", "costs.plug_stop_yen"),
    ]


def test_a_price_that_is_none_is_named() -> None:
    wrong = [BOOKED[0], BOOKED[1]._replace(price="costs.ware_yen_kwh")]
    with pytest.raises(InputError, match=r"discharged_kwh: price: .*'costs.ware_yen_kwh'.*'costs.wear_yen_kwh'"):
        FleetLedger(COSTS, 1, 1, HOURLY, wrong, np.array([True]))


def test_interface_fees_are_those_of_the_channels_unless_one_fee_stands_for_all() -> None:
    units, fees = np.array([2, 3]), np.array([100.0, 15.0])
    assert interface_yen(CostConfig(), units, fees) == pytest.approx((200 + 45) * 0.5 / 730)
    assert interface_yen(COSTS, units, fees) == pytest.approx(5 * 0.5)


def test_the_statement_puts_lines_of_a_kind_together_and_adds_them() -> None:
    one, two, fleet = np.array([[7.0, -2.0]]), np.array([[3.0, 5.0]]), np.array([[-1.0]])
    parts = {"a": (("revenue", "lockout"), one), "b-c": (("revenue", "own"), two), FLEET: (("wear",), fleet)}
    ledger = Ledger(parts, [("a", "lockout")], 1)
    assert ledger.lines == ("a_revenue", "b_c_revenue", "wear", "a_lockout", "b_c_own", "total")
    for call in ledger.collecting(np.ones(1, dtype=bool)):
        call(0, 1)
    assert ledger.yen.tolist() == [[7.0, 3.0, -1.0, -2.0, 5.0, 12.0]]
    assert ledger.deferred.tolist() == [ledger.number("a_lockout")]

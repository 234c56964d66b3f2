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
BY_KWH = COSTS.model_copy(update={"owners": "kwh"})
HOURLY = 10 * 0.5  # ten units, 1 yen per unit and hour, of a half hour
BOOKED = booked([DEVICES["battery"], DEVICES["ecocute"], DEVICES["ev"]])


class Books:
    """A fleet of ten units in one leaf, from ``first`` of the day's half hours on, with one service."""

    def __init__(self, n_block: int, costs: CostConfig = COSTS, first: int = 28, told: float = 0.0) -> None:
        self.ledger = FleetLedger(costs, 1, n_block, HOURLY, BOOKED, np.array([True]))
        self.ledger.begin(np.ones(1, dtype=bool), np.array([first]), np.array([told]))
        self.sender, self.gate = np.zeros((1, 1, SENDER.N)), np.zeros((1, GATE.N))
        self.gate[0, GATE.N_UNIT] = 10.0
        self.t_s, self.outside, self.yen_kwh = np.zeros(1), np.zeros(1), np.zeros(1)
        self.asked = 0.0
        outside = [(self.outside, self.yen_kwh)]
        self.calls = self.ledger.booking(np.ones(1, dtype=bool), self.t_s, self.sender, self.gate, outside)

    def end(self, sent: float = 0, asked: float = 0, outside: float = 0, price: float = 0, **registers: float) -> None:
        """Let a half hour end with these cumulative registers; what it does not name stands at 0."""
        self.t_s += 1800.0
        for each, total in zip(self.ledger.registers, self.ledger.totals, strict=True):
            total[:] = registers.get(each.name, 0.0)
        self.asked += asked
        self.sender[0, 0, SENDER.N_SENT], self.ledger.asked_kwh[:] = sent, self.asked
        self.outside[:], self.yen_kwh[:] = outside, price
        for call in self.calls:
            call(0, 1)

    @property
    def yen(self) -> dict[str, float]:
        return dict(zip(LINES, self.ledger.ledger_yen[0].tolist(), strict=True))


def test_lines_by_hand() -> None:
    """From 14 h on: homes draw 10, then 4 kWh more than by themselves, feed 2 more, keep 3, and wait for 1."""
    b = Books(3)
    b.end(sent=20, import_more_kwh=10, worn_kwh=25, withheld_kwh=99)
    b.end(sent=50, import_more_kwh=14, export_more_kwh=2, worn_kwh=58, starts=2, stops=4)
    b.end(sent=50, import_more_kwh=14, export_more_kwh=2, stored_more_kwh=3, deferred_kwh=1, worn_kwh=61, starts=6,
          stops=12)  # fmt: skip
    assert b.yen == pytest.approx(
        {
            "owners_bill": -(14 * 30 - 2 * 8.5 - 3 * 21 + 1 * 3),  # 343
            "rebound": 0,
            "maker": -3 * 10 * 0.5,  # ten units, three half hours, 1 yen an hour
            "wear": -(61 * 4 + 6 * 0.5 + 12 * 0.25),  # of what is beyond the own schedule, of starts and stops
            "message": -500 * 0.01,
        }
    )


def test_messages_that_tell_stores_to_stand_by_are_booked_once() -> None:
    b = Books(2, told=7.0)
    b.end(sent=2)
    assert b.yen["message"] == pytest.approx(-(20 + 7) * 0.01)
    b.end(sent=3)
    assert b.yen["message"] == pytest.approx(-(30 + 7) * 0.01)


def test_a_bill_follows_the_hour() -> None:
    b = Books(2, first=45)  # 22:30
    b.end(import_more_kwh=10)
    b.end(import_more_kwh=12)
    assert b.yen["owners_bill"] == pytest.approx(-(10 * 30 + 2 * 21))


def test_what_owners_gain_stays_with_them_and_what_they_lost_before_is_made_up_for_no_more() -> None:
    b = Books(3)
    b.end(import_more_kwh=10)
    assert b.yen["owners_bill"] == pytest.approx(-300)
    b.end(import_more_kwh=-5)
    assert b.yen["owners_bill"] == 0
    b.end(import_more_kwh=1)
    assert b.yen["owners_bill"] == pytest.approx(-30)  # over the episode they lost a kWh


@pytest.mark.parametrize(
    ("asked_kwh", "outside_kwh", "price", "yen"),
    [(0, 5, 12, 0), (3, 5, 12, 36), (8, 5, 12, 60), (8, -5, 12, 0), (8, 5, -4, 0)],
)
def test_imbalance_of_load_that_is_held_back_outside_a_commitment_is_taken_back(
    asked_kwh: float, outside_kwh: float, price: float, yen: float
) -> None:
    b = Books(1)
    b.end(asked=asked_kwh, outside=outside_kwh, price=price)
    assert b.yen["rebound"] == pytest.approx(-yen)


@pytest.mark.parametrize(
    ("asked_kwh", "withheld_kwh", "repaid_kwh"),
    [(0.0, 0.0, 0.0), (3.0, 0.0, 3.0), (8.0, 0.0, 5.0), (3.0, 2.0, 3.0), (0.0, 4.0, 4.0), (8.0, 9.0, 9.0)],
)
def test_by_kwh_load_held_back_outside_a_commitment_is_repaid_as_far_as_it_was_asked_for(
    asked_kwh: float, withheld_kwh: float, repaid_kwh: float
) -> None:
    b = Books(2, BY_KWH)
    b.end(asked=70)
    b.end(asked=asked_kwh, withheld_kwh=withheld_kwh, outside=5.0, price=12)
    assert b.yen["owners_bill"] == pytest.approx(-repaid_kwh * 30)  # theirs, or load that comes back later
    assert b.yen["rebound"] == 0


def test_each_services_own_deviation_is_repaid_as_far_as_its_own_leaves_were_asked() -> None:
    # Two services: the first's node holds stores, the second's does not.
    for costs in (BY_KWH, COSTS):
        ledger = FleetLedger(costs, 1, 1, HOURLY, BOOKED, np.array([True, False]))
        ledger.begin(np.ones(1, dtype=bool), np.array([28]), np.zeros(1))
        outside = [(np.array([5.0]), np.array([12.0])), (np.array([6.0]), np.array([9.0]))]
        sender, gate, t_s = np.zeros((1, 1, SENDER.N)), np.zeros((1, GATE.N)), np.full(1, 1800.0)
        calls = ledger.booking(np.ones(1, dtype=bool), t_s, sender, gate, outside)
        ledger.asked_kwh[0] = (8.0, 2.0)
        names = [each.name for each in ledger.registers]
        if costs is BY_KWH:
            ledger.totals[names.index("withheld_kwh")][:] = 4.0  # part of the 5 kWh of the stores' node, which counts
        for call in calls:
            call(0, 1)
        yen = dict(zip(LINES, ledger.ledger_yen[0], strict=True))
        assert yen["owners_bill"] == pytest.approx(-(5 + 2) * 30 if costs is BY_KWH else 0)
        assert yen["rebound"] == pytest.approx(0 if costs is BY_KWH else -(5 * 12 + 2 * 9))


def test_registers_are_booked_by_the_role_that_their_class_declares() -> None:
    assert [(each.name, ROLES[each.role], each.price) for each in BOOKED] == [
        ("withheld_kwh", "withheld", ""),
        ("import_more_kwh", "import", ""),
        ("export_more_kwh", "export", "costs.export_yen_kwh"),
        ("stored_more_kwh", "stored", "costs.stored_yen_kwh"),
        ("deferred_kwh", "deferred", "costs.deferred_yen_kwh"),
        ("worn_kwh", "wear", "costs.wear_yen_kwh"),
        ("starts", "start", "costs.start_yen"),
        ("stops", "start", "costs.plug_stop_yen"),
    ]


def test_a_price_that_is_none_is_named() -> None:
    worn = next(each for each in BOOKED if each.name == "worn_kwh")
    wrong = [BOOKED[0], worn._replace(price="costs.ware_yen_kwh")]
    with pytest.raises(InputError, match=r"worn_kwh: price: .*'costs.ware_yen_kwh'.*'costs.wear_yen_kwh'"):
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

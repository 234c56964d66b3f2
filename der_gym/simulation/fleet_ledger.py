"""The costs of the fleet itself, the same for all services: booked at the end of every half hour, in a kernel.

* Owners are paid what their bill is higher than under their own schedule, standby included: energy that the home draws
  more at the retail price of its half hour, less what it feeds more at the export price, less what it need not buy
  later, and the inconvenience of what commands put off. Device classes keep the difference (`devices.bill`). Gains stay
  with the owners: over the fleet and the episode so far the line is never income.
* Load that is held back outside commitments returns after the episode. So what it earns there as imbalance, as far as
  messages asked for it, is taken back (*rebound*). Deviations that nobody asked for are left alone.
* With ``owners: kwh`` both are one line: owners are repaid at retail the energy that their stores *withheld*, drew less
  than their own schedule, which in committed half hours is standby; and what a node drew less than planned outside
  commitments, as far as it was asked for. Of a node with stores it may be the energy that the stores withheld, so the
  larger of the two counts; that of nodes without stores is added.
* Wear counts by what device classes declare: use beyond that of the own schedule, and starts. Messages count always.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError, unknown
from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.devices.declare import BOOKED, Declaration
from der_gym.engine.compile import kernel, part
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.network.tables import GATE, SENDER
from der_gym.services.costs import CostConfig, retail_yen_kwh

F8 = NDArray[np.float64]
MONTH_H = 730.0

ROLES = BOOKED  # of the devices' registers
_WITHHELD, _IMPORT, _WEAR = ROLES.index("withheld"), ROLES.index("import"), ROLES.index("wear")
_INCOME = (ROLES.index("export"), ROLES.index("stored"))  # what lowers the bill

LINES = Table(
    "fleet ledger",
    "float64 (n_world, N): cumulative, income positive",
    """
    owners_bill | yen | meter | what owners' bills are higher than under their own schedule
    rebound     | yen |       | imbalance that load earned which was held back outside commitments, taken back
    maker       | yen |       | interface fees
    wear        | yen |       | of batteries and compressors
    message     | yen |       | messages to units
    """,
)


# Lines after LINES where owners are offered pay: what they were paid; what their habituation costs later on.
OFFERED = ("incentive", "habituation")


class Booked(NamedTuple):
    """A register of device classes that the fleet's ledger reads: its name, its role and its price's setting."""

    name: str
    role: int
    price: str


def booked(models: Iterable[Declaration]) -> tuple[Booked, ...]:
    """Return the registers of some device classes that are booked, in the order of their roles, then by name.

    Raises
    ------
    InputError
        Where two classes give one register different roles or prices.
    """
    found: dict[str, Booked] = {}
    for model in models:
        for name, register in model.meters.items():
            if register.role not in ROLES:
                continue
            each = Booked(name, ROLES.index(register.role), register.price)
            if found.setdefault(name, each) != each:
                was = found[name]
                raise InputError(
                    f"{model.name}: register {name} is {register.role!r} at {register.price!r}; allowed: "
                    f"{ROLES[was.role]!r} at {was.price!r}, as elsewhere"
                )
    return tuple(sorted(found.values(), key=lambda each: (each.role, each.name)))


class FleetLedger:
    """The fleet's lines of ``n_world`` worlds.

    Parameters
    ----------
    costs : CostConfig
    n_world, n_block : int
    maker_yen : float
        Interface fees of the whole fleet, of a half hour; see `interface_yen`.
    registers : sequence of Booked
        See `booked`.
    holds_stores : bool (n_service,)
        Whether each service's node holds stores.
    offers : IncentiveConfig, optional
        Where owners are offered pay.

    Attributes
    ----------
    lines : tuple of str
    ledger_yen : float64 (n_world, n_line)
    paid_yen : float64 (n_world,)
        What owners were paid for their answers to offers so far; ``calls``: events to which people were called.
    counted : float64 (n_world, n_register + 1)
        The registers and, last, the messages to units, as they stood at the last half hour's end.
    totals : float64 (n_register, n_world)
        Registers summed over the fleet where a half hour ends.
    asked_kwh : float64 (n_world, n_service)
        Upward energy that messages asked of each node's leaves, in rated swing; cumulative, like ``asked_before_kwh``
        at the last half hour's end.
    outside_kwh, outside_yen_kwh : float64 (n_world, n_service)
        Plan - metered of each node outside its commitments, in the half hour that has ended; what a kWh of it earned.
    bill_yen : float64 (n_world,)
        What owners' bills are higher so far, < 0 where they gain.
    """

    def __init__(
        self,
        costs: CostConfig,
        n_world: int,
        n_block: int,
        maker_yen: float,
        registers: Sequence[Booked],
        holds_stores: NDArray[np.bool_],
        offers: Any = None,
    ) -> None:
        by_hour = (_WITHHELD, _IMPORT)  # at the retail price of the half hour
        price = {each: 0.0 if each.role in by_hour else _price(costs, each) for each in registers}
        bill = costs.owners == "bill"
        self.lines = tuple(LINES) if offers is None else (*LINES, *OFFERED)
        self._call_yen = 0.0 if offers is None else float(offers.call_yen)
        registers = [each for each in registers if each.role in by_hour or price[each]]  # others are never summed
        registers = [each for each in registers if each.role >= _WEAR or (each.role == _WITHHELD) != bill]
        registers = [] if costs.owners == "offers" else registers
        self.costs, self.registers = costs, registers
        self.ledger_yen = np.zeros((n_world, len(self.lines)))
        self.paid_yen, self.calls = np.zeros(n_world), np.zeros(n_world)
        self.counted = np.zeros((n_world, len(registers) + 1))
        self.totals = np.zeros((len(registers), n_world))
        self._maker_yen = maker_yen
        self._role = np.array([each.role for each in registers], dtype=np.int64)
        sign = [-1.0 if each.role in _INCOME else 1.0 for each in registers]
        self._price = np.array([*(s * price[each] for s, each in zip(sign, registers, strict=True)), costs.message_yen])
        self.holds_stores, n_service = holds_stores, len(holds_stores)
        self.asked_kwh, self.asked_before_kwh = np.zeros((n_world, n_service)), np.zeros((n_world, n_service))
        self.outside_kwh, self.outside_yen_kwh = np.zeros((n_world, n_service)), np.zeros((n_world, n_service))
        self.bill_yen = np.zeros(n_world)
        self.retail_yen = np.zeros((n_world, n_block))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array that a world's future depends on."""
        names = ("ledger_yen", "counted", "asked_kwh", "asked_before_kwh", "retail_yen", "bill_yen")
        return {f"fleet_ledger.{name}": getattr(self, name) for name in (*names, *self._own)}

    @property
    def _own(self) -> tuple[str, ...]:
        return ("paid_yen", "calls") if len(self.lines) > LINES.N else ()

    def begin(self, mask: NDArray[np.bool_], first_slot: NDArray[np.int64], told: F8) -> None:
        """Start episodes in the worlds of ``mask``.

        Parameters
        ----------
        mask : bool (n_world,)
        first_slot : int64 (n_world,)
            Half hour of the day.
        told : float64 (n_world,)
            Messages to units beside the sender's: that they shall stand by. They are booked in the first half hour.
        """
        self.retail_yen[mask] = retail_yen_kwh(self.costs, first_slot[mask], self.retail_yen.shape[1])
        episode = (self.asked_kwh, self.asked_before_kwh, self.bill_yen, self.paid_yen, self.calls)
        for array in (self.ledger_yen, self.counted, *episode):
            array[mask] = 0.0
        self.counted[mask, -1] = -told[mask]

    def booking(self, ends: Any, t_s: F8, sender: F8, gate: F8, outside: Sequence[tuple[F8, F8]]) -> list[Call]:
        """Return the calls that book the half hour of the worlds where one ``ends``, once the services have settled.

        Parameters
        ----------
        ends : bool (n_world,)
        t_s : float64 (n_world,)
        sender, gate
            The sender's state and rules; see `network.tables`.
        outside : sequence of (float64 (n_world,), float64 (n_world,))
            Of each service: plan - metered outside a commitment in that half hour, and what a kWh of it earned.
        """
        notes = [
            Call(note_outside, ends, k, *each, self.outside_kwh, self.outside_yen_kwh, by_world=True)
            for k, each in enumerate(outside)
        ]
        if len(outside) == 1:  # its own arrays are the table
            notes = []
            self.outside_kwh, self.outside_yen_kwh = (each.reshape(-1, 1) for each in outside[0])
        asked = (self.asked_kwh, self.asked_before_kwh)
        nodes = (*asked, self.outside_kwh, self.outside_yen_kwh, self.holds_stores)
        given = (ends, t_s, self.totals, self._role, sender, gate, *nodes, self.retail_yen, self._price)
        own = (self._maker_yen, self.costs.owners != "kwh", self.counted, self.bill_yen, self.ledger_yen)
        paid = (self.paid_yen, self.calls, self._call_yen)
        offers = [Call(book_offers, ends, *paid, self.ledger_yen, by_world=True)] if self._own else []
        return [*notes, Call(book_fleet, *given, *own, by_world=True), *offers]


def interface_yen(costs: CostConfig, n_unit: NDArray[np.int64], yen_per_unit_month: NDArray[np.float64]) -> float:
    """Return the interface fees of a half hour, yen.

    Parameters
    ----------
    costs : CostConfig
    n_unit : int64 (n_cell,)
    yen_per_unit_month : float64 (n_cell,)
        Of each cell's channel; read where the costs name no fee for all.
    """
    share = BLOCK_S / HOUR_S
    if costs.maker_fee_yen_month is not None:
        return float(n_unit.sum()) * (costs.maker_fee_yen_month * share / MONTH_H)
    return float(n_unit @ yen_per_unit_month) * share / MONTH_H


def _price(costs: CostConfig, each: Booked) -> float:
    """Return the price of a register's unit; InputError where its setting is none of the costs."""
    section, _, name = each.price.partition(".")
    if section != "costs" or name not in CostConfig.model_fields:
        known = [f"costs.{known}" for known in CostConfig.model_fields]
        raise unknown(f"register {each.name}: price", each.price, known)
    return float(getattr(costs, name))


@kernel
def note_outside(w0, w1, ends, i, kwh, yen_kwh, outside, outside_yen_kwh):  # type: ignore[no-untyped-def]
    """Note the energy of service number ``i`` outside its commitments, where a half hour ends, and its price."""
    for w in range(w0, w1):
        if ends[w]:
            outside[w, i], outside_yen_kwh[w, i] = kwh[w], yen_kwh[w]


@part
def held_back(kwh, asked_kwh, before_kwh):  # type: ignore[no-untyped-def]
    """Return the energy that a node drew less than planned outside its commitments, as far as it was asked for."""
    return min(max(kwh, 0.0), asked_kwh - before_kwh)


@part
def repaid(withheld_kwh, asked_kwh, before_kwh, outside_kwh, holds_stores):  # type: ignore[no-untyped-def]
    """Return the energy of a half hour that owners are repaid under ``owners: kwh``, kWh.

    Parameters
    ----------
    withheld_kwh : float
        What stores withheld.
    asked_kwh, before_kwh, outside_kwh : float64 (n_service,); holds_stores : bool (n_service,)
        See `FleetLedger`.
    """
    held, added = 0.0, 0.0
    for i in range(outside_kwh.shape[0]):
        kwh = held_back(outside_kwh[i], asked_kwh[i], before_kwh[i])
        if holds_stores[i]:
            held += kwh
        else:
            added += kwh
    return max(withheld_kwh, held) + added


@part
def taken_back(asked_kwh, before_kwh, outside_kwh, outside_yen_kwh):  # type: ignore[no-untyped-def]
    """Return what load earned in a half hour that was held back outside commitments, yen; never below 0."""
    yen = 0.0
    for i in range(outside_kwh.shape[0]):
        yen += held_back(outside_kwh[i], asked_kwh[i], before_kwh[i]) * max(outside_yen_kwh[i], 0.0)
    return yen


@kernel
def book_offers(w0, w1, ends, paid_yen, calls, call_yen, ledger):  # type: ignore[no-untyped-def]
    """Book what owners were paid for their answers, yen, and their calls, where a half hour ends: the last two lines.

    Parameters
    ----------
    ends : bool (n_world,); paid_yen, calls : float64 (n_world,)
    call_yen : float
    ledger : float64 (n_world, n_line)
        Updated.
    """
    n = ledger.shape[1]
    for w in range(w0, w1):
        if ends[w]:
            ledger[w, n - 2], ledger[w, n - 1] = -paid_yen[w], -calls[w] * call_yen


@kernel
def book_fleet(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, totals, role, sender, gate, asked_kwh, asked_before_kwh, outside_kwh, outside_yen_kwh,
    holds_stores, retail_yen, price, maker_yen, by_bill, counted, bill_yen, ledger,
):  # fmt: skip
    """Book the half hour that has just ended: owners, makers, wear and messages.

    Parameters
    ----------
    ends : bool (n_world,)
        Worlds whose half hour ends; others keep every bit.
    totals : float64 (n_register, n_world); role : int64 (n_register,)
        The devices' registers, in the order of their ROLES.
    asked_kwh, asked_before_kwh, outside_kwh, outside_yen_kwh : float64 (n_world, n_service)
    holds_stores : bool (n_service,)
        See `FleetLedger`.
    sender : float64 (n_world, n_leaf, SENDER.N); gate : float64 (n_leaf, GATE.N)
    retail_yen : float64 (n_world, n_block)
    price : float64 (n_register + 1,)
        Of a unit of each register, < 0 where it lowers the bill, and of a message, yen.
    maker_yen : float
        Of a half hour.
    by_bill : bool
        Owners are paid by their bill, not by kWh.
    counted : float64 (n_world, n_register + 1); bill_yen : float64 (n_world,); ledger : float64 (n_world, LINES.N)
    """
    n = totals.shape[0]
    for w in range(w0, w1):
        if not ends[w]:
            continue
        b = min(int(t_s[w]) // BLOCK_S - 1, retail_yen.shape[1] - 1)
        messages = 0.0
        for j in range(gate.shape[0]):
            messages += sender[w, j, SENDER.N_SENT] * gate[j, GATE.N_UNIT]
        before, book, withheld = counted[w], ledger[w], 0.0
        for k in range(n):
            new = totals[k, w] - before[k]
            before[k] = totals[k, w]
            if role[k] == _WITHHELD:
                withheld += new
            elif role[k] >= _WEAR:
                book[LINES.WEAR] -= new * price[k]
            else:
                bill_yen[w] += new * (retail_yen[w, b] if role[k] == _IMPORT else price[k])
        if by_bill:
            book[LINES.OWNERS_BILL] = -max(bill_yen[w], 0.0)
            book[LINES.REBOUND] -= taken_back(asked_kwh[w], asked_before_kwh[w], outside_kwh[w], outside_yen_kwh[w])
        else:
            kwh = repaid(withheld, asked_kwh[w], asked_before_kwh[w], outside_kwh[w], holds_stores)
            book[LINES.OWNERS_BILL] -= kwh * retail_yen[w, b]
        book[LINES.MAKER] -= maker_yen
        book[LINES.MESSAGE] -= (messages - before[n]) * price[n]
        before[n] = messages
        for i in range(outside_kwh.shape[1]):
            asked_before_kwh[w, i] = asked_kwh[w, i]

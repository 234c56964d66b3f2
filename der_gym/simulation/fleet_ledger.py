"""The costs of the fleet itself, the same for all services: booked at the end of every half hour, in a kernel.

* Owners are repaid at retail the energy that their stores *withheld*: drew less than their own schedule, which in
  committed half hours is standby. So holding stores back after the commitment, to push their charging past the end, is
  paid as well.
* Outside commitments load that is held back returns after the episode. So the energy that a service's node draws less
  than planned, as far as it was asked for, is repaid too, and earns nothing. Of a node with stores it may be the energy
  that the stores withheld, so the larger of the two counts; that of nodes without stores is added. Deviations that
  nobody asked for are not charged.
* Wear counts by what device classes declare: of discharge in committed half hours, of starts always. Messages count
  always.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError, unknown
from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.devices.declare import Declaration
from der_gym.engine.compile import kernel, part
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.network.tables import GATE, SENDER
from der_gym.services.costs import CostConfig, retail_yen_kwh

F8 = NDArray[np.float64]
MONTH_H = 730.0

ROLES = ("withheld", "discharge", "start")  # of the devices' registers, in the order of booking
_WITHHELD, _DISCHARGE = ROLES.index("withheld"), ROLES.index("discharge")

LINES = Table(
    "fleet ledger",
    "float64 (n_world, N): cumulative, income positive",
    """
    owners_energy | yen | meter | energy that stores withheld from their homes, at retail
    maker         | yen |       | interface fees
    wear          | yen |       | of batteries and compressors
    message       | yen |       | messages to units
    """,
)


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

    Attributes
    ----------
    ledger_yen : float64 (n_world, LINES.N)
    counted : float64 (n_world, n_register + 1)
        The registers and, last, the messages to units, as they stood at the last half hour's end.
    totals : float64 (n_register, n_world)
        Registers summed over the fleet where a half hour ends.
    asked_kwh : float64 (n_world, n_service)
        Upward energy that messages asked of each node's leaves, in rated swing; cumulative, like ``asked_before_kwh``
        at the last half hour's end.
    outside_kwh : float64 (n_world, n_service)
        Plan - metered of each node outside its commitments, in the half hour that has ended.
    """

    def __init__(
        self,
        costs: CostConfig,
        n_world: int,
        n_block: int,
        maker_yen: float,
        registers: Sequence[Booked],
        holds_stores: NDArray[np.bool_],
    ) -> None:
        price = {each: 0.0 if each.role == _WITHHELD else _price(costs, each) for each in registers}
        registers = [each for each in registers if each.role == _WITHHELD or price[each]]  # others are never summed
        self.costs, self.registers = costs, registers
        self.ledger_yen = np.zeros((n_world, LINES.N))
        self.counted = np.zeros((n_world, len(registers) + 1))
        self.totals = np.zeros((len(registers), n_world))
        self._maker_yen = maker_yen
        self._role = np.array([each.role for each in registers], dtype=np.int64)
        self._price = np.array([*(price[each] for each in registers), costs.message_yen])
        self.holds_stores, n_service = holds_stores, len(holds_stores)
        self.asked_kwh, self.asked_before_kwh, self.outside_kwh = (np.zeros((n_world, n_service)) for _ in range(3))
        self.retail_yen = np.zeros((n_world, n_block))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array that a world's future depends on."""
        names = ("ledger_yen", "counted", "asked_kwh", "asked_before_kwh", "retail_yen")
        return {f"fleet_ledger.{name}": getattr(self, name) for name in names}

    def begin(self, mask: NDArray[np.bool_], first_slot: NDArray[np.int64]) -> None:
        """Start episodes in the worlds of ``mask`` at half hour ``first_slot`` (n_world,) of the day."""
        self.retail_yen[mask] = retail_yen_kwh(self.costs, first_slot[mask], self.retail_yen.shape[1])
        for array in (self.ledger_yen, self.counted, self.asked_kwh, self.asked_before_kwh):
            array[mask] = 0.0

    def booking(self, ends: Any, t_s: F8, sender: F8, gate: F8, committed: Any, outside: list[F8]) -> list[Call]:
        """Return the calls that book the half hour of the worlds where one ``ends``, once the services have settled.

        Parameters
        ----------
        ends : bool (n_world,)
        sender, gate
            The sender's state and rules; see `network.tables`.
        committed : uint8 (n_world, n_block)
            1 where some service has a commitment, or lets stores stand by.
        outside : list of float64 (n_world,)
            Plan - metered outside a commitment in that half hour, of each service.
        """
        notes = [Call(note_outside, ends, k, each, self.outside_kwh, by_world=True) for k, each in enumerate(outside)]
        if len(outside) == 1:  # its own array is the table
            notes, self.outside_kwh = [], outside[0].reshape(-1, 1)
        nodes = (self.asked_kwh, self.asked_before_kwh, self.outside_kwh, self.holds_stores)
        given = (ends, t_s, self.totals, self._role, sender, gate, *nodes, committed, self.retail_yen)
        book = Call(book_fleet, *given, self._price, self._maker_yen, self.counted, self.ledger_yen, by_world=True)
        return [*notes, book]


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
def note_outside(w0, w1, ends, i, kwh, outside):  # type: ignore[no-untyped-def]
    """Note the energy of service number ``i`` outside its commitments, where a half hour ends."""
    for w in range(w0, w1):
        if ends[w]:
            outside[w, i] = kwh[w]


@part
def repaid(withheld_kwh, asked_kwh, before_kwh, outside_kwh, holds_stores):  # type: ignore[no-untyped-def]
    """Return the energy of a half hour that owners are repaid, kWh.

    Parameters
    ----------
    withheld_kwh : float
        What stores withheld.
    asked_kwh, before_kwh, outside_kwh : float64 (n_service,); holds_stores : bool (n_service,)
        See `FleetLedger`.
    """
    held, added = 0.0, 0.0
    for i in range(outside_kwh.shape[0]):
        kwh = min(max(outside_kwh[i], 0.0), asked_kwh[i] - before_kwh[i])
        if holds_stores[i]:
            held += kwh
        else:
            added += kwh
    return max(withheld_kwh, held) + added


@kernel
def book_fleet(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, totals, role, sender, gate, asked_kwh, asked_before_kwh, outside_kwh, holds_stores, committed,
    retail_yen, price, maker_yen, counted, ledger,
):  # fmt: skip
    """Book the half hour that has just ended: owners, makers, wear and messages.

    Parameters
    ----------
    ends : bool (n_world,)
        Worlds whose half hour ends; others keep every bit.
    totals : float64 (n_register, n_world); role : int64 (n_register,)
        The devices' registers, in the order of their ROLES.
    asked_kwh, asked_before_kwh, outside_kwh : float64 (n_world, n_service); holds_stores : bool (n_service,)
    sender : float64 (n_world, n_leaf, SENDER.N); gate : float64 (n_leaf, GATE.N)
    committed : uint8 (n_world, n_block); retail_yen : float64 (n_world, n_block)
    price : float64 (n_register + 1,)
        Of a unit of each register, and of a message, yen.
    maker_yen : float
        Of a half hour.
    counted : float64 (n_world, n_register + 1); ledger : float64 (n_world, LINES.N)
    """
    n = totals.shape[0]
    for w in range(w0, w1):
        if not ends[w]:
            continue
        b = min(int(t_s[w]) // BLOCK_S - 1, retail_yen.shape[1] - 1)
        messages = 0.0
        for j in range(gate.shape[0]):
            messages += sender[w, j, SENDER.N_SENT] * gate[j, GATE.N_UNIT]
        before, book, withheld, wear = counted[w], ledger[w], 0.0, ledger[w, LINES.WEAR]
        for k in range(n):
            new = totals[k, w] - before[k]
            before[k] = totals[k, w]
            if role[k] == _WITHHELD:
                withheld += new
            elif role[k] != _DISCHARGE or committed[w, b]:
                wear -= new * price[k]
        repaid_kwh = repaid(withheld, asked_kwh[w], asked_before_kwh[w], outside_kwh[w], holds_stores)
        book[LINES.WEAR] = wear
        book[LINES.OWNERS_ENERGY] -= repaid_kwh * retail_yen[w, b]
        book[LINES.MAKER] -= maker_yen
        book[LINES.MESSAGE] -= (messages - before[n]) * price[n]
        before[n] = messages
        for i in range(outside_kwh.shape[1]):
            asked_before_kwh[w, i] = asked_kwh[w, i]

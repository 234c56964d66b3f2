"""The costs of the fleet itself, the same for all services: booked at the end of every half hour, in a kernel.

* Owners are repaid at retail the energy that their stores *withheld*: drew less than their own schedule, which in
  committed half hours is standby. So holding stores back after the commitment, to push their charging past the end, is
  paid as well.
* Outside commitments load that is held back returns after the episode. So the energy that a service's node draws less
  than planned, as far as it was asked for, is repaid too, and earns nothing. Of a node with stores it may be the energy
  that the stores withheld, so the larger of the two counts; that of nodes without stores is added. Deviations that
  nobody asked for are not charged.
* Wear of stores counts in committed half hours, starts and messages always.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.engine.compile import kernel, part
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.network.tables import GATE, SENDER
from der_gym.services.costs import CostConfig, retail_yen_kwh

F8 = NDArray[np.float64]
MONTH_H = 730.0

REGISTERS = Table(
    "fleet registers",
    "float64 (n_world, N): cumulative counters of the devices and the sender; 0 when an episode starts",
    """
    discharged_kwh | kWh | meter | electric energy that stores have given, true
    starts         | -   |       | compressor and plug starts
    withheld_kwh   | kWh |       | electric energy that stores drew less than their own schedule, true
    messages       | -   |       | messages to units
    """,
)
OF_DEVICES = ("discharged_kwh", "starts", "withheld_kwh")  # registers that device classes keep

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

PRICES = Table(
    "fleet prices",
    "float64 (N,): fields of CostConfig that the kernel reads",
    """
    wear_yen_kwh | yen/kWh | aggregator | see CostConfig
    start_yen    | yen     | |
    message_yen  | yen     | |
    """,
)


class FleetLedger:
    """The fleet's lines of ``n_world`` worlds.

    Parameters
    ----------
    costs : CostConfig
    n_world, n_block, n_device : int
    holds_stores : bool (n_service,)
        Whether each service's node holds stores.

    Attributes
    ----------
    ledger_yen : float64 (n_world, LINES.N)
    registers : float64 (n_world, REGISTERS.N)
        As they stood at the last half hour's end.
    totals : list of float64 (n_world,)
        Registers of ``OF_DEVICES``, summed over the fleet where a half hour ends.
    asked_kwh : float64 (n_world, n_service)
        Upward energy that messages asked of each node's leaves, in rated swing; cumulative, like ``asked_before_kwh``
        at the last half hour's end.
    outside_kwh : float64 (n_world, n_service)
        Plan - metered of each node outside its commitments, in the half hour that has ended.
    """

    def __init__(
        self, costs: CostConfig, n_world: int, n_block: int, n_device: int, holds_stores: NDArray[np.bool_]
    ) -> None:
        self.costs, self._n_device = costs, n_device
        self.ledger_yen = np.zeros((n_world, LINES.N))
        self.registers = np.zeros((n_world, REGISTERS.N))
        self.totals = [np.zeros(n_world) for _ in OF_DEVICES]
        self.holds_stores, n_service = holds_stores, len(holds_stores)
        self.asked_kwh, self.asked_before_kwh, self.outside_kwh = (np.zeros((n_world, n_service)) for _ in range(3))
        self.retail_yen = np.zeros((n_world, n_block))
        self._prices = np.array([getattr(costs, name) for name in PRICES])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array that a world's future depends on."""
        names = ("ledger_yen", "registers", "asked_kwh", "asked_before_kwh", "retail_yen")
        return {f"fleet_ledger.{name}": getattr(self, name) for name in names}

    def begin(self, mask: NDArray[np.bool_], first_slot: NDArray[np.int64]) -> None:
        """Start episodes in the worlds of ``mask`` at half hour ``first_slot`` (n_world,) of the day."""
        self.retail_yen[mask] = retail_yen_kwh(self.costs, first_slot[mask], self.retail_yen.shape[1])
        for array in (self.ledger_yen, self.registers, self.asked_kwh, self.asked_before_kwh):
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
        maker = self._n_device * (self.costs.maker_fee_yen_month * (BLOCK_S / HOUR_S) / MONTH_H)
        notes = [Call(note_outside, ends, k, each, self.outside_kwh, by_world=True) for k, each in enumerate(outside)]
        nodes = (self.asked_kwh, self.asked_before_kwh, self.outside_kwh, self.holds_stores)
        given = (ends, t_s, *self.totals, sender, gate, *nodes, committed, self.retail_yen)
        book = Call(book_fleet, *given, self._prices, maker, self.registers, self.ledger_yen, by_world=True)
        return [*notes, book]


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
    w0, w1, ends, t_s, discharged_kwh, starts, withheld_kwh, sender, gate, asked_kwh, asked_before_kwh, outside_kwh,
    holds_stores, committed, retail_yen, prices, maker_yen, registers, ledger,
):  # fmt: skip
    """Book the half hour that has just ended: owners, makers, wear and messages.

    Parameters
    ----------
    ends : bool (n_world,)
        Worlds whose half hour ends; others keep every bit.
    discharged_kwh, starts, withheld_kwh : float64 (n_world,)
    asked_kwh, asked_before_kwh, outside_kwh : float64 (n_world, n_service); holds_stores : bool (n_service,)
    sender : float64 (n_world, n_leaf, SENDER.N); gate : float64 (n_leaf, GATE.N)
    committed : uint8 (n_world, n_block); retail_yen : float64 (n_world, n_block)
    prices : float64 (PRICES.N,); maker_yen : float, of a half hour
    registers : float64 (n_world, REGISTERS.N); ledger : float64 (n_world, LINES.N)
    """
    for w in range(w0, w1):
        if not ends[w]:
            continue
        b = min(int(t_s[w]) // BLOCK_S - 1, retail_yen.shape[1] - 1)
        messages = 0.0
        for j in range(gate.shape[0]):
            messages += sender[w, j, SENDER.N_SENT] * gate[j, GATE.N_UNIT]
        before, book = registers[w], ledger[w]
        withheld = withheld_kwh[w] - before[REGISTERS.WITHHELD_KWH]
        repaid_kwh = repaid(withheld, asked_kwh[w], asked_before_kwh[w], outside_kwh[w], holds_stores)
        if committed[w, b]:
            book[LINES.WEAR] -= (discharged_kwh[w] - before[REGISTERS.DISCHARGED_KWH]) * prices[PRICES.WEAR_YEN_KWH]
        book[LINES.OWNERS_ENERGY] -= repaid_kwh * retail_yen[w, b]
        book[LINES.MAKER] -= maker_yen
        book[LINES.WEAR] -= (starts[w] - before[REGISTERS.STARTS]) * prices[PRICES.START_YEN]
        book[LINES.MESSAGE] -= (messages - before[REGISTERS.MESSAGES]) * prices[PRICES.MESSAGE_YEN]
        before[REGISTERS.DISCHARGED_KWH], before[REGISTERS.STARTS] = discharged_kwh[w], starts[w]
        before[REGISTERS.WITHHELD_KWH], before[REGISTERS.MESSAGES] = withheld_kwh[w], messages
        for i in range(outside_kwh.shape[1]):
            asked_before_kwh[w, i] = asked_kwh[w, i]

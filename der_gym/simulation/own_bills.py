"""What owners who sell bear themselves: their bill and wear, where commands and offers of pay stand side by side.

An owner who sells in an event has agreed to the offer as her whole pay. So what her device adds meanwhile to the
registers that the fleet's ledger books is hers; and so is what comes back later, until all has come back: she charges
what she sold, her store wears less on the next day. The rest is booked: what owners are commanded, and their standby.

The devices' registers that are booked are kept for every device here. Where what an owner sells changes, and for all at
each half hour, the growth since the last look is told apart. Known error: what comes and goes between two looks is one
figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from der_gym.devices.owners.behaviour import STATE, moved
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.simulation.device_arrays import DeviceArrays
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.fleet_ledger import Booked

Array = np.ndarray


class OwnBills:
    """The registers of owners in an event.

    Parameters
    ----------
    fleet : Fleet
        With the booked registers of every device.
    state : float32 (S, STATE.N, n_place)
        The owners'.
    booked : sequence of Booked
        Registers that the fleet's ledger books.

    Attributes
    ----------
    sold : float32 (S, n_place)
        What each owner sold since the last look at her, a fraction.
    hers : float64 (S, n_booked)
        Part of each booked register that owners bear.
    """

    def __init__(self, fleet: Fleet, state: Array, booked: Sequence[Booked]) -> None:
        self.fleet, self.state = fleet, state
        self.sold = np.zeros((fleet.n_all, fleet.structure.n_place), dtype=np.float32)
        self.hers = np.zeros((fleet.n_all, len(booked)))
        self._of = [_Registers(own, booked) for own in fleet.classes.values()]

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        own: dict[str, Array] = {"own_bills.sold": self.sold, "own_bills.hers": self.hers}
        for each in self._of:
            own |= {f"own_bills.{each.name}.mark": each.mark, f"own_bills.{each.name}.balance": each.balance}
        return own

    def begin(self, mask: Array) -> None:
        """Begin episodes in the worlds of ``mask``, bool (n_world,)."""
        shards = np.repeat(mask, self.fleet.n_shard)
        for array in self.arrays().values():
            array[shards] = 0.0

    def following(self, active: Array, always: bool = False) -> list[Call]:
        """Return the calls that look where a sale has changed, or ``always``; they stand before the devices advance."""
        owners = (STATE.SOLD, self.state, self.sold)
        span = (self.fleet.n_shard, active, always)
        return [Call(set_aside, *span, *owners, *each.arrays(), self.hers) for each in self._of]

    def booking(self, ends: Array, totals: Array) -> Call:
        """Return the call that takes what is hers off the registers' ``totals``, float64 (n_booked, n_world)."""
        return Call(take_off, ends, self.fleet.n_shard, self.hers, totals, by_world=True)


class _Registers:
    """The booked registers of one class: where they stand, their last look, and what is hers of them."""

    def __init__(self, own: DeviceArrays, booked: Sequence[Booked]) -> None:
        names = [each.name for each in booked]
        mine = [name for name in own.device.registers.names if name in names]
        self.name, self.lo, self.registers = own.device.name, own.lo, own.registers
        self.rows = np.array([own.place(name)[0] for name in mine], dtype=np.int64)
        self.places = np.array([names.index(name) for name in mine], dtype=np.int64)
        self.mark = np.zeros((len(own.registers), len(mine), own.hi - own.lo))
        self.balance = np.zeros_like(self.mark)

    def arrays(self) -> tuple[int, Array, Array, Array, Array, Array]:
        """Return what `set_aside` reads of a class."""
        return self.lo, self.rows, self.places, self.registers, self.mark, self.balance


@kernel
def set_aside(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, always, row, state, sold, lo, rows, places, registers, mark, balance, hers
):
    """Add what is owners' own of the growth of a class's registers since the last look to ``hers``.

    Parameters
    ----------
    active : bool (n_world,)
    always : bool
        Look at all; else at those whose sale has changed.
    row : int
        Of ``state``, float32 (S, n, N): what owners sell now.
    sold : float32 (S, N)
        Likewise since the last look; updated in the places of the class, ``lo`` and the following.
    rows, places : int64 (k,)
        Registers of the class; their places in ``hers``.
    registers : float64 (S, n_register, n); mark, balance : float64 (S, k, n)
        Registers now and at the last look, and what is each owner's own of them so far; the last two are updated.
    hers : float64 (S, n_booked)
    """
    n = mark.shape[2]
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        now, was = state[s, row, lo : lo + n], sold[s, lo : lo + n]
        if always:
            for k in range(rows.shape[0]):
                hers[s, places[k]] += own_growth(registers[s, rows[k]], was, mark[s, k], balance[s, k])
            was[:] = now
        elif moved(now, was):
            for i in range(n):
                if now[i] != was[i]:
                    for k in range(rows.shape[0]):
                        own, sells = registers[s, rows[k], i : i + 1], was[i : i + 1]
                        hers[s, places[k]] += own_growth(own, sells, mark[s, k, i : i + 1], balance[s, k, i : i + 1])
                    was[i] = now[i]


@kernel
def own_growth(value, sold, mark, balance):  # type: ignore[no-untyped-def]
    """Return the sum of what is owners' own of the growth of a register since the last look.

    Parameters
    ----------
    value, mark, balance : float64 (n,)
        The register now and at the last look; what is each owner's own of it. The last two are updated.
    sold : float32 (n,)
        All growth is hers where it is not 0; else what brings her balance back towards 0.
    """
    total = 0.0
    for i in range(value.shape[0]):
        growth, back = value[i] - mark[i], -balance[i]
        hers = growth if sold[i] != 0.0 else min(max(growth, min(back, 0.0)), max(back, 0.0))
        total += hers
        mark[i] = value[i]
        balance[i] += hers
    return total


@kernel
def take_off(w0, w1, ends, n_shard, hers, totals):  # type: ignore[no-untyped-def]
    """Take what is hers, float64 (S, n_booked), off ``totals``, float64 (n_booked, n_world), where a half hour ends."""
    for w in range(w0, w1):
        if ends[w]:
            for k in range(totals.shape[0]):
                for s in range(w * n_shard, (w + 1) * n_shard):
                    totals[k, w] -= hers[s, k]

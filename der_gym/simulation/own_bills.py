"""What owners who sell bear themselves: their bill and wear, where commands and offers of pay stand side by side.

An owner who sells in an event has agreed to the offer as her whole pay. So what her device adds meanwhile to the
registers that the fleet's ledger books is hers; and so is what comes back later, until all has come back: she charges
what she sold, her store wears less on the next day. The rest is booked: what owners are commanded, and their standby.

The registers that are booked are entered by device from a class's first sale on, until nobody of it sells and nothing
is left to come back; else only their sums are kept (`numerics.sums.kept_row`). Where a sale begins or ends, and for all
at each half hour, the growth since the last look is told apart. Known error: what comes and goes between two looks is
one figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from der_gym.devices.owners.behaviour import STATE
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.program import Call
from der_gym.numerics.sums import in_order
from der_gym.simulation.device_arrays import DeviceArrays
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.fleet_ledger import Booked

Array = np.ndarray
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


class OwnBills:
    """The registers of owners in an event.

    Parameters
    ----------
    fleet : Fleet
        With room for the booked registers of every device.
    state : float32 (S, STATE.N, n_place)
        The owners'.
    booked : sequence of Booked
        Registers that the fleet's ledger books.

    Attributes
    ----------
    sold : float32 (S, n_place)
        1 where an owner sold since the last look at her, else 0.
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
        """Return the calls that look where a sale begins or ends, or ``always``, before the devices advance."""
        owners = (STATE.SOLD, STATE.BUSY, self.state, self.sold)
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
        self.rows = np.array([own.places(name)[-1][0] for name in mine], dtype=np.int64)
        self.apart = own.mark
        self.places = np.array([names.index(name) for name in mine], dtype=np.int64)
        self.mark = np.zeros((len(own.registers), len(mine), own.hi - own.lo))
        self.balance = np.zeros_like(self.mark)

    def arrays(self) -> tuple[int, int, Array, Array, Array, Array, Array]:
        """Return what `set_aside` reads of a class."""
        return self.lo, self.apart, self.rows, self.places, self.registers, self.mark, self.balance


@kernel
def set_aside(  # type: ignore[no-untyped-def]
    s0, s1, n_shard, active, always, row, busy, state, sold, lo, apart, rows, places, registers, mark, balance, hers
):
    """Add what is owners' own of the growth of a class's registers since the last look to ``hers``.

    Parameters
    ----------
    active : bool (n_world,)
    always : bool
        Look at all; else at those whose sale begins or ends.
    row, busy : int
        Of ``state``, float32 (S, n, N): what owners sell now; whether an offer is in force, in the first entry.
    sold : float32 (S, N)
        1 where they sold since the last look, else 0; updated in the places of the class, ``lo`` and the following.
    apart : int
        Place in the first row of ``registers`` of the mark by which they are entered by device; -1: they always are.
    rows, places : int64 (k,)
        Registers of the class, by device; their places in ``hers``.
    registers : float64 (S, n_register, n); mark, balance : float64 (S, k, n)
        Registers now and at the last look, and what is each owner's own of them so far; the last two are updated.
    hers : float64 (S, n_booked)
    """
    n = mark.shape[2]
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        now, was = state[s, row, lo : lo + n], sold[s, lo : lo + n]
        by_device = apart < 0 or registers[s, 0, apart] > 0.0
        if not by_device and (always or state[s, busy, 0] == _ZERO):
            continue
        if always:
            for k in range(rows.shape[0]):
                hers[s, places[k]] += own_growth(registers[s, rows[k]], was, mark[s, k], balance[s, k])
            if apart >= 0 and nobody(was) and settled(balance[s]):
                registers[s, 0, apart] = 0.0
        elif turned(now, was):
            if apart >= 0:
                registers[s, 0, apart] = 1.0
            for i in range(n):
                selling = _ONE if now[i] != _ZERO else _ZERO
                if selling != was[i]:
                    for k in range(rows.shape[0]):
                        value = registers[s, rows[k], i]
                        growth = own_part(value - mark[s, k, i], was[i], balance[s, k, i])
                        hers[s, places[k]] += growth
                        mark[s, k, i] = value
                        balance[s, k, i] += growth
                    was[i] = selling


@kernel
def turned(now, was):  # type: ignore[no-untyped-def]
    """Return whether any sale has begun or ended: ``now`` what owners sell, ``was`` 1 where they sold, float32 (n,)."""
    most = np.int32(0)
    for i in range(now.shape[0]):
        most = max(most, in_order(abs((_ONE if now[i] != _ZERO else _ZERO) - was[i])))
    return most > np.int32(0)


@kernel
def nobody(sold):  # type: ignore[no-untyped-def]
    """Return whether nobody sells, float32 (n,)."""
    for each in sold:  # noqa: SIM110 - a loop that numba compiles
        if each > _ZERO:
            return False
    return True


@kernel
def settled(balance):  # type: ignore[no-untyped-def]
    """Return whether all has come back that owners sold, float64 (k, n)."""
    for k in range(balance.shape[0]):
        for i in range(balance.shape[1]):
            if balance[k, i] != 0.0:
                return False
    return True


@kernel
def own_growth(value, sold, mark, balance):  # type: ignore[no-untyped-def]
    """Return the sum of what is owners' own of the growth of a register since the last look.

    Parameters
    ----------
    value, mark, balance : float64 (n,)
        The register now and at the last look; what is each owner's own of it. The last two are updated.
    sold : float32 (n,)
        All growth is hers where it is above 0; else what brings her balance back towards 0.
    """
    total = 0.0
    for i in range(value.shape[0]):
        hers = own_part(value[i] - mark[i], sold[i], balance[i])
        total += hers
        mark[i] = value[i]
        balance[i] += hers
    return total


@scalar
def own_part(growth, sold, balance):  # type: ignore[no-untyped-def]
    """Return what is an owner's own of a growth; see `own_growth`."""
    return growth if sold > _ZERO else min(max(growth, min(-balance, 0.0)), max(-balance, 0.0))


@kernel
def take_off(w0, w1, ends, n_shard, hers, totals):  # type: ignore[no-untyped-def]
    """Take what is hers, float64 (S, n_booked), off ``totals``, float64 (n_booked, n_world), where a half hour ends."""
    for w in range(w0, w1):
        if ends[w]:
            for k in range(totals.shape[0]):
                for s in range(w * n_shard, (w + 1) * n_shard):
                    totals[k, w] -= hers[s, k]

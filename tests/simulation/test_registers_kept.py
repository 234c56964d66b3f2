"""Registers where owners bear their own bills: those that are booked stand by device, of the others only the sums."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import generators, small

from der_gym.numerics.sums import kept_row
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator

BOTH = "tertiary-1-both"


def played(by_device: bool, n_device: int = 300) -> Simulator:
    """Return worlds that were offered pay and commanded for two hours."""
    made = load(BOTH, small(BOTH, {"fleet.n_device": n_device, "episode.n_block": 4}))
    sim, every = Simulator(made, 2, 1, by_device), np.ones(2, dtype=bool)
    sim.reset(every, generators([3, 4]))
    message = np.zeros(sim.step_plan.message.shape, dtype=np.float32)
    n_leaf = sim.structure.n_leaf
    message[:, n_leaf:, 0] = 1.0
    for k in range(120):
        message[:, :n_leaf, 1], message[:, n_leaf:, 1] = (0.5 if k < 90 else -0.5), 40.0 * (k < 60)
        sim.step(message, every)
    return sim


def test_booked_registers_have_the_bits_that_they_have_where_all_are_kept_by_device() -> None:
    few, every = played(False), played(True)
    for name, own in few.fleet.classes.items():
        full = every.fleet.classes[name]
        for register in own.device.registers:
            mine, theirs = own.register(register), full.register(register)
            if register in own.device.booked:
                assert (mine == theirs).all(), register
            else:
                assert mine.shape == (2, 1)
                np.testing.assert_allclose(mine[:, 0], theirs.sum(axis=1), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(few.fleet.total(register), every.fleet.total(register), rtol=1e-9, atol=1e-9)
    ledgers = [sim.market.fleet_ledger.ledger_yen for sim in (few, every)]
    lines = few.market.fleet_ledger.lines
    own_lines = [lines.index(name) for name in ("owners_bill", "wear")]
    assert (ledgers[0][:, own_lines] == ledgers[1][:, own_lines]).all() and (ledgers[0][:, own_lines] != 0.0).any()


def test_they_take_less_room_and_dispatch_alone_keeps_none_by_device() -> None:
    few, every = played(False), played(True)
    sizes = [sum(own.registers.nbytes for own in sim.fleet.classes.values()) for sim in (few, every)]
    assert sizes[0] < 0.65 * sizes[1]
    alone = Simulator(load("tertiary-1", small()), 2, 1)
    assert all(own.registers.shape[2] == 1 for own in alone.fleet.classes.values())


def test_a_class_of_few_devices_keeps_all_by_device() -> None:
    """Their sums would not find room in a row of so few places."""
    sim = played(False, 30)
    shapes = {name: own.registers.shape[1:] for name, own in sim.fleet.classes.items()}
    few = {name for name, own in sim.fleet.classes.items() if own.hi - own.lo < len(own.device.registers)}
    assert few and all(shapes[name][0] == len(sim.fleet.classes[name].device.registers) for name in few)
    assert all(
        np.isfinite(sim.fleet.total(name)).all() for own in sim.fleet.classes.values() for name in own.device.booked
    )


@pytest.mark.parametrize(("shape", "number", "place", "expected"), [
    ((4, 1), 2, -1, [2.0]),
    ((4, 5), 2, 1, [10.0, 11.0, 12.0, 13.0, 14.0]),
    ((3, 5), 2, 1, [10.0, 11.0, 12.0, 13.0, 14.0]),
    ((3, 5), 3, -1, [3.0]),
])  # fmt: skip
def test_where_a_register_stands(shape: tuple[int, int], number: int, place: int, expected: list[float]) -> None:
    kept = np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape)
    assert kept_row(kept, number, place, 4).tolist() == expected

"""Registers where owners bear their own bills: those that are booked stand by device where somebody has sold."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import generators, small

from der_gym.numerics.sums import kept_row
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator

BOTH = "tertiary-1-both"


def played(by_device: bool, n_device: int = 300, yen: float = 40.0, n_step: int = 120) -> Simulator:
    """Return worlds that were offered pay for an hour, and commanded for two."""
    made = load(BOTH, small(BOTH, {"fleet.n_device": n_device, "episode.n_block": 4, "network.ideal": True}))
    sim, every = Simulator(made, 2, 1, by_device), np.ones(2, dtype=bool)
    sim.reset(every, generators([3, 4]))
    message = np.zeros(sim.step_plan.message.shape, dtype=np.float32)
    n_leaf = sim.structure.n_leaf
    message[:, n_leaf:, 0] = 1.0
    for k in range(n_step):
        message[:, :n_leaf, 1], message[:, n_leaf:, 1] = (0.5 if k < 90 else -0.5), yen * (k < 60)
        sim.step(message, every)
    return sim


def marks(sim: Simulator) -> dict[str, bool]:
    """Return by class whether its booked registers are entered by device in any world."""
    return {name: bool((own.registers[:, 0, own.mark] > 0).any()) for name, own in sim.fleet.classes.items()}


@pytest.mark.parametrize("n_step", [45, 120])
def test_what_is_booked_is_what_it_is_where_all_registers_are_kept_by_device(n_step: int) -> None:
    few, every = played(False, n_step=n_step), played(True, n_step=n_step)
    for name, own in few.fleet.classes.items():
        full = every.fleet.classes[name]
        for register in own.device.registers:
            mine, theirs = own.register(register), full.register(register)
            assert mine.shape == (2, 1)
            np.testing.assert_allclose(mine[:, 0], theirs.sum(axis=1), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(few.fleet.total(register), every.fleet.total(register), rtol=1e-9, atol=1e-9)
    ledgers, hers = zip(*((sim.market.fleet_ledger.ledger_yen, _hers(sim)) for sim in (few, every)), strict=True)
    np.testing.assert_allclose(*ledgers, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(*hers, rtol=1e-9, atol=1e-9)
    lines = few.market.fleet_ledger.lines
    assert (ledgers[0][:, lines.index("owners_bill")] != 0.0).any() and (hers[0] != 0.0).any()


def _hers(sim: Simulator) -> np.ndarray:
    assert sim.offers is not None and sim.offers.own_bills is not None
    return sim.offers.own_bills.hers


def test_registers_are_entered_by_device_only_from_a_sale_on() -> None:
    assert not any(marks(played(False, yen=0.0)).values())
    assert marks(played(False, yen=40.0, n_step=40))["battery"]


def test_they_are_summed_again_once_nobody_sells_and_all_has_come_back() -> None:
    sim = played(False, n_step=90)
    assert sim.offers is not None and sim.offers.own_bills is not None
    assert marks(sim)["battery"]  # nobody sells any more, but the batteries lack what they sold
    before = {name: own.register("import_more_kwh").copy() for name, own in sim.fleet.classes.items()}
    for each in sim.offers.own_bills._of:
        each.balance[:] = 0.0
    silent = np.zeros(sim.step_plan.message.shape, dtype=np.float32)
    for _ in range(30):
        sim.step(silent, np.ones(2, dtype=bool))
    assert not any(marks(sim).values())
    at_rest = [own.registers[:, 1:].copy() for own in sim.fleet.classes.values()]
    sim.step(silent, np.ones(2, dtype=bool))
    assert all(
        (own.registers[:, 1:] == was).all() for own, was in zip(sim.fleet.classes.values(), at_rest, strict=True)
    )
    assert all((own.register("import_more_kwh") >= before[name]).all() for name, own in sim.fleet.classes.items())


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
    few = {name for name, own in sim.fleet.classes.items() if own.hi - own.lo <= len(own.device.registers)}
    assert few and all(shapes[name][0] == len(sim.fleet.classes[name].device.registers) for name in few)
    assert all(
        np.isfinite(sim.fleet.total(name)).all() for own in sim.fleet.classes.values() for name in own.device.booked
    )


@pytest.mark.parametrize(("shape", "number", "place", "expected"), [
    ((4, 1), 2, -1, [2.0]),
    ((4, 5), 2, 1, [10.0, 11.0, 12.0, 13.0, 14.0]),
    ((3, 5), 2, 1, [10.0, 11.0, 12.0, 13.0, 14.0]),  # the mark, in the first row behind four sums, is 4
    ((3, 5), 3, -1, [3.0]),
])  # fmt: skip
def test_where_a_register_stands(shape: tuple[int, int], number: int, place: int, expected: list[float]) -> None:
    kept = np.arange(shape[0] * shape[1], dtype=np.float64).reshape(shape)
    assert kept_row(kept, number, place, 4).tolist() == expected


def test_without_the_mark_a_booked_register_stands_among_the_sums() -> None:
    kept = np.arange(15.0).reshape(3, 5)
    kept[0, 4] = 0.0
    assert kept_row(kept, 2, 1, 4).tolist() == [2.0]

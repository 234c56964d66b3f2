"""The owners' bill that devices work out alone, against a real twin: the same luck without award, standby, commands."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from twin_bill import begun, bills_yen, kept_kwh
from worlds import small

from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario

Array = np.ndarray
SEEDS = range(6)


@cache
def made() -> Scenario:
    """Return a small fleet that is metered at its homes, so that their net power is worked out in full."""
    changes = {"episode.n_block": 12, "episode.n_block_after": 2, "fleet.n_device": 300}
    return load("tertiary-1", small("tertiary-1", {**changes, "services.tertiary-1.metering": "receiving"}))


@cache
def award_free() -> tuple[Worlds, Array]:
    twin = begun(made(), SEEDS, standby=False)
    return twin, bills_yen(twin, "idle")


@pytest.mark.parametrize("controller", ["idle", "merit_order", "open_loop"])
def test_the_bill_is_the_difference_to_an_award_free_twin(controller: str) -> None:
    """Within 2 % of what standby costs in each episode, 1 % in the mean: shadows have no ramps and slots of 300 s."""
    twin, own_yen = award_free()
    worlds = begun(made(), SEEDS)
    yen = bills_yen(worlds, controller)
    costs, fleet = made().costs, worlds.simulator.fleet
    kept = (kept_kwh(worlds) - kept_kwh(twin)) * costs.stored_yen_kwh
    waiting = fleet.total("deferred_kwh") * costs.deferred_yen_kwh  # a twin knows nothing of it
    expected, found = yen - own_yen - kept, worlds.simulator.market.fleet_ledger.bill_yen - waiting
    assert (expected > 500).all()  # else nothing was tested
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.mean())
    assert found.mean() == pytest.approx(expected.mean(), rel=0.01)
    assert controller != "open_loop" or (waiting > 0).any()


def test_who_is_left_alone_costs_nothing_and_lacks_nothing() -> None:
    twin, _ = award_free()
    sim = twin.simulator
    assert np.abs(sim.market.fleet_ledger.bill_yen).max() < 60  # of homes that pay some 40,000
    assert (sim.fleet.total("deferred_kwh") == 0).all() and sim.fleet.total("worn_kwh").max() < 1
    assert np.abs(sim.fleet.total("missing_more_kwh")).max() < 0.1
    assert np.abs(sim.fleet.total("unserved_more_kwh")).max() < 1

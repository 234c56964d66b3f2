"""The plan of leaves that are offered pay: neither offers nor the answers to them move it."""

from __future__ import annotations

from typing import Any

import numpy as np
from test_plan_forecast import any_model
from worlds import Array, copied, generators, same, small

from der_gym.core.units import BLOCK_S
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.simulation.assets import scenario_assets
from der_gym.simulation.plan_state import PLAN_STATE, QUIET_S, recall_state
from der_gym.simulation.simulator import Simulator

BOTH = "tertiary-1-both"
TOLD = ("up_kw", "down_kw", "stored_kwh", "seen_kw")
MINUTES = BLOCK_S // 60


def made() -> Scenario:
    own = {"plan.method": "forecast", "episode.n_block": 5, "episode.n_block_after": 2, "network.ideal": True}
    return load(BOTH, small(BOTH, {"fleet.n_device": 300, **own}))


def begun(n: int = 2) -> Simulator:
    """Return worlds whose plan reads everything."""
    scenario = made()
    assets = scenario_assets(scenario)
    sim = Simulator(scenario, n, 1, assets=assets, plan_model=any_model(assets.structure.n_leaf))
    sim.reset(np.ones(n, dtype=bool), generators(range(3, 3 + n)))
    return sim


def play(sim: Simulator, minutes: int, yen: float = 0.0, fraction: float = 0.0) -> Array:
    """Offer pay and send fractions to all leaves; return the mean power of the leaves, kW."""
    n_leaf, power = sim.structure.n_leaf, np.zeros((sim.n_world, sim.structure.n_leaf))
    message = np.zeros(sim.step_plan.message.shape, dtype=np.float32)
    message[:, :n_leaf, 1] = fraction
    message[:, n_leaf:, 0], message[:, n_leaf:, 1] = 1.0, yen
    for _ in range(minutes):
        sim.step(message, np.ones(sim.n_world, dtype=bool))
        power += sim.leaf_power_kw() / minutes
    return power


def plan(sim: Simulator) -> Array:
    return sim.market.planner.leaf_kw.copy()


def test_what_owners_answer_does_not_move_the_plan() -> None:
    """Offers that many and that few take up leave the same plan, to the bit, up to an hour after."""
    low, high = begun(), begun()
    powers = [play(sim, MINUTES, yen) for sim, yen in ((low, 5.0), (high, 95.0))]
    assert (low.market.planner.offered_since_s > 0.0).all()
    assert np.abs(powers[0] - powers[1]).max() > 5.0
    play(low, MINUTES)
    play(high, MINUTES)
    assert (plan(low) == plan(high)).all()
    play(low, 3 * MINUTES)
    play(high, 3 * MINUTES)
    assert (plan(low) != plan(high)).any()  # the state is read again


def test_a_leaf_that_shows_the_usual_has_the_plan_that_it_has_without_offers() -> None:
    """The kernel leaves such a state as it is, to the bit; beside it another shows more than the usual."""
    usual = np.random.default_rng(1).normal(size=(1, 4, 2, PLAN_STATE.N))
    state, kept, out = np.zeros((1, 2, PLAN_STATE.N)), np.zeros((1, 2, PLAN_STATE.N)), []
    for b in (2, 3):
        state[0] = usual[0, b]
        state[0, 1] += 0.5
        t_s, offered = np.array([(b - 2.0) * BLOCK_S]), np.full((1, 2), 0.0 if b == 3 else -QUIET_S)
        given = (np.array([True]), t_s, np.zeros(1, np.int64), np.zeros(24, np.int64), usual)
        recall_state(0, 1, *given, np.full((2, PLAN_STATE.N), 0.8), np.full((1, 2), -QUIET_S), offered, kept, state)
        out.append(state[0] - usual[0, b])
    rows = [PLAN_STATE.number(name) for name in TOLD]
    assert (out[1][0] == 0.0).all() and (state[0, 0] == usual[0, 3, 0]).all()
    np.testing.assert_allclose(out[0][1, rows], 0.5)
    np.testing.assert_allclose(out[1][1, rows], 0.5 * 0.8)


def test_the_state_under_offers_is_that_of_the_last_quiet_gate() -> None:
    """Plain loops say the same as the kernel, with commands beside the offers and an hour after them."""
    sim, other = begun(), begun()
    planner, rows = sim.market.planner, [PLAN_STATE.number(name) for name in TOLD]
    model = planner.model
    assert model is not None
    kept = other.market.planner.state[..., rows] - _usual(other, 2)[..., rows]  # as it was at the start
    for n in range(1, 4):
        offers, commands = (20.0 if n < 3 else 0.0), (0.4 if n == 3 else 0.0)
        play(sim, MINUTES, offers, commands)
        offered = planner.offered_since_s > (n - 2) * BLOCK_S - 1
        hidden = (planner.quiet_since_s > (n - 2) * BLOCK_S - 1)[..., None] & (np.array(TOLD) == "seen_kw")
        kept = kept * model.fading[:, rows]
        expected = np.where(hidden, 0.0, _usual(sim, n + 2)[..., rows] + kept)
        assert offered.all()
        np.testing.assert_allclose(planner.state[..., rows], expected, atol=1e-12)


def _usual(sim: Simulator, b: int) -> Array:
    model = sim.market.planner.model
    assert model is not None
    usual: Array = model.usual[model.row_of()[sim.market.episode.start_h], b]
    return usual


def test_offers_do_not_hold_the_plan_of_loads_at_the_base() -> None:
    """Commands do: a controller could else raise its own yardstick."""
    offered, commanded = begun(), begun()
    play(offered, 3 * MINUTES, yen=5.0)
    play(commanded, 3 * MINUTES, fraction=0.5)
    above = []
    for sim in (offered, commanded):
        planner = sim.market.planner
        obeys = sim.scenario.obeying(sim.structure.leaf_names)
        loads = ~planner.standby_leaf & (np.array(obeys) | (sim is offered))
        above.append((plan(sim) > planner.base_kw + 1e-9)[:, 3:6][..., loads].any())
    assert above == [True, False]


def test_copies_and_snapshots_hold_what_was_shown() -> None:
    sim, other = begun(), begun()
    play(sim, MINUTES + 5, yen=20.0)
    other.restore(sim.snapshot())
    for each in (sim, other):
        play(each, 3 * MINUTES, yen=20.0)
    assert not same(copied(sim), copied(other))


def test_offers_are_no_commands_to_the_plan_of_a_dispatch_scenario() -> None:
    """Where nothing is offered nothing is kept back: the state is what the leaves show."""
    sim: Any = begun()
    play(sim, 2 * MINUTES, fraction=0.3)
    assert (sim.market.planner.offered_since_s == -QUIET_S).all()

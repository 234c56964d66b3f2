"""The forecast plan: causal to the bit, equal to a plain reference, and the same in every batch."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from worlds import Array, copied, generators, same, scenario, take

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S, REFRESH_S
from der_gym.engine.tables import CAPABILITY, FLEET
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.signals.table import SIGNALS
from der_gym.simulation.aggregator_view import LEAF
from der_gym.simulation.assets import ScenarioAssets, scenario_assets
from der_gym.simulation.metering import SEEN
from der_gym.simulation.plan_model import KNOWN, PlanModel, ridge
from der_gym.simulation.plan_state import LEAST_SHARE, PLAN_STATE, QUIET_S
from der_gym.simulation.simulator import Simulator

N_BLOCK = 7
FORECASTS = (SIGNALS.TEMP_FORECAST_C, SIGNALS.SUN_FORECAST_KW_M2)


def planned(**changes: Any) -> Scenario:
    return scenario(plan__method="forecast", episode__n_block=5, episode__n_block_after=2, **changes)


def any_model(n_leaf: int, starts_h: tuple[int, ...] = (5, 14, 17)) -> PlanModel:
    """Return weights that read everything, so that nothing is overlooked."""
    rng, lead = np.random.default_rng(3), (len(starts_h), N_BLOCK, n_leaf)
    bound = np.full(lead, 3.0)
    known, state = rng.normal(0, 0.05, (*lead, KNOWN.N)), rng.normal(0, 0.3, (*lead, PLAN_STATE.N))
    usual, fading = rng.normal(0, 0.1, state.shape), rng.uniform(0.5, 1.0, (n_leaf, PLAN_STATE.N))
    return PlanModel(starts_h, known, state, -bound, bound, usual, fading)


def begun(made: Scenario, seeds: list[int], assets: ScenarioAssets | None = None) -> Simulator:
    assets = scenario_assets(made) if assets is None else assets
    sim = Simulator(made, len(seeds), 1, assets=assets, plan_model=any_model(assets.structure.n_leaf))
    sim.reset(np.ones(len(seeds), dtype=bool), generators(seeds))
    return sim


def play(sim: Simulator, first: int, last: int, seed: int = 0) -> None:
    """Play the decisions ``first`` to ``last`` with fractions that change every 20 minutes."""
    for k in range(first, last):
        take(sim, np.random.default_rng([seed, k // 20]).uniform(-1, 1, sim.structure.n_leaf).astype(np.float32))


# -- causality ---------------------------------------------------------------------------------------------------------


def with_another_future(made: Scenario, abs_s: int, known: int) -> ScenarioAssets:
    """Return the assets with every signal but the forecasts, and the reference days, changed after ``abs_s``.

    Temperature and sun lie on straight lines between values: the first ``known`` values from ``abs_s`` on stay.
    """
    assets = scenario_assets(made)
    signals, pool = assets.signals, assets.pool
    values, at = signals.values.copy(), (abs_s - signals.start_abs_s) // REFRESH_S + known
    rows = [k for k in range(len(values)) if k not in FORECASTS]
    values[rows, at:] = values[rows, at:] * 1.5 + 3.0
    slot = (abs_s - signals.start_abs_s) // BLOCK_S
    changed = {}
    for name, first in (("power_kw", slot), ("capability", slot + 1)):  # capability is that of a half hour's start
        array = np.array(getattr(pool, name))
        array.reshape(len(array), -1, *array.shape[3:])[:, first:] += 5.0
        changed[name] = array
    return replace(assets, signals=replace(signals, values=values), pool=replace(pool, **changed))


@pytest.mark.parametrize("gate", range(-2, 5))
@pytest.mark.parametrize("seed", [4, 5])
def test_nothing_after_the_gate_moves_the_plan(gate: int, seed: int) -> None:
    """Signals, reference days, device states and draws after a gate change: the plan is the same to the bit.

    The first reports of an episode are those of its first tick, so a gate at the start sees half a minute ahead.
    """
    made, frozen = planned(), gate + 3  # the blocks whose gates have closed
    sim = begun(made, [seed])
    abs_s = int(sim.market.episode.start_abs_s()[0]) + gate * BLOCK_S
    other = begun(made, [seed], with_another_future(made, abs_s, known=2 if gate == 0 else 1))
    play(sim, 0, N_BLOCK * 30)
    play(other, 0, max(gate, 0) * 30)
    _upset(other)
    play(other, max(gate, 0) * 30, N_BLOCK * 30, seed=9)
    plans = sim.market.planner.leaf_kw[0], other.market.planner.leaf_kw[0]
    assert (plans[0][:frozen] == plans[1][:frozen]).all()
    assert frozen == N_BLOCK or (plans[0][frozen:] != plans[1][frozen:]).any()  # else nothing was tested


def _upset(sim: Simulator) -> None:
    """Change what the devices hold and what will be drawn."""
    sim.fleet.keys[:, 2:] ^= np.uint32(0xABCD)
    for own in sim.fleet.classes.values():
        own.energy[:] *= 0.5
    sim.fleet.fleet[:, FLEET.SEEN_KW] += 0.5
    sim.meters.capability[:] += 1.0


def test_the_plan_reads_the_state_at_its_gate() -> None:
    """A store that is fuller at the gate has another plan, one that is fuller later has not."""
    first, second = begun(planned(), [4]), begun(planned(), [4])
    for sim in (first, second):
        take(sim, 0, 59)
    second.meters.capability[:, :, CAPABILITY.STORED_KWH] += 1.0
    take(first, 0)
    take(second, 0)  # block 4 closes at the end of minute 60
    plans = first.market.planner.leaf_kw[0], second.market.planner.leaf_kw[0]
    assert (plans[0][:4] == plans[1][:4]).all() and (plans[0][4] != plans[1][4]).any()


# -- a plain reference -------------------------------------------------------------------------------------------------


def plain_state(sim: Simulator, ahead: int) -> Array:
    """Return the state of world 0's leaves at a gate by loops over devices."""
    st, planner, t = sim.structure, sim.market.planner, float(sim.fleet.t_s[0])
    out = np.zeros((st.n_leaf, PLAN_STATE.N))
    for j in range(st.n_leaf):
        heard, enrolled, sums, seen = 0.0, 0.0, np.zeros(3), 0.0
        for c in np.flatnonzero(st.cell_leaf == j):
            for i in range(st.cell_lo[c], st.cell_hi[c]):
                if sim.fleet.fleet[0, FLEET.METER_GAIN, i] > 0:
                    kw = float(sim.fleet.fleet[0, FLEET.RATED_KW, i])
                    enrolled += kw
                    heard += kw if sim.fleet.fleet[0, FLEET.SEEN_S, i] >= np.float32(t) - np.float32(3600) else 0.0
            row = sim.meters.capability[0, c]
            sums += row[[CAPABILITY.UP_KW, CAPABILITY.DOWN_KW, CAPABILITY.STORED_KWH]]
            seen += sim.meters.seen[0, c, SEEN.SEEN_KW]
        scale = 1.0 / (max(heard / enrolled, LEAST_SHARE) * planner.nominal_kw[j])
        out[j, :3] = sums * scale
        quiet = t - planner.quiet_since_s[0, j] >= QUIET_S
        out[j, PLAN_STATE.SEEN_KW] = (seen * scale - planner.base_kw[0, ahead, j] / planner.nominal_kw[j]) * quiet
    return out


def test_kernels_equal_a_plain_reference() -> None:
    """State and plan of every gate; the sent fractions are those of the last hour's decisions."""
    sim = begun(planned(), [4])
    planner, model, sent = sim.market.planner, sim.market.planner.model, []
    assert model is not None
    row = model.starts_h.index(int(sim.market.episode.start_h[0]))
    for k in range(5 * 30):
        if k % 30 == 0 and k // 30 + 2 < N_BLOCK:
            ahead, expected = k // 30 + 2, plain_state(sim, k // 30 + 2)
            halves = [np.array(sent[max(k - 30 * h, 0) : max(k - 30 * (h - 1), 0)]) for h in (1, 2)]
            for name, side in (("sent_up", np.maximum), ("sent_down", np.minimum)):
                means = [side(part, 0).mean(axis=0) if len(part) else np.zeros(sim.structure.n_leaf) for part in halves]
                expected[:, PLAN_STATE.number(name)] = np.mean(means, axis=0)
            np.testing.assert_allclose(planner.state[0], expected, rtol=1e-6, atol=1e-9)
            known = planner.known(np.array([0]))[0, ahead]
            total = (model.known[row, ahead] * known).sum(-1) + (model.state[row, ahead] * planner.state[0]).sum(-1)
            stands = planner.stands[0, ahead]
            plan = np.where(stands, planner.base_kw[0, ahead], np.clip(total, -3, 3) * planner.nominal_kw)
            commanded = sim.fleet.t_s[0] - planner.quiet_since_s[0] < QUIET_S
            capped = np.minimum(plan, planner.base_kw[0, ahead])
            plan = np.where(commanded & ~planner.standby_leaf, capped, plan)
            np.testing.assert_allclose(planner.leaf_kw[0, ahead], plan, rtol=1e-9, atol=1e-9)
        sent.append(sim.view.leaf[0, :, LEAF.SENT_A].copy())
        play(sim, k, k + 1)


def test_silent_devices_are_taken_to_be_like_the_others() -> None:
    """The plan of like days compares the seen power with the plan of those who report."""
    sim = Simulator(scenario(episode__n_block=5, episode__n_block_after=2, network__reach_share=0.5), 16, 1)
    sim.reset(np.ones(16, dtype=bool), generators(list(range(16))))
    take(sim, 0, 90)
    loads = ~sim.market.planner.standby_leaf
    base, plan = (each[:, 3:5][:, :, loads].sum() for each in (sim.market.planner.base_kw, sim.market.planner.leaf_kw))
    assert abs(plan / base - 1) < 0.06  # half of the power is not seen: taken as it is, it would move the plan by -.17


# -- worlds ------------------------------------------------------------------------------------------------------------


def test_a_world_of_a_batch_is_the_world_alone() -> None:
    many = begun(planned(), [4, 5, 6])
    play(many, 0, 150)
    for w, seed in enumerate((4, 5, 6)):
        one = begun(planned(), [seed])
        play(one, 0, 150)
        assert (one.market.planner.leaf_kw[0] == many.market.planner.leaf_kw[w]).all()
        assert (one.market.primary.plan_kw[0] == many.market.primary.plan_kw[w]).all()


def test_snapshots_and_copies_hold_all_that_the_plan_follows_from() -> None:
    sim, other = begun(planned(), [4, 5]), begun(planned(), [6, 7])
    play(sim, 0, 75)
    kept = copy.deepcopy(sim)
    other.restore(sim.snapshot())
    for each in (sim, kept, other):
        play(each, 75, 200)
    assert not same(copied(sim), copied(kept)) and not same(copied(sim), copied(other))


def test_a_leaf_that_stands_by_is_planned_as_the_homes_that_do_not_hear_of_it() -> None:
    sim = begun(planned(), [4])
    play(sim, 0, 150)
    stands = sim.market.planner.stands[0]
    planner = sim.market.planner
    assert stands.any() and (planner.leaf_kw[0][stands] == planner.base_kw[0][stands]).all()
    assert np.abs(planner.leaf_kw[0][stands]).max() > 0.0
    assert (sim.market.planner.leaf_kw[0][~stands] != 0.0).all()


def test_plan_method_perfect_is_every_services_perfect_plan() -> None:
    made = scenario(plan__method="perfect", episode__n_block=3, episode__n_block_after=1)
    other = scenario(services__tertiary_1__plan="perfect", episode__n_block=3, episode__n_block_after=1)
    plans = []
    for each in (made, other):
        sim = Simulator(each, 1, 1)
        sim.reset(np.ones(1, dtype=bool), generators([4]))
        plans.append(sim.market.primary.plan_kw.copy())
    assert (plans[0] == plans[1]).all()


# -- learning ----------------------------------------------------------------------------------------------------------


def test_ridge_finds_the_weights_and_leaves_constants_alone() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(400), rng.normal(3, 2, 400), np.full(400, 7.0), rng.normal(0, 0.1, 400)])
    weight = ridge(x, 2.0 + 0.5 * x[:, 1] - 4.0 * x[:, 3])
    assert weight == pytest.approx([2.0, 0.5, 0.0, -4.0], abs=0.02)
    assert (weight == weight.round(7)).all()


def test_too_few_days_of_training_fall_back_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_gym.simulation.plan_training._n_day", lambda assets: 3)
    made = load("tertiary-1-tiny", {"plan.like_days": 4})
    with pytest.warns(UserWarning, match="3 days of the train split; allowed: 30 or more"):
        assert Simulator(made, 1, 1).market.planner.model is None


@pytest.mark.parametrize("method", ["forcast", "", 3])
def test_an_unknown_method_is_refused(method: Any) -> None:
    with pytest.raises(InputError, match=r"plan\.method.*like_days"):
        scenario(plan__method=method)

"""What the market sees: every window judged, plans frozen in time, absent units not metered, and no truth in sight."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import SMALL_STEPS, actions, bits, message, scenario, small, started, take

from der_gym.engine.tables import FLEET
from der_gym.env.single import DERGroupEnv
from der_gym.services.tertiary_1.settlement import OUTCOME
from der_gym.simulation.aggregator_view import LEAF, SERVICE
from der_gym.simulation.simulator import Simulator

Array = np.ndarray


def booked(sim: Simulator) -> list[tuple[Array, Array, Array]]:
    """Keep (true, metered, plan) kW of every minute that the product is handed from now on."""
    kept: list[tuple[Array, Array, Array]] = []
    sim.on_minute.append(lambda: kept.append(tuple(array.copy() for array in sim.market.primary.sample[2:])))  # type: ignore[arg-type]
    return kept


@pytest.mark.parametrize("name", ["tertiary-1", "tertiary-1-simple"])
@pytest.mark.parametrize("decision_s", [10, 60, 300, 1800])
def test_every_window_of_every_awarded_block_is_judged(name: str, decision_s: int) -> None:
    made = scenario(name, decision_s=decision_s, tick_s=min(decision_s, 60), episode__n_block=3)
    sim = started(made, [1, 2])
    outcome = sim.market.primary.service.outcome
    assert np.isnan(outcome[:, :, OUTCOME.PASSED]).all()
    take(sim, 0.3, made.n_step)
    assert (outcome[:, :3, OUTCOME.JUDGED_SHARE] == 1.0).all() and np.isin(
        outcome[:, :3, OUTCOME.PASSED], (0.0, 1.0)
    ).all()
    assert np.isnan(outcome[:, 3:, OUTCOME.PASSED]).all()


def test_the_plan_is_frozen_an_hour_ahead() -> None:
    """Commands from block k - 2 on do not move the plan of block k, whatever is seen of them."""
    made = scenario(fleet__n_device=200, episode__n_block=9)
    plans = []
    for late in (0.0, 1.0, -1.0):
        sim, frozen = started(made, [1, 2]), []
        for step in range(made.n_step):
            if step % 30 == 0:
                frozen.append(sim.market.primary.plan_kw.copy())
            take(sim, late if step >= 90 else 0.0)
        plans.append(sim.market.primary.plan_kw.copy())
        for begun, plan in enumerate(frozen):  # once a block is an hour away, its plan stands
            assert (plan[:, : begun + 2] == sim.market.primary.plan_kw[:, : begun + 2]).all(), begun
    for other in plans[1:]:
        assert (other[:, :6] == plans[0][:, :6]).all()  # block 3 begins at step 90: 4 and 5 are frozen
        assert (other[:, 6:] != plans[0][:, 6:]).any()  # else nothing was tested


def test_commands_do_not_move_the_plan_by_what_is_seen_of_them() -> None:
    """A leaf under command keeps its base: a group cannot lower its own yardstick (sandbagging)."""
    made = scenario(fleet__n_device=200, episode__n_block=9)
    ends = []
    for a in (1.0, -1.0):
        sim = started(made, [1])
        take(sim, a, made.n_step)
        ends.append(sim.market.planner.leaf_kw.copy())
    assert (ends[0][:, 5:] == ends[1][:, 5:]).all()
    assert (ends[0][:, 5:] == sim.market.planner.base_kw[:, 5:]).all()


@pytest.mark.parametrize("name", ["tertiary-1", "tertiary-1-receiving"])
def test_the_perfect_plan_is_the_idle_world(name: str) -> None:
    made = scenario(name, services__tertiary_1__plan="perfect", episode__n_block=3, episode__n_block_after=1)
    sim = started(made, [1, 2])
    kept = booked(sim)
    promised = sim.market.primary.plan_kw.copy()
    take(sim, 0.0, made.n_step)
    true, metered, plan = (np.array([minute[k] for minute in kept]) for k in range(3))
    assert (true == plan).all() and (metered != true).any()
    assert (sim.market.primary.plan_kw == promised).all()
    np.testing.assert_allclose(promised, plan.reshape(4, 30, 2).mean(axis=1).T, rtol=1e-12)
    assert (
        sim.view.service[:, 0, SERVICE.PLAN_KW] == plan[-1]
    ).all()  # what is seen belongs to the minute that has just ended


def test_a_perfect_plan_is_the_same_whatever_is_commanded() -> None:
    made = scenario(services__tertiary_1__plan="perfect")
    ends = []
    for a in (0.0, 1.0):
        sim = started(made, [1])
        kept = booked(sim)
        take(sim, a, SMALL_STEPS)
        ends.append([minute[2] for minute in kept])
    assert bits(*ends[0]) == bits(*ends[1])


def test_units_that_are_not_in_the_list_are_not_metered() -> None:
    made = scenario(
        fleet__n_device=200,
        episode__n_block=6,
        devices__behaviour__late_share=0.3,
        devices__behaviour__leave_share=0.3,
    )
    sim = started(made, [1, 2])
    kept, changes, fleet = booked(sim), 0, sim.fleet.fleet
    present = fleet[:, FLEET.METER_GAIN] > 0
    assert 0.5 < present.mean() < 0.9
    for step in range(made.n_step):
        take(sim, 0.5)
        here, power = fleet[:, FLEET.METER_GAIN] > 0, fleet[:, FLEET.POWER_KW].astype(np.float64)
        assert (fleet[:, FLEET.METER_GAIN][here] > 0.9).all()
        assert (fleet[:, FLEET.ACCEPTS_COMMANDS][~here] == 0).all()
        np.testing.assert_allclose(kept[-1][0], (power * here).sum(axis=1), atol=1e-9)
        np.testing.assert_allclose(kept[-1][1], (power * fleet[:, FLEET.METER_GAIN]).sum(axis=1), atol=1e-9)
        moved = (here != present).any()
        assert not moved or step % 30 == 0  # members change at full half hours
        changes += moved
        present = here
    assert changes >= 4


def test_meters_err_within_their_class_and_not_on_the_whole() -> None:
    sim = started(
        scenario(fleet__n_device=1000, devices__behaviour__late_share=0.0, devices__behaviour__leave_share=0.0), [1]
    )
    gain = sim.fleet.fleet[0, FLEET.METER_GAIN][sim.structure.present[0] == 1]
    assert (np.abs(gain - 1) <= 0.02 + 1e-6).all() and gain.std() == pytest.approx(0.02 / 3, rel=0.1)
    assert abs(gain.mean() - 1) < 1e-3


# -- what is seen ----------------------------------------------------------------------------------------------------

# The public table, what is known of offers, and which columns services declare.
VIEW = ("der_gym.simulation.aggregator_view", "der_gym.simulation.offers.", "der_gym.services.SERVICES")
TRUTH = {"fleet", "network", "market", "classes", "capability", "simulator", "assets", "outcome", "book", "product"}


def test_observation_code_reads_the_public_table_alone(project_root: Path) -> None:
    for name in ("columns", "field", "fields", "kernel", "layout"):
        tree = ast.parse((project_root / "der_gym" / "env" / "observation" / f"{name}.py").read_text(encoding="utf-8"))
        read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not read & TRUTH, (name, read & TRUTH)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("der_gym"):
                taken = {f"{node.module}.{alias.name}" for alias in node.names}
                layers = (
                    "der_gym.core.",
                    "der_gym.engine.",
                    "der_gym.env.observation.",
                    "der_gym.env.action.layout.",
                    *VIEW,
                )
                assert all(each.startswith(layers) for each in taken), (name, taken)


def test_the_observation_does_not_change_with_the_truth() -> None:
    env = DERGroupEnv("tertiary-1", small())
    env.reset(seed=1)
    obs, *_ = env.step(np.full(env.layout.n_leaf, 0.5, dtype=np.float32))
    sim = env.worlds.simulator
    for array in (
        sim.fleet.fleet,
        sim.fleet.site,
        sim.market.primary.service.outcome,
        sim.market.primary.service.ledger_yen,
    ):
        array += 1.0
    assert env._observation().tobytes() == obs.tobytes()


def test_the_future_is_not_in_the_observation() -> None:
    """Two worlds alike but for their later requests are seen alike until the first one differs."""
    env, other = (DERGroupEnv("tertiary-1", small(changes={"episode.n_block": 4})) for _ in range(2))
    for made in (env, other):
        made.reset(seed=1)
    product = other.worlds.simulator.market.primary.service
    product.request_kw[:, 12:] *= 0.5
    product.target_kw[:, 60:] *= 0.5
    zero = np.zeros(env.layout.n_leaf, dtype=np.float32)
    for step in range(59):
        one, two = env.step(zero)[0], other.step(zero)[0]
        assert one.tobytes() == two.tobytes(), step
    assert env.step(zero)[0].tobytes() != other.step(zero)[0].tobytes()


def test_stale_reports_show_as_stale() -> None:
    """With every link cut the table keeps its values and their age grows by a minute a minute."""
    sim = started(scenario(fleet__n_device=200), [1])
    take(sim, 0.0, 20)
    sim.fleet.fleet[:, FLEET.LINK_DOWN_S], sim.fleet.fleet[:, FLEET.LINK_UP_S] = 0.0, 1e9
    take(sim, 1.0, 6)  # reports on their way still arrive
    before = sim.view.leaf.copy()
    take(sim, 1.0, 10)
    after = sim.view.leaf
    assert (after[:, :, 0] == before[:, :, 0]).all()
    older = after[:, :, LEAF.AGE_MEAN_S] - before[:, :, LEAF.AGE_MEAN_S]
    np.testing.assert_allclose(older, 600.0, atol=0.01)
    assert (after[:, :, LEAF.SILENT_SHARE] == before[:, :, LEAF.SILENT_SHARE]).all()
    take(sim, 1.0, 55)  # an hour without reports: then all are silent
    assert (sim.view.leaf[:, :, LEAF.SILENT_SHARE] == 1.0).all()
    assert (sim.view.leaf[:, :, LEAF.AGE_MEAN_S] == 3600.0).all()


def test_messages_are_counted_and_unchanged_ones_not_sent() -> None:
    sim = started(scenario(fleet__n_device=200), [1])
    take(sim, 0.0, 30)
    assert (sim.network.leaf[:, :, 9] == 0).all()
    sim.step(message(sim, 0.5), np.ones(1, dtype=bool))
    assert (sim.network.leaf[:, :, 9] == 1).all()
    take(sim, 0.51, 2)
    assert (sim.network.leaf[:, :, 9] == 1).all()


def test_the_reward_of_an_episode_is_the_sum_of_its_terms() -> None:
    env = DERGroupEnv("tertiary-1", small(changes={"fleet.n_device": 200}))
    env.reset(seed=4)
    total: dict[str, Any] = {}
    rewards = 0.0
    for action in actions(4, SMALL_STEPS, env.layout.n_leaf):
        _, reward, _, _, info = env.step(action)
        rewards += reward
        for name in [key for key in info if key.startswith("reward_")]:
            total[name] = total.get(name, 0.0) + info[name]
    assert rewards == pytest.approx(sum(total.values()), abs=1e-9)
    lines = [value for key, value in info.items() if key.startswith("yen_") and key != "yen_total"]
    assert sum(lines) == pytest.approx(info["yen_total"])
    _, info = env.reset()
    assert not any(value for key, value in info.items() if key.startswith(("reward_", "yen_")))

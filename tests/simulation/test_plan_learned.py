"""The learned weights of the plan: better than like days, of the train split, kept on disk, of no use to cheaters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils import seeding
from worlds import Array, generators, take

from der_gym.controllers import bound
from der_gym.core.units import BLOCK_S
from der_gym.engine import cache
from der_gym.env.worlds import Worlds
from der_gym.evaluation.controller_factory import players
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.simulation import plan_training
from der_gym.simulation.assets import scenario_assets
from der_gym.simulation.episode import Episode
from der_gym.simulation.simulator import Simulator

N, FIRST = 64, 1_000_000  # seeds of validation


def year(method: str = "forecast") -> Scenario:
    """Return mornings of 300 homes, on any day of validation."""
    changes = {"fleet.n_device": 300, "episode.n_block": 4, "episode.n_block_after": 2, "episode.starts_h": [5]}
    limits = {"services.tertiary-1.limits": "off", "split": "validation", "plan.method": method}
    return load("tertiary-1", {**changes, **limits})


def errors_kw(method: str) -> Array:
    """Return power less plan of uncommanded episodes, kW, (N, n_block, n_leaf)."""
    sim = Simulator(year(method), N)
    sim.reset(np.ones(N, dtype=bool), generators(list(range(FIRST, FIRST + N))))
    power = np.zeros_like(sim.market.planner.leaf_kw)
    for minute in range(power.shape[1] * BLOCK_S // 60):
        take(sim, 0)
        power[:, minute // 30] += sim.leaf_power_kw() / 30
    return power - sim.market.planner.leaf_kw


def test_the_forecast_is_nearer_than_like_days() -> None:
    """In awarded blocks by a tenth or more; in the others, after stores stood by, by half or more.

    300 homes are noisier than the 1,000 of docs/plan.md, where awarded blocks gain three tenths.
    """
    rms = {name: np.sqrt((errors_kw(name).sum(axis=2) ** 2).mean(axis=0)) for name in ("forecast", "like_days")}
    assert rms["forecast"][:4].mean() < 0.9 * rms["like_days"][:4].mean()
    assert rms["forecast"][4:].mean() < 0.5 * rms["like_days"][4:].mean()


def test_only_days_of_the_train_split_teach() -> None:
    assets = scenario_assets(year())
    taught = plan_training._training_assets(assets)
    days = Episode(taught.scenario, taught.signals, 1, 1).days
    for split in ("validation", "test"):
        other = Episode(taught.scenario.model_copy(update={"split": split}), taught.signals, 1, 1).days
        assert len(other) and not set(days.tolist()) & set(other.tolist())


def test_kept_weights_are_those_that_were_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and new learning give the same bits; a file that is cut is made anew, with a warning."""
    assets = scenario_assets(year())
    first = plan_training.learned(assets, Simulator)
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path))
    made = []
    for damage in (False, False, True):
        files = list(tmp_path.glob("pools/plan-*.npz"))
        assert len(files) == (1 if made else 0)
        if damage:
            files[0].write_bytes(files[0].read_bytes()[:1000])
            cache._warned.clear()
            with pytest.warns(UserWarning, match="plan-"):
                made.append(plan_training.learned.__wrapped__(assets, Simulator))
        else:
            made.append(plan_training.learned.__wrapped__(assets, Simulator))
    for each in made:
        assert all(np.array_equal(each.arrays()[name], array) for name, array in first.arrays().items())


# -- cheaters ----------------------------------------------------------------------------------------------------------

Rule = Callable[[int, Array], Array]
Trick = Callable[[int, Array, Array], Array]


def pulses(leaf: Array, fraction: float, first: int, last: int, every: int) -> Rule:
    """Return a rule that commands some leaves in the minutes ``first`` to ``last`` of every so many."""

    def changed(minute: int, action: Array) -> Array:
        action = np.array(action, dtype=np.float32)
        action[:, leaf] = fraction if first <= minute % every < last else 0.0
        return action

    return changed


def with_offers() -> Scenario:
    """Return such mornings with offers of pay beside commands."""
    changes = {"fleet.n_device": 300, "episode.n_block": 4, "episode.n_block_after": 2, "episode.starts_h": [5]}
    return load("tertiary-1-both", {**changes, "services.tertiary-1.limits": "off", "split": "validation"})


def offering(worlds: Worlds, trick: Trick) -> Rule:
    """Return a rule that adds the offers of a trick, yen/kWh, to what it is given."""
    places = worlds.layout.action.places["offer"]

    def changed(minute: int, action: Array) -> Array:
        obs = worlds.observe()
        seen, plan = (worlds.layout.decode(obs, f"leaf.{name}_kw") for name in ("seen", "plan"))
        offers = worlds.layout.encode({"offer": trick(minute, seen, plan)})
        action = np.array(action, dtype=np.float32)
        if action.shape[-1] < offers.shape[-1]:  # the rule has no offers of its own
            action = np.concatenate([action, np.zeros((len(action), offers.shape[-1] - action.shape[-1]))], axis=1)
        action[:, places[1] : places[1] + places[2]] = offers[:, places[1] : places[1] + places[2]]
        return action.astype(np.float32)

    return changed


TRICKS: dict[str, Trick] = {
    "keep what is seen above the plan": lambda minute, seen, plan: np.where(seen > plan + 1.0, 5.0, 0.0),
    "keep what is seen above the plan at the start": lambda minute, seen, plan: 5.0 * (seen > plan) * (minute < 120),
    "a little for ever": lambda minute, seen, plan: np.full(seen.shape, 5.0),
    "hold back before each gate": lambda minute, seen, plan: np.full(seen.shape, 90.0 * (minute % 60 >= 30)),
    "let loose": lambda minute, seen, plan: np.full(seen.shape, 60.0 * (minute < 45)),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_offers_that_move_the_own_plan_earn_nothing(offered: tuple[Worlds, Array, Array], trick: str) -> None:
    """They cost more than they bring, and the plan of all leaves rises by less than a thousandth of the rated swing."""
    worlds, honest, plan_kw = offered
    gain = rewards(worlds, offering(worlds, TRICKS[trick])) - honest
    planner = worlds.simulator.market.planner
    assert gain.mean() < 0
    assert (planner.leaf_kw - plan_kw)[:, 2:].sum(axis=2).mean() < 0.001 * planner.nominal_kw.sum()


@pytest.fixture(scope="module")
def offered() -> tuple[Worlds, Array, Array]:
    """Return worlds with offers, what the merit order earns there without any, and the plan then, kW."""
    worlds = Worlds(with_offers(), None, N)
    honest = rewards(worlds, offering(worlds, lambda minute, seen, plan: np.zeros(seen.shape)))
    return worlds, honest, worlds.simulator.market.planner.leaf_kw.copy()


def rewards(worlds: Worlds, rule: Rule) -> Array:
    """Return the rewards of a merit order whose actions a rule changes, (N,)."""
    every = np.ones(N, dtype=bool)
    worlds.reset(every, {i: seeding.np_random(FIRST + i)[0] for i in range(N)}, {})
    controller, state, start, total = bound(players(["merit_order"])["merit_order"], worlds), None, every, np.zeros(N)
    for minute in range(worlds.scenario.n_step):
        action, state = controller.predict(worlds.observe(), state, start)
        worlds.step(rule(minute, action), every)
        total, start = total + worlds.reward.reward, ~every
    return total


def test_commands_that_move_the_own_plan_earn_nothing() -> None:
    """Loads are held back or let go before a gate, so that a later plan says more than what they will draw."""
    worlds = Worlds(year(), None, N)
    loads = ~worlds.simulator.market.planner.standby_leaf
    honest = rewards(worlds, lambda minute, action: action)
    for fraction in (-1.0, -0.2, 0.1, 0.2, 1.0):
        for first, last, every in ((25, 30, 30), (0, 30, 60), (30, 60, 60), (0, 30, 1000)):
            gain = rewards(worlds, pulses(loads, fraction, first, last, every)) - honest
            assert gain.mean() < 0, (fraction, first, last, every)

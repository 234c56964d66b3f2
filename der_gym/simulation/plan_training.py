"""Learning of the plan's weights: episodes of the train split, played once per scenario and kept with its pool.

Two thirds of the episodes are commanded at random for some half hours, left alone for some, and so on. A block counts
where nothing was sent from its gate to its end. So the weights say what the devices do when they are left alone, also
after they were held back or charged before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.engine import cache, closure, kept_arrays
from der_gym.scenario.model import Scenario
from der_gym.services import SERVICES
from der_gym.services.base import Scope
from der_gym.services.baselines.forecast import GATE_MIN
from der_gym.simulation.assets import ScenarioAssets, scenario_assets
from der_gym.simulation.episode import Episode
from der_gym.simulation.plan_model import DIGITS, GATE_SLOTS, KNOWN, PlanModel, ridge
from der_gym.simulation.plan_state import PLAN_STATE
from der_gym.simulation.representative_fleet import itself

Array = np.ndarray
WORLDS = 64  # played at once
MOST_BATCHES, LEAST_BATCHES = 10, 4  # of each start; fewer for large fleets, whose sums are less noisy
DEVICES_OF_MOST = 1024
COMMANDED = 2.0 / 3.0  # share of episodes [A]
ON_BLOCKS = (1, 2, 3, 6)  # half hours that are commanded in a row
LEAST_DAYS = 30  # fewer days teach noise
MINUTE_S = 60


@lru_cache(maxsize=8)
def learned(assets: ScenarioAssets, simulate: Callable[..., Any]) -> PlanModel | None:
    """Return the weights of a scenario's plan; None, with one warning, where its signals hold too few days of training.

    Parameters
    ----------
    assets : ScenarioAssets
    simulate : callable
        The class `Simulator`, which this module must not import.
    """
    taught = _training_assets(assets)
    starts_h, n_day = tuple(sorted(set(taught.scenario.episode.starts_h))), _n_day(taught)
    if n_day < LEAST_DAYS:
        cache.warn_once(
            f"plan.method forecast: the signals hold {n_day} days of the train split; allowed: {LEAST_DAYS} or more. "
            "The plan is that of like_days"
        )
        return None
    e = taught.scenario.episode
    blank = PlanModel.blank(starts_h, e.n_block + e.n_block_after, taught.structure.n_leaf)
    name = _name(taught)
    kept = None if name is None else kept_arrays.load(name, blank.arrays())
    if kept is not None:
        return PlanModel(starts_h, *(kept[key] for key in kept if key != "starts_h"))
    made = _learn(taught, simulate, blank)
    if name is not None:
        kept_arrays.keep(name, made.arrays(), "the plan is learned anew")
    return made


def _training_assets(assets: ScenarioAssets) -> ScenarioAssets:
    """Return what the training plays: the days and the homes of the train split, as a fleet that represents itself."""
    s, tick_s = assets.scenario, _tick_s(assets.scenario)
    services = tuple(config.model_copy(update={"limits": "off", "plan": "forecast"}) for config in s.services)
    changes = {
        "split": "train",
        "tick_s": tick_s,
        "decision_s": tick_s,
        "services": services,
        "plan": s.plan.model_copy(update={"method": "forecast"}),
        "signals": s.signals.model_copy(update={"start": None, "request": None, "request_sign": "upward_positive"}),
    }
    made = s.model_copy(update=changes)
    found = scenario_assets(made)
    small = found.sample.structure  # of the first fleet; the others' devices differ where each has a sample of its own
    pool = found.pool if len(found.sample.structures) == 1 else found.pool.first_fleet()
    return replace(found, structure=small, sample=itself(small), pool=pool)


def _tick_s(scenario: Scenario) -> int:
    """Return a minute, or the scenario's tick where a service takes samples that are no whole minutes."""
    e = scenario.episode
    scope = Scope(1, e.n_block + e.n_block_after, e.n_block, 1)
    made = (SERVICES[config.name](config, scope) for config in scenario.services)
    return MINUTE_S if all(each.periods.sample_s % MINUTE_S == 0 for each in made) else scenario.tick_s


def _n_day(assets: ScenarioAssets) -> int:
    return len(Episode(assets.scenario, assets.signals, 1, 1).days)


def _learn(assets: ScenarioAssets, simulate: Callable[..., Any], blank: PlanModel) -> PlanModel:
    """Play the training episodes of every start and fit the weights of every block and leaf."""
    sim = simulate(assets.scenario, WORLDS, assets=assets, plan_model=blank)
    n_batch = int(np.clip(MOST_BATCHES * DEVICES_OF_MOST // sim.structure.n_place, LEAST_BATCHES, MOST_BATCHES))
    made = PlanModel(blank.starts_h, *(array.copy() for name, array in blank.arrays().items() if name != "starts_h"))
    moments = np.zeros((2, *made.fading.shape))
    for row, start_h in enumerate(blank.starts_h):
        parts = list(_play(sim, start_h, n_batch))
        inputs, power, counts = (np.concatenate([part[k] for part in parts]) for k in range(3))
        for b in range(power.shape[1]):
            for j in range(power.shape[2]):
                x, y = inputs[counts[:, b, j], b, j], power[counts[:, b, j], b, j]
                _fit(made, (row, b, j), x, y)
        moments += _moments(inputs[..., KNOWN.N :], made.usual[row])
    made.fading[:] = np.clip(moments[1] / np.maximum(moments[0], 1e-12), 0.0, 1.0).round(DIGITS)
    return made


def _fit(model: PlanModel, at: tuple[int, int, int], inputs: Array, power: Array) -> None:
    """Write one leaf's weights, bounds and usual state; where it always stands by, nothing is learned."""
    if len(power) == 0:
        return
    weight = ridge(inputs, power)
    model.known[at], model.state[at] = weight[: KNOWN.N], weight[KNOWN.N :]
    model.least[at], model.greatest[at] = power.min(), power.max()
    states = inputs[:, KNOWN.N :]
    quiet = states[_quiet(states)]
    model.usual[at] = quiet.mean(axis=0).round(DIGITS) if len(quiet) else 0.0


def _quiet(states: Array) -> Array:
    """Return where no command was in force within the hour: there the seen power counts, else it is 0."""
    quiet: Array = states[..., PLAN_STATE.SEEN_KW] != 0.0
    return quiet


def _moments(states: Array, usual: Array) -> Array:
    """Return the sums of squares of states beyond the usual, and of their products with those one gate later.

    Parameters
    ----------
    states : float64 (n, n_block, n_leaf, PLAN_STATE.N)
    usual : float64 (n_block, n_leaf, PLAN_STATE.N)

    Returns
    -------
    float64 (2, n_leaf, PLAN_STATE.N)
    """
    beyond = np.where(_quiet(states)[..., None], states - usual, 0.0)[:, GATE_SLOTS:]  # gates within the episode
    first, later = beyond[:, :-1], beyond[:, 1:]
    return np.stack([((first * (later != 0.0)) ** 2).sum(axis=(0, 1)), (first * later).sum(axis=(0, 1))])


def _play(sim: Any, start_h: int, n_batch: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield (inputs, power per nominal kW, whether it counts), each (WORLDS, n_block, n_leaf, ...), batch by batch."""
    every, planner = np.ones(sim.n_world, dtype=bool), sim.market.planner
    worlds, n_block, per_block = np.arange(sim.n_world), sim.market.n_block, BLOCK_S // sim.scenario.decision_s
    gate = GATE_MIN * 60 // BLOCK_S
    for batch in range(n_batch):
        luck = [np.random.default_rng([sim.scenario.pool.seed, start_h, batch, int(w)]) for w in worlds]
        sim.reset(every, dict(enumerate(luck)), {"start_h": start_h})
        sent, alone = _commands(np.random.default_rng([sim.scenario.pool.seed, start_h, batch]), sim)
        states, power = _watch(sim, sent, per_block)
        states[:, :gate] = np.stack([planner.state_before(worlds, b) for b in range(min(gate, n_block))], axis=1)
        inputs = np.concatenate([planner.known(worlds), states], axis=-1)
        yield inputs, power / planner.nominal_kw, alone[:, :, None] & ~planner.stands


def _commands(generator: np.random.Generator, sim: Any) -> tuple[Array, Array]:
    """Return fractions for every block and leaf, (WORLDS, n_block, n_leaf), and which blocks count, (WORLDS, n_block).

    A commanded world is commanded for one to six half hours, left alone for three to five, and so on. A block counts
    where nothing is sent from its gate to its end.
    """
    n_block, n_leaf = sim.market.n_block, sim.structure.n_leaf
    on = generator.choice(ON_BLOCKS, size=WORLDS)
    cycle = on + generator.integers(3, 6, size=WORLDS)
    phase = generator.integers(cycle)
    commanded = (np.arange(n_block) + phase[:, None]) % cycle[:, None] < on[:, None]
    commanded &= (generator.random(WORLDS) < COMMANDED)[:, None]
    lead = (WORLDS, n_block, n_leaf)
    own = generator.uniform(-1.0, 1.0, lead) * (generator.random(lead) < 0.6)
    common = generator.uniform(-1.0, 1.0, (WORLDS, 1, n_leaf)) * (generator.random((WORLDS, 1, n_leaf)) < 0.7)
    sent = np.where(commanded[:, :, None], np.clip(own + 2.0 * common, -1.0, 1.0), 0.0)
    moved = np.stack([commanded[:, max(b - 2, 0) : b + 1].any(axis=1) for b in range(n_block)], axis=1)
    return sent, ~moved


def _watch(sim: Any, sent: Array, per_block: int) -> tuple[Array, Array]:
    """Play an episode; return the leaves' state at each block's gate, and their mean power by the meters, kW."""
    planner, n_block, every = sim.market.planner, sim.market.n_block, np.ones(sim.n_world, dtype=bool)
    states = np.zeros((*sent.shape, PLAN_STATE.N))
    power, message = np.zeros(sent.shape), np.zeros(sim.step_plan.message.shape, dtype=np.float32)
    for b in range(n_block):
        if b + 2 < n_block:
            states[:, b + 2] = planner.state
        message[:, : sent.shape[2], 1] = sent[:, b]
        for _ in range(per_block):
            sim.step(message, every)
            power[:, b] += sim.leaf_power_kw() / per_block
    return states, power


def _name(assets: ScenarioAssets) -> str | None:
    """Return the key of the weights: the pool's, the settings, and the sources of this module and the simulator.

    The level of a commitment is left out: it says when stores stand by, and any level above 0 says the same.
    """
    if assets.pool_name is None:
        return None
    code = closure.key(["der_gym.simulation.simulator"])
    s = assets.scenario
    rules = [config.model_dump_json(exclude=set(config.LEVELS)) for config in s.services]
    settings = s.model_dump_json(exclude={"name", "title", "reward", "costs", "services"})
    text = f"{assets.pool_name} {code} {settings} {rules}"
    return f"plan-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

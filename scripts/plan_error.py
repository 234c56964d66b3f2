"""Print the error of the plan, by start, block and device class: ``python scripts/plan_error.py tertiary-1``.

The error of a block is the power of the devices when they are left alone from the block's gate on, less the plan, as a
share of the episode's award. Power that a controller moves before the gate belongs to what the plan should know;
power that it moves after the gate is its response. So at each gate a twin of the worlds is run without commands.
The tables are those of docs/plan.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers import bound
from der_gym.core.units import BLOCK_S
from der_gym.env.worlds import Worlds
from der_gym.evaluation.controller_factory import players
from der_gym.scenario.config_files import configs
from der_gym.scenario.load import load
from der_gym.signals.splits import load_splits
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
WORLDS = 64
BIN_S = 300
AHEAD = 3  # half hours from the gate to the end of its block


@dataclass(frozen=True)
class Errors:
    """Errors of the plan, ``n`` episodes.

    Attributes
    ----------
    kw : float64 (n, n_bin, n_leaf)
        Power when left alone less plan, means of 5 minutes.
    award_kw : float64 (n, n_block)
    unit_kw : float64 (n,)
        The episode's award.
    start_h : int64 (n,)
    leaf_class : tuple of str
    """

    kw: Array
    award_kw: Array
    unit_kw: Array
    start_h: Array
    leaf_class: tuple[str, ...]

    def by_class(self) -> dict[str, Array]:
        """Return the half-hour means by class and of all devices, kW, class -> float64 (n, n_block)."""
        blocks = self.kw.reshape(len(self.kw), -1, BLOCK_S // BIN_S, self.kw.shape[2]).mean(axis=2)
        of = np.array(self.leaf_class)
        return {name: blocks[:, :, of == name].sum(axis=2) for name in dict.fromkeys(self.leaf_class)} | {
            "all": blocks.sum(axis=2)
        }


def measure(scenario: Any, controller: str, seeds: list[int]) -> Errors:
    """Return the errors of the plan in episodes that a controller plays."""
    worlds, parts = Worlds(scenario, None, min(WORLDS, len(seeds))), []
    twin = Simulator(scenario, worlds.n_world, assets=worlds.simulator.assets)
    for first in range(0, len(seeds) - worlds.n_world + 1, worlds.n_world):
        own = {i: seeding.np_random(seed)[0] for i, seed in enumerate(seeds[first : first + worlds.n_world])}
        parts.append(_play(worlds, twin, controller, own))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    st = worlds.simulator.structure
    classes = [st.class_names[st.cell_class[list(st.cell_leaf).index(j)]] for j in range(st.n_leaf)]
    return Errors(**joined, leaf_class=tuple(classes))


def _play(worlds: Worlds, twin: Simulator, name: str, luck: Mapping[int, np.random.Generator]) -> dict[str, Array]:
    sim, every = worlds.simulator, np.ones(worlds.n_world, dtype=bool)
    worlds.reset(every, dict(luck), {})
    controller, state, start = bound(players([name])[name], worlds), None, every
    n_block, per_block = sim.market.n_block, BLOCK_S // sim.scenario.decision_s
    alone = np.zeros((sim.n_world, n_block * BLOCK_S // BIN_S, sim.structure.n_leaf))
    for k in range(n_block * per_block):
        if k % per_block == 0:
            _leave_alone(sim, twin, k // per_block, alone)
        action, state = controller.predict(worlds.observe(), state, start)
        worlds.step(action, every)
        start = ~every
    plan = np.repeat(sim.market.planner.leaf_kw, BLOCK_S // BIN_S, axis=1)
    award, unit = sim.market.primary.service.award_kw, sim.market.primary.service.unit_kw
    hours = sim.market.episode.start_h
    return {"kw": alone - plan, "award_kw": award.copy(), "unit_kw": unit.copy(), "start_h": hours.copy()}


def _leave_alone(sim: Simulator, twin: Simulator, block: int, alone: Array) -> None:
    """Write the power of the block whose gate closes now, without further commands; at the start, of those before too.

    Parameters
    ----------
    block : int
        The half hour that begins.
    alone : float64 (n_world, n_bin, n_leaf)
        Out.
    """
    per_bin, per_block = BIN_S // sim.scenario.decision_s, BLOCK_S // BIN_S
    if block + AHEAD > sim.market.n_block:
        return
    twin.restore(sim.snapshot())
    silent, every = np.zeros_like(sim.step_plan.message), np.ones(sim.n_world, dtype=bool)
    for k in range(AHEAD * per_block * per_bin):
        twin.step(silent, every)
        at = block * per_block + k // per_bin
        if block == 0 or at >= (block + AHEAD - 1) * per_block:
            alone[:, at] += twin.leaf_power_kw() / per_bin


def table(errors: Errors) -> str:
    """Return the error's table in Markdown: rows by start and class, columns by block; RMSE over the award."""
    n_block = errors.award_kw.shape[1]
    lines = ["| start | class | " + " | ".join(map(str, range(n_block))) + " |", "|---|---|" + "--:|" * n_block]
    for start in sorted(set(errors.start_h.tolist())):
        own = errors.start_h == start
        for name, kw in errors.by_class().items():
            rmse = np.sqrt(((kw[own] / errors.unit_kw[own, None]) ** 2).mean(axis=0))
            lines.append(f"| {start} h | {name} | " + " | ".join(f"{each:.3f}" for each in rmse) + " |")
    return "\n".join(lines)


def summary(errors: Errors) -> str:
    """Return the lines over all starts: sd in awarded blocks by class, RMSE in the others in kW."""
    awarded = errors.award_kw > 0.0
    lines = ["| class | sd, awarded | RMSE, awarded | RMSE, unawarded, kW |", "|---|--:|--:|--:|"]
    for name, kw in errors.by_class().items():
        share = (kw / errors.unit_kw[:, None])[awarded]
        lines.append(f"| {name} | {_shown(np.std, share)} | {_shown(_rms, share)} | {_shown(_rms, kw[~awarded], 1)} |")
    bins = (errors.kw.sum(axis=2) / errors.unit_kw[:, None])[np.repeat(awarded, BLOCK_S // BIN_S, axis=1)]
    lines.append(f"\nsd of 5-minute means, awarded: {_shown(np.std, bins)}")
    return "\n".join(lines)


def _rms(values: Array) -> float:
    return float(np.sqrt((values**2).mean()))


def _shown(measure: Callable[[Array], float], values: Array, digits: int = 4) -> str:
    """Return a measure of some values as text; a dash where there are none."""
    return f"{measure(values):.{digits}f}" if values.size else "-"


def main(argv: list[str] | None = None) -> None:
    """Print the tables of a scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="tertiary-1")
    parser.add_argument("--controllers", nargs="+", default=["idle", "merit_order"])
    parser.add_argument("--seeds", type=int, default=128, help="episodes; whole batches of 64")
    parser.add_argument("--split", default="validation", choices=["train", "validation", "test"])
    parser.add_argument("--method", default="forecast", choices=["forecast", "like_days"])
    given = parser.parse_args(argv)
    scenario = load(given.scenario, {"plan.method": given.method, "split": given.split})
    first = load_splits(configs() / "splits.yaml")[given.split].first_seed
    seeds = list(range(first, first + given.seeds))
    for name in given.controllers:
        errors = measure(scenario, name, seeds)
        head = f"{given.scenario}, {name}, plan.method {given.method}, {len(errors.unit_kw)} episodes of {given.split}"
        print(f"## {head}\n\n{summary(errors)}\n\n{table(errors)}\n", flush=True)


if __name__ == "__main__":
    main()

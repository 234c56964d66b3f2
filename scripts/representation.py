"""How well a small fleet of the reference days represents a large one: idle power, and what open loop scores.

    python scripts/representation.py 4096 8192 100000

Each line plays the same seeds on one scenario with so many devices. ``rms`` is the root mean square, over blocks and
episodes, of a class's power without commands less the power that the reference days give for the same fleet and day,
per 1,000 devices of the list: luck alone where a fleet represents itself. ``mean`` is its mean: the part that does not
average out. Stores serve their homes in all blocks here, as in the reference days, and do not stand by.
"""

from __future__ import annotations

import argparse

import numpy as np

from der_gym.core.units import BLOCK_S, SLOT_PER_DAY
from der_gym.engine.tables import FLEET
from der_gym.env.worlds import Worlds
from der_gym.evaluation.scoreboard import evaluate, seeds_of
from der_gym.simulation.metering import POWER, fold


def idle_errors(scenario: str, n_device: int, n_seed: int) -> dict[str, np.ndarray]:
    """Return, by class, power of the world less that of the reference days, kW per 1,000 devices, (n_seed, n_block)."""
    worlds = Worlds(scenario, {"fleet.n_device": n_device, "split": "test"}, 1)
    sim, errors = worlds.simulator, []
    for seed in seeds_of("test", n_seed):
        worlds.reset(np.ones(1, dtype=bool), {0: np.random.default_rng(seed)}, {})
        sim.market.planner.standing[:] = False
        sim.fleet.fleet[:, FLEET.STANDBY] = 0.0
        errors.append(_episode(sim))
    st = sim.structure
    names = np.array([st.class_names[k] for k in st.cell_class])
    whole = np.array(errors) * 1000 / n_device
    return {name: whole[:, :, names == name].sum(axis=2) for name in st.class_slice}


def _episode(sim) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Play an episode without commands; return power less that of the reference days, kW, (n_block, n_cell)."""
    scenario, market, pool = sim.scenario, sim.market, sim.assets.pool
    n_tick, n_cell = BLOCK_S // scenario.tick_s, sim.structure.n_cell
    first = int(market.episode.start_abs_s()[0]) // BLOCK_S
    days = (np.arange(market.n_block) + first) // SLOT_PER_DAY - pool.first_day
    slots = (np.arange(market.n_block) + first) % SLOT_PER_DAY
    likely = pool.power_kw[market.episode.fleet_no[0], days, slots, :n_cell] * sim.assets.sample.scale[:n_cell]
    power = np.zeros((market.n_block, n_cell))
    sim.step_plan.active[:] = True
    for b in range(market.n_block):
        for _ in range(n_tick):
            sim.step_plan.tick()
            power[b] += fold(sim.meters.power, sim.structure.n_shard)[0, :, POWER.TRUE_KW] / n_tick
    own: np.ndarray = power - likely
    return own


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_device", type=int, nargs="+")
    parser.add_argument("--scenario", default="tertiary-1")
    parser.add_argument("--seeds", type=int, default=16)
    given = parser.parse_args()
    for n_device in given.n_device:
        found = idle_errors(given.scenario, n_device, given.seeds)
        told = [f"{name} rms {np.sqrt((e**2).mean()):.1f} mean {e.mean():+.1f}" for name, e in found.items()]
        board = evaluate(given.scenario, ["open_loop"], given.seeds, overrides={"fleet.n_device": n_device})
        row = next(row for row in board.summary() if row["controller"] == "open_loop")
        print(f"{n_device:7d} devices, kW per 1,000: {'; '.join(told)}; open loop {row['reward']:.3f}, "
              f"blocks passed {row['pass_rate']:.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

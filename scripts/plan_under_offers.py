"""Print how far offers of pay move the plan of each leaf, and how wrong the plan then is.

    python scripts/plan_under_offers.py tertiary-1-both --yen 40 --seeds 64

The same worlds are played twice: idle, and with one offer through the whole episode to every leaf that obeys no command
(to all where nobody is commanded). The error is against the power of the idle worlds.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from gymnasium.utils import seeding

from der_gym.core.units import BLOCK_S
from der_gym.env.worlds import Worlds

Array = np.ndarray
FROM_BLOCK = 3  # the plan of earlier blocks is frozen before the first decision


def play(worlds: Worlds, first_seed: int, prices: Array) -> tuple[Array, Array]:
    """Return plan and power of an episode in which each leaf is offered its price, (n_world, n_block, n_leaf), kW."""
    every = np.ones(worlds.n_world, dtype=bool)
    worlds.reset(every, {w: seeding.np_random(first_seed + w)[0] for w in range(worlds.n_world)}, {})
    action = np.repeat(worlds.layout.encode({"offer": prices})[None], worlds.n_world, axis=0)
    plan, per_block = worlds.simulator.market.planner.leaf_kw, BLOCK_S // worlds.scenario.decision_s
    power = np.zeros_like(plan)
    for k in range(worlds.scenario.n_step):
        worlds.step(action, every)
        power[:, k // per_block] += worlds.simulator.leaf_power_kw() / per_block
    return plan.copy()[:, FROM_BLOCK:], power[:, FROM_BLOCK:]


def main(
    scenario: Annotated[str, typer.Argument(help="A scenario with offers of pay.")] = "tertiary-1-both",
    yen: Annotated[float, typer.Option(min=0, help="Offer, yen/kWh.")] = 40.0,
    seeds: Annotated[int, typer.Option(min=2, help="Training seeds.")] = 64,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
) -> None:
    """Print a table by leaf."""
    worlds = Worlds(scenario, {"split": "train"}, seeds)
    leaves, obeys = worlds.layout.leaf_names, np.array(worlds.scenario.obeying(worlds.layout.leaf_names))
    prices = np.where(obeys & ~obeys.all() & (worlds.scenario.control == "both"), 0.0, yen)
    (quiet, alone), (offered, sold) = (play(worlds, first_seed, price) for price in (0.0 * prices, prices))
    print("| kW | plan moved by (standard error) | power moved by | RMSE without offers | with offers |")
    for j, name in enumerate(leaves):
        moved, errors = (offered - quiet)[..., j].mean(axis=1), (quiet - alone, offered - alone)
        rmse = [float(np.sqrt((each[..., j] ** 2).mean())) for each in errors]
        spread = moved.std(ddof=1) / np.sqrt(seeds)
        answer = (sold - alone)[..., j].mean()
        print(f"| {name} | {moved.mean():.2f} ({spread:.2f}) | {answer:.2f} | {rmse[0]:.2f} | {rmse[1]:.2f} |")


if __name__ == "__main__":
    typer.run(main)

"""The engine's books against an independent settlement in plain loops: every line, to a thousandth of a yen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slow_settlement import Record, settle_fleet, settle_tertiary_1
from worlds import small

from der_gym.controllers import CONTROLLERS, bound
from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load
from der_gym.signals.table import SIGNALS

SEEDS = range(10)


def played(controller: str, **changes: Any) -> tuple[Worlds, Record]:
    """Return ten worlds that a controller has played to the end, and what was written down meanwhile."""
    given = {"episode.n_block": 6, "episode.n_block_after": 2, "fleet.n_device": 120, **changes}
    worlds = Worlds(load("tertiary-1", small("tertiary-1", given)), None, len(SEEDS), 1)
    every = np.ones(len(SEEDS), dtype=bool)
    worlds.reset(every, {i: np.random.default_rng(seed) for i, seed in enumerate(SEEDS)}, {})
    rule, state, starts = bound(CONTROLLERS[controller](), worlds), [None], [every]

    def step() -> None:
        action, state[0] = rule.predict(worlds.observe(), state[0], starts[0])
        starts[0] = ~every
        worlds.step(action, every)

    return worlds, Record.of(worlds.simulator, step, worlds.scenario.n_step)


@pytest.mark.parametrize("owners", ["bill", "kwh"])
@pytest.mark.parametrize("controller", ["idle", "closed_loop", "merit_order"])
def test_every_line_of_ten_episodes_is_that_of_the_slow_settlement(controller: str, owners: str) -> None:
    worlds, kept = played(controller, **{"costs.owners": owners})
    sim, market = worlds.simulator, worlds.simulator.market
    n_block = market.primary.plan_kw.shape[1]
    n_device = int(sim.structure.present.sum())
    stores = int(
        sum(
            sim.structure.present[:, own.lo : own.hi].sum()
            for own in sim.fleet.classes.values()
            if own.device.traits.standby_in_award
        )
    )
    fee_yen = n_device * sim.scenario.costs.maker_fee_yen_month * 0.5 / 730
    seen = set()
    for w in range(len(SEEDS)):
        price = market.episode.window[w, SIGNALS.IMBALANCE_YEN, : n_block * 6 : 6].astype(float)
        lines = {f"tertiary_1_{k}": v for k, v in settle_tertiary_1(sim, kept, w, price).items()}
        lines |= settle_fleet(sim, kept, w, price, float(stores), fee_yen)
        lines["total"] = sum(lines.values())
        booked = dict(zip(market.ledger.lines, market.ledger.yen[w].tolist(), strict=True))
        assert booked == pytest.approx(lines, abs=1e-3), (controller, w)
        seen |= {name for name, yen in booked.items() if yen}
    if controller != "idle":  # else nothing was tested
        assert {"owners_bill", "tertiary_1_energy", "tertiary_1_penalty", "tertiary_1_imbalance", "message"} <= seen

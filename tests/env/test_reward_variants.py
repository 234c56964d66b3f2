"""The ways to count a reward: when a penalty is credited, and what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import MIX, generators, small

from der_gym.controllers import bound, make
from der_gym.env.worlds import Worlds

Array = np.ndarray
SEEDS = (1, 2, 3, 4)
OWN: dict[str, Any] = {"fleet.mix": MIX, "services.tertiary-1.award_share": 1.0}


def worlds_of(**reward: Any) -> Worlds:
    changes = OWN | {f"reward.{name}": value for name, value in reward.items()}
    made = Worlds("tertiary-1", small("tertiary-1", changes), len(SEEDS))
    made.reset(np.ones(len(SEEDS), dtype=bool), generators(SEEDS), None)
    return made


def rewards(worlds: Worlds, controller: str) -> Array:
    """Return the rewards of an episode, (n_step, n_world)."""
    every, player, state, start = np.ones(len(SEEDS), dtype=bool), bound(make(controller), worlds), None, True
    found = []
    for _ in range(worlds.scenario.n_step):
        action, state = player.predict(worlds.observe(), state, np.full(len(SEEDS), start))
        worlds.step(action, every)
        start = False
        found.append(worlds.reward.reward.copy())
    return np.array(found)


@pytest.mark.parametrize("controller", ["idle", "closed_loop", "merit_order"])
def test_advancing_the_penalty_changes_no_sum_of_an_episode(controller: str) -> None:
    block, window = worlds_of(), worlds_of(credit="window")
    one, other = rewards(block, controller), rewards(window, controller)
    assert np.abs(one.sum(axis=0) - other.sum(axis=0)).max() < 1e-9
    assert block.simulator.market.ledger.yen.tobytes() == window.simulator.market.ledger.yen.tobytes()


def test_the_penalty_is_advanced_by_the_worst_window_so_far_and_taken_back_when_it_is_booked() -> None:
    block, window = worlds_of(), worlds_of(credit="window")
    session, minutes = window.simulator.market.primary, list[Array]()
    window.simulator.on_minute.append(lambda: minutes.append(session.sample.plan_kw - session.sample.metered_kw))
    difference = (rewards(block, "idle") - rewards(window, "idle")).cumsum(axis=0)
    ahead = difference * window.reward.unit[:, 0] / window.scenario.reward.money  # yen
    per_window = 300 // window.scenario.decision_s
    slow = np.array([slow_fines(session.service, w, np.array(minutes)[:, w]) for w in range(len(SEEDS))])
    assert (slow > 0).any(axis=1).all()  # an idle group fails
    assert np.abs(ahead[per_window - 1 :: per_window].T - slow).max() < 1e-6
    assert not np.allclose(slow, slow.max(axis=1, keepdims=True))


def slow_fines(service: Any, w: int, response: Array) -> Array:
    """Return the penalty of the open block, yen, at the end of each 5-minute window of world ``w``; 0 once booked."""
    config, found, worst = service.config, list[float](), 0.0
    for k, mean in enumerate(response.reshape(-1, 5).mean(axis=1)):
        award = service.award_kw[w, k // 6]
        low, high = service.window_kw[w, :, k]
        off = max(mean - high, low - mean, 0.0)
        worst = max(worst if k % 6 else 0.0, off if award > 0 else 0.0)
        fined = config.penalty_factor * config.bid_price_yen_kw * min(worst, award)
        found.append(0.0 if k % 6 == 5 or worst <= config.band_share * award else fined)
    return np.array(found)

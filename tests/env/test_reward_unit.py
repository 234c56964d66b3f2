"""What an episode is measured by stays finite, whatever is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import small

from der_gym.env.worlds import Worlds


@pytest.mark.parametrize("asked", [0.0, 1e-9])
def test_an_episode_that_asks_for_nothing_has_a_finite_reward(asked: float) -> None:
    worlds = Worlds("tertiary-1", small(), 2)
    every = np.ones(2, dtype=bool)
    worlds.reset(every, {w: np.random.default_rng(w) for w in range(2)}, None)
    service = worlds.simulator.market.primary.service
    service.target_kw[:] *= asked
    service.window_kw[:] *= asked
    worlds.reward.begin(every)
    reward = np.zeros(2)
    for _ in range(worlds.scenario.n_step):
        worlds.step(np.ones((2, worlds.layout.action.size), dtype=np.float32), every)
        reward += worlds.reward.reward
    assert np.isfinite(reward).all() and (np.abs(reward) < 1e3).all()
    assert (worlds.reward.unit[:, 1] >= 0.1 * service.period_award_kw().sum(axis=1)).all()

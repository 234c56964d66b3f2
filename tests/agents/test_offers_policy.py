"""A policy of offers: what it may move, and that a trainer's worlds run."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import small

from agents.fresh import fresh_policy
from agents.residual_env import Corrected
from der_gym.controllers import public_info
from der_gym.env.sb3 import DERGroupSB3VecEnv


@pytest.mark.parametrize("control", ["incentive", "both"])
@pytest.mark.parametrize("rule", ["idle", "needs_offer"])
def test_a_learner_moves_offers_while_a_commitment_stands_or_comes(control: str, rule: str) -> None:
    venv = DERGroupSB3VecEnv(4, "incentive-evening", small("incentive-evening", {"control": control}))
    stores = public_info(venv.native.worlds).stores
    scale = tuple(0.02 if own and control == "both" else 1.0 for own in stores)
    policy = fresh_policy(venv, rule, scale, (8, 8), 1, 15)
    env = Corrected(venv, policy, paired=True)
    x = env.reset()
    n_leaf, n = policy.layout.n_leaf, policy.layout.action.size
    assert x.shape == (2, policy.card.n_input) and env.action_space.shape == (n,)
    _, at, _ = policy.layout.action.places["offer"]
    moved, paid = [], 0.0
    for _ in range(40):
        moved.append(env.reach[0, at : at + n_leaf].copy())
        env.step_async(np.ones((2, n), dtype=np.float32))
        _, _, done, _ = env.step_wait()
        paid = max(paid, venv.native.worlds.simulator.market.fleet_ledger.paid_yen[0])
        if done.any():
            break
    assert 0.0 < np.mean(moved) < 1.0 and set(np.unique(moved)) == {0.0, 1.0}
    assert paid > 0.0

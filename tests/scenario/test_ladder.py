"""The ladder's easy end can be climbed: the nearer a command is to the right one, the more it earns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.scenario.load import load

ONE_DAY = {"signals.start": "2026-08-04", "pool.n_fleet": 1}  # a pool of few days
N = 16


def test_each_level_stands_on_its_neighbour() -> None:
    """Levels 0 and 1 simplify the next one in what their files say; 3 to 5 add one thing each."""
    levels = [load(f"ladder-{k}").model_dump(exclude={"name", "title"}) for k in range(6)]
    differ = [{key for key in a if a[key] != b[key]} for a, b in pairwise(levels)]
    assert differ == [
        {"groups", "action", "decision_s"},
        {"episode", "services", "network", "reward"},
        {"network"},
        {"fleet", "services"},
        {"network"},
    ]


@pytest.fixture(scope="module")
def easy() -> DERGroupSB3VecEnv:
    return DERGroupSB3VecEnv(N, "ladder-0", ONE_DAY, 1)


def mean_reward(env: DERGroupSB3VecEnv, gain: float, noise: float) -> tuple[float, float]:
    """Return reward and share of passed blocks of ``gain`` times the request, with noise, in entries of the Box."""
    layout, luck, total = env.native.worlds.layout, np.random.default_rng(0), np.zeros(N)
    env.seed(7)
    obs = env.reset()
    for _ in range(env.native.worlds.scenario.n_step):
        asked = 0.6 * layout.raw(obs, "target_kw") + 0.4 * layout.raw(obs, "target_bin_end_kw")
        action = np.clip(gain * asked + noise * luck.normal(size=N), -1.0, 1.0)
        obs, reward, _, infos = env.step(action[:, None].astype(np.float32))
        total += reward
    return float(total.mean()), float(np.mean([i["blocks_passed"] / i["blocks_judged"] for i in infos]))


def test_one_number_times_the_request_solves_level_0(easy: DERGroupSB3VecEnv) -> None:
    reward, passed = mean_reward(easy, 1.0, 0.0)
    assert reward > 0.7 and passed > 0.9


def test_less_noise_earns_more_all_the_way(easy: DERGroupSB3VecEnv) -> None:
    rewards = [mean_reward(easy, 1.0, noise)[0] for noise in (1.0, 0.5, 0.2, 0.1, 0.05, 0.0)]
    assert (np.diff(rewards) > 0.004).all(), rewards


def test_a_command_that_moves_a_little_is_sent(easy: DERGroupSB3VecEnv) -> None:
    """The award is a fifth of the swing: a threshold of 2 % of the swing would hide what decides a block."""
    easy.seed(7)
    easy.reset()
    for entry in (0.3, 0.301, 0.302):
        *_, infos = easy.step(np.full((N, 1), entry, np.float32))
    sent = infos[0]["messages_sent"]
    *_, infos = easy.step(np.full((N, 1), 0.303, np.float32))
    assert infos[0]["messages_sent"] > sent

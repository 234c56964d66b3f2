"""The adapter for Stable-Baselines3 equals DummyVecEnv over Monitor, and PPO trains on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import SMALL_STEPS, actions, small

from der_gym.core.errors import InputError
from der_gym.env import sb3
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.env.single import DERGroupEnv

pytest.importorskip("stable_baselines3")
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

N = 2


def dummy() -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(DERGroupEnv("tertiary-1", small())) for _ in range(N)])


def without_time(info: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in info.items() if key not in ("episode", "terminal_observation")}
    return kept | {f"episode_{key}": value for key, value in info.get("episode", {}).items() if key != "t"}


@pytest.fixture(scope="module")
def both() -> tuple[DummyVecEnv, DERGroupSB3VecEnv]:
    return dummy(), DERGroupSB3VecEnv(N, "tertiary-1", small())


def test_it_is_a_vec_env(both: tuple[DummyVecEnv, DERGroupSB3VecEnv]) -> None:
    slow, fast = both
    assert isinstance(fast, VecEnv) and isinstance(fast, DERGroupSB3VecEnv)
    assert type(fast).__name__ == "DERGroupSB3VecEnv"
    assert fast.observation_space == slow.observation_space and fast.action_space == slow.action_space
    assert fast.render_mode is None and fast.unwrapped is fast


def test_it_equals_dummy_vec_env_over_episodes(both: tuple[DummyVecEnv, DERGroupSB3VecEnv]) -> None:
    for env in both:
        assert env.seed(11) == [11, 12]
    first, second = (env.reset() for env in both)
    assert first.tobytes() == second.tobytes() and both[0].reset_infos == both[1].reset_infos
    ends = 0
    for k, action in enumerate(actions(3, 2 * SMALL_STEPS + 5, both[0].action_space.shape[0])):
        sent = np.stack([action, -action])
        (obs, reward, done, infos), (obs_2, reward_2, done_2, infos_2) = (env.step(sent) for env in both)
        assert obs.tobytes() == obs_2.tobytes(), k
        assert reward.tobytes() == reward_2.tobytes() and reward.dtype == reward_2.dtype == np.float32
        assert done.tolist() == done_2.tolist() and done.dtype == done_2.dtype
        assert [without_time(i) for i in infos] == [without_time(i) for i in infos_2]
        assert both[0].reset_infos == both[1].reset_infos
        for one, other in zip(infos, infos_2, strict=True):
            assert set(one) == set(other)
            if "terminal_observation" in one:
                ends += 1
                assert one["terminal_observation"].tobytes() == other["terminal_observation"].tobytes()
                assert other["TimeLimit.truncated"] is True and other["episode"]["t"] > 0.0
                assert other["episode"]["l"] == SMALL_STEPS
    assert ends == 2 * N


def test_infos_may_be_left_out_between_ends() -> None:
    few, all_ = (DERGroupSB3VecEnv(N, "tertiary-1", small(), infos=infos) for infos in ("ends", "all"))
    for env in (few, all_):
        env.seed(4)
        env.reset()
    still = np.zeros((N, few.action_space.shape[0]), np.float32)
    for _ in range(SMALL_STEPS):
        (obs, reward, done, infos), (obs_2, reward_2, _, infos_2) = few.step(still), all_.step(still)
        assert obs.tobytes() == obs_2.tobytes() and reward.tobytes() == reward_2.tobytes()
        assert [without_time(i) for i in infos] == ([without_time(i) for i in infos_2] if done.all() else [{}, {}])
    assert done.all() and infos[0]["episode"]["l"] == SMALL_STEPS
    with pytest.raises(InputError, match="infos: unknown name 'end'; did you mean 'ends'"):
        DERGroupSB3VecEnv(N, "tertiary-1", small(), infos="end")


def test_seed_and_options_act_once_at_the_next_reset(both: tuple[DummyVecEnv, DERGroupSB3VecEnv]) -> None:
    for options in ({"start_h": 14}, [{"start_h": 5}, {"start_h": 17}]):
        seen = []
        for env in both:
            env.seed(5)
            env.set_options(options)
            seen.append((env.reset(), env.reset()))
        for one, other in zip(*seen, strict=True):
            assert one.tobytes() == other.tobytes()


def test_methods_and_attributes(both: tuple[DummyVecEnv, DERGroupSB3VecEnv]) -> None:
    fast = DERGroupSB3VecEnv(N, "tertiary-1", small())
    assert fast.get_attr("layout", [1])[0].n_leaf == fast.action_space.shape[0]
    assert fast.get_attr("num_envs") == [N, N]
    assert fast.has_attr("worlds") and not fast.has_attr("no_such_thing")
    fast.set_attr("note", 7)
    assert fast.get_attr("note", 0) == [7]
    with pytest.raises(InputError, match="all 2"):
        fast.set_attr("note", 8, indices=[1])
    with pytest.raises(InputError, match="did you mean 'snapshot'"):
        fast.env_method("snapshots")
    assert fast.env_is_wrapped(Monitor) == [True, True] and fast.env_is_wrapped(VecMonitor, 0) == [False]
    fast.seed(3)
    fast.reset()
    kept = fast.env_method("snapshot", indices=[0])[0]
    action = np.full((N, fast.action_space.shape[0]), 0.5, dtype=np.float32)
    obs = fast.step(action)[0]
    fast.env_method("restore", kept, indices=[1])
    assert fast.step(action)[0][1].tobytes() == obs[0].tobytes()
    fast.close()


def test_arrays_are_fresh_every_step() -> None:
    env = DERGroupSB3VecEnv(N, "tertiary-1", small())
    env.seed(1)
    kept = [env.reset()]
    copies = [kept[0].copy()]
    for _ in range(3):
        obs, reward, done, _ = env.step(np.zeros((N, env.action_space.shape[0]), dtype=np.float32))
        assert not any(np.shares_memory(obs, old) for old in kept)
        kept += [obs, reward, done]
        copies += [obs.copy(), reward.copy(), done.copy()]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(kept, copies, strict=True))


def test_without_stable_baselines3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    sb3._joined.cache_clear()
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    with pytest.raises(InputError, match="pip install"):
        DERGroupSB3VecEnv(N, "tertiary-1", small())
    sb3._joined.cache_clear()


def test_importing_the_adapter_loads_no_torch(project_root: Path) -> None:
    code = "import sys, der_gym.env.sb3; print('torch' in sys.modules or 'stable_baselines3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=project_root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_ppo_trains_on_it() -> None:
    torch = pytest.importorskip("torch")
    from stable_baselines3 import PPO
    from stable_baselines3.common.evaluation import evaluate_policy

    torch.set_num_threads(1)
    env = DERGroupSB3VecEnv(4, "tertiary-1", small())
    model = PPO("MlpPolicy", env, n_steps=50, batch_size=50, n_epochs=2, seed=1, device="cpu")
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(400)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
    assert all(torch.isfinite(p).all() for p in model.policy.parameters())
    assert len(model.ep_info_buffer) == 4 and model.ep_info_buffer[0]["l"] == SMALL_STEPS
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4)
    assert np.isfinite(mean)

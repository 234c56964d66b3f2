"""A field and a reward term of one's own: one registry line each, and the environments carry them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from worlds import SMALL_STEPS, actions, small

from der_gym.core.registry import Registry
from der_gym.env.observation.fields import FIELDS, Field
from der_gym.env.reward.reward import REWARD_TERMS, RewardTerm
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv

Array = np.ndarray


@pytest.fixture
def registered() -> Iterator[Any]:
    """Register for the length of a test."""
    taken: list[tuple[Registry[Any], str]] = []

    def register(registry: Registry[Any], name: str, item: Any) -> None:
        registry.register(name, item)
        taken.append((registry, name))

    yield register
    for registry, name in taken:
        del registry._items[name]


def test_a_field_is_worked_out_from_the_view(registered: Any) -> None:
    def gap(up_kw: float, down_kw: float) -> float:
        return up_kw - down_kw

    def load(service_seen_kw: Array) -> float:
        return service_seen_kw[0]

    registered(FIELDS, "leaf.gap_kw", Field("gap_kw", "leaf", "kW", "nominal", -1, 1, "up less down", gap))
    registered(FIELDS, "world.load_kw", Field("load_kw", "world", "kW", "fleet", -1, 1, "all that is seen", load))
    asked = small(changes={"observation.fields": ["leaf.gap_kw", "world.load_kw"]})
    plain = DERGroupVectorEnv(2, "tertiary-1", asked)
    obs, _ = plain.reset(seed=1)
    assert plain.observation_space.contains(obs)
    layout = plain.layout
    up, down, got = (layout.decode(obs, f"leaf.{name}") for name in ("up_kw", "down_kw", "gap_kw"))
    np.testing.assert_allclose(got, up - down, atol=1e-4)
    seen = layout.decode(obs, "plan_kw") - layout.decode(obs, "response_kw")
    world = np.clip(seen, -layout.nominal_kw.sum(), None)
    np.testing.assert_allclose(layout.decode(obs, "load_kw"), world, rtol=1e-4, atol=1e-3)
    one = DERGroupEnv("tertiary-1", asked)
    check_env(one, skip_render_check=True)
    assert one.reset(seed=2)[0].tobytes() == obs[1].tobytes()


def test_a_reward_term_is_added_and_shown(registered: Any) -> None:
    def quiet(sim: Any, active: Array) -> Array:
        return np.full(sim.n_world, -0.25)

    plain, _ = (env := DERGroupEnv("tertiary-1", small())).reset(seed=1)
    reward = env.step(np.zeros(env.layout.n_leaf))[1]
    registered(REWARD_TERMS, "quiet", RewardTerm("quiet", quiet))
    env = DERGroupEnv("tertiary-1", small())
    obs, info = env.reset(seed=1)
    assert obs.tobytes() == plain.tobytes() and info["reward_quiet"] == 0.0
    _, with_term, _, _, info = env.step(np.zeros(env.layout.n_leaf))
    assert with_term == reward - 0.25 and info["reward_quiet"] == -0.25
    assert env.reset()[1]["reward_quiet"] == 0.0


def test_gymnasiums_own_wrappers_work_around_the_worlds() -> None:
    many = RecordEpisodeStatistics(DERGroupVectorEnv(2, "tertiary-1", small()))
    many.reset(seed=1)
    total = np.zeros(2)
    for action in actions(1, SMALL_STEPS, many.single_action_space.shape[0]):
        _, reward, _, truncated, infos = many.step(np.stack([action, -action]))
        total += reward
    assert truncated.all()
    np.testing.assert_allclose(infos["episode"]["r"], total, rtol=1e-5)
    assert infos["episode"]["l"].tolist() == [SMALL_STEPS] * 2


def test_gymnasiums_vector_of_single_environments_is_equal() -> None:
    kwargs = {"scenario": "tertiary-1", "overrides": small()}
    slow = gym.make_vec("DERGroup-v0", num_envs=2, vectorization_mode="sync", **kwargs)
    fast = gym.make_vec("DERGroup-v0", num_envs=2, **kwargs)
    assert isinstance(fast.unwrapped, DERGroupVectorEnv)
    assert slow.reset(seed=4)[0].tobytes() == fast.reset(seed=4)[0].tobytes()
    for action in actions(1, SMALL_STEPS + 3, fast.single_action_space.shape[0]):
        one, other = (env.step(np.stack([action, -action])) for env in (slow, fast))
        for a, b in zip(one[:4], other[:4], strict=True):
            assert a.tobytes() == b.tobytes()
        for name in one[4]:
            assert np.array_equal(one[4][name], other[4][name]), name

"""What the README tells clients: the autoreset mode that each wants, and where an episode's length stands."""

from __future__ import annotations

import gymnasium as gym
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeObservation
from worlds import small

from der_gym.env.sb3 import DERGroupSB3VecEnv


def many(**more: object) -> gym.vector.VectorEnv:  # type: ignore[type-arg]
    return gym.make_vec(
        "der_gym:DERGroup-v0", num_envs=2, vectorization_mode="vector_entry_point", overrides=small(), **more
    )


def test_vector_wrappers_take_the_default_mode_and_refuse_others() -> None:
    envs = NormalizeObservation(many())
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    envs.reset(seed=1)
    with pytest.raises(ValueError, match="NEXT_STEP"):
        NormalizeObservation(many(autoreset_mode=AutoresetMode.SAME_STEP))


def test_the_adapter_resets_in_the_same_step() -> None:
    pytest.importorskip("stable_baselines3")
    assert DERGroupSB3VecEnv(1, overrides=small()).native.autoreset_mode == AutoresetMode.SAME_STEP


def test_a_sync_vector_of_single_environments_resets_in_the_next_step() -> None:
    """It is what RLlib makes."""
    envs = gym.make_vec("der_gym:DERGroup-v0", num_envs=1, vectorization_mode="sync", overrides=small())
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP


def test_the_length_of_an_episode_stands_in_the_scenario() -> None:
    env = gym.make("der_gym:DERGroup-v0", overrides=small())
    assert env.spec is not None
    assert env.spec.max_episode_steps is None
    env.reset(seed=1)
    n = 1
    while not env.step(env.action_space.sample())[3]:
        n += 1
    assert n == env.unwrapped.worlds.scenario.n_step  # type: ignore[attr-defined]

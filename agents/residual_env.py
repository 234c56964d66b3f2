"""What a learner plays: a policy's inputs in, corrections of its rule out. The same code runs the policy later."""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from der_gym.controllers.perceptron import LIMIT, move
from der_gym.controllers.policy import Policy

Array = np.ndarray
_LOW, _HIGH = np.float32(-1.0), np.float32(1.0)


class Corrected(VecEnvWrapper):
    """Worlds whose observation is ``policy.inputs`` and whose action is the correction, -1..1 per leaf.

    A step is ``policy.card.hold`` decisions, an episode a whole number of steps. With ``paired`` every world has
    a *twin* behind it: the same seed, played by the rule alone. What is learned from is how much more the correction
    earns than the rule does on the same day with the same luck; the luck itself, which moves an episode ten times as
    much as a correction does, falls out.

    Parameters
    ----------
    venv : DERGroupSB3VecEnv
        Worlds; with ``paired`` an even number, the second half the twins.
    policy : Policy
        Bound; its network is not used.
    reward_scale : float
        Times the reward: a learner wants returns of about 1.
    paired : bool
        Whether the second half of the worlds are twins.

    Attributes
    ----------
    world_s, rule_s : float
        Seconds spent in the worlds, and in the rule and the inputs.
    """

    def __init__(self, venv: VecEnv, policy: Policy, reward_scale: float = 1.0, paired: bool = False) -> None:
        n_in = policy.card.n_input
        super().__init__(venv, gym.spaces.Box(-LIMIT, LIMIT, (n_in,), np.float32), venv.action_space)
        self.policy, self.reward_scale, self.paired = policy, reward_scale, paired
        self.n_all = venv.num_envs
        self.num_envs = venv.num_envs // 2 if paired else venv.num_envs
        self.memory: dict[str, Array] | None = None
        self.base = np.zeros((self.n_all, *venv.action_space.shape), dtype=np.float32)  # type: ignore[misc]
        self.reach, self.held = np.zeros_like(self.base), np.zeros_like(self.base)
        self.x = np.zeros((self.num_envs, n_in), dtype=np.float32)
        self.obs = np.zeros((self.n_all, policy.layout.size), dtype=np.float32)
        self.world_s = self.rule_s = 0.0

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seed the worlds, each twin like its world; acts at the next reset."""
        seeds = self.venv.seed(seed)
        if self.paired:
            adapter: Any = self.venv
            adapter._seeds[self.num_envs :] = adapter._seeds[: self.num_envs]
        return list(seeds)[: self.num_envs]

    def reset(self) -> Array:
        """Start all worlds; return the first inputs, float32 (n_envs, n_input)."""
        obs = self.venv.reset()
        return self._see(obs, np.ones(self.n_all, dtype=bool))  # type: ignore[arg-type]

    def step_async(self, actions: Array) -> None:
        """Keep the corrections for ``step_wait``; the twins have none."""
        self.held[: self.num_envs] = np.clip(actions, -1.0, 1.0)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Hold the corrections for ``hold`` decisions; return inputs, scaled rewards, dones and infos.

        ``terminal_observation`` holds inputs too.
        """
        n, gain = self.num_envs, np.zeros(self.num_envs, dtype=np.float32)
        for _ in range(self.policy.card.hold):
            reward, done, infos = self._decide()
            gain += reward[:n] - reward[n:] if self.paired else reward
        return self.x, gain * np.float32(self.reward_scale), done[:n], infos[:n]

    def _decide(self) -> tuple[Array, Array, list[dict[str, Any]]]:
        """Take one decision of all worlds; return rewards, dones and infos."""
        began = time.perf_counter()
        action = np.empty_like(self.base)
        move(self.base, self.held, self.reach, _LOW, _HIGH, action)
        obs, reward, done, infos = self.venv.step(self._in_box(action))
        self.world_s += time.perf_counter() - began
        if done.any():
            self._show_last(obs, done, infos)  # type: ignore[arg-type]
        self.x = self._see(obs, done)  # type: ignore[arg-type]
        return reward, done, infos

    def _in_box(self, fractions: Array) -> Array:
        """Return the action of these entries: they themselves, unless the Box counts dispatch in another unit."""
        layout = self.policy.layout
        whole = layout.action.is_plain or [*layout.action.places] != ["dispatch"]
        return fractions if whole else layout.encode({"dispatch": fractions}, self.obs)

    def _see(self, obs: Array, start: Array) -> Array:
        began = time.perf_counter()
        self.obs = obs
        x, self.base, self.memory = self.policy.inputs(obs, self.memory, start)
        self.reach = self.policy.reach(obs)
        self.rule_s += time.perf_counter() - began
        return x[: self.num_envs].copy()

    def _show_last(self, obs: Array, done: Array, infos: list[dict[str, Any]]) -> None:
        """Put the inputs of the last observation in the place of that observation: a learner bootstraps there."""
        last = obs.copy()
        for i in np.flatnonzero(done):
            last[i] = infos[i]["terminal_observation"]
        x, _, _ = self.policy.inputs(last, self.memory, np.zeros_like(done))
        for i in np.flatnonzero(done):
            infos[i]["terminal_observation"] = x[i]

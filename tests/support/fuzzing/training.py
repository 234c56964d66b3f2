"""A small training run whose checkpoint is put back again and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from stable_baselines3.common.logger import Logger
from worlds import nested, small

from agents import checkpoint, train_ppo
from der_gym.scenario.load import load

SETTINGS: dict[str, Any] = {
    "rule": "merit_order", "scale": 0.4, "scale_loads": 0.4, "frames": 1, "hold": 15, "message_fields": True,
    "paired": True, "seed": 0, "worlds": 2, "steps": 60, "n_steps": 6, "batch": 12, "epochs": 1, "learning_rate": 1e-3,
    "gamma": 0.99, "gae_lambda": 0.95, "clip": 0.2, "entropy": 0.0, "noise": 0.3, "hidden": 4, "eval_every": 99,
    "eval_seeds": 1, "patience": 9,
}  # fmt: skip


class Training:
    """A learner after one iteration.

    Attributes
    ----------
    path : Path
        Of its checkpoint.
    text, arrays : dict
        What that holds.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "small-one.yaml"
        file.write_text(yaml.safe_dump({"base": "tertiary-1", "name": "small-one", **nested(small())}))
        assert load(file).n_step % SETTINGS["hold"] == 0
        self.settings = train_ppo.Settings(scenario=str(file), **SETTINGS)
        self.env = train_ppo.make_env(self.settings, 1)
        self.model = train_ppo.make_model(self.settings, self.env, Logger(None, []))
        self.env.seed(1)
        books = train_ppo.Books(reward_scale=self.env.reward_scale)
        run = train_ppo.Run(self.settings, folder, self.env, books, lambda *_: None)
        self.model._setup_learn(60, run)
        self.collect(run)
        self.model._update_current_progress_remaining(12, 60)
        self.model.train()
        self.folder, self.path = folder, folder / checkpoint.FILE
        checkpoint.save(folder, self.model, self.env, {"scenario": str(file), **SETTINGS}, {"iteration": 1})
        self.text, self.arrays = checkpoint.read(folder)

    def collect(self, run: Any) -> None:
        """Take one iteration of steps."""
        _, callback = self.model._setup_learn(60, run, reset_num_timesteps=False)
        self.model.collect_rollouts(self.model.env, callback, self.model.rollout_buffer, SETTINGS["n_steps"])

    def put(self, text: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Write a checkpoint, read it and put it back."""
        with open(self.path, "wb") as file:
            np.savez(file, text=np.array(json.dumps(text)), **arrays)
        text, arrays = checkpoint.read(self.folder)
        checkpoint.restore(text, arrays, self.model, self.env)

    def go_on(self) -> None:
        """Read the checkpoint, put it back and take one step."""
        text, arrays = checkpoint.read(self.folder)
        checkpoint.check_settings(text["settings"], self.text["settings"])
        checkpoint.restore(text, arrays, self.model, self.env)
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers that no world would hold
            self.env.step(np.zeros((self.env.num_envs, *(self.env.action_space.shape or ())), np.float32))

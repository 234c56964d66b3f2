"""Train plain PPO on a level of the ladder, and print it beside idle, the rules and the clairvoyant bound.

    python scripts/ladder.py ladder-0 --minutes 10 --seeds 64 --bound 60

PPO is Stable-Baselines3's with its default hyperparameters and no rule beneath it.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, ClassVar

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from der_gym.cli.common import console
from der_gym.cli.compare import show
from der_gym.controllers.base import Array, Rule, State
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.evaluation.scoreboard import evaluate

RULES = ("open_loop", "closed_loop", "merit_order")


class Learned(Rule):
    """A trained model as a controller: its mean action, cut to the Box."""

    name, title = "ppo", "PPO with default hyperparameters"
    per_service: ClassVar[bool] = False
    acts_in_box: ClassVar[bool] = True

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the model's actions."""
        return np.asarray(self.model.predict(obs, deterministic=True)[0], dtype=np.float32), {}


class Until(BaseCallback):
    """End training after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.end_s = time.monotonic() + seconds

    def _on_step(self) -> bool:
        return time.monotonic() < self.end_s


def main() -> None:
    """Train, play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training")
    parser.add_argument("--envs", type=int, default=8, help="worlds to train in")
    parser.add_argument("--seeds", type=int, default=64, help="test seeds")
    parser.add_argument("--bound", type=int, default=0, help="replays of the clairvoyant bound")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    given = parser.parse_args()
    env = DERGroupSB3VecEnv(given.envs, given.scenario, infos="ends")
    model = PPO("MlpPolicy", env, seed=given.seed, device="cpu")
    model.learn(10**9, callback=Until(60.0 * given.minutes))
    print(f"PPO on {given.scenario}: {model.num_timesteps} steps in {given.minutes:g} min, seed {given.seed}")
    board = evaluate(given.scenario, [*RULES, ("ppo", Learned(model))], given.seeds, bound=given.bound)
    show(console(), board)


if __name__ == "__main__":
    main()

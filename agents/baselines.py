"""Train a plain baseline: an algorithm of Stable-Baselines3 [1]_ with its default hyperparameters, and no rule beneath.

    python agents/baselines.py ppo --scenario ladder-0 --minutes 10 --out results/ppo-0
    python agents/baselines.py sac --scenario ladder-0 --hyperparameters configs/rl_zoo3/sac.yml
    python agents/baselines.py ppo --scenario ladder-1 --hyper policy_kwargs.log_std_init=-2    # less noise at first
    der-gym evaluate --scenario ladder-0 --controller all,policy:results/ppo-0      # a PPO plays without PyTorch

It learns on the training dates and seeds. The folder gets ``curve.csv`` with the mean action's score on the validation
split. At the end the table of the test split is printed: idle, the rules, and what was learned.

References
----------
.. [1] Raffin et al., "Stable-Baselines3: Reliable Reinforcement Learning Implementations", JMLR 22 (2021) 268.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, the folder above is not on the path

from der_gym.starting import end_at_once

if __name__ == "__main__":
    end_at_once("baselines")  # the imports below take seconds, in which somebody may press Ctrl-C

import time
from typing import Annotated, Any

import numpy as np
import torch
import typer
from stable_baselines3.common.callbacks import BaseCallback

from agents import plain
from agents.progress import Validation, horizon, to_csv
from agents.script import script
from der_gym.cli import common
from der_gym.cli.compare import show
from der_gym.controllers.store import make
from der_gym.core.files import new_folder, write_text
from der_gym.core.folders import locked
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.evaluation.scoreboard import evaluate

ROOT = Path(__file__).resolve().parents[1]
FIRST_SEED = 10_000  # runs with different seeds meet different worlds


class Curve(BaseCallback):
    """Score on the validation split every so many seconds; end after so many minutes.

    Parameters
    ----------
    validation : Validation
    out : Path
        Folder of ``curve.csv``.
    minutes : float
        Of training and evaluation together; no end where it is infinite.
    every_s : float
        Time between two evaluations, s.
    """

    def __init__(self, validation: Validation, out: Path, minutes: float, every_s: float) -> None:
        super().__init__()
        self.validation, self.out, self.seconds, self.every_s = validation, out, 60.0 * minutes, every_s
        self.rows: list[dict[str, float]] = []
        self.began, self.cpu, self.next_s = time.monotonic(), time.process_time(), every_s

    def _on_step(self) -> bool:
        spent_s = time.monotonic() - self.began
        if spent_s >= self.next_s:
            self.score()
            self.next_s += self.every_s
        return spent_s < self.seconds

    def score(self) -> None:
        """Play the validation split and write a row of the curve."""
        recent = [episode["r"] for episode in self.model.ep_info_buffer or []]
        played = self.validation.row(plain.Learned(self.model))
        noise = plain.noise(self.model)
        row = {"minutes": (time.monotonic() - self.began) / 60, "cpu_minutes": (time.process_time() - self.cpu) / 60}
        row |= {"steps": self.num_timesteps} | ({"train": float(np.mean(recent))} if recent else {})
        row |= {name: played[name] for name in ("validation", "pass_rate")} | (
            {} if noise is None else {"noise": noise}
        )
        self.rows.append({name: round(value, 4) for name, value in row.items()})
        write_text(self.out / "curve.csv", to_csv(self.rows))
        told = "  ".join(f"{name} {value:,.3f}" for name, value in self.rows[-1].items() if name != "steps")
        print(f"{self.num_timesteps:>10,} decisions  {told}", flush=True)


def train(model: Any, curve: Curve, steps: int | None) -> None:
    """Train until the steps or the minutes are used up; the last row of the curve is that of the end."""
    model.learn(10**12 if steps is None else steps, callback=curve)
    curve.score()


def main(
    algorithm: Annotated[str, typer.Argument(help=f"One of {', '.join(plain.ALGORITHMS)}.")],
    scenario: Annotated[str, typer.Option(help="A shipped scenario or a YAML file.")] = "ladder-0",
    minutes: Annotated[float, typer.Option(min=0.01, help="Of training; or give --steps.")] = 10.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Decisions of all worlds, in place of minutes.")] = None,
    worlds: Annotated[int, typer.Option(min=1, help="Worlds played at once.")] = 4,
    seed: Annotated[int, typer.Option(min=0, max=99, help="Of the network, the noise and the worlds.")] = 0,
    hyperparameters: Annotated[Path | None, typer.Option(help="A YAML of rl_zoo3. Default: the library's.")] = None,
    hyper: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of one more; a dot enters a mapping.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. Default: results/ALGORITHM-SCENARIO-SEED.")] = None,
    eval_every_s: Annotated[float, typer.Option(min=0.1, help="Time between two evaluations, s.")] = 30.0,
    eval_seeds: Annotated[int, typer.Option(min=1, help="Validation seeds.")] = 64,
    test_seeds: Annotated[int, typer.Option(min=0, help="Test seeds of the table at the end; 0: none.")] = 64,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads of the worlds; the result is the same.")] = None,
) -> None:
    """Train a plain baseline and compare it with idle and the rules."""
    torch.set_num_threads(1)  # small networks: more threads cost more than they save
    given = plain.read_hyperparameters(hyperparameters) if hyperparameters else {}
    plain.set_each(given, common.parse_settings(hyper or []))
    plain.learner(algorithm)
    env = DERGroupSB3VecEnv(int(given.pop("n_envs", worlds)), scenario, {"split": "train"}, workers, infos="ends")
    model = plain.made(algorithm, env, seed, given)
    env.seed(seed * FIRST_SEED)  # making the model has seeded them anew
    print(horizon(model.gamma, getattr(model, "gae_lambda", 1.0), env.native.worlds.scenario.decision_s))
    folder = new_folder(out or ROOT / "results" / f"{algorithm}-{Path(scenario).stem}-{seed}")
    with locked(folder):
        validation = Validation(scenario, make("idle"), eval_seeds)
        curve = Curve(validation, folder, minutes if steps is None else np.inf, eval_every_s)
        train(model, curve, steps)
        kept = plain.export(folder, model, env, algorithm, curve.rows[-1])
    print(f"curve in {folder}" + (f"; der-gym evaluate --controller policy:{folder} plays it" if kept else ""))
    if test_seeds:
        learned = (f"{algorithm}, seed {seed}", plain.Learned(model))
        offers = env.native.worlds.scenario.control == "incentive"
        show(
            common.console(), evaluate(scenario, [*(plain.OFFER_RULES if offers else plain.RULES), learned], test_seeds)
        )


if __name__ == "__main__":
    script(main)

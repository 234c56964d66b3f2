"""Train a policy that corrects a rule by regression on its own tracking errors (`agents.tracking`).

    python agents/train_tracker.py --scenario tertiary-1 --seed 0 --out results/tracker-0
    der-gym evaluate --controller merit_order,policy:results/tracker-0

It plays training dates and seeds, round by round. After each round the policy is played on the validation split; the
best so far is what the folder holds. Stores carry the correction, each leaf in proportion to its size. Every second
batch of episodes plays a variation of the scenario: a policy that has met one network alone fails on others.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, the folder above is not on the path

from der_gym.starting import end_at_once

if __name__ == "__main__":
    end_at_once("train_tracker")  # the imports below take seconds, in which somebody may press Ctrl-C

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import numpy as np
import torch
import typer

from agents import tracking
from agents.fresh import fresh_policy, scale_to_rule
from agents.progress import Validation, to_csv
from agents.script import script
from der_gym.cli import common
from der_gym.controllers import policy_file, public_info
from der_gym.controllers.policy import Policy
from der_gym.core.errors import InputError
from der_gym.core.files import new_folder, write_text
from der_gym.core.folders import locked
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.env.worlds import Worlds

ROOT = Path(__file__).resolve().parents[1]
Array = np.ndarray
FIRST_SEED = 10_000  # runs with different seeds meet different worlds
BATCH, LEARNING_RATE = 1024, 1e-3
VARIATIONS = ["network.ideal=true", "network.latency_scale=2"]


@dataclass(frozen=True)
class Settings:
    """What decides how a run goes."""

    scenario: str
    also: tuple[str, ...]
    rule: str
    seed: int
    rounds: int
    episodes: int
    worlds: int
    frames: int
    hidden: int
    lag: int
    reach: float
    updates: int
    eval_seeds: int


class Run:
    """A policy in training, with all that it has played.

    Parameters
    ----------
    settings : Settings
    out : Path
    workers : int or None
        Threads of the worlds.
    """

    def __init__(self, settings: Settings, out: Path, workers: int | None) -> None:
        s = self.settings = settings
        self.out, self.rounds, self.rows, self.best = out, list[tracking.Round](), list[dict[str, float]](), -np.inf
        venv = DERGroupSB3VecEnv(s.worlds, s.scenario, {"split": "train"}, workers, infos="ends")
        venv.seed(s.seed * FIRST_SEED)
        self.worlds = venv.native.worlds
        self.variations = [self._varied(change, workers) for change in s.also]
        self.carries, scale = tracking.carried(self.worlds, s.reach)
        self.policy = fresh_policy(venv, s.rule, scale, (s.hidden, s.hidden), s.frames, hold=1)
        self.validation = Validation(s.scenario, self.policy.rule, s.eval_seeds)
        scale_to_rule(self.policy, venv, gamma=1.0)
        self.net = tracking.network(self.policy.card.n_input, s.hidden)
        self.next_seed, self.began = s.seed * FIRST_SEED, time.perf_counter()

    def _varied(self, change: str, workers: int | None) -> Worlds:
        s = self.settings
        worlds = Worlds(s.scenario, {"split": "train", **common.parse_settings([change])}, s.worlds, workers)
        if worlds.layout.leaf_names != self.worlds.layout.leaf_names:
            raise InputError(
                f"--also {change}: changes the leaves; allowed: settings that leave observation and action"
            )
        return worlds

    def _batches(self) -> Iterator[Worlds]:
        """Yield the worlds of each batch of a round: the scenario, and in every second batch the next variation."""
        n = -(-self.settings.episodes // self.settings.worlds)
        for k in range(n):
            at = (len(self.rows) * (n // 2) + k // 2) % max(len(self.variations), 1)
            yield self.variations[at] if k % 2 and self.variations else self.worlds

    def round(self) -> dict[str, float]:
        """Play, fit, play on the validation split; publish what is best so far."""
        s, entry = self.settings, int(np.flatnonzero(self.carries)[0])
        played, on_scenario = [], []
        for worlds in self._batches():
            self.policy.bind(worlds.layout, public_info(worlds))
            played.append(tracking.play(worlds, self.policy, entry, self.next_seed, s.lag, s.reach))
            on_scenario += [played[-1].error_rms] if worlds is self.worlds else []
            self.next_seed += s.worlds
        self.rounds += played
        loss = tracking.fit(self.net, self.rounds, s.frames, s.updates, BATCH, LEARNING_RATE)
        self.policy = Policy(self.policy.card, tracking.tensors(self.net, self.policy, self.carries))
        self.policy.bind(self.worlds.layout, public_info(self.worlds))
        row = {
            "round": len(self.rows) + 1,
            "episodes": len(self.rounds) * s.worlds,
            "error_rms": float(np.mean(on_scenario)),  # of the policy before this round's fit
            "loss": loss,
            **self.validation.row(self.policy),
            "seconds": time.perf_counter() - self.began,
        }
        self.rows.append(row)
        self._keep(row)
        return row

    def _keep(self, row: dict[str, float]) -> None:
        write_text(self.out / "progress.csv", to_csv(self.rows))
        if row["validation"] > self.best:
            self.best = row["validation"]
            metrics = {name: round(row[name], 4) for name in ("validation", "against_rule", "pass_rate")}
            update: dict[str, Any] = {"algorithm": "regression on its own tracking errors", "metrics": metrics}
            card = self.policy.card.model_copy(update=update | {"training": asdict(self.settings) | row})
            policy_file.save(self.out, card, tracking.tensors(self.net, self.policy, self.carries))


def train(settings: Settings, out: Path, workers: int | None, told: common.Told) -> Run:
    """Train and return the run."""
    torch.set_num_threads(1)  # small networks: more threads cost more than they save
    torch.manual_seed(settings.seed)
    run = Run(settings, out, workers)
    for k in range(settings.rounds):
        told(f"round {k + 1} of {settings.rounds}", k / settings.rounds)
        row = run.round()
        print(
            f"round {k + 1}  {row['episodes']:>6,} episodes  error {row['error_rms']:.4f} of the award  validation "
            f"{row['validation']:.3f}  against {settings.rule} {row['against_rule']:+.3f} "
            f"(+-{row['against_rule_se']:.3f})  blocks {row['pass_rate']:.1%}  {row['seconds']:.0f} s",
            flush=True,
        )
    return run


def main(
    scenario: Annotated[str, typer.Option(help="A shipped scenario or a YAML file.")] = "tertiary-1",
    out: Annotated[Path | None, typer.Option(help="Folder. Default: results/tracker-SCENARIO-SEED.")] = None,
    also: Annotated[list[str], typer.Option(help="KEY=VALUE that every second batch plays; '' for none.")] = VARIATIONS,
    seed: Annotated[int, typer.Option(min=0, max=99, help="Of the network and the worlds.")] = 0,
    rule: Annotated[str, typer.Option(help="Controller to correct: NAME or NAME@FILE.")] = "merit_order",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of playing and fitting.")] = 6,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of a round, in whole batches of worlds.")] = 256,
    worlds: Annotated[int, typer.Option(min=1, help="Worlds played at once.")] = 64,
    frames: Annotated[int, typer.Option(min=1, max=64, help="Decisions that the network sees.")] = 4,
    hidden: Annotated[int, typer.Option(min=1, help="Width of both hidden layers.")] = 64,
    lag: Annotated[int, typer.Option(min=0, max=60, help="Decisions until a command acts.")] = 1,
    reach: Annotated[float, typer.Option(min=1e-3, max=2, help="Largest correction, share of the award.")] = 0.5,
    updates: Annotated[int, typer.Option(min=1, help="Minibatches of each fit.")] = 1500,
    eval_seeds: Annotated[int, typer.Option(min=1, help="Validation seeds.")] = 128,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads of the worlds; the result is the same.")] = None,
) -> None:
    """Train a policy by regression on its own tracking errors."""
    given = {**locals(), "also": tuple(change for change in also if change)}
    settings = Settings(**{f.name: given[f.name] for f in fields(Settings)})
    folder = new_folder(out or ROOT / "results" / f"tracker-{Path(scenario).stem}-{seed}")
    with locked(folder), common.progress() as told:
        run = train(settings, folder, workers, told)
    print(f"best on validation {run.best:.3f}, {rule} {run.validation.rule:.3f}; policy in {folder}")


if __name__ == "__main__":
    script(main)

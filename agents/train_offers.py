"""Train a policy that corrects a rule of offers by comparing whole episodes (`agents.wide`, `agents.evolution`).

    TUNED=needs_offer@configs/controllers/needs_offer/incentive-evening.yaml
    python agents/train_offers.py --scenario incentive-evening --rule $TUNED --seed 0 --out results/offers-0
    der-gym evaluate --scenario incentive-evening --controller $TUNED,policy:results/offers-0

The defaults are those of the zoo's `incentive-evening`: 79,200 episodes, a quarter of an hour on one core, 1.5 GB.
An episode holds some twenty offers, and what an offer brings shows hours later in the answers of people. So whole
episodes are compared: a generation of candidates plays the same training seeds. The first generations change one leaf
widely (`agents.wide`), the others move all parameters by the ranks of their scores (`agents.evolution`).
With ``--gates`` each leaf has a need below which it is offered nothing: some people are worth their calls on some days.
With ``--one`` a wide change moves one parameter: near the best of a tuned rule, changes of a whole leaf only harm.
With ``--variations`` the days of a generation are divided among owners of several kinds, so that what is learned does
not lean on how the owners of one kind answer. After every few generations the mean of the last centres is played on the
validation split; the best so far is what the folder holds.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, the folder above is not on the path

from der_gym.starting import end_at_once

if __name__ == "__main__":
    end_at_once("train_offers")  # the imports below take seconds, in which somebody may press Ctrl-C

import time
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import numpy as np
import typer

from agents.fresh import fresh_policy, scale_to_rule
from agents.offer_policy import Linear, chosen, scores
from agents.progress import SHIPPED, Validation, to_csv, with_owners_of
from agents.script import script
from agents.wide import Wide
from der_gym.cli import common
from der_gym.controllers import policy_file, public_info
from der_gym.controllers.policy import Policy
from der_gym.core.errors import InputError
from der_gym.core.files import new_folder, write_text
from der_gym.core.folders import locked
from der_gym.env.sb3 import DERGroupSB3VecEnv
from der_gym.env.worlds import Worlds
from der_gym.scenario.variations import VARIATIONS

ROOT = Path(__file__).resolve().parents[1]
FIRST_SEED, SCALING_WORLDS = 10_000, 16
ALGORITHM = "wide changes of one leaf, then a separable natural evolution strategy"


@dataclass(frozen=True)
class Settings:
    """What decides how a run goes."""

    scenario: str
    rule: str
    seed: int
    generations: int
    wide: int
    gates: bool
    sure: float
    one: float
    pairs: int
    episodes: int
    variations: tuple[str, ...]
    hold: int
    reach: float
    sigma: float
    eval_every: int
    eval_seeds: int


class Run:
    """A search, with what it has found.

    Parameters
    ----------
    settings : Settings
    out : Path
    workers : int or None
        Threads of the worlds.
    """

    def __init__(self, settings: Settings, out: Path, workers: int | None) -> None:
        s = self.settings = settings
        self.out, self.rows, self.best = out, list[dict[str, float]](), -np.inf
        venv = DERGroupSB3VecEnv(SCALING_WORLDS, s.scenario, {"split": "train"}, workers, infos="ends")
        venv.seed(s.seed * FIRST_SEED)
        layout = venv.native.worlds.layout
        if "offer" not in layout.action.places:
            raise InputError(f"--scenario {s.scenario}: nobody is offered pay; allowed: control incentive, both")
        seen = chosen(list(layout.fields))
        without, scale = tuple(set(layout.fields) - set(seen)), (s.reach,) * layout.n_leaf
        width = sum(len(layout.places(name)) for name in seen) + layout.action.size + layout.n_leaf
        hidden = (width,) if s.gates else ()
        self.policy = fresh_policy(venv, s.rule, scale, hidden, frames=1, hold=s.hold, without=without)
        self.validation = Validation(s.scenario, self.policy.rule, s.eval_seeds, s.variations)
        scale_to_rule(self.policy, venv, gamma=1.0)
        self.linear = Linear(self.policy)
        steps, own = self.linear.steps(s.sigma), self.linear.own
        self.search = Wide(np.zeros(self.linear.n), steps, s.pairs, s.seed, own, s.wide, s.sure, s.one)
        self.n_day = s.episodes // len(s.variations)  # of each candidate with each kind of owners
        n_world = self.search.n_candidate * self.n_day
        owners = [with_owners_of(s.scenario, name, "train") for name in s.variations]
        self.worlds = [Worlds(each, None, n_world, workers) for each in owners]
        self.next_seed, self.began = s.seed * FIRST_SEED + SCALING_WORLDS, time.perf_counter()

    def generation(self) -> float:
        """Play a generation on new seeds, move the search, return its mean reward."""
        networks = [self.linear.tensors(each) for each in self.search.ask()]
        got = np.concatenate([self._scores(worlds, networks) for worlds in self.worlds], axis=1)
        self.search.tell(got)
        return float(got.mean())

    def _scores(self, worlds: Worlds, networks: list[dict[str, np.ndarray]]) -> np.ndarray:
        """Play every network with owners of one kind on the next seeds, float64 (n_candidate, n_day)."""
        self.policy.bind(worlds.layout, public_info(worlds))
        seeds = range(self.next_seed, self.next_seed + self.n_day)
        self.next_seed += self.n_day
        return scores(worlds, self.policy, networks, seeds)

    def validate(self, generation: int, train: float) -> dict[str, float]:
        """Play what is found on the validation split, and keep it where it is the best so far."""
        tensors = self.linear.tensors(self.search.found)
        row = {
            "generation": generation,
            "episodes_played": sum(worlds.n_world for worlds in self.worlds) * generation,
            "train": train,
            "step": float(self.search.sigma.mean()),
            **self.validation.row(Policy(self.policy.card, tensors)),
            "seconds": time.perf_counter() - self.began,
        }
        self.rows.append(row)
        write_text(self.out / "progress.csv", to_csv(self.rows))
        if row["validation"] > self.best:
            self.best = row["validation"]
            told = [name for name in row if name in ("validation", "pass_rate") or name.startswith("against_rule")]
            names = [name for name in told if name != "against_rule_se" and np.isfinite(row[name])]
            update: dict[str, Any] = {"algorithm": ALGORITHM}
            update |= {"metrics": {name: round(row[name], 4) for name in names}}
            update |= {"training": asdict(self.settings) | row | {"pass_rate": float(np.nan_to_num(row["pass_rate"]))}}
            policy_file.save(self.out, self.policy.card.model_copy(update=update), tensors)
        return row


def train(settings: Settings, out: Path, workers: int | None, told: common.Told) -> Run:
    """Train and return the run."""
    run = Run(settings, out, workers)
    for k in range(1, settings.generations + 1):
        told(f"generation {k} of {settings.generations}", k / settings.generations)
        mean = run.generation()
        if k % settings.eval_every and k < settings.generations:
            continue
        row = run.validate(k, mean)
        print(
            f"generation {k:>3}  {row['episodes_played']:>7,} episodes  validation {row['validation']:.3f}  against "
            f"{settings.rule} {row['against_rule']:+.3f} (+-{row['against_rule_se']:.3f})  {row['seconds']:.0f} s",
            flush=True,
        )
    return run


def main(
    scenario: Annotated[str, typer.Option(help="A shipped scenario or a YAML file.")] = "incentive-evening",
    out: Annotated[Path | None, typer.Option(help="Folder. Default: results/offers-SCENARIO-SEED.")] = None,
    rule: Annotated[str, typer.Option(help="Rule to correct: NAME or NAME@FILE.")] = "needs_offer",
    seed: Annotated[int, typer.Option(min=0, max=99, help="Of the search and the worlds.")] = 0,
    generations: Annotated[int, typer.Option(min=1, help="Generations of candidates.")] = 40,
    wide: Annotated[int, typer.Option(min=0, help="The first of them, which draw one leaf's parameters anew.")] = 6,
    gates: Annotated[bool, typer.Option(help="Give each leaf a need below which it is offered nothing.")] = False,
    sure: Annotated[float, typer.Option(min=0, help="Standard errors that a wide change must gain.")] = 1.0,
    one: Annotated[float, typer.Option(min=0, help="Above 0: a wide change moves one parameter by about it.")] = 0.0,
    pairs: Annotated[int, typer.Option(min=1, help="Mirrored pairs of candidates in a generation.")] = 16,
    episodes: Annotated[int, typer.Option(min=1, help="Training seeds that each candidate plays.")] = 60,
    variations: Annotated[str, typer.Option(help="Owners whom the days are divided among.")] = ",".join(
        (SHIPPED, *VARIATIONS)
    ),
    hold: Annotated[int, typer.Option(min=1, max=240, help="Decisions for which a correction is held.")] = 15,
    reach: Annotated[float, typer.Option(min=1e-3, max=2, help="Largest correction, of half the offer's range.")] = 1.0,
    sigma: Annotated[float, typer.Option(min=1e-4, help="First step of each parameter.")] = 0.06,
    eval_every: Annotated[int, typer.Option(min=1, help="Generations between two evaluations.")] = 5,
    eval_seeds: Annotated[int, typer.Option(min=1, help="Validation seeds of each kind of owners.")] = 64,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads of the worlds; the result is the same.")] = None,
) -> None:
    """Train a policy that corrects a rule of offers."""
    given = locals()
    given["variations"] = owners = tuple(dict.fromkeys(variations.split(",")))
    if episodes % len(owners):
        raise InputError(f"--episodes {episodes}, {len(owners)} --variations; allowed: a multiple of their number")
    settings = Settings(**{f.name: given[f.name] for f in fields(Settings)})
    folder = new_folder(out or ROOT / "results" / f"offers-{Path(scenario).stem}-{seed}")
    with locked(folder), common.progress() as told:
        run = train(settings, folder, workers, told)
    print(f"best on validation {run.best:.3f}, {rule} {run.validation.rule:.3f}; policy in {folder}")


if __name__ == "__main__":
    script(main)

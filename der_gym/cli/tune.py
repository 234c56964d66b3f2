"""``der-gym tune``: search a rule's settings on the training seeds."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from der_gym.cli import common, compare
from der_gym.controllers.base import settings
from der_gym.controllers.store import read_settings, settings_path
from der_gym.controllers.tune import TuneResult, search, write
from der_gym.core.errors import InputError
from der_gym.core.files import check_target
from der_gym.evaluation import results
from der_gym.evaluation.controller_factory import FROM
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.evaluation.unfinished import read_plan
from der_gym.evaluation.unfinished_tune import UnfinishedTune, unfinished_folder
from der_gym.scenario.load import load


@dataclass(frozen=True)
class Asked:
    """What is searched: options of ``der-gym tune`` by their names."""

    scenario: Any
    controller: str
    trials: int
    seeds: int

    @property
    def rule(self) -> str:
        """Return the name of the rule."""
        return self.controller.partition(FROM)[0]

    @property
    def file(self) -> Path | None:
        """Return the file whose settings the search begins with, if one is named."""
        _, sign, file = self.controller.partition(FROM)
        return Path(file) if sign else None

    def plan(self) -> dict[str, Any]:
        """Return all that the search depends on, as JSON takes it: the scenario whole, versions."""
        scenario = load(self.scenario)
        own = compare.scenario_plan(scenario, self.controller)
        own |= {} if self.file else {"files": {}}  # trial 0 is kept, also where the shipped settings change
        return {"command": "tune", "asked": {**asdict(self), **own}, "versions": results.versions()}


def resume(path: Path, named: Collection[str]) -> None:
    """Go on with the search that was stopped before it wrote a file; it names all its options."""
    compare.refuse_named(named)
    plan = read_plan(path, results.versions(), "tune", unfinished_folder(path))
    asked = compare.asked_again(Asked, plan, path)
    _search(asked, path, UnfinishedTune(path, asked.rule, plan))


def tune(asked: Asked, out: Path | None, ship: bool, overwrite: bool) -> None:
    """Search, print what was found, write it where asked."""
    if ship and out is not None:
        raise InputError("--ship and --out exclude one another; --ship writes where der_gym takes its own from")
    path = settings_path(asked.rule) if ship else out
    unfinished = None
    if path is not None:
        check_target(path)  # before the search, which takes long
        unfinished = UnfinishedTune(path, asked.rule, asked.plan(), anew=True)
        if unfinished.waits and not overwrite:
            raise InputError(
                f"{str(path)!r}: an unfinished search stands beside it; go on with --resume, or add --overwrite"
            )
    _search(asked, path, unfinished)


def _search(asked: Asked, path: Path | None, unfinished: UnfinishedTune | None) -> None:
    first = settings(asked.rule, read_settings(asked.rule, asked.file)["values"]) if asked.file else None
    with unfinished.held() if unfinished is not None else nullcontext():
        with common.progress() as told:
            found = search(
                asked.rule,
                load(asked.scenario).model_dump(),
                asked.trials,
                seeds_of("train", asked.seeds),
                progress=lambda n, rate, reward: told(
                    f"best {common.percent(rate)}, reward {reward:.2f}", n / asked.trials
                ),
                unfinished=unfinished,
                first=first,
            )
        with common.writing(None) as done:
            if path is not None:
                write(found, path)
        if unfinished is not None and done.whole and not found.stopped:
            unfinished.clear()
    _tell(asked, found)
    again = f"; go on with: der-gym tune --resume {shlex.quote(str(path))}" if path is not None else ""
    done.end(None, again)
    if path is not None:
        common.tell(f"Settings: {path} (use: --controller {asked.rule}@{path})")
    if found.stopped:
        finished = f"{len(found.trials)} of {asked.trials} trials"
        print(f"der-gym: interrupted; finished: {finished}{again}", file=sys.stderr)
        raise SystemExit(found.stopped)


def _tell(asked: Asked, found: TuneResult) -> None:
    print(f"{asked.rule} on {found.scenario}: {len(found.trials)} trials on {asked.seeds} seeds of split train")
    for what, trial in (("first" if asked.file else "shipped", found.trials[0]), ("best", found.best)):
        print(f"  {what}: {common.percent(trial.pass_rate)} of blocks passed, mean reward {trial.reward:.3f}")
    print(yaml.safe_dump(found.best.config.model_dump(mode="json"), sort_keys=False).rstrip())

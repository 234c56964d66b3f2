"""``der-gym tune``: search a rule's settings on the training seeds."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from der_gym.cli import common
from der_gym.controllers.store import settings_path
from der_gym.controllers.tune import search, write
from der_gym.core.errors import InputError
from der_gym.core.files import check_target
from der_gym.evaluation.scoreboard import seeds_of
from der_gym.scenario.model import Scenario


def tune(scenario: Scenario, controller: str, trials: int, seeds: int, out: Path | None, ship: bool) -> None:
    """Search, print what was found, write it where asked."""
    if ship and out is not None:
        raise InputError("--ship and --out exclude one another; --ship writes where der_gym takes its own from")
    if out is not None:
        check_target(out)  # before the search, which takes long
    loaded = scenario.model_dump()
    with common.progress() as told:
        found = search(
            controller,
            loaded,
            trials,
            seeds_of("train", seeds),
            progress=lambda n, rate, reward: told(f"best {common.percent(rate)}, reward {reward:.2f}", n / trials),
        )
    path = settings_path(controller) if ship else out
    with common.writing(None) as done:
        if path is not None:
            write(found, path)
    print(f"{controller} on {loaded['name']}: {len(found.trials)} trials on {seeds} seeds of split train")
    for what, trial in (("shipped", found.trials[0]), ("best", found.best)):
        print(f"  {what}: {common.percent(trial.pass_rate)} of blocks passed, mean reward {trial.reward:.3f}")
    print(yaml.safe_dump(found.best.config.model_dump(mode="json"), sort_keys=False).rstrip())
    done.end(None)
    if path is not None:
        common.tell(f"Settings: {path} (use: --controller {controller}@{path})")
    if found.stopped:
        print(f"der-gym: interrupted; finished: {len(found.trials)} of {trials} trials", file=sys.stderr)
        raise SystemExit(found.stopped)

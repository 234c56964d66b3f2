"""Small plays for the tests of the reports, and the browser that they are opened in."""

from __future__ import annotations

import os
import shutil
from functools import cache
from typing import Any

import pytest
from worlds import small

from der_gym.evaluation.causes import of_services
from der_gym.evaluation.controller_factory import players
from der_gym.evaluation.measures import EvalContext, measure
from der_gym.evaluation.play import EpisodeRunner, Played
from der_gym.evaluation.report.detail import Detail, DetailRecorder
from der_gym.evaluation.scoreboard import IDLE, Score, Scoreboard
from der_gym.scenario.load import load

NAMES = ("chromium", "chromium-browser", "google-chrome")
NASTY = "</script><b>x</b><img src=x onerror=document.title='hit'>"


@cache
def episode(
    controller: str = "open_loop", name: str = "tertiary-1", seed: int = 3, service: str | None = None, **changes: Any
) -> tuple[Scoreboard, Detail]:
    """Return a small episode and what was recorded of it, of one service or all; settings with ``__`` for the dot."""
    told = {key.replace("__", "."): value for key, value in changes.items()}
    scenario = load(name, small(name, told))
    stage, kept = EpisodeRunner(scenario, 1, service), []

    def watch(worlds: Any) -> DetailRecorder:
        kept.append(DetailRecorder(worlds))
        return kept[-1]

    plays: dict[str, Played] = {
        label: stage.play(each, [seed], watch=watch)
        for label, each in (players([IDLE]) | players([controller])).items()
    }
    worlds = stage.worlds(1)
    facts = EvalContext(plays[IDLE], float(worlds.layout.nominal_kw.sum()), worlds.simulator.structure.n_device)
    board = Scoreboard(scenario, scenario.split, [seed], IDLE, told=stage.told)
    for label, played in plays.items():
        found = of_services(played, plays[IDLE], stage.told)
        board.scores[label] = Score(label, played, measure(played, facts), found, 0.0)
    return board, kept[-1].detail


def find_browser() -> str | None:
    """Return the path of a Chromium, or None; ``DER_GYM_CHROMIUM`` names one."""
    named = os.environ.get("DER_GYM_CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


def need_browser() -> str:
    """Return the path of a Chromium; without one a test fails where CI is set, and is skipped elsewhere."""
    found = find_browser()
    if found is None:
        said = (
            f"no browser: install one of {', '.join(NAMES)} (Debian: apt-get install chromium) or set DER_GYM_CHROMIUM"
        )
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found

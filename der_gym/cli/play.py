"""``der-gym run``: one episode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from der_gym.cli import common
from der_gym.controllers import Controller
from der_gym.core.errors import InputError
from der_gym.core.figures import figure
from der_gym.core.text import one_line
from der_gym.env.worlds import Worlds
from der_gym.evaluation import results
from der_gym.evaluation.causes import clock, of_services
from der_gym.evaluation.controller_factory import players, resolve
from der_gym.evaluation.measures import EvalContext, home_measures, measure
from der_gym.evaluation.play import EpisodeRunner, Played, Watch
from der_gym.evaluation.recorder import Recorder
from der_gym.evaluation.report.detail import Detail, DetailRecorder
from der_gym.evaluation.report.run_page import write_run
from der_gym.evaluation.scoreboard import IDLE, Score, Scoreboard
from der_gym.evaluation.titles import title
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario

SHOWN = (
    ("reward", 3),
    ("accuracy", 3),
    ("mae_share", 3),
    ("yield_share", 3),
    ("plan_error_share", 3),
    ("yen_per_registered_kw", 2),
    ("messages_per_unit", 1),
    ("discharged_kwh", 1),
    ("starts", 0),
    ("debt_kwh", 2),
)


def run(
    loaded: Scenario,
    controller: str,
    seed: int,
    start_h: int | None,
    out: Path | None,
    overwrite: bool,
    report: Path | None,
    workers: int | None,
    service: str | None,
) -> None:
    """Play idle (the twin) and the controller, show the summary, write files where asked."""
    if len(resolve([controller])) > 1:
        raise InputError(f"--controller {controller}: run plays one; der-gym evaluate compares several")
    chosen = players([IDLE]) | players([controller])
    name = [*chosen][-1]
    options = None
    if start_h is not None:
        options = {"start_h": start_h}
        if start_h not in loaded.episode.starts_h:
            loaded = load(loaded, {"episode.starts_h": [start_h]})
    pages = common.reports(report, out)
    with results.opened(out, overwrite) as folder:
        board, details = _play(loaded, chosen, seed, options, bool(pages) or folder is not None, workers, service)
        reports, written = list[Path](), list[Path]()
        with common.writing(folder) as done:
            made = [write_run(page, board, name, details[name]) for page in common.pages(pages, folder)]
            reports = common.shown(made, folder)
            written = results.save(board, folder.staging) if folder is not None else []
    console = common.console()  # last, see `compare`
    _show(console, board, name)
    done.end(out)
    if out is not None:
        console.print(f"Results: {one_line(str(out))} ({len(written)} files)")
    for page in reports:
        console.print(f"Report: {one_line(str(page))}", soft_wrap=True)


def _play(
    scenario: Scenario,
    chosen: Mapping[str, Controller],
    seed: int,
    options: Mapping[str, Any] | None,
    detailed: bool,
    workers: int | None,
    service: str | None,
) -> tuple[Scoreboard, dict[str, Detail]]:
    """Play idle first, then the other; idle is the twin. Where a page is wanted, what it needs goes with it."""
    board = Scoreboard(scenario, scenario.split, [seed], IDLE)
    with common.progress() as told:
        stage = EpisodeRunner(scenario, workers, service)
        watchers = {name: _Watcher() for name in chosen if detailed}
        plays = {
            name: _one(stage, name, controller, seed, options, told, watchers.get(name, Recorder))
            for name, controller in chosen.items()
        }
    worlds, board.notes, board.told = stage.worlds(1), stage.notes, stage.told
    facts = EvalContext(plays[IDLE], float(worlds.layout.nominal_kw.sum()), worlds.simulator.structure.n_device)
    for name, played in plays.items():
        found = of_services(played, plays[IDLE], stage.told)
        board.scores[name] = Score(name, played, measure(played, facts), found, 0.0)
    return board, {name: watcher.seen.detail for name, watcher in watchers.items()}


def _one(
    stage: EpisodeRunner,
    name: str,
    controller: Controller,
    seed: int,
    options: Mapping[str, Any] | None,
    told: common.Told,
    watch: Watch,
) -> Played:
    return stage.play(controller, [seed], options, progress=lambda share: told(name, share), watch=watch)


class _Watcher:
    """Makes the recorder of a page's play and keeps it."""

    seen: DetailRecorder

    def __call__(self, worlds: Worlds) -> DetailRecorder:
        self.seen = DetailRecorder(worlds)
        return self.seen


def _shown(played: Played) -> list[tuple[str, int]]:
    """Return the measures that the summary holds, and their digits: what homes lose stands before the debt."""
    homes = [(key, 2) for key in home_measures(played) if not key.endswith(("_p50", "_p95"))]
    return [*SHOWN[:-1], *homes, *SHOWN[-1:]]


def _of_services(board: Scoreboard) -> list[tuple[str, int]]:
    """Return the measures of each service where several are told of, and their digits."""
    several = board.told if len(board.told) > 1 else []
    own = (("pass_rate", 2), ("accuracy", 3), ("yen", 0))
    return [(f"{each.replace('-', '_')}_{name}", digits) for each in several for name, digits in own]


def _show(console: Console, board: Scoreboard, name: str) -> None:
    score, idle = board.scores[name], board.scores[IDLE]
    played, scenario = score.played, board.scenario
    console.print(f"{scenario.name}: {title(scenario)}", soft_wrap=True)
    award, blocks = float(played.award_kw.max()), int((~_nan(played)).sum())
    of = f" of {played.told_of}" if played.told_of else ""
    starts = clock(int(played.start_abs_s[0]))
    console.print(f"{name}, seed {board.seeds[0]}, from {starts}, award {figure(award)} kW in {blocks} blocks{of}\n")
    ledger = common.table("Ledger, yen", ["line", name, *([IDLE] if name != IDLE else [])])
    both = [score, idle] if name != IDLE else [score]
    yen = common.numbers(np.concatenate([each.played.ledger_yen[0] for each in both]).tolist(), 0)
    for k, line in enumerate(played.lines):
        ledger.add_row(line, *yen[k :: len(played.lines)])
    console.print(ledger, "")
    service = common.table("Outcome", ["measure", name, *([IDLE] if name != IDLE else [])])
    passed = [f"{int((p.passed == 1).sum())} of {blocks}" for p in (played, idle.played)]
    service.add_row("blocks passed", *passed[: 2 if name != IDLE else 1])
    for key, digits in _shown(played):
        service.add_row(key, *common.numbers([float(each.columns[key][0]) for each in both], digits))
    for key, digits in _of_services(board):
        service.add_row(key, *common.numbers([float(each.columns[key][0]) for each in both], digits))
    console.print(service, "")
    for failure in score.failures:
        console.print(failure.line, soft_wrap=True)
    common.show_notes(console, board.notes)


def _nan(played: Played) -> Any:
    return played.passed != played.passed

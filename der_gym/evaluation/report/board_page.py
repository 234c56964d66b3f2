"""The page of a scoreboard: who is better, how surely, when, and why blocks failed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.evaluation.causes import CAUSES
from der_gym.evaluation.firm import capability
from der_gym.evaluation.ledger_means import ledger_table
from der_gym.evaluation.measures import shown_registers, titles
from der_gym.evaluation.report import page
from der_gym.evaluation.report.firm_page import Promise, capability_rows, firm_data
from der_gym.evaluation.report.page import rounded
from der_gym.evaluation.report.profiles import hours, pass_rates, points, profile, season_rates
from der_gym.evaluation.report.run_page import told_of
from der_gym.evaluation.scoreboard import IDLE, Score, Scoreboard
from der_gym.evaluation.titles import title
from der_gym.simulation.assets import scenario_assets

FAR = 3.0  # a controller whose rewards lie so many times the others' range below them is not shown at first


def write_board(path: str | Path, board: Scoreboard, firm: Promise | None = None) -> Path:
    """Write the page of a scoreboard, with the firm power of an earlier ``der-gym firm`` where there is one."""
    heading = f"{board.scenario.name} · {board.split} · {len(board.seeds)}"
    return page.write(path, "board", heading, board_data(board, firm))


def board_data(board: Scoreboard, firm: Promise | None = None) -> dict[str, Any]:
    """Return all that the page draws."""
    order = board.ranking()
    scores = {name: board.scores[name].columns["reward"] for name in order}
    at = points(scores)
    profiles = {name: {key: rounded(v, 4) for key, v in profile(own, at).items()} for name, own in scores.items()}
    return {
        "head": head(board),
        "order": order,
        "hidden": far_below(board),
        "rows": [_row(row) for row in board.summary()],
        "services": services(board),
        "measures": titles(),
        "harm": [{"key": name, "title": r.title} for name, r in shown_registers().items() if r.harm and r.by_home],
        "profiles": {"x": rounded(at, 4), "of": profiles},
        "by_hour": {name: pass_rates(s.played, hours(s.played)) for name, s in board.scores.items()},
        "by_season": {name: season_rates(s.played) for name, s in board.scores.items()},
        "ledger": ledger_table(board),
        "causes": {name: causes(score) for name, score in board.scores.items()},
        "capability": capability_rows(capability(scenario_assets(board.scenario))),
        "firm": firm_data(firm) if firm is not None else None,
    }


def head(board: Scoreboard) -> dict[str, Any]:
    """Return the setup of the comparison."""
    any_score = next(iter(board.scores.values()))
    awards = any_score.played.award_kw.max(axis=1)
    return {
        "scenario": board.scenario.name,
        "title": " · ".join(filter(None, (title(board.scenario), told_of(board, any_score.played)))),
        "split": board.split,
        "n_seed": len(board.seeds),
        "base": board.base,
        "interrupted": board.interrupted,
        "award_kw": [float(awards.min()), float(awards.max())],
    }


def far_below(board: Scoreboard) -> list[str]:
    """Return the controllers whose median reward is so far below idle's that a chart of all would hide the rest."""
    middle = {name: float(np.median(score.columns["reward"])) for name, score in board.scores.items()}
    span = max(middle.values()) - middle[IDLE]
    return [name for name, value in middle.items() if value < middle[IDLE] - FAR * max(span, 0.1)]


def causes(score: Score) -> dict[str, int]:
    """Return the number of failed blocks by cause, in the order of the rules."""
    found = Counter(failure.cause for failure in score.of_first)
    return {cause: found[cause] for cause in CAUSES if found[cause]}


def services(board: Scoreboard) -> list[dict[str, Any]]:
    """Return each service's own measures by controller where the page tells of several, in the scenario's order."""
    told = board.told if len(board.told) > 1 else []
    return [{"id": each, "rows": [_of_service(each, board.scores[name]) for name in board.ranking()]} for each in told]


def _of_service(service: str, score: Score) -> dict[str, Any]:
    """Return mean share of periods passed, accuracy and yen of a service, and the cause of most of its failures."""
    key = service.replace("-", "_")
    means = {name: float(score.columns[f"{key}_{name}"].mean()) for name in ("pass_rate", "accuracy", "yen")}
    found = Counter(failure.cause for failure in score.failures if failure.service == service)
    most = max(sorted(found), key=lambda cause: found[cause]) if found else ""
    return {"controller": score.name, **means, "failed": found.total(), "main_cause": most}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the summary with short numbers."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in row.items()}

"""The ledger of a comparison: mean yen of an episode by controller, start and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from der_gym.core.units import DAY_S, HOUR_S
from der_gym.evaluation.play import Played
from der_gym.evaluation.scoreboard import Scoreboard

ALL = "all"  # episodes of every start


def line_names(played: Played) -> list[dict[str, str]]:
    """Return each line of the statement: its name, the line's own name, and its service (empty: the fleet's)."""
    both = zip(played.lines, played.kinds, strict=True)
    return [{"line": line, "kind": kind, "service": line.removesuffix(kind).removesuffix("_")} for line, kind in both]


def ledger_rows(board: Scoreboard) -> Iterator[dict[str, Any]]:
    """Yield one row per controller, start and line: mean yen of an episode and the number of episodes."""
    for name, score in board.scores.items():
        played = score.played
        hour = start_h(played)
        for start in np.unique(hour).tolist():
            own = played.ledger_yen[hour == start]
            for line, yen in zip(played.lines, own.mean(axis=0).tolist(), strict=True):
                yield {"controller": name, "start_h": start, "line": line, "yen": yen, "n": len(own)}


def start_h(played: Played) -> np.ndarray:
    """Return the hour of the day at which each episode starts, int64 (n,)."""
    hour: np.ndarray = played.start_abs_s % DAY_S // HOUR_S
    return hour


def ledger_table(board: Scoreboard) -> dict[str, Any]:
    """Return what a page draws: lines, starts (`ALL` first), and by start the number of episodes and yen of each line.

    ``yen[start][controller]`` is the mean of an episode, one for each line.
    """
    any_played = next(iter(board.scores.values())).played
    hour = start_h(any_played)
    picked = {ALL: np.ones(len(hour), dtype=bool)} | {str(h): hour == h for h in np.unique(hour).tolist()}
    return {
        "lines": line_names(any_played),
        "starts": list(picked),
        "n": {start: int(own.sum()) for start, own in picked.items()},
        "yen": {
            start: {name: _short(score.played.ledger_yen[own].mean(axis=0)) for name, score in board.scores.items()}
            for start, own in picked.items()
        },
    }


def _short(yen: np.ndarray) -> list[float]:
    """Return yen with two decimals, without a negative zero."""
    return [round(value, 2) + 0.0 for value in yen.tolist()]

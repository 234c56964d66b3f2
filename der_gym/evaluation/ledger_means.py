"""The ledger of a comparison: mean yen of an episode by controller, start and line, and by half hour."""

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


def block_rows(board: Scoreboard) -> Iterator[dict[str, Any]]:
    """Yield one row per controller, start, half hour and line: mean yen booked in it, and the number of episodes.

    ``block`` counts from 0; ``committed_share``: of the episodes, those with a commitment of the first service then.
    """
    for name, score in board.scores.items():
        played, hour = score.played, start_h(score.played)
        booked = np.diff(played.statement_yen, axis=1, prepend=0.0)
        n_block = booked.shape[1]
        at = np.arange(n_block) * played.award_kw.shape[1] // n_block  # its periods may be longer or shorter
        committed = played.award_kw[:, at] > 0.0
        for start in np.unique(hour).tolist():
            own = hour == start
            means, share = booked[own].mean(axis=0), committed[own].mean(axis=0).tolist()
            for block, row in enumerate(means.tolist()):
                place = {"controller": name, "start_h": start, "block": block, "committed_share": share[block]}
                for line, yen in zip(played.lines, row, strict=True):
                    yield place | {"line": line, "yen": yen + 0.0, "n": int(own.sum())}


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

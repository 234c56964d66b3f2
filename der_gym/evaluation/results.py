"""Results on disk: each file whole or not at all, with a record of how they were made."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import der_gym
from der_gym.core.files import whole_file, write_text
from der_gym.core.folders import NewResults, new_results
from der_gym.evaluation.ledger_means import block_rows, ledger_rows
from der_gym.evaluation.play import Played
from der_gym.evaluation.recorder import BY_SERVICE
from der_gym.evaluation.scoreboard import Scoreboard
from der_gym.scenario.model import Scenario

PACKAGES = ("numpy", "numba", "gymnasium", "scipy", "pydantic")
RECORD = "run.json"  # it comes last: where it is, all else is whole
OURS = (
    "scoreboard.csv",
    "seeds.csv",
    "seeds.parquet",
    "failures.csv",
    "ledger.csv",
    "ledger_blocks.csv",
    RECORD,
    "firm.csv",
    "capability.csv",
    "report.html",
    "traces-*.npz",
)


@contextmanager
def opened(path: Path | None, overwrite: bool) -> Iterator[NewResults | None]:
    """Yield a place for new results where a folder is asked for, else None; see `new_results`."""
    if path is None:
        yield None
        return
    with new_results(path, overwrite, OURS, RECORD) as made:
        yield made


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV; floats with 9 significant digits, NaN empty."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.9g}"
    return value


def record(scenario: Scenario, command: Sequence[str] | None = None, **more: Any) -> str:
    """Return the run's record as JSON: scenario with its hash, versions, machine, time, command, and ``more``.

    Parameters
    ----------
    scenario : Scenario
    command : sequence of str, optional
        Words of the command line.
    """
    content = {
        "scenario": scenario.name,
        "scenario_hash": scenario.hash(),
        **more,
        "command": list(sys.argv if command is None else command),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": {"system": platform.platform(), "processor": platform.machine()},
        "settings": scenario.model_dump(mode="json"),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"der_gym": der_gym.__version__, "python": platform.python_version(), **found}


def seed_rows(board: Scoreboard) -> Iterable[dict[str, Any]]:
    """Yield one row per controller and seed."""
    for name, score in board.scores.items():
        for i, seed in enumerate(board.seeds):
            yield {"controller": name, "seed": seed, **{key: float(v[i]) for key, v in score.columns.items()}}


def failure_rows(board: Scoreboard) -> Iterable[dict[str, Any]]:
    """Yield one row per failed block; the parts of its worst error add up to it."""
    for name, score in board.scores.items():
        for f in score.failures:
            of = {"service": f.service} if f.service else {}
            row = {"controller": name, "seed": f.seed, **of, "block": f.block, "starts": f.starts, "cause": f.cause}
            parts = {f"{part.replace(' ', '_')}_kw": kw for part, kw in f.parts.items()}
            yield row | {"worst_error_kw": f.worst_kw, **parts, "award_kw": f.award_kw, "text": f.text}


def save(board: Scoreboard, folder: Path, traces: bool = True, command: Sequence[str] | None = None) -> list[Path]:
    """Write a scoreboard into ``folder`` and return the files: tables, failed blocks, traces, and the record last.

    Parameters
    ----------
    board : Scoreboard
    folder : Path
        Made where it is not there; results that stand there are replaced whole.
    traces : bool
        Whether the trace of every controller is written too.
    command : sequence of str, optional
        Words of the command line, for the record.
    """
    rows = list(seed_rows(board))
    texts = {
        "scoreboard.csv": table_text(board.summary()),
        "seeds.csv": table_text(rows),
        "failures.csv": table_text(list(failure_rows(board))),
        "ledger.csv": table_text(list(ledger_rows(board))),
        "ledger_blocks.csv": table_text(list(block_rows(board))),
    }
    written = [_write(folder / name, text) for name, text in texts.items()]
    if importlib.util.find_spec("pyarrow"):
        written.append(_parquet(folder / "seeds.parquet", rows))
    for name, score in board.scores.items() if traces else ():
        with whole_file(folder / f"traces-{name}.npz") as temporary, open(temporary, "wb") as file:
            arrays: dict[str, Any] = {"seeds": score.played.seeds, **score.played.trace.arrays(), **_rows(score.played)}
            np.savez_compressed(file, **arrays)
        written.append(folder / f"traces-{name}.npz")
    more: dict[str, Any] = {"split": board.split, "seeds": board.seeds, "controllers": list(board.scores)}
    more |= {"seconds": {name: round(score.seconds, 3) for name, score in board.scores.items()}}
    more |= {"base": board.base, "interrupted": board.interrupted, "done_to_your_files": board.notes}
    return [*written, _write(folder / RECORD, record(board.scenario, command, **more))]


def _rows(played: Played) -> dict[str, np.ndarray]:
    """Return the trace's rows of each service where there are several: ``ID/plan_kw`` ..."""
    several = played.services if len(played.services) > 1 else {}
    return {f"{each}/{name}": getattr(own, name) for each, own in several.items() for name in BY_SERVICE}


def _write(path: Path, text: str) -> Path:
    write_text(path, text)
    return path


def _parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with whole_file(path) as temporary, open(temporary, "wb") as file:  # pyarrow takes no path that is no UTF-8
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), file)
    return path

"""The page of firm power: what the group has by hour, and the largest award that a controller can keep."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from der_gym.core.errors import InputError
from der_gym.core.files import read_text
from der_gym.evaluation.firm import ALL, Firm
from der_gym.evaluation.report import page
from der_gym.evaluation.titles import title

LARGEST_BYTES = 2**26
NUMBERS = (
    *("start_h", "level", "award_share", "firm_kw", "fails_kw", "firm_low_kw", "firm_high_kw", "least_kw"),
    *("most_played_kw", "firm_kw_per_1000", "firm_share_of_rated"),
)


@dataclass(frozen=True)
class Promise:
    """The result of ``der-gym firm``: its scenario, episodes per point, rows of ``Firm.awards`` and ``Firm.passed``."""

    scenario: str
    n_seed: int
    awards: Sequence[dict[str, Any]]
    passed: Sequence[dict[str, Any]]


def write_firm(path: str | Path, found: Firm, n_seed: int) -> Path:
    """Write the page of firm power, worked out with ``n_seed`` episodes per point."""
    return page.write(path, "firm", f"{found.scenario.name} · firm", page_data(found, n_seed))


def page_data(found: Firm, n_seed: int) -> dict[str, Any]:
    """Return all that the page draws."""
    return {
        "head": {"scenario": found.scenario.name, "title": title(found.scenario)},
        "firm": firm_data(Promise(found.scenario.name, n_seed, found.awards, found.passed)),
        "capability": capability_rows(found.capability),
    }


def firm_data(firm: Promise) -> dict[str, Any]:
    """Return the curves: pass rate by award for each controller, season and start; the award kept by level."""
    return {
        "n_seed": firm.n_seed,
        "awards": [_short(row) for row in firm.awards],
        "passed": [_short(row) for row in firm.passed],
    }


def capability_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the availability, shortened: season, class, and kW for each hour of the day; the whole group first."""
    keys = sorted(dict.fromkeys((row["season"], row["class"]) for row in rows), key=lambda key: key[1] != ALL)
    out = []
    for season, name in keys:
        own = sorted((r for r in rows if (r["season"], r["class"]) == (season, name)), key=lambda row: row["hour"])
        curves = {key: page.rounded([row[f"up_{key}_kw"] for row in own]) for key in ("p50", "p10")}
        out.append({"season": season, "class": name, **curves})
    return out


def read_firm(folder: str | Path, scenario: str) -> Promise:
    """Return the result that ``der-gym firm --out FOLDER`` wrote.

    Raises
    ------
    InputError
        Where it is not there, cannot be read, or is of another scenario.
    """
    place = Path(folder)
    try:
        record = json.loads(read_text(place / "run.json", LARGEST_BYTES))
        table = io.StringIO(read_text(place / "firm.csv", LARGEST_BYTES), newline="")
        awards = [_numbers(row) for row in csv.DictReader(table)]
        found = Promise(record["scenario"], int(record["seeds"]), awards, record["passed"])
    except (InputError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise InputError(
            f"--firm {str(folder)!r}: no results of der-gym firm there; allowed: the folder of its --out"
        ) from None
    if found.scenario != scenario:
        raise InputError(f"--firm {str(folder)!r}: is of scenario {found.scenario!r}; allowed: {scenario!r}")
    return found


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return row | {key: float(row[key] or "nan") for key in NUMBERS}  # an empty cell: no award above was played


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _figures(value) if isinstance(value, float) else value for key, value in row.items()}


def _figures(value: float) -> float | None:
    """Return five figures; JSON has neither NaN nor infinity."""
    return float(f"{value:.5g}") if math.isfinite(value) else None

"""``der-gym evaluate``: the scoreboard."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from der_gym.cli import common
from der_gym.evaluation import results
from der_gym.evaluation.measures import shown_registers
from der_gym.evaluation.report.board_page import write_board
from der_gym.evaluation.report.firm_page import read_firm
from der_gym.evaluation.scoreboard import Scoreboard
from der_gym.evaluation.scoreboard import evaluate as compare
from der_gym.scenario.load import load

BEFORE = (("penalty\nyen", "penalty_yen", 0),)
AFTER = (
    ("debt\nkWh", "debt_kwh", 1),
    ("given by\nstores kWh", "discharged_kwh", 0),
    ("starts", "starts", 0),
    ("messages\nper unit", "messages_per_unit", 1),
)


class Pages(NamedTuple):
    """The page that is asked for, and the folder of ``der-gym firm`` whose curves it shows."""

    report: Path | None = None
    firm: Path | None = None


def evaluate(
    scenario: str,
    controller: str,
    seeds: int,
    out: Path | None,
    overwrite: bool,
    split: str,
    base: str | None,
    pairs: Sequence[str],
    traces: bool,
    asked: Pages,
    workers: int | None,
    service: str | None,
    bound: int,
) -> None:
    """Play, write the files, print the tables; after Ctrl-C those of the controllers that were finished."""
    pages = common.reports(asked.report, out)
    settings = common.parse_settings(pairs)
    kept = read_firm(asked.firm, load(scenario, settings).name) if asked.firm is not None else None
    with results.opened(out, overwrite) as folder:
        with common.progress() as told:
            board = compare(
                scenario,
                common.names(controller),
                seeds,
                split,
                overrides=settings,
                base=base,
                workers=workers,
                service=service,
                progress=told,
                bound=bound,
            )
        reports, written = [], []
        if board.scores:
            reports = common.shown([write_board(page, board, kept) for page in common.pages(pages, folder)], folder)
            written = results.save(board, folder.staging, traces) if folder is not None else []
            if folder is not None:
                folder.publish(results.RECORD)
    if board.scores:  # what is printed comes last: where its reader goes away the files are there
        _print(board, written, out, reports)
    if board.interrupted:
        print(f"der-gym: interrupted; finished: {', '.join(board.scores) or 'none'}", file=sys.stderr)
        raise SystemExit(130)


def _print(board: Scoreboard, written: Sequence[Path], out: Path | None, reports: Sequence[Path]) -> None:
    console = common.console()
    show(console, board)
    if out is not None:
        names = ", ".join(path.name for path in written if "traces" not in path.name)
        console.print(f"Results: {out} ({names})")
    for report in reports:
        console.print(f"Report: {report}", soft_wrap=True)


def show(console: Console, board: Scoreboard) -> None:
    """Print the scoreboard: scores, then service to the owners."""
    rows = board.summary()
    console.print(scores(rows, board), "")
    if len(board.scenario.services) > 1:
        console.print(by_service(rows, board), "")
    console.print(service(rows), "")
    console.print(standing(rows, board), "")


def scores(rows: Sequence[Mapping[str, Any]], board: Scoreboard) -> Table:
    """Return the table of scores, best first."""
    title = f"{board.scenario.name}, {len(board.seeds)} seeds of split {board.split}"
    heads = ["controller", "reward\n[95 %]", "blocks passed\n% [95 %]", "accu-\nracy", "yen\nper kW"]
    heads += [f"reward against\n{board.base} [95 %]", "P(beats\nnext)", "fails\nmostly by"]
    note = "reward: interquartile mean, a perfect episode is about 1; others: means over seeds; yen per registered kW"
    made = common.table(title, heads, caption=note)
    for column in made.columns:
        column.no_wrap = True
    for row in rows:
        made.add_row(
            row["controller"],
            common.spread(row, "reward"),
            common.spread(row, "pass_rate", common.hundred),
            common.number(row["accuracy"]),
            common.number(row["yen_per_registered_kw"], 1),
            common.spread(row, "against_base"),
            common.number(row["beats_next"]),
            row["main_cause"] or "-",
        )
    return made


def standing(rows: Sequence[Mapping[str, Any]], board: Scoreboard) -> Table:
    """Return the table of what is left to the bound, of seeds above the base, and of profit by start."""
    starts = sorted(key for key in rows[0] if key.startswith("profit_yen_"))
    heads = ["controller", "headroom", "idle to\nbound %", f"seeds above\n{board.base} %"]
    heads += [f"yen,\nstart {key[-3:-1]} h" for key in starts]
    note = "headroom: reward that hindsight adds (evaluate --bound); yen: mean profit of the episodes of a start"
    made = common.table("Bound, paired wins, money by start", heads, caption=note)
    for row in rows:
        cells = [common.number(row["headroom"]), common.hundred(row["bound_share"]), common.hundred(row["wins_base"])]
        made.add_row(row["controller"], *cells, *(common.number(row[key], 0) for key in starts))
    return made


def by_service(rows: Sequence[Mapping[str, Any]], board: Scoreboard) -> Table:
    """Return the table of several services: periods passed, accuracy and yen of each."""
    keys = [config.id.replace("-", "_") for config in board.scenario.services]
    heads = ["controller"]
    for config in board.scenario.services:
        heads += [f"{config.id}\npassed %", "accu-\nracy", "yen"]
    made = common.table("Services: mean per episode", heads, caption="yen: the service's own lines, before the fleet's")
    for row in rows:
        cells = [row["controller"]]
        for key in keys:
            cells.append(common.hundred(row[f"{key}_pass_rate"]))
            cells += [common.number(row[f"{key}_accuracy"]), common.number(row[f"{key}_yen"], 0)]
        made.add_row(*cells)
    return made


def home_columns(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """Return (title, measure, digits) of what homes lose, of the classes that were played."""
    found: list[tuple[str, str, int]] = []
    for name, register in shown_registers().items():
        if rows and name in rows[0]:
            found.append((register.title[0], name, 2 if register.by_home else 1))
            found += [("home's\nworst", f"{name}_worst", 2)] if register.by_home else []
    return found


def service(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of what owners and devices got."""
    note = "to 24 h after the end; worst: over all seeds; debt: what classes lack at the end; idle shows what is normal"
    columns = (*BEFORE, *home_columns(rows), *AFTER)
    made = common.table(
        "Penalties, service to owners, wear: mean per episode", ["controller", *(s[0] for s in columns)], caption=note
    )
    for row in rows:
        made.add_row(row["controller"], *(common.number(row[key], digits) for _, key, digits in columns))
    return made

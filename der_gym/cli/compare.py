"""``der-gym evaluate``: the scoreboard."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from rich.console import Console
from rich.table import Table

from der_gym.cli import common
from der_gym.cli.given import Given
from der_gym.core.errors import InputError
from der_gym.core.files import contents
from der_gym.core.text import one_line
from der_gym.evaluation import results
from der_gym.evaluation.controller_factory import named_files
from der_gym.evaluation.measures import shown_registers
from der_gym.evaluation.report.board_page import write_board
from der_gym.evaluation.report.firm_page import read_firm
from der_gym.evaluation.scoreboard import Scoreboard
from der_gym.evaluation.scoreboard import evaluate as compare
from der_gym.evaluation.unfinished import Unfinished, read_plan
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.scenario.variations import varied

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


class Plans(Protocol):
    """What is asked for, with a plan."""

    def plan(self) -> dict[str, Any]:
        """Return all that it depends on, as JSON takes it."""


T = TypeVar("T", bound=Plans)


@dataclass(frozen=True)
class Asked:
    """What is to be compared: options of ``der-gym evaluate`` by their names."""

    scenario: Any
    controller: str
    seeds: int
    split: str
    base: str | None
    traces: bool
    service: str | None
    bound: int = 0

    def plan(self) -> dict[str, Any]:
        """Return all that the comparison depends on, as JSON takes it: the scenario whole, versions."""
        scenario = load(self.scenario, {"split": self.split})
        own = scenario_plan(scenario, self.controller)
        return {"asked": {**asdict(self), **own}, "versions": results.versions()}


def loaded(files: Given, scenario: str, settings: Sequence[str] | None, variation: str | None) -> Scenario:
    """Return the scenario of the options, varied where a variation is named."""
    made = files.load(scenario, settings)
    return made if variation is None else varied(made, variation, common.parse_settings(settings or ()))


def resume(folder: Path, named: Collection[str], pages: Pages, workers: int | None) -> None:
    """Go on with the comparison that was stopped in a folder; it names all its options but those of this machine."""
    refuse_named(named)
    plan = read_plan(folder, results.versions())
    _play(asked_again(Asked, plan, folder), folder, True, Unfinished(folder, plan), pages, workers)


def refuse_named(named: Collection[str]) -> None:
    """Refuse options beside ``--resume``."""
    if named:
        first = min(named).replace("_", "-")
        raise InputError(f"--{first}: --resume goes on with the options that it began with; leave it out")


def scenario_plan(scenario: Scenario, controller: str) -> dict[str, Any]:
    """Return what a plan keeps of a scenario, and of the files that controllers are made from."""
    files = named_files(common.names(controller), scenario.control)
    held = dict(zip(map(str, files), contents(files), strict=True))
    return {"scenario": scenario.model_dump(mode="json"), "hash": scenario.hash(), "files": held}


def asked_again(kind: type[T], plan: Mapping[str, Any], folder: Path) -> T:
    """Return what a plan asks for; InputError where that cannot be read, or a file that it depends on has changed."""
    try:
        given = dict(plan["asked"])
        kept_hash, kept_files = given.pop("hash"), dict(given.pop("files"))
        asked = kind(**given)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"--resume: the plan in {str(folder)!r} cannot be used: {error}") from None
    now = asked.plan()["asked"]
    if now["hash"] != kept_hash:
        raise InputError(f"--resume: the files of {str(folder)!r}'s scenario have changed since it was begun")
    differ = [path for path in (now["files"] | kept_files) if now["files"].get(path) != kept_files.get(path)]
    if differ:
        what = "has changed" if differ[0] in now["files"] else "is no longer there"
        raise InputError(
            f"--resume: {differ[0]!r}, which a controller is made from, {what} since {str(folder)!r} began"
        )
    return asked


def evaluate(asked: Asked, out: Path | None, overwrite: bool, pages: Pages, workers: int | None) -> None:
    """Play, write the files, print the tables; after Ctrl-C those of the controllers that were finished."""
    unfinished = Unfinished(out, asked.plan(), anew=True) if out is not None else None
    if unfinished is not None and unfinished.waits and not overwrite:
        raise InputError(
            f"output folder {str(out)!r} holds an unfinished comparison; go on with --resume, or add --overwrite"
        )
    _play(asked, out, overwrite, unfinished, pages, workers)


def _play(
    asked: Asked,
    out: Path | None,
    overwrite: bool,
    unfinished: Unfinished | None,
    pages: Pages,
    workers: int | None,
) -> None:
    targets = common.reports(pages.report, out)
    kept = read_firm(pages.firm, load(asked.scenario).name) if pages.firm is not None else None
    with results.opened(out, overwrite) as folder:
        with common.progress() as told:
            board = compare(
                asked.scenario,
                common.names(asked.controller),
                asked.seeds,
                asked.split,
                base=asked.base,
                workers=workers,
                service=asked.service,
                progress=told,
                bound=asked.bound,
                unfinished=unfinished,
            )
        reports, written = list[Path](), list[Path]()
        place = common.to_publish(folder, board.stopped) if board.scores else None
        with common.writing(place) as done:
            if board.scores:
                made = [write_board(page, board, kept) for page in common.pages(targets, place)]
                reports = common.shown(made, place)
                written = results.save(board, place.staging, asked.traces) if place is not None else []
        if unfinished is not None and done.whole and not board.interrupted:
            unfinished.clear()
    if board.scores:  # what is printed comes last: where its reader goes away the files are there
        _print(board, written, out if done.whole and place else None, reports if done.whole else [])
    again = f"; go on with: der-gym evaluate --resume {shlex.quote(str(out))}" if out is not None else ""
    done.end(out, again)
    if board.interrupted:
        finished = ", ".join(board.scores) or "none"
        print(f"der-gym: interrupted; finished: {finished}{again if board.scores else ''}", file=sys.stderr)
        raise SystemExit(board.stopped)


def _print(board: Scoreboard, written: Sequence[Path], out: Path | None, reports: Sequence[Path]) -> None:
    console = common.console()
    show(console, board)
    common.show_notes(console, board.notes)
    if out is not None:
        names = ", ".join(path.name for path in written if "traces" not in path.name)
        console.print(f"Results: {one_line(str(out))} ({names})")
    for report in reports:
        console.print(f"Report: {one_line(str(report))}", soft_wrap=True)


def show(console: Console, board: Scoreboard) -> None:
    """Print the scoreboard: scores, then service to the owners."""
    rows = board.summary()
    console.print(scores(rows, board), "")
    if len(board.scenario.services) > 1:
        console.print(by_service(rows, board), "")
    console.print(by_variant(rows, board), "")
    if "offer_yen" in rows[0]:
        console.print(offers(rows), "")
    console.print(service(rows), "")
    console.print(standing(rows, board), "")


def scores(rows: Sequence[Mapping[str, Any]], board: Scoreboard) -> Table:
    """Return the table of scores, best first."""
    title = f"{board.scenario.name}, {len(board.seeds)} seeds of split {board.split}"
    heads = ["controller", "reward\n[95 %]", "blocks passed\n% [95 %]", "accu-\nracy", "yen\nper kW", "with\nlock-out"]
    heads += [f"reward against\n{board.base} [95 %]", "P(beats\nnext)", "fails\nmostly by"]
    note = "reward: interquartile mean, in shares of a group that follows exactly; others: means; yen per registered kW"
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
            common.number(row["yen_per_registered_kw_with_lockout"], 1),
            common.spread(row, "against_base"),
            common.number(row["beats_next"]),
            row["main_cause"] or "-",
        )
    return made


def by_variant(rows: Sequence[Mapping[str, Any]], board: Scoreboard) -> Table:
    """Return the table of what decides between controllers: blocks, profit, and the same play under every reward."""
    heads = ["controller", "blocks\npassed %", "profit\nyen", "with\nlock-out", "reward\nledger", "shared", "relative"]
    note = f"means over seeds; the scenario's variant is {board.scenario.reward.variant}; relative: shared less idle's"
    made = common.table("Blocks, profit, and the reward under its variants", heads, caption=note)
    for row in rows:
        cells = [row["controller"], common.hundred(row["pass_rate"])]
        cells += [common.number(row[key], 0) for key in ("profit_yen", "profit_with_lockout_yen")]
        cells += [common.number(row[f"reward_{key}"], 3) for key in ("ledger", "shared", "relative")]
        made.add_row(*cells)
    return made


def standing(rows: Sequence[Mapping[str, Any]], board: Scoreboard) -> Table:
    """Return the table of what is left to oracle and bound, of seeds above the base, and of profit by start."""
    starts = sorted(key for key in rows[0] if key.startswith("profit_yen_"))
    heads = ["controller", "headroom\nto oracle", "idle to\noracle %", "bound", "idle to\nbound %"]
    heads += [f"seeds above\n{board.base} %"]
    heads += [f"yen,\nstart {key[-3:-1]} h" for key in starts]
    note = "oracle: reached with hindsight; bound: exceeded by nobody (evaluate --bound); yen: mean profit by start"
    made = common.table("Bound, paired wins, money by start", heads, caption=note)
    for row in rows:
        cells = [common.number(row["headroom"]), common.hundred(row["oracle_share"]), common.number(row["bound"])]
        cells += [common.hundred(row["bound_share"]), common.hundred(row["wins_base"])]
        made.add_row(row["controller"], *cells, *(common.number(row[key], 0) for key in starts))
    return made


def offers(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of what offers of pay came to."""
    columns = [
        ("paid\nyen", "offer_yen", 0),
        ("paid\nkWh", "offer_paid_kwh", 0),
        ("useful\nkWh", "offer_useful_kwh", 0),
        ("free-\nridden kWh", "offer_free_kwh", 0),
        ("rebound\nkWh", "offer_rebound_kwh", 0),
        ("yen per\nuseful kWh", "offer_yen_per_useful_kwh", 1),
        ("calls of\npeople", "offer_calls", 0),
    ]
    note = "useful: what the twin without offers shows to be an answer; opted in: rated power in the last event"
    heads = ["controller", *(title for title, _, _ in columns), "opted\nin %"]
    made = common.table("Offers: mean per episode", heads, caption=note)
    for row in rows:
        cells = [common.number(row[key], digits) for _, key, digits in columns]
        made.add_row(row["controller"], *cells, common.hundred(row["offer_opted_in"]))
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
    cells = [common.numbers([row[key] for row in rows], digits) for _, key, digits in columns]
    for k, row in enumerate(rows):
        made.add_row(row["controller"], *(column[k] for column in cells))
    return made

"""``der-gym firm``: what a group can promise."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from der_gym.cli import common, compare
from der_gym.core.errors import InputError
from der_gym.core.figures import figure
from der_gym.core.files import write_text
from der_gym.core.text import one_line
from der_gym.evaluation import results
from der_gym.evaluation.firm import Firm
from der_gym.evaluation.firm import firm as work_out
from der_gym.evaluation.report.firm_page import write_firm
from der_gym.evaluation.unfinished import read_plan
from der_gym.evaluation.unfinished_firm import UnfinishedFirm
from der_gym.scenario.load import load

HOURS = range(0, 24, 2)


@dataclass(frozen=True)
class Asked:
    """What is searched: options of ``der-gym firm`` by their names; empty ones stand for all, or for the default."""

    scenario: Any
    controller: str
    chosen: Mapping[str, Any]
    seeds: int
    split: str

    def plan(self) -> dict[str, Any]:
        """Return all that the search depends on, as JSON takes it: the scenario whole, versions."""
        scenario = load(self.scenario, {"split": self.split})
        own = compare.scenario_plan(scenario, self.controller)
        return {"command": "firm", "asked": {**asdict(self), **own}, "versions": results.versions()}


def resume(folder: Path, named: Collection[str], report: Path | None, workers: int | None) -> None:
    """Go on with the search that was stopped in a folder; it names all its options but those of this machine."""
    compare.refuse_named(named)
    plan = read_plan(folder, results.versions(), "firm")
    asked = compare.asked_again(Asked, plan, folder)
    _search(asked, folder, True, UnfinishedFirm(folder, plan), report, workers)


def firm(asked: Asked, out: Path | None, overwrite: bool, report: Path | None, workers: int | None) -> None:
    """Work out, print and write the capability and the awards that can be kept."""
    unfinished = UnfinishedFirm(out, asked.plan(), anew=True) if out is not None else None
    if unfinished is not None and unfinished.waits and not overwrite:
        raise InputError(
            f"output folder {str(out)!r} holds unfinished results; go on with --resume, or add --overwrite"
        )
    _search(asked, out, overwrite, unfinished, report, workers)


def _search(
    asked: Asked,
    out: Path | None,
    overwrite: bool,
    unfinished: UnfinishedFirm | None,
    report: Path | None,
    workers: int | None,
) -> None:
    pages = common.reports(report, out)
    given = {key: value for key, value in asked.chosen.items() if value}
    with results.opened(out, overwrite) as folder:
        with common.progress() as progress:
            found = work_out(
                asked.scenario,
                common.names(asked.controller),
                n_seed=asked.seeds,
                split=asked.split,
                workers=workers,
                progress=progress,
                unfinished=unfinished,
                **given,
            )
        reports = list[Path]()
        place = common.to_publish(folder, found.stopped)
        with common.writing(place) as done:
            made = [write_firm(page, found, asked.seeds) for page in common.pages(pages, place)]
            reports = common.shown(made, place)
            if place is not None:
                more = {"split": asked.split, "seeds": asked.seeds, "interrupted": found.stopped != 0}
                more |= {"budget": found.budget, "passed": found.passed, "done_to_your_files": found.notes}
                _save(found, place.staging, more)
        if unfinished is not None and done.whole and not found.stopped:
            unfinished.clear()
    again = f"; go on with: der-gym firm --resume {shlex.quote(str(out))}" if out is not None else ""
    console = common.console()  # last, see `compare`
    for season in dict.fromkeys(row["season"] for row in found.capability):
        console.print(_capability(found, season), "")
    console.print(_awards(found), "")
    common.show_notes(console, found.notes)
    done.end(out, again)
    if out is not None and place is not None:
        console.print(f"Results: {one_line(str(out))} (capability.csv, firm.csv, run.json)")
    for page in reports:
        console.print(f"Report: {one_line(str(page))}", soft_wrap=True)
    if found.stopped:
        shares = ", ".join(f"{share:g}" for share in dict.fromkeys(row["award_share"] for row in found.passed))
        print(f"der-gym: interrupted; finished: awards x {shares}{again}", file=sys.stderr)
        raise SystemExit(found.stopped)


def _save(found: Firm, folder: Path, more: Mapping[str, Any]) -> None:
    write_text(folder / "capability.csv", results.table_text(found.capability))
    write_text(folder / "firm.csv", results.table_text(found.awards))
    write_text(folder / results.RECORD, results.record(found.scenario, **more))


def _capability(found: Firm, season: str) -> Table:
    rows = [row for row in found.capability if row["season"] == season]
    title = f"Upward kW for 30 minutes, {season}: median over days, and (p10) what nine of ten days offer"
    made = common.table(title, ["class", *(f"{hour} h" for hour in HOURS)])
    most = max(row["up_p50_kw"] for row in rows)
    for name in dict.fromkeys(row["class"] for row in rows):
        own = {row["hour"]: row for row in rows if row["class"] == name}
        made.add_row(name, *(figure(own[hour]["up_p50_kw"], most) for hour in HOURS))
        made.add_row(f"{name} (p10)", *(figure(own[hour]["up_p10_kw"], most) for hour in HOURS))
    return made


def _awards(found: Firm) -> Table:
    levels = sorted({row["level"] for row in found.awards})
    heads = ["controller", "season", "start", *(f"{common.hundred(level)} % of blocks: kW" for level in levels)]
    heads += [f"kW per 1,000 ({common.hundred(level)} %)" for level in levels]
    made = common.table("Firm power", heads, left=3, caption=_CAPTION.format(budget=found.budget))
    keys = dict.fromkeys((row["controller"], row["season"], row["start_h"]) for row in found.awards)
    for key in keys:
        own = {r["level"]: r for r in found.awards if (r["controller"], r["season"], r["start_h"]) == key}
        kw = [told(own[level]) for level in levels]
        scaled = [per_1000(own[level]) for level in levels]
        made.add_row(key[0], key[1], f"{key[2]} h", *kw, *scaled)
    return made


_CAPTION = (
    "largest award kept (95 % interval, days drawn anew); > x, ?: not bracketed within {budget} awards a window; "
    "none: no award is kept"
)


def told(row: Mapping[str, Any]) -> str:
    """Return an award kept, with its interval, as text; a bound that the play did not pass is no answer."""
    if row["answer"] == "above":
        return f"> {figure(row['firm_kw'])}, not bracketed"
    if row["answer"] != "kept":
        return "none" if row["answer"] == "none" else f"? (none up to {figure(row['most_played_kw'])})"
    high = f"> {figure(row['most_played_kw'])}" if math.isinf(row["firm_high_kw"]) else figure(row["firm_high_kw"])
    return f"{figure(row['firm_kw'])} ({figure(row['firm_low_kw'])} to {high})"


def per_1000(row: Mapping[str, Any]) -> str:
    """Return the award kept per 1,000 devices as text."""
    if row["answer"] not in ("kept", "above"):
        return "none" if row["answer"] == "none" else "?"
    return ("> " if row["answer"] == "above" else "") + figure(row["firm_kw_per_1000"])

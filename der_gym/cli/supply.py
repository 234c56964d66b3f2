"""``der-gym supply``: kW answered against yen/kWh, by class of device and hour."""

from __future__ import annotations

from pathlib import Path

from der_gym.cli import common
from der_gym.core.errors import InputError
from der_gym.core.files import check_target, write_text
from der_gym.evaluation.report import page
from der_gym.evaluation.report.owners_page import write_supply
from der_gym.evaluation.supply import Supply, supply
from der_gym.scenario.load import load


def run(
    scenario: str, prices: str, seeds: int, minutes: int, every_h: int, out: Path | None, report: Path | None
) -> None:
    """Measure, write CSV and a page, and print a table for each hour."""
    if out is not None:
        check_target(out)  # before the play, which takes long
    if report is not None:
        page.check_target(report)
    try:
        asked = [float(each) for each in prices.split(",")]
    except ValueError:
        raise InputError(f"--prices {prices!r}; allowed: numbers with commas between, yen/kWh") from None
    made = supply(load(scenario, {"split": "test"}), asked, seeds, minutes, every_h)
    with common.writing(None) as done:
        if out is not None:
            write_text(out, made.csv())
        if report is not None:
            write_supply(report, made, seeds)
    console = common.console()
    for h, hour in enumerate(made.hours):
        console.print(_table(made, h, hour), "")
    done.end(None)
    if out is not None:
        console.print(f"Curves: {out}", soft_wrap=True)
    if report is not None:
        console.print(f"Report: {report}", soft_wrap=True)


def _table(made: Supply, h: int, hour: int) -> object:
    title = f"{made.scenario.name}, event at {hour} h: kW answered (opted in %)"
    table = common.table(title, ["class", *(f"{price:g}\nyen" for price in made.prices)])
    for c, name in enumerate(made.classes):
        pairs = zip(made.kw[h, c], made.opted_in[h, c], strict=True)
        table.add_row(name, *(f"{common.number(kw, 0)} ({common.hundred(share)})" for kw, share in pairs))
    return table

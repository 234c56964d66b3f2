"""``der-gym supply``: kW answered against yen/kWh, by class of device and hour."""

from __future__ import annotations

from pathlib import Path

from der_gym.cli import common
from der_gym.core.errors import InputError
from der_gym.core.files import write_text
from der_gym.evaluation.report.owners_page import write_supply
from der_gym.evaluation.report.page import check_target
from der_gym.evaluation.supply import Supply, supply
from der_gym.scenario.load import load


def run(
    scenario: str, prices: str, seeds: int, minutes: int, every_h: int, out: Path | None, report: Path | None
) -> None:
    """Measure, print a table for each hour, and write CSV and a page."""
    if report is not None:
        check_target(report)
    try:
        asked = [float(each) for each in prices.split(",")]
    except ValueError:
        raise InputError(f"--prices {prices!r}; allowed: numbers with commas between, yen/kWh") from None
    made = supply(load(scenario, {"split": "test"}), asked, seeds, minutes, every_h)
    console = common.console()
    for h, hour in enumerate(made.hours):
        console.print(_table(made, h, hour), "")
    if out is not None:
        write_text(out, made.csv())
        console.print(f"Curves: {out}", soft_wrap=True)
    if report is not None:
        console.print(f"Report: {write_supply(report, made, seeds)}", soft_wrap=True)


def _table(made: Supply, h: int, hour: int) -> object:
    title = f"{made.scenario.name}, event at {hour} h: kW answered (opted in %)"
    table = common.table(title, ["class", *(f"{price:g}\nyen" for price in made.prices)])
    for c, name in enumerate(made.classes):
        pairs = zip(made.kw[h, c], made.opted_in[h, c], strict=True)
        table.add_row(name, *(f"{common.number(kw, 0)} ({common.hundred(share)})" for kw, share in pairs))
    return table

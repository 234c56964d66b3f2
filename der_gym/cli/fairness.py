"""``der-gym fairness``: what devices contribute, and what four rules of payment give their owners."""

from __future__ import annotations

from pathlib import Path

from der_gym.cli import common
from der_gym.core.files import write_text
from der_gym.evaluation.fairness import ORDERS, RULES, Fairness, as_csv, fairness
from der_gym.evaluation.report.owners_page import write_fairness
from der_gym.evaluation.report.page import check_target
from der_gym.scenario.load import load


def run(scenario: str, seed: int, permutations: int, out: Path | None, report: Path | None) -> None:
    """Play both orders, print a table for each, and write CSV and a page."""
    if report is not None:
        check_target(report)
    made = load(scenario, {"split": "test"})
    found = [fairness(made, order, seed, permutations) for order in ORDERS]
    console = common.console()
    for each in found:
        console.print(_table(made.name, each), "")
    if out is not None:
        write_text(out, as_csv(found))
        console.print(f"Shares by class and accuracy decile: {out}", soft_wrap=True)
    if report is not None:
        console.print(f"Report: {write_fairness(report, made, found, seed)}", soft_wrap=True)


def _table(name: str, each: Fairness) -> object:
    note = "slow, fast: of a rated kW, over the mean of all; Gini 0 and Jain 1 of pay over contribution are fair"
    heads = ["paid by", "slow\nleaves", "fast\nleaves", "Gini", "Jain"]
    table = common.table(f"{name}, {each.order.replace('_', ' ')}", heads, caption=note)
    for rule in RULES:
        halves = [common.number(x) for x in each.halves[rule]]
        table.add_row(rule, *halves, common.number(each.gini(rule)), common.number(each.jain(rule)))
    table.add_row("(contribution)", *(common.number(x) for x in each.halves["contribution"]), "-", "-")
    return table

"""The pages of owners: supply curves by class and hour, and pay against contribution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from der_gym.evaluation.fairness import RULES, Fairness
from der_gym.evaluation.report import page
from der_gym.evaluation.supply import Supply
from der_gym.evaluation.titles import title
from der_gym.scenario.model import Scenario


def write_supply(path: str | Path, made: Supply, n_seed: int) -> Path:
    """Write the page of supply curves, measured on ``n_seed`` worlds."""
    return page.write(path, "supply", f"{made.scenario.name} · supply", supply_data(made, n_seed))


def supply_data(made: Supply, n_seed: int) -> dict[str, Any]:
    """Return all that the page draws: one curve for each hour and class, by price from the lowest."""
    order = sorted(range(len(made.prices)), key=lambda p: made.prices[p])
    curves = [
        {"hour": hour, "class": name, "kw": page.rounded(made.kw[h, c, order], 2)}
        | {"opted_in": page.rounded(made.opted_in[h, c, order], 4)}
        for h, hour in enumerate(made.hours)
        for c, name in enumerate(made.classes)
    ]
    head = {"scenario": made.scenario.name, "title": title(made.scenario), "n_seed": n_seed}
    return {"head": head, "prices": [made.prices[p] for p in order], "curves": curves}


def write_fairness(path: str | Path, scenario: Scenario, found: Sequence[Fairness], seed: int) -> Path:
    """Write the page of pay against contribution: the results of both orders of one episode."""
    return page.write(path, "fairness", f"{scenario.name} · fairness", fairness_data(scenario, found, seed))


def fairness_data(scenario: Scenario, found: Sequence[Fairness], seed: int) -> dict[str, Any]:
    """Return all that the page draws: the shares of each group, and how even each rule is."""
    head = {"scenario": scenario.name, "title": title(scenario), "seed": seed}
    return {"head": head, "rules": list(RULES), "orders": [_order(each) for each in found]}


def _order(each: Fairness) -> dict[str, Any]:
    groups = [
        {"class": name, "decile": decile + 1, "rated_kw": float(each.rated_kw[g])}
        | {"contribution": float(each.contribution[g])}
        | {rule: float(each.pay[rule][g]) for rule in RULES}
        for g, (name, decile) in enumerate(each.group)
    ]
    even = {rule: {"gini": each.gini(rule), "jain": each.jain(rule)} for rule in RULES}
    halves = {name: list(pair) for name, pair in each.halves.items()}
    return {"order": each.order, "groups": groups, "even": even, "halves": halves}

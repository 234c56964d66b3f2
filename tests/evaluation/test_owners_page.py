"""The pages of owners hold the numbers of their results, and draw them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from worlds import small

from der_gym.evaluation.fairness import RULES, fairness
from der_gym.evaluation.report.owners_page import fairness_data, supply_data, write_fairness, write_supply
from der_gym.evaluation.supply import supply
from der_gym.scenario.load import load


def in_page(path: Path) -> dict[str, object]:
    """Return the data that stands in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
    assert found is not None
    data: dict[str, object] = json.loads(found.group(1))
    return data


def test_the_supply_page_holds_every_curve_from_the_lowest_price(tmp_path: Path) -> None:
    made = supply(load("incentive-evening", small("incentive-evening")), (90.0, 30.0), n_seed=1, every_h=6)
    data = supply_data(made, 1)
    assert data["prices"] == [30.0, 90.0] and len(data["curves"]) == len(made.hours) * len(made.classes)
    for k, curve in enumerate(data["curves"]):
        h, c = divmod(k, len(made.classes))
        assert (curve["hour"], curve["class"]) == (made.hours[h], made.classes[c])
        np.testing.assert_allclose(curve["kw"], made.kw[h, c, ::-1], atol=0.006)
        np.testing.assert_allclose(curve["opted_in"], made.opted_in[h, c, ::-1], atol=1e-4)
    page = in_page(write_supply(tmp_path / "supply.html", made, 1))
    assert page["curves"] == data["curves"]


def test_the_fairness_page_holds_the_shares_of_both_orders(tmp_path: Path) -> None:
    scenario = load("tertiary-1", {**small("tertiary-1"), "split": "test"})
    found = [fairness(scenario, order, 1, 20) for order in ("poor_first", "good_first")]
    data = fairness_data(scenario, found, 1)
    for each, order in zip(found, data["orders"], strict=True):
        assert order["order"] == each.order and order["halves"]["response"] == list(each.halves["response"])
        for rule in RULES:
            assert sum(group[rule] for group in order["groups"]) == pytest.approx(each.pay[rule].sum())
            assert order["even"][rule]["gini"] == each.gini(rule)
        assert sum(group["contribution"] for group in order["groups"]) == pytest.approx(1.0)
    page = in_page(write_fairness(tmp_path / "fair.html", scenario, found, 1))
    assert [each["order"] for each in page["orders"]] == ["poor_first", "good_first"]  # type: ignore[attr-defined]

"""A title tells of the fleet that is played."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import small

from der_gym.cli.common import numbers
from der_gym.evaluation.titles import title
from der_gym.scenario.load import load, names


@pytest.mark.parametrize("name", names())
def test_a_shipped_scenario_has_its_own_title(name: str) -> None:
    assert title(load(name)) == load(name).title != ""


def test_another_fleet_is_told_with_its_number_and_its_file(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("id,class\na,battery\nb,battery\nc,ev\n", encoding="utf-8")
    assert title(load("tertiary-1", small() | {"resources": str(own)})) == "3 devices of own.csv"
    assert title(load("tertiary-1", small())) == "60 devices"
    assert title(load("tertiary-1", {"signals.start": "2026-08-03"})) == load("tertiary-1").title


def test_a_title_of_one_s_own_stays() -> None:
    assert title(load("tertiary-1", {"title": "Ours", "fleet.n_device": 7})) == "Ours"


def test_a_column_of_small_numbers_has_more_digits() -> None:
    assert numbers([0.34, 0.0, -0.001], 0) == ["0.34", "0.00", "0.00"]
    assert numbers([120.4, 0.3], 0) == ["120", "0"]
    assert numbers([0.0, float("nan")], 0) == ["0", "-"]
    assert numbers([0.0001, 0.0], 2) == ["0.00", "0.00"]

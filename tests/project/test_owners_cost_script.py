"""``scripts/owners_cost.py`` on two small worlds for a few steps."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from script_files import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("owners_cost")


def test_each_kind_of_worlds_is_measured(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.main(["tertiary-1-both"], yen=20.0, worlds=2, workers=1, episodes=1, steps=60)
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(", ")[1].split(" |")[0] for row in rows] == [
        "commands alone",
        "no offers",
        "offers by rule",
        "20 yen to all always",
    ]
    assert rows[0].endswith("| +0 % |") and all(float(row.split("|")[2]) > 0 for row in rows)


def test_offers_are_sent_where_they_are_said_to_be(script: ModuleType) -> None:
    kinds = {"none": script.drawn(0.0), "always": script.drawn(20.0), "by rule": script.ruled("tertiary-1-both")}
    paid = {}
    for name, act in kinds.items():
        played = script.Played("tertiary-1-both", None, act, 2, 1)
        played.turn(played.worlds.scenario.n_step)
        paid[name] = played.worlds.simulator.market.fleet_ledger.paid_yen.copy()
    assert not paid["none"].any() and (paid["always"] > 0).all() and paid["by rule"].any()
    assert np.isfinite(script.Played("tertiary-1-both", "dispatch", script.drawn(0.0), 1, 1).obs).all()

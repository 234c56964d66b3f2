"""Capability, awards above it, and the largest award kept."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.engine.tables import CAPABILITY
from der_gym.evaluation.firm import capability, firm
from der_gym.scenario.load import load
from der_gym.simulation import award_check
from der_gym.simulation.assets import ScenarioAssets, scenario_assets

ONE_DAY: dict[str, Any] = {"signals.start": "2026-08-03", "services.tertiary-1.limits": "off"}
SHORT = ONE_DAY | {"episode.n_block": 3, "episode.n_block_after": 1}


def made(**settings: Any) -> ScenarioAssets:
    return scenario_assets(
        load("tertiary-1-tiny", {**ONE_DAY, **{k.replace("__", "."): v for k, v in settings.items()}})
    )


def test_capability_is_the_pool_s_stock() -> None:
    where = made()
    rows = capability(where)
    assert {row["season"] for row in rows} == {"summer"}
    at = {(row["class"], row["hour"]): row for row in rows}
    cells = np.array([where.structure.class_names[k] == "battery" for k in where.structure.cell_class])
    slow = [
        where.pool.capability[f, d, 2 * 9, cells, CAPABILITY.UP_KW].sum()
        for f in range(2)
        for d in range(1, where.pool.n_day)
    ]
    assert at["battery", 9]["up_p50_kw"] == pytest.approx(np.median(slow), rel=1e-5)
    assert at["all", 9]["up_p10_kw"] <= at["all", 9]["up_p50_kw"]
    assert at["battery", 9]["up_p10_kw_per_1000"] == pytest.approx(20 * at["battery", 9]["up_p10_kw"])


def test_firm_plays_the_windows_asked_for_until_the_answer_is_bracketed() -> None:
    found = firm("tertiary-1-tiny", ["closed_loop"], starts=[14], seasons=["summer"], n_seed=2,
                 levels=(0.5, 0.9), overrides=SHORT)  # fmt: skip
    assert {(r["season"], r["start_h"]) for r in found.passed} == {("summer", 14)}
    kw = {r["award_share"]: r["award_kw"] for r in found.passed}
    assert kw[2.0] == pytest.approx(2 * kw[1.0])
    assert len(kw) <= found.budget
    low, high = found.awards
    assert low["answer"] == "kept"
    assert low["firm_kw"] < low["fails_kw"] <= 1.0906 * low["firm_kw"]  # one step of the lattice
    assert low["firm_kw"] > 2 * kw[1.0]  # beyond the first grid
    assert low["firm_kw"] >= high["firm_kw"]
    assert low["firm_kw_per_1000"] == pytest.approx(20 * low["firm_kw"])


def test_an_edge_is_no_answer() -> None:
    found = firm("tertiary-1-tiny", ["closed_loop"], starts=[14], seasons=["summer"], n_seed=1,
                 levels=(0.1,), budget=3, overrides=SHORT)  # fmt: skip
    (row,) = found.awards
    assert (row["answer"], row["firm_kw"]) == ("above", row["most_played_kw"])
    assert math.isnan(row["fails_kw"])
    assert math.isinf(row["firm_high_kw"])


def test_a_service_without_an_award_has_no_firm_power() -> None:
    with pytest.raises(InputError, match="imbalance commits no power"):
        firm(
            "imbalance",
            ["idle"],
            seasons=["summer"],
            n_seed=1,
            overrides={"signals.start": "2026-08-03", "fleet.n_device": 60},
        )


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"seasons": ["autumn"]}, "season"),
        ({"starts": [3]}, "start"),
        ({"budget": 2}, "budget"),
        ({"levels": (1.5,)}, "levels"),
        ({"seasons": ["winter"]}, "allowed: summer"),
    ],
)
def test_firm_refuses_what_it_cannot_play(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        firm("tertiary-1-tiny", ["idle"], n_seed=1, overrides=SHORT, **wrong)


def test_an_award_that_is_there_is_no_shortfall() -> None:
    assert award_check.shortfalls(made(services__tertiary_1__award_kw=1.0)) == []


def test_power_and_energy_can_fall_short() -> None:
    found = award_check.shortfalls(made(services__tertiary_1__award_kw=1000.0))
    assert {each.what for each in found} == {"power", "energy"}
    assert all(each.needed > each.available for each in found)
    energy = next(each for each in found if each.what == "energy")
    assert energy.needed == pytest.approx(0.3 * 1000 * 6)
    assert "nine of ten days" in energy.line


def test_the_first_block_offers_what_the_pool_held() -> None:
    where = made()
    offered = award_check.window_kw(where, where.scenario.services[0], "summer", 14, 40.0)
    assert offered[0] == pytest.approx(award_check.sure(where, "summer")[28], rel=1e-9)
    assert offered[-1] < offered[0]
    assert award_check.window_kw(where, where.scenario.services[0], "summer", 14, 10.0)[-1] > offered[-1]


def test_the_fitting_award_fits_and_the_next_does_not() -> None:
    where = made(services__tertiary_1__award_kw=60.0)
    fits = award_check.fitting_kw(where, where.scenario.services[0], "summer", 14)
    assert 0.0 < fits < 60.0
    assert award_check.shortfalls(made(services__tertiary_1__award_kw=fits, episode__starts_h=[14])) == []
    assert award_check.shortfalls(made(services__tertiary_1__award_kw=fits + 0.61, episode__starts_h=[14])) != []


def test_what_an_award_above_the_availability_does() -> None:
    with pytest.raises(InputError, match=r"award 1,000 kW in summer from \d+ h.*allowed: .*0 h \d+, 2 h"):
        award_check.check_award(made(services__tertiary_1__award_kw=1000.0, services__tertiary_1__limits="enforce"))
    with pytest.warns(UserWarning, match="award 1,000 kW"):
        award_check.check_award(made(services__tertiary_1__award_kw=1000.0, services__tertiary_1__limits="warn"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        award_check.check_award(made(services__tertiary_1__award_kw=1000.0, services__tertiary_1__limits="off"))
        award_check.check_award(made(services__tertiary_1__award_kw=1.0, services__tertiary_1__limits="enforce"))


def test_the_table_has_all_hours() -> None:
    lines = award_check.availability_table(made()).splitlines()
    assert len(lines) == 25
    assert "summer" in lines[0]
    assert "winter" not in lines[0]

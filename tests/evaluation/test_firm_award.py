"""The level of an award: in kW, as a share of what the list has, and what the best rule keeps of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from der_gym.core.errors import InputError
from der_gym.engine import cache
from der_gym.evaluation import firm_award
from der_gym.scenario.load import load
from der_gym.services.award import AwardConfig
from der_gym.simulation import award_check, award_level
from der_gym.simulation.simulator import Simulator

DAY: dict[str, Any] = {"signals.start": "2026-08-03", "episode.seasons": ["summer"], "episode.starts_h": [14]}
SHORT = DAY | {"episode.n_block": 3, "episode.n_block_after": 1, "services.tertiary-1.limits": "off"}


def made(award: dict[str, Any], **more: Any) -> Any:
    return load("tertiary-1-tiny", SHORT | {"services.tertiary-1.award": award} | more)


def kw_of(scenario: Any) -> float:
    return float(award_level.ready(scenario).scenario.services[0].planned_kw("summer", 14, 50))


def test_a_share_follows_the_list_and_not_a_table_made_for_others() -> None:
    half, whole = (kw_of(made({"mode": "share", "share": share, "of": "rated"})) for share in (0.5, 1.0))
    assert whole == pytest.approx(2 * half)
    assert whole == pytest.approx(float(Simulator(made({"mode": "kw", "kw": 20.0})).nominal_kw.sum()))
    few = kw_of(made({"mode": "share", "share": 1.0, "of": "rated"}, **{"fleet.n_device": 25}))
    assert 0.3 * whole < few < 0.7 * whole


def test_available_is_what_nine_of_ten_days_offer() -> None:
    where = award_level.ready(made({"mode": "share", "share": 1.0}))
    offered = award_check.window_kw(where, where.scenario.services[0], "summer", 14, 0.0)
    assert where.scenario.services[0].planned_kw("summer", 14, 50) == pytest.approx(offered.min())


def test_a_contract_follows_the_list_too() -> None:
    changes = {"fleet.n_device": 50, "signals.start": "2026-08-03", "episode.seasons": ["summer"]}
    made_of = {mode: {"mode": "share", "share": 0.5, "of": mode} for mode in ("rated", "available")}
    for mode, award in made_of.items():
        services = [{"name": "capacity-call", "award": award, "limits": "off", "least_contract_kw": 0.1}]
        where = award_level.ready(load("capacity-call", changes | {"services": services}))
        (config,) = where.scenario.services
        blocks = list(config.callable_blocks(9, where.scenario.episode.n_block))
        offered = award_check.window_kw(where, config, "summer", 9, 0.0)[blocks].min()
        rated = float(Simulator(where.scenario).nominal_kw.sum())
        wanted = max(0.5 * {"rated": rated, "available": offered}[mode], 0.1)
        assert config.planned_kw("summer", 9, 50) == pytest.approx(wanted)


def test_an_award_that_is_not_worked_out_is_not_guessed() -> None:
    with pytest.raises(InputError, match="mode firm is not worked out"):
        made({"mode": "firm"}).services[0].planned_kw("summer", 14, 50)


@pytest.mark.parametrize("award", [{"mode": "kw"}, {"mode": "firm", "kw": 3.0}, {"mode": "share", "share": 0.0}])
def test_a_level_says_what_its_mode_reads(award: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"award|greater"):
        AwardConfig.model_validate(award)


def test_award_and_award_kw_exclude_one_another() -> None:
    with pytest.raises(InputError, match="award and award_kw are both given"):
        made({"mode": "firm"}, **{"services.tertiary-1.award_kw": 22})


def test_no_level_leaves_the_hash_as_it_was() -> None:
    assert load("tertiary-1").hash() == load("tertiary-1", {"services.tertiary-1.award": None}).hash()
    assert load("tertiary-1", {"services.tertiary-1.award": {"mode": "firm"}}).hash() != load("tertiary-1").hash()


def test_firm_is_found_by_play_once_and_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = tmp_path / "pools"
    pools.mkdir(mode=0o700)
    monkeypatch.setattr(firm_award.cache, "folder", lambda _: pools)
    monkeypatch.setattr(firm_award, "N_SEED", 1)
    monkeypatch.setattr(firm_award, "AWARDS", 6)
    scenario = made({"mode": "firm", "share_of_blocks": 0.5})
    table = firm_award.table(scenario, "tertiary-1")
    assert "working out the firm award of tertiary-1" in capsys.readouterr().err
    assert list(table) == ["summer"]
    assert table["summer"][14] > 1.0
    assert firm_award.table(load(scenario, {"split": "test", "title": "x"}), "tertiary-1") == table
    assert capsys.readouterr().err == ""
    (path,) = pools.glob("award-*.json")
    assert json.loads(path.read_text(encoding="utf-8")) == {"summer": {"14": table["summer"][14]}}
    path.write_text("{", encoding="utf-8")
    monkeypatch.setattr(cache, "warn_unusable", lambda *_: None)
    assert firm_award.table(scenario, "tertiary-1") == table


def test_a_simulator_plays_the_award_and_copies_of_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    award_level._settled.cache_clear()
    monkeypatch.setattr(firm_award, "table", lambda *_: {"summer": {14: 33.0}})
    sim = Simulator(made({"mode": "firm"}))
    assert sim.market.sessions[0].service.config.planned_kw("summer", 14, 50) == 33.0
    again = copy.deepcopy(sim)
    assert again.market.sessions[0].service.config.planned_kw("summer", 14, 50) == 33.0
    award_level._settled.cache_clear()

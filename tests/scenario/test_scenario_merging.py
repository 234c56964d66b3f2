"""Settings are laid over settings key by key, in tables and trees too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from der_gym.core.errors import InputError
from der_gym.scenario.load import load
from der_gym.services.tertiary_1.config import AWARD_TABLE
from der_gym.simulation.assets import arrange


def test_a_tree_can_be_set_by_a_dotted_key() -> None:
    made = load("tertiary-1", {"groups.control.by": ["class"]})
    assert arrange(made)[1].leaf_names == ("battery", "ecocute", "ev")


def test_an_unknown_word_of_a_tree_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"overrides: groups.control.bye: unknown name 'bye'; did you mean 'by'"):
        load("tertiary-1", {"groups.control.bye": ["class"]})
    group = {"name": "g", "wher": {"class": "battery"}}
    with pytest.raises(InputError, match=r"groups.control.groups.0.wher: unknown key; did you mean 'where'"):
        load("tertiary-1", {"groups.control.groups": [group]})


@pytest.mark.parametrize(
    "change",
    [
        {"services.tertiary-1.award_table_kw": {"winter": {5: 100.0}}},
        {"services.tertiary-1.award_table_kw.winter": {"5": 100.0}},
        {"services.tertiary-1.award_table_kw.winter.5": 100.0},
        {"services": {"tertiary-1": {"award_table_kw": {"winter": {5: 100.0}}}}},
    ],
)
def test_a_part_of_a_table_leaves_its_other_entries(change: dict[str, Any]) -> None:
    table = load("tertiary-1", change).service("tertiary-1").award_table_kw
    assert table["winter"] == {**AWARD_TABLE["winter"], 5: 100.0}
    assert table["summer"] == AWARD_TABLE["summer"]


@pytest.mark.parametrize("change", [{"services.tertiary-1": 5}, {"services": {"tertiary-1": 5}}])
def test_a_service_is_given_as_a_mapping(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"services.tertiary-1: 5; allowed: a mapping of its settings"):
        load("tertiary-1", change)


def test_a_mapping_given_for_a_model_changes_what_it_names() -> None:
    made = load("tertiary-1", {"episode": {"n_block": 4}, "devices.behaviour.opt_out_share": {"ev": 0.5}})
    made = load(made, {"devices.behaviour.opt_out_share": {"battery": 0.02}})
    assert (made.episode.n_block, made.episode.starts_h) == (4, (5, 14, 17))
    assert made.devices.behaviour.opt_out_share == {"battery": 0.02, "ev": 0.5}  # type: ignore[attr-defined]
    both = load(made, {"network.paths": {"P1": {"hold_s": 60}}, "network.paths.P3.hold_s": 90})
    assert (both.network.path("P1").hold_s, both.network.path("P3").hold_s) == (60, 90)


def test_the_metering_point_is_the_service_s_alone(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"fleet: metering_point is no setting of the fleet any more; write services.ID"
    ):
        load({"base": "tertiary-1", "fleet": {"metering_point": "receiving"}})
    file = tmp_path / "list.csv"
    file.write_text("id,class,path,metering_point\nb-1,battery,P1,receiving\nb-2,battery,P1,\n", encoding="utf-8")
    own = {"resources": file, "services.tertiary-1.metering": "receiving"}
    assert arrange(load("tertiary-1", own))[0].metering_point.list_names() == ["receiving"]
    with pytest.raises(
        InputError, match=r"such as 'b-1', are registered at 'receiving'; the services' metering is 'dev"
    ):
        arrange(load("tertiary-1", {"resources": file}))

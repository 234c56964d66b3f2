"""A scenario says what is wrong in one line, lays settings over its base, and has one hash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from der_gym.core.errors import InputError
from der_gym.scenario.config_files import configs
from der_gym.scenario.load import load, names, read_yaml
from der_gym.scenario.merging import merge
from der_gym.scenario.model import Scenario
from der_gym.scenario.validation import explain
from der_gym.simulation.assets import scenario_assets

MIX = [{"device": "battery", "path": "P1", "share": 1.0}]
PLAIN: dict[str, Any] = {"fleet": {"n_device": 10, "mix": MIX}}


def test_every_shipped_scenario_loads_and_has_its_own_name_and_hash() -> None:
    loaded = [load(name) for name in names()]
    assert [made.name for made in loaded] == names() and "tertiary-1" in names()
    assert all(made.title for made in loaded)
    assert len({made.hash() for made in loaded}) == len(loaded)


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown name 'tertiary1'; did you mean 'tertiary-1'"):
        load("tertiary1")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("fleet.n_devices", r"overrides: fleet.n_devices: unknown name 'n_devices'; did you mean 'n_device'"),
        ("serwices.award_kw", "did you mean 'services'"),
        ("services.tertiary-1.metring", "did you mean 'metering'"),
        ("devices.batery.usable_kwh", "did you mean 'battery'"),
        ("network.reach", "did you mean 'reach_share'"),
        ("", "overrides: "),
        ("tick_s.x", "tick_s: "),
    ],
)
def test_an_unknown_override_names_the_nearest(key: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load("tertiary-1", {key: 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fleet.n_device": -5}, "fleet.n_device: .*greater than or equal to 1.*-5"),
        ({"fleet.n_device": "many"}, "fleet.n_device: .*'many'"),
        ({"services.tertiary-1.award_kw": -1.0}, "services.tertiary-1.award_kw: .*greater than 0.*-1"),
        ({"services.tertiary-1.award_kw": float("nan")}, "services.tertiary-1.award_kw: .*finite"),
        ({"network.reach_share": 93}, "network.reach_share: .*less than or equal to 1.*93"),
        ({"network.link_up_days": -6}, "network.link_up_days"),
        ({"services.tertiary-1.metering": "roof"}, "services.tertiary-1.metering: .*'device' or 'receiving'.*'roof'"),
        ({"services.tertiary-1.bid_price_yen_kw": 9.0}, "bid_price_yen_kw: 9 is above price_cap_yen_kw 7.21"),
        ({"tick_s": 7}, "tick_s 7 does not divide decision_s = 60 s"),
        ({"tick_s": 20, "decision_s": 50}, "tick_s 20 does not divide decision_s = 50 s"),
        ({"decision_s": 420}, "decision_s 420 does not divide the block of 1800 s"),
        ({"tick_s": "60 s"}, "tick_s: .*'60 s'"),
        ({"tick_s": 0}, "tick_s: .*greater than or equal to 1"),
        (
            {"episode.starts_h": (4,)},
            r"starts_h 4: no award for mid in award_table_kw; allowed: \[1, 5, 10, 14, 17, 20\]",
        ),
        ({"episode.starts_h": (25,), "services.tertiary-1.award_kw": 5.0}, r"starts_h \(25,\).*0..23"),
        ({"episode.starts_h": ()}, "episode.starts_h"),
        ({"episode.seasons": ("spring",)}, "episode.seasons.0: .*'spring'"),
        ({"fleet.mix": [*MIX, *MIX]}, "battery-P1-A stands twice"),
        ({"fleet": None}, "fleet"),
        ({"signals": "sunny"}, "signals: .*'sunny'"),
        ({"split": "tset"}, "split: .*unknown name 'tset'; did you mean 'test'"),
        ({"fleet.host": "batery"}, "fleet.host and fleet.guests: unknown name 'batery'; did you mean 'battery'"),
        ({"fleet.guests": ["battery"]}, r"guests \['battery'\]: allowed: other classes than host 'battery'"),
        ({"fleet.guests": ["ev", "ev"]}, "other classes than host 'battery', each once"),
        ({"signals.area": "osaka"}, "signals.area: .*unknown name 'osaka'; .*allowed: chubu, chugoku"),
        ({"signals.station": "osakaa"}, "signals.station: .*unknown name 'osakaa'; did you mean 'osaka'"),
        ({"signals.area": "kyushu"}, "signals: area 'kyushu' changes nothing without a file; allowed: with signals.pr"),
        ({"signals.station": "osaka"}, "station 'osaka' changes nothing without a file; allowed: with signals.weather"),
        ({"signals.request_sign": "upward_negative"}, "changes nothing without a file; allowed: with signals.request"),
        ({"devices.behaviour.opt_out_share": {"batery": 0.1}}, "unknown name 'batery'; did you mean 'battery'"),
    ],
)
def test_a_wrong_value_names_key_value_and_what_is_allowed(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load("tertiary-1", change)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_in_a_mapping_names_the_nearest() -> None:
    for wrong, words in (
        ({"fleets": {}}, "fleets: unknown key; did you mean 'fleet'"),
        (
            {"services": [{"name": "tertiary-1", "banb_share": 0.1}]},
            "services.tertiary-1.banb_share: unknown key; did you mean 'band_share'",
        ),
        ({"devices": {"ev": {"plug": 1}}}, "devices.ev.plug: unknown key"),
    ):
        with pytest.raises(InputError, match=words):
            load({**PLAIN, **wrong})
    with pytest.raises(InputError, match="fleet: "):
        load({})


def test_devices_and_paths_that_no_plug_in_has_are_refused_when_worlds_are_made() -> None:

    for row, words in (({"device": "batery", "path": "P1"}, "battery"), ({"device": "battery", "path": "P33"}, "'P3'")):
        mix = [{**row, "share": 1.0}]
        with pytest.raises(InputError, match=f"did you mean .*{words}"):
            scenario_assets(load({"fleet": {"n_device": 10, "mix": mix}, "signals": {"start": "2026-08-03"}}))


def test_a_path_too_slow_for_the_product_is_refused() -> None:

    mix = [{"device": "battery", "path": "P4-slow", "share": 1.0}]
    with pytest.raises(InputError, match=r"P4-slow: p95 .* > 900 s"):
        scenario_assets(load({"fleet": {"n_device": 10, "mix": mix}, "signals": {"start": "2026-08-03"}}))


def test_a_date_outside_the_signals_is_refused() -> None:

    for date, words in (("2026-08-32", "is not a date"), ("soon", "soon")):
        with pytest.raises(InputError, match=words):
            scenario_assets(load("tertiary-1", {"signals.start": date}))


# -- files -----------------------------------------------------------------------------------------------------------


def written(folder: Path, name: str, data: Any) -> Path:
    path = folder / name
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "holds list; allowed: a mapping"),
        ("", "holds NoneType"),
        ("a: [1", "is not YAML"),
        ("7", "int"),
        ("tick_s: 60\nmarket:\n  n_block: 2\n  n_block: 4\n", "line 4: key 'n_block' stands twice in one mapping"),
        ("fleet: {mix: [{path: P1, path: P3}]}\n", "key 'path' stands twice"),
    ],
)
def test_a_file_that_holds_no_mapping_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, "mine.yaml", text)
    with pytest.raises(InputError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError, match="broken"):
        read_yaml(broken)


def test_a_file_takes_its_name_and_lays_its_settings_over_its_base(tmp_path: Path) -> None:
    written(
        tmp_path,
        "low.yaml",
        {**PLAIN, "episode": {"n_block": 4}, "services": [{"name": "tertiary-1", "band_share": 0.2}]},
    )
    path = written(tmp_path, "high.yaml", {"base": "low", "services": [{"name": "tertiary-1", "signal": "simple"}]})
    top = written(tmp_path, "top.yaml", {"base": "high", "tick_s": 30, "fleet": {"n_device": 20}})
    made = load(path)
    assert (made.name, load(top).name) == ("high", "top")
    assert (made.episode.n_block, made.services[0].band_share, made.services[0].signal) == (4, 0.2, "simple")
    assert load(top).fleet.n_device == 20 and load(top).fleet.mix == made.fleet.mix and load(top).tick_s == 30
    shipped = written(
        tmp_path, "own.yaml", {"base": "tertiary-1-tiny", "services": [{"name": "tertiary-1", "award_share": 0.5}]}
    )
    assert load(shipped).network.ideal and load(shipped).services[0].award_share == 0.5
    with pytest.raises(InputError, match="did you mean 'tertiary-1'"):
        load(written(tmp_path, "lost.yaml", {"base": "tertiary-11"}))


def test_a_base_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "egg.yaml", {"base": "hen"})
    with pytest.raises(InputError, match="hen -> egg"):
        load(written(tmp_path, "hen.yaml", {"base": "egg"}))


def test_a_mapping_may_have_a_base_and_is_not_changed() -> None:
    data = {"base": "tertiary-1-tiny", "fleet": {"n_device": 70}}
    kept = json.dumps(data)
    assert load(data, {"fleet.n_device": 80}).fleet.n_device == 80
    assert load(data).fleet.n_device == 70 and json.dumps(data) == kept


def test_overrides_of_a_scenario_leave_it_as_it_was() -> None:
    made = load("tertiary-1")
    changed = load(
        made, {"fleet.n_device": 70, "services.tertiary-1.band_share": 0.2, "network.paths": {"P3": {"hold_s": 60}}}
    )
    assert (made.fleet.n_device, changed.fleet.n_device) == (1000, 70)
    assert changed.services[0].band_share == 0.2 and changed.services[0].bid_price_yen_kw == 2.5
    assert changed.network.path("P3").hold_s == 60
    assert load(changed) == changed and load(changed.model_dump()) == changed


def test_merge_lays_mapping_over_mapping_and_replaces_lists() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merge(base, {"a": {"c": [9]}, "e": 4}) == {"a": {"b": 1, "c": [9]}, "d": 3, "e": 4}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 3}


def test_the_hash_depends_on_the_settings_alone() -> None:
    made = load("tertiary-1")
    again = load(json.loads(json.dumps(made.model_dump(mode="json"))))
    assert made.hash() == again.hash() and len(made.hash()) == 16
    assert load("tertiary-1", {"pool.seed": 1}).hash() != made.hash()
    code = "from der_gym.scenario.load import load; print(load('tertiary-1').hash())"
    root = configs().parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == made.hash()


def test_the_lengths_of_an_episode() -> None:
    made = load("tertiary-1", {"episode.n_block": 3, "episode.n_block_after": 2, "decision_s": 300})
    assert made.horizon_s == 9000 and made.n_step == 30


def test_scenarios_are_frozen() -> None:
    made = load("tertiary-1")
    with pytest.raises(ValueError, match="frozen"):
        made.tick_s = 1  # type: ignore[misc]


def test_a_misspelt_key_is_named_before_the_one_it_stands_for() -> None:
    with pytest.raises(InputError, match=r"fleet.n_divice: unknown key; did you mean 'n_device'"):
        load({"fleet": {"n_divice": 200}})


def test_explain_speaks_of_the_first_fault_only() -> None:
    with pytest.raises(ValueError) as caught:
        Scenario.model_validate({**PLAIN, "tick_s": 0, "decision_s": 0})
    assert explain(caught.value, Scenario).startswith("tick_s: ")  # type: ignore[arg-type]


def test_the_shipped_files_hold_values_only() -> None:
    for path in sorted((configs() / "scenarios").glob("*.yaml")):
        assert read_yaml(path)["name"] == path.stem

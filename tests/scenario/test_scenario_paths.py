"""Paths inside a scenario file are read beside that file; a mapping's and an override's from the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from der_gym.core.errors import InputError
from der_gym.scenario.load import load
from der_gym.simulation.assets import arrange, read_signals

KEYS = ("prices", "demand", "weather", "request")


def written(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def resources(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id,class,path\nb-1,battery,P1\nb-2,battery,P1\n", encoding="utf-8")


def test_a_file_s_paths_are_read_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources(tmp_path / "data" / "list.csv")
    file = written(tmp_path / "scenarios" / "mine.yaml", {"base": "tertiary-1", "resources": "../data/list.csv"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for named in (file, Path("..") / "scenarios" / "mine.yaml"):
        assert len(arrange(load(named))[0]) == 2


@pytest.mark.parametrize("key", KEYS)
def test_every_file_of_the_signals_is_read_beside_the_scenario(tmp_path: Path, key: str) -> None:
    file = written(tmp_path / "mine.yaml", {"base": "tertiary-1", "signals": {key: "x.csv"}})
    assert getattr(load(file).signals, key) == str(tmp_path / "x.csv")


def test_a_base_s_paths_are_read_beside_the_base(tmp_path: Path) -> None:
    resources(tmp_path / "below" / "list.csv")
    written(tmp_path / "below" / "low.yaml", {"base": "tertiary-1", "resources": "list.csv"})
    file = written(tmp_path / "top.yaml", {"base": "below/low.yaml", "signals": {"prices": "spot.csv"}})
    made = load(file)
    assert made.resources == str(tmp_path / "below" / "list.csv") and len(arrange(made)[0]) == 2
    assert made.signals.prices == str(tmp_path / "spot.csv")


def test_a_mapping_and_an_override_keep_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "scenarios" / "mine.yaml", {"base": "tertiary-1", "signals": {"prices": "spot.csv"}})
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert load({"base": "tertiary-1", "resources": "list.csv"}).resources == str(here / "list.csv")
    made = load(file, {"signals.demand": "net.csv", "resources": Path("list.csv")})
    assert made.signals.demand == str(here / "net.csv") and made.resources == str(here / "list.csv")
    assert made.signals.prices == str(tmp_path / "scenarios" / "spot.csv")
    monkeypatch.chdir(tmp_path)
    assert load(made) == made  # what is loaded stays where it is


def test_a_missing_file_s_error_says_where_it_was_looked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "mine.yaml", {"base": "tertiary-1", "resources": "lost.csv"})
    with pytest.raises(InputError, match=str(tmp_path / "lost.csv")):
        arrange(load(file))
    file = written(tmp_path / "mine.yaml", {"base": "tertiary-1", "signals": {"prices": "lost.csv"}})
    with pytest.raises(InputError, match=str(tmp_path / "lost.csv")):
        read_signals(load(file))
    file = written(tmp_path / "top.yaml", {"base": "lost.yaml"})
    with pytest.raises(InputError, match=str(tmp_path / "lost.yaml")):
        load(file)


def test_a_base_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="base: 3; allowed: the name of a shipped scenario"):
        load({"base": 3})


def test_an_ending_in_capitals_is_a_file_too(tmp_path: Path) -> None:
    assert load(written(tmp_path / "MINE.YAML", {"base": "tertiary-1-tiny"})).name == "MINE"

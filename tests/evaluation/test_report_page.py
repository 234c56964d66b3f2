"""A page is one file that asks for nothing, holds its data as text, and speaks two languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from reports import NASTY

from der_gym.core.errors import InputError
from der_gym.core.heads import HEADS, PLAN
from der_gym.evaluation.causes import CAUSES
from der_gym.evaluation.report import page
from der_gym.evaluation.report.firm_page import NUMBERS, read_firm
from der_gym.evaluation.report.page import ASSETS, SCRIPTS, check_target, devices, render, rounded
from der_gym.services.capacity_call import settlement as capacity_call
from der_gym.services.imbalance import settlement as imbalance
from der_gym.services.solar_purchase import settlement as solar_purchase
from der_gym.services.tertiary_1 import settlement as tertiary_1
from der_gym.simulation import fleet_ledger

KINDS = [*SCRIPTS]


def data_of(text: str) -> object:
    """Return the data that stand in a page."""
    (held,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(held)


@pytest.mark.parametrize("kind", KINDS)
def test_data_come_back_as_they_were(kind: str) -> None:
    given = {"name": NASTY, "more": ["{{script}}", "\u2028", "<!--", "日本語 & \\u003c"], "n": [1, 2.5, None]}
    assert data_of(render(kind, "t", given)) == {"devices": devices(), **given}


def test_what_is_not_finite_becomes_null() -> None:
    given = {"devices": None, "a": [float("nan"), float("inf"), 1.0], "b": {"c": -float("inf")}}
    assert data_of(render("run", "t", given)) == {"devices": None, "a": [None, None, 1.0], "b": {"c": None}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_title_is_text(kind: str) -> None:
    text = render(kind, NASTY, {})
    assert NASTY not in text
    assert text.count("</script>") == 2  # the data's and the scripts'
    assert "<title>&lt;/script&gt;" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_names_nothing_outside(kind: str) -> None:
    text = render(kind, "t", {})
    assert re.findall(r'(?:src|href)\s*=\s*["\'](?!#|data:)[^"\']*', text) == []
    assert re.findall(r"@import|url\((?!data:)", text) == []
    assert "default-src 'none'" in text
    assert {word for word in ("fetch(", "XMLHttpRequest", "WebSocket", "importScripts") if word in text} == set()


def test_no_script_makes_markup_from_data() -> None:
    for path in ASSETS.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, path.name


def test_the_charts_come_with_their_licence() -> None:
    licence = (ASSETS / "vendor" / "uPlot.LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "uPlot" in (ASSETS / "vendor" / "uPlot.iife.min.js").read_text(encoding="utf-8")[:200]
    assert "MIT license, copyright (c) 2022 Leon Sorokin" in render("run", "t", {})


def words() -> dict[str, list[str]]:
    """Return every text of the pages: key -> English and Japanese."""
    found = {}
    for path in sorted(ASSETS.glob("words*.js")):
        pair = r'^  (?:"([^"]+)"|(\w+)): \[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),?\s*\],'
        for quoted, plain, english, japanese in re.findall(pair, path.read_text(encoding="utf-8"), re.MULTILINE):
            found[quoted or plain] = [json.loads(english), json.loads(japanese)]
    return found


def test_every_text_is_there_in_both_languages() -> None:
    texts = words()
    assert len(texts) > 150
    for key, (english, japanese) in texts.items():
        assert english.strip(), key
        assert japanese.strip(), key
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", japanese)), key


def test_every_text_that_a_script_names_is_there() -> None:
    texts = words()
    for path in ASSETS.glob("*.js"):
        named = re.findall(r'\bt\("([^"]+)"', path.read_text(encoding="utf-8"))
        assert [key for key in named if key not in texts] == [], path.name


def test_every_cause_and_line_of_the_ledger_has_its_text() -> None:
    texts = words()
    assert [cause for cause in CAUSES if cause not in texts or f"why_{cause}" not in texts] == []
    services = [own for module in (tertiary_1, capacity_call, imbalance, solar_purchase) for own in module.LINES]
    lines = (*services, *fleet_ledger.LINES, *fleet_ledger.OFFERED, "total")
    assert [line for line in lines if f"line_{line}" not in texts] == []


def test_every_kind_of_message_has_its_text() -> None:
    kinds = {HEADS[name].kind for name in HEADS} - {PLAN}
    assert len(kinds) > 2
    assert [kind for kind in kinds if f"stream_{kind}" not in words()] == []


def test_numbers_are_short() -> None:
    assert rounded([[1.2345, -0.01], [float("nan"), 2.0]])[0] == [1.2, 0.0]
    assert str(rounded([-0.00001, 4.0])[0]) == "0.0"
    assert rounded([0.3456, 0.04, 0.0]) == [0.346, 0.04, 0.0]  # a list of a few kW keeps its shape


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "a.html"
    assert page.write(target, "run", "t", {}) == target
    assert [path.name for path in target.parent.iterdir()] == ["a.html"]
    before = target.read_bytes()
    with pytest.raises(TypeError):
        page.write(target, "run", "t", {"a": object()})
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["a.html"]


def test_a_target_is_checked_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path, said in [
        (tmp_path, "is a folder"),
        (tmp_path / "a.csv", "allowed: .html"),
        (tmp_path / "a", "allowed: .html"),
        (tmp_path / "file" / "a.html", "cannot be written"),
        (tmp_path / "file" / "more" / "a.html", "cannot be written"),
    ]:
        with pytest.raises(InputError, match=said) as caught:
            check_target(path)
        assert "\n" not in str(caught.value)
    assert check_target(tmp_path / "new" / "deep" / "a.html").name == "a.html"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_results_of_firm_are_read_or_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results of der-gym firm there"):
        read_firm(tmp_path, "tertiary-1")
    head = "controller,season,answer," + ",".join(NUMBERS) + "\n"
    (tmp_path / "firm.csv").write_text(head + "a,summer,kept,14,0.9,1.5,90,98,82,inf,60,98,90,0.1\n", encoding="utf-8")
    record = {"scenario": "tertiary-1", "seeds": 8, "passed": [{"controller": "a", "pass_rate": 0.5}]}
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    found = read_firm(tmp_path, "tertiary-1")
    assert (found.n_seed, found.awards[0]["firm_kw"], found.passed[0]["pass_rate"]) == (8, 90.0, 0.5)
    with pytest.raises(InputError, match="is of scenario 'tertiary-1'"):
        read_firm(tmp_path, "other")
    (tmp_path / "firm.csv").write_text(head + "a,summer,kept,14,high,1.5,90,98,82,inf,60,98,90,0.1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no results"):
        read_firm(tmp_path, "tertiary-1")

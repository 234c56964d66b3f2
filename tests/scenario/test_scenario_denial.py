"""Settings that no person writes: each is refused in one clear line, at once, whatever they would grow to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from der_gym.cli.common import parse_settings
from der_gym.core.errors import InputError
from der_gym.core.text import LONGEST_LINE
from der_gym.scenario.load import load

BASE = "base: tertiary-1-tiny\n"


def bomb(first: str, wrapped: str) -> str:
    """Return a text whose every line holds the one before nine times."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{k}: &a{k} {wrapped.format(', '.join([f'*a{k - 1}'] * 9))}" for k in range(1, 8)]
    return "\n".join([*lines, "title: *a7\n"])


def refused(call: Any) -> str:
    with pytest.raises(InputError) as error:
        call()
    line = str(error.value)
    assert len(line) <= LONGEST_LINE and len(line.splitlines()) == 1 and line.isprintable()
    return line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb("[x, x]", "[{}]"), "more than 200,000 values"),
        (bomb("{k: 1}", "{{<<: [{}]}}"), "more than 200,000 values"),
        ("title: &a [*a]\n", "more than 200,000 values"),
        ("".join(f"a{k}: &a{k} [{f'*a{k - 1}' if k else ''}]\n" for k in range(99)), "more than 40 deep"),
        ("title: " + "[" * 2000, "more than 40 deep"),
        ("title: " + "{a: " * 2000, "more than 40 deep"),
        ("tick_s: !!int abc\n", "line 2: 'abc' is no int"),
        ("tick_s: !!float abc\n", "line 2: 'abc' is no float"),
        ("title: !!bool x\n", "line 2: 'x' is no bool"),
        ("title: !!timestamp x\n", "timestamp"),
        ("title: !!binary x\n", "binary"),
        ("title: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("tick_s: " + "9" * 5000 + "\n", "is no int"),
        ("tick_s: " + "9" * 400 + "\n", "less than or equal to 60"),
        ('title: "\\ud800"\n', "control characters"),
        ('"\\ud800": 1\n', "control characters"),
        ('title: "\\e[31mred"\n', "control characters"),
        ('name: "a\\nb"\n', "control characters"),
        ("title: " + "x" * 20_000 + "\n", "20,000 characters; allowed: 10,000"),
        ("title: " + "x" * 5_000_000 + "\n", "bytes; allowed: 4,000,000"),
        ("".join(f"k{k}: 1\n" for k in range(20_000)), "unknown key"),
        ("tick_s: [" + "1, " * 20_000 + "]\n", "tick_s"),
        ("base: tertiary-1\n", "stands twice"),
    ],
    ids=lambda value: value[:20],
)
def test_a_file_s_settings(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(BASE + text, encoding="utf-8")
    assert said in refused(lambda: load(tmp_path / "a.yaml"))


@pytest.mark.parametrize("base", [5, None.__class__, ["a"], {}, "", "a" * 5000, "a\0b", "../x", ".", "a/" * 400])
def test_a_base_that_is_no_name(base: Any) -> None:
    assert "base" in (line := refused(lambda: load({"base": base}))) or "unknown name" in line or "cannot" in line


@pytest.mark.parametrize("source", [None, 5, b"x", ["tertiary-1"], "", "a" * 5000 + ".yaml", "a\0.yaml", "a\nb'.yaml"])
def test_a_scenario_that_is_none(source: Any) -> None:
    refused(lambda: load(source))


@pytest.mark.parametrize(
    "overrides", [[1], "fleet", 5, {1: 2}, {"": 1}, {None: 1}, {"a" * 5000: 1}, {"." * 500: 1}, {"title": "\ud800"}]
)
def test_overrides_that_are_none(overrides: Any) -> None:
    refused(lambda: load("tertiary-1-tiny", overrides))


@pytest.mark.parametrize("name", [["tertiary-1"], {}, 5, None, ("a",), 1.5])
def test_services_of_no_name(name: Any) -> None:
    assert "services" in refused(lambda: load("tertiary-1-tiny", {"services": [{"name": name}]}))


def test_values_within_themselves_and_huge_ones() -> None:
    within: dict[str, Any] = {"base": "tertiary-1-tiny"}
    within["title"] = within
    refused(lambda: load(within))
    refused(lambda: load("tertiary-1-tiny", {"title": within}))
    refused(lambda: load("tertiary-1-tiny", {"title": [["x"] * 1000] * 1000}))
    refused(lambda: load("tertiary-1-tiny", {"tick_s": 10**5000}))


@pytest.mark.parametrize("pair", ["a=!!int x", "a=" + "[" * 2000, "a=" + "9" * 5000, "=\x1b", "\ud800=[", "a=*b"])
def test_settings_of_the_command_line(pair: str) -> None:
    refused(lambda: load("tertiary-1-tiny", parse_settings([pair])))


@pytest.mark.parametrize(("encoding", "said"), [("euc_jp", "EUC-JP"), ("utf-16", "UTF-16"), ("iso2022_jp", "JIS")])
def test_a_file_in_cp932_is_read_and_other_encodings_are_named(tmp_path: Path, encoding: str, said: str) -> None:
    text = f"{BASE}title: 日本語の題\n"
    (tmp_path / "a.yml").write_bytes(text.encode("cp932"))
    assert load(tmp_path / "a.yml").title == "日本語の題"
    (tmp_path / "a.yml").write_bytes(text.encode(encoding))
    assert said in refused(lambda: load(tmp_path / "a.yml"))


def test_text_that_people_write_is_taken(tmp_path: Path) -> None:
    titles: Mapping[str, str] = {
        "title: >\n  folded\n  lines\n": "folded lines\n",
        "title: '[/red] :smile: ～'\n": "[/red] :smile: ～",
    }
    for text, title in titles.items():
        (tmp_path / "a.yaml").write_text(BASE + text, encoding="utf-8")
        assert load(tmp_path / "a.yaml").title == title


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_what_may_never_end_is_not_read(tmp_path: Path, device: str) -> None:
    if not Path(device).exists():
        pytest.skip("this system has none")
    (tmp_path / "a.yaml").symlink_to(device)
    assert "a device; allowed: a regular file" in refused(lambda: load(tmp_path / "a.yaml"))

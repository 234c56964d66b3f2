"""Options that would change nothing are refused, whatever their value; files and dates are taken by every command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_cli import Command, refuse

from der_gym.cli.given import Given, refuse_idle, refuse_without
from der_gym.core.errors import InputError
from der_gym.scenario.settings import SignalSettings

CASES = [
    ("area", "tokyo", "prices"),
    ("station", "tokyo", "weather"),
    ("request_sign", "upward_positive", "request"),
]


@pytest.mark.parametrize(("name", "value", "source"), CASES)
def test_an_option_without_its_file_is_refused(name: str, value: str, source: str) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} {value}: changes nothing.*with --{source}"):
        refuse_idle({f"signals.{name}": value}, SignalSettings())


@pytest.mark.parametrize(("name", "value", "source"), CASES)
def test_it_is_taken_with_the_file(name: str, value: str, source: str) -> None:
    refuse_idle({f"signals.{name}": value}, SignalSettings(**{source: "own.csv"}))


@pytest.mark.parametrize(("name", "value", "source"), CASES)
def test_an_option_that_is_not_given_is_not_asked_for(name: str, value: str, source: str) -> None:
    refuse_idle({f"signals.{name}": None}, SignalSettings())


# -- every command -----------------------------------------------------------------------------------------------------

TINY = "tertiary-1-tiny"
BEGIN = {
    "run": ["run", TINY],
    "evaluate": ["evaluate", "--scenario", TINY],
    "firm": ["firm", TINY],
    "tune": ["tune", TINY],
}
WRONG: list[tuple[list[str], str]] = [
    (["--area", "tokyo"], "--area tokyo: changes nothing without a file; allowed: with --prices"),
    (["--area", "kyushu"], "area 'kyushu' changes nothing without a file"),
    (["--area", "osaka"], "osaka"),
    (["--station", "tokyo"], "--station tokyo: changes nothing without a file; allowed: with --weather"),
    (["--station", "osakaa"], "osakaa"),
    (["--fleet", "no.csv"], "no.csv"),
    (["--prices", "no.csv"], "no.csv"),
    (["--demand", "no.csv"], "no.csv"),
    (["--weather", "no.csv"], "no.csv"),
    (["--start", "2026-13-01"], "2026-13-01"),
    (["--start", "1802-01-01"], "signals.start 1802-01-01: made-up signals allow 2000-03-17 to 2099-12-27"),
    (["--start", "2026-08-03", "--set", "signals.start=2026-08-04"], "both set the same"),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
@pytest.mark.parametrize("name", BEGIN)
def test_each_command_takes_files_and_dates_and_refuses_what_is_wrong(
    command: Command, name: str, words: list[str], told: str
) -> None:
    assert told in refuse(command(*BEGIN[name], *words))


IDLE: list[tuple[str, list[str], str]] = [
    ("run", ["--overwrite"], "--overwrite: changes nothing; allowed: with --out"),
    ("evaluate", ["--overwrite"], "--overwrite: changes nothing; allowed: with --out"),
    ("evaluate", ["--traces"], "--traces: changes nothing; allowed: with --out"),
    ("evaluate", ["--no-traces"], "--traces: changes nothing; allowed: with --out"),
    ("evaluate", ["--firm", "f"], "--firm: changes nothing; allowed: with --report or --out"),
    ("firm", ["--overwrite"], "--overwrite: changes nothing; allowed: with --out"),
    ("firm", ["--start", "2026-08-03", "--season", "winter"], "season: unknown name 'winter'; allowed: summer"),
    ("tune", ["--ship", "--out", "best.yaml"], "--ship and --out exclude one another"),
    ("run", ["--request-sign", "upward_negative"], "changes nothing without a file"),
    ("evaluate", ["--request-sign", "upward_positive"], "changes nothing without a file; allowed: with --request"),
]


@pytest.mark.parametrize(("name", "words", "told"), IDLE)
def test_an_option_that_would_do_nothing_is_refused(command: Command, name: str, words: list[str], told: str) -> None:
    assert told in refuse(command(*BEGIN[name], *words))


def test_what_an_option_needs_may_be_one_of_several() -> None:
    refuse_without("firm", True, report=None, out=Path("r"))
    refuse_without("firm", False, report=None, out=None)


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [
        ("fleet", Path("a.csv"), "resources"),
        ("prices", Path("a.csv"), "signals.prices"),
        ("area", "tokyo", "signals.area"),
        ("start", "2026-08-03", "signals.start"),
    ],
)
def test_options_are_settings(option: str, value: Any, key: str) -> None:
    assert Given(**{option: value}).overrides() == {key: str(value)}

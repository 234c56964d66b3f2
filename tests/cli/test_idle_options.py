"""Options that would change nothing are refused, whatever their value."""

from __future__ import annotations

import pytest

from der_gym.cli.common import refuse_idle
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

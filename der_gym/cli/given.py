"""Options that name a user's own files and date; options that would change nothing are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from der_gym.cli.common import parse_settings
from der_gym.core.errors import InputError
from der_gym.scenario import load as loading
from der_gym.scenario.model import Scenario
from der_gym.scenario.settings import SOURCES, SignalSettings


@dataclass(frozen=True)
class Given:
    """What stands on the command line beside ``--set``, None where an option is not given."""

    fleet: Path | None = None
    prices: Path | None = None
    demand: Path | None = None
    weather: Path | None = None
    area: str | None = None
    station: str | None = None
    start: str | None = None
    request: Path | None = None
    request_sign: Enum | None = None

    def overrides(self) -> dict[str, Any]:
        """Return the options that were given as dotted settings of a scenario."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {_key(name): _plain(value) for name, value in told.items() if value is not None}

    def load(self, scenario: str, pairs: Sequence[str] | None = None) -> Scenario:
        """Return the scenario with the options and, on top, ``--set``; InputError where an option does nothing."""
        given, settings = self.overrides(), parse_settings(pairs or ())
        for key in [key for key in given if key in settings]:
            raise InputError(f"--{key.rsplit('.')[-1]} and --set {key}: both set the same; leave one out")
        loaded = loading.load(scenario, {**given, **settings})
        refuse_idle(given, loaded.signals)
        return loaded


def _key(name: str) -> str:
    return "resources" if name == "fleet" else f"signals.{name}"


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else str(value)


def refuse_idle(given: dict[str, Any], signals: SignalSettings) -> None:
    """Raise InputError where an option speaks of a file that neither the options nor the scenario name.

    The settings themselves let a default value stand; on the command line it was typed, so it is refused as well.
    """
    for name, source in SOURCES.items():
        value = given.get(f"signals.{name}")
        if value is not None and getattr(signals, source) is None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} {value}: changes nothing without a file; allowed: with --{source}")


def refuse_without(option: str, named: bool, **needed: Any) -> None:
    """Raise InputError where an option is named, and none of those that it needs is."""
    if named and all(value is None for value in needed.values()):
        raise InputError(f"--{option}: changes nothing; allowed: with {' or '.join(f'--{name}' for name in needed)}")

"""Controllers by name, with their shipped settings or those of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from der_gym.controllers import CONTROLLERS, Controller, make
from der_gym.controllers.store import read_settings
from der_gym.core.errors import unknown

ALL = "all"
FROM = "@"


def resolve(names: Sequence[str]) -> list[str]:
    """Return names without repeats; ``all`` stands for every registered one. Unknown: InputError.

    ``closed_loop@mine.yaml`` is the closed loop with the settings of a file, as tuning writes it.
    """
    wanted = [name for each in names for name in (CONTROLLERS if each == ALL else [each])]
    for name in wanted:
        if name.partition(FROM)[0] not in CONTROLLERS:
            raise unknown("controller", name, [*CONTROLLERS, ALL])
    return list(dict.fromkeys(wanted))


def players(controllers: Sequence[str | tuple[str, Controller]]) -> dict[str, Controller]:
    """Return label -> new controller, of names (`resolve`) and of pairs of a label with an object of one's own."""
    names = resolve([name for name in controllers if isinstance(name, str)])
    own = dict(pair for pair in controllers if not isinstance(pair, str))
    return {label(name): _make(name) for name in names} | own


def label(name: str) -> str:
    """Return how a controller is called in tables and file names: ``closed_loop@mine``."""
    rule, sign, file = name.partition(FROM)
    return rule + sign + Path(file).stem if sign else rule


def _make(name: str) -> Controller:
    rule, sign, file = name.partition(FROM)
    return make(rule, read_settings(rule, Path(file))["values"]) if sign else make(rule)

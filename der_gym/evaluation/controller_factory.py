"""Controllers by name: rules with their shipped settings or those of a file, and policies from files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from der_gym.controllers import CONTROLLERS, Controller, make, policy_file
from der_gym.controllers.policy import Policy
from der_gym.controllers.policy_file import CARD
from der_gym.controllers.store import read_settings, settings_path
from der_gym.core.errors import unknown

ALL = "all"
FROM = "@"
POLICY = "policy:"


def resolve(names: Sequence[str], control: str = "dispatch") -> list[str]:
    """Return names without repeats; ``all`` stands for every rule that plays this ``control``. Unknown: InputError.

    ``closed_loop@mine.yaml`` is the closed loop with the settings of a file, as tuning writes it; ``policy:PATH`` is a
    learned policy: its folder, or its ``policy.json``.

    Parameters
    ----------
    names : sequence of str
    control : str
        ``dispatch``, ``incentive`` or ``both``, as the scenario has it.
    """
    fit = [name for name in CONTROLLERS if control in CONTROLLERS[name].plays]
    wanted = [name for each in names for name in (fit if each == ALL else [each])]
    for name in wanted:
        if not name.startswith(POLICY) and name.partition(FROM)[0] not in CONTROLLERS:
            raise unknown("controller", name, [*CONTROLLERS, ALL, f"{POLICY}PATH"])
    return list(dict.fromkeys(wanted))


def players(controllers: Sequence[str | tuple[str, Controller]], control: str = "dispatch") -> dict[str, Controller]:
    """Return label -> new controller.

    Parameters
    ----------
    controllers : sequence
        Names (`resolve`), and pairs of a label with an object of one's own.
    control : str
        ``dispatch``, ``incentive`` or ``both``, as the scenario has it.
    """
    names = resolve([name for name in controllers if isinstance(name, str)], control)
    own = dict(pair for pair in controllers if not isinstance(pair, str))
    made: dict[str, Controller] = {}
    for name in names:
        called, k = label(name), 2
        while called in made:  # policies from folders of one name
            called, k = f"{label(name)}-{k}", k + 1
        made[called] = _make(name)
    return made | own


def named_files(names: Sequence[str], control: str = "dispatch") -> list[Path]:
    """Return the files that controllers are made from: settings, shipped or one's own, and policies.

    Parameters
    ----------
    names, control
        See `resolve`.
    """
    found: list[Path] = []
    for name in resolve(names, control):
        rule, sign, file = name.partition(FROM)
        if name.startswith(POLICY):
            found += policy_file.files(name.removeprefix(POLICY))
        else:
            found.append(Path(file) if sign else settings_path(rule))
    return [path for path in dict.fromkeys(found) if os.path.exists(path)]  # a name may be too long


def label(name: str) -> str:
    """Return how a controller is called in tables and file names: ``closed_loop@mine``, ``policy-tertiary-1``."""
    if name.startswith(POLICY):
        path = Path(name.removeprefix(POLICY)).absolute()
        return f"policy-{(path.parent if path.name == CARD else path).name}"
    rule, sign, file = name.partition(FROM)
    return rule + sign + Path(file).stem if sign else rule


def _make(name: str) -> Controller:
    if name.startswith(POLICY):
        return Policy.load(name.removeprefix(POLICY))
    rule, sign, file = name.partition(FROM)
    return make(rule, read_settings(rule, Path(file))["values"]) if sign else make(rule)

"""Read a scenario from a name, a YAML file or a mapping, with dotted overrides."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from der_gym.core.data import DEEPEST, LARGEST_BYTES, check_plain, read_value
from der_gym.core.errors import InputError, unknown
from der_gym.core.files import read_text
from der_gym.core.heads import HEADS
from der_gym.core.text import one_line, shown
from der_gym.devices import DEVICES
from der_gym.devices.behaviours import BEHAVIOURS
from der_gym.network.channels import CHANNELS
from der_gym.scenario.config_files import configs
from der_gym.scenario.merging import anchored, merge, set_dotted, with_defaults
from der_gym.scenario.model import Scenario
from der_gym.scenario.moved import now_called, refuse_old_form
from der_gym.scenario.validation import explain
from der_gym.services import SERVICES

LONGEST_NAME = 1024  # of a base or a dotted key: a path may be so long


def names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(path.stem for path in (configs() / "scenarios").glob("*.yaml"))


def load(source: str | Path | Mapping[str, Any] | Scenario, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Return the scenario of a name, a YAML path or a dict, with dotted overrides applied.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        A shipped name (``names()``), a path to a YAML file, or the settings themselves. A ``base`` key names the
        scenario whose settings these change: a file beside this one, or a shipped name.
    overrides : mapping, optional
        Dotted key -> value, such as ``{"fleet.n_device": 200}``. A mapping changes the entries that it names, of a
        table (``services.tertiary-1.award_table_kw``) too; a list replaces the list.

    Returns
    -------
    Scenario
        Paths to files (``resources``, ``signals.prices`` ...) are absolute. A relative path in a YAML file is read
        beside that file; one in a mapping or an override is read from the current folder.

    Raises
    ------
    InputError
        For an unknown name or key, a wrong value, a file that cannot be read; names the key and the nearest valid one.
    """
    changes = _checked_overrides(overrides)
    data = _settings(source)
    for key, value in changes.items():
        data = _set(data, key, value)
    return _validate(with_defaults(anchored(data, Path.cwd(), Scenario), Scenario))


def _settings(source: Any) -> dict[str, Any]:
    """Return the settings of a scenario as they stand, with those of its base."""
    if isinstance(source, Scenario):
        return source.model_dump()
    if isinstance(source, Mapping):
        check_plain("scenario", source)
        return _with_base(copy.deepcopy(dict(source)), Path.cwd())
    if isinstance(source, str | Path):
        return _read(source)
    raise InputError(f"scenario: {shown(source)}; allowed: a shipped name, a YAML file, or a mapping of settings")


def _checked_overrides(overrides: Any) -> Mapping[str, Any]:
    """Return overrides; InputError where they are no mapping of texts."""
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise InputError(f"overrides: {shown(overrides)}; allowed: a mapping such as {{'fleet.n_device': 200}}")
    for key in overrides:
        if not isinstance(key, str) or len(key) > LONGEST_NAME or key.count(".") > DEEPEST:
            raise InputError(f"overrides: key {shown(key)}; allowed: a dotted text such as 'fleet.n_device'")
    check_plain("overrides", overrides)
    return overrides


def _set(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return settings with a dotted key set; the older form's keys are refused with their present name."""
    if (new := now_called(key)) is not None:
        raise InputError(f"overrides: {key}: this key is now {new}")
    return set_dotted(data, key, value, Scenario)


def _read(source: str | Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    path = Path(source)
    if not is_yaml(path):
        if str(source) not in names():
            raise unknown("scenario", str(source), names())
        path = configs() / "scenarios" / f"{source}.yaml"
    if _resolved(path) in above:
        raise InputError(f"{path}: base: leads back to itself by {' -> '.join(p.stem for p in above)}")
    data = anchored(read_yaml(path), path.parent, Scenario)
    data.setdefault("name", one_line(path.stem))
    return _with_base(data, path.parent, (*above, _resolved(path)))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping of a YAML file in UTF-8 or CP932; InputError where it cannot be read or is none."""
    try:
        data = read_value(read_text(path, LARGEST_BYTES))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds {type(data).__name__}; allowed: a mapping of settings")
    check_plain(str(path), data)
    return data


def _resolved(path: Path) -> Path:
    """Return a path without links; the path itself where it cannot be one, which reading it tells."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return path


def is_yaml(path: Path) -> bool:
    """Return whether a path ends as a YAML file does, in capitals or not."""
    return path.suffix.lower() in (".yaml", ".yml")


def _with_base(data: dict[str, Any], folder: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    base = data.pop("base", None)
    if base is None:
        return data
    if not isinstance(base, str) or not 0 < len(base) <= LONGEST_NAME:
        raise InputError(
            f"base: {shown(base)}; allowed: the name of a shipped scenario, or a YAML file beside this one"
        )
    beside = folder / (base if is_yaml(Path(base)) else f"{base}.yaml")
    return merge(_read(beside if is_yaml(Path(base)) or os.path.lexists(beside) else base, above), data)


def _load_plug_ins() -> None:
    """Let the registries that settings name load other packages' plug-ins, whose warnings are no errors."""
    for registry in (DEVICES, BEHAVIOURS, SERVICES, CHANNELS, HEADS):
        len(registry)


def _validate(data: dict[str, Any]) -> Scenario:
    refuse_old_form(data)
    _load_plug_ins()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return Scenario.model_validate(data)
    except ValidationError as error:
        raise InputError(explain(error, Scenario)) from None

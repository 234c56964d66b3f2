"""Read a scenario from a name, a YAML file or a mapping, with dotted overrides."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from der_gym.core.data import read_value
from der_gym.core.errors import InputError, unknown
from der_gym.core.heads import HEADS
from der_gym.devices import DEVICES
from der_gym.devices.behaviours import BEHAVIOURS
from der_gym.network.channels import CHANNELS
from der_gym.scenario.config_files import configs
from der_gym.scenario.merging import anchored, merge, set_dotted, with_defaults
from der_gym.scenario.model import Scenario
from der_gym.scenario.moved import now_called, refuse_old_form
from der_gym.scenario.validation import explain
from der_gym.services import SERVICES


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
    if isinstance(source, Scenario):
        data: dict[str, Any] = source.model_dump()
    elif isinstance(source, Mapping):
        data = _with_base(copy.deepcopy(dict(source)), Path.cwd())
    else:
        data = _read(source)
    for key, value in (overrides or {}).items():
        data = _set(data, key, value)
    return _validate(with_defaults(anchored(data, Path.cwd(), Scenario), Scenario))


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
    if path.resolve() in above:
        raise InputError(f"{path}: base: leads back to itself by {' -> '.join(p.stem for p in above)}")
    data = anchored(read_yaml(path), path.parent, Scenario)
    data.setdefault("name", path.stem)
    return _with_base(data, path.parent, (*above, path.resolve()))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping of a YAML file; InputError where it cannot be read or is none."""
    try:
        data = read_value(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds {type(data).__name__}; allowed: a mapping of settings")
    return data


def is_yaml(path: Path) -> bool:
    """Return whether a path ends as a YAML file does, in capitals or not."""
    return path.suffix.lower() in (".yaml", ".yml")


def _with_base(data: dict[str, Any], folder: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    base = data.pop("base", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise InputError(f"base: {base!r}; allowed: the name of a shipped scenario, or a YAML file beside this one")
    beside = folder / (base if is_yaml(Path(base)) else f"{base}.yaml")
    return merge(_read(beside if is_yaml(Path(base)) or beside.exists() else base, above), data)


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

"""Read a scenario from a name, a YAML file or a mapping, with dotted overrides."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from der_gym.core.data import read_value
from der_gym.core.errors import InputError, unknown
from der_gym.scenario.config_files import configs
from der_gym.scenario.model import Scenario
from der_gym.scenario.validation import explain, inner_model


def names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(path.stem for path in (configs() / "scenarios").glob("*.yaml"))


def load(source: str | Path | Mapping[str, Any] | Scenario, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Return the scenario of a name, a YAML path or a dict, with dotted overrides applied.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        A shipped name (``names()``), a path to a YAML file, or the settings themselves. A ``base`` key names the
        scenario whose settings these change.
    overrides : mapping, optional
        Dotted key -> value, such as ``{"fleet.n_device": 200}``.

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
        _set(data, key, value)
    return _validate(data)


def _read(source: str | Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        if str(source) not in names():
            raise unknown("scenario", str(source), names())
        path = configs() / "scenarios" / f"{source}.yaml"
    if path.resolve() in above:
        raise InputError(f"{path}: base: leads back to itself by {' -> '.join(p.stem for p in above)}")
    data = read_yaml(path)
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


def _with_base(data: dict[str, Any], folder: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    base = data.pop("base", None)
    if base is None:
        return data
    beside = folder / f"{base}.yaml"
    return merge(_read(beside if beside.exists() else base, above), data)


def merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` laid over it, mapping by mapping; lists are replaced whole."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _set(data: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    model: Any = Scenario
    for part in key.split("."):
        if isinstance(model, type) and issubclass(model, BaseModel) and part not in model.model_fields:
            raise unknown(f"overrides: {key}", part, model.model_fields)
        model = inner_model(model, part)
    at = data
    for part in parents:
        nested = at.get(part)
        at[part] = dict(nested) if isinstance(nested, Mapping) else {}
        at = at[part]
    at[last] = value


def _validate(data: dict[str, Any]) -> Scenario:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return Scenario.model_validate(data)
    except ValidationError as error:
        raise InputError(explain(error, Scenario)) from None

"""Read a scenario from a name, a YAML file or a mapping, with dotted overrides."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from der_gym.core.data import read_value
from der_gym.core.errors import InputError, unknown
from der_gym.core.heads import HEADS
from der_gym.devices import DEVICES
from der_gym.devices.base import DeviceConfig
from der_gym.devices.behaviours import BEHAVIOURS
from der_gym.network.channels import CHANNELS
from der_gym.scenario.config_files import configs
from der_gym.scenario.model import Scenario
from der_gym.scenario.moved import now_called, refuse_old_form
from der_gym.scenario.settings import devices_model
from der_gym.scenario.validation import explain, inner_model
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
    """Return ``base`` with ``change`` laid over it, mapping by mapping.

    Lists are replaced whole, but ``services``: there an entry changes the one of its id.
    """
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        if key == "services" and isinstance(old, list | tuple):
            merged[key] = _merge_services(list(old), value)
        else:
            merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _id(service: Any) -> str:
    return str(service.get("id") or service.get("name", "")) if isinstance(service, Mapping) else ""


def _merge_services(base: list[Any], change: Any) -> Any:
    """Return the services of a list, in its order; an entry keeps what it does not name of the base's of its id.

    A mapping of ids changes those of the base and leaves the others.
    """
    known = {_id(each): dict(each) for each in base if isinstance(each, Mapping)}
    if isinstance(change, Mapping):
        for name, own in change.items():
            if name not in known:
                raise unknown("services", str(name), known)
            known[name] = merge(known[name], own)
        return [*known.values()]
    if not isinstance(change, list | tuple):
        return change
    return [merge(known.get(_id(each), {}), each) if isinstance(each, Mapping) else each for each in change]


def _set(data: dict[str, Any], key: str, value: Any) -> None:
    if (new := now_called(key)) is not None:
        raise InputError(f"overrides: {key}: this key is now {new}")
    *parents, last = key.split(".")
    if parents[:1] == ["services"]:
        _set_service(data, key, parents[1:], last, value)
        return
    model: Any = Scenario
    for part in key.split("."):
        if isinstance(model, type) and issubclass(model, BaseModel) and part not in model.model_fields:
            raise unknown(f"overrides: {key}", part, model.model_fields)
        model = inner_model(model, part)
        model = devices_model() if model is DeviceConfig else model
    _put(data, parents, last, value)


def _put(data: dict[str, Any], parents: Sequence[str], last: str, value: Any) -> None:
    at = data
    for part in parents:
        nested = at.get(part)
        at[part] = dict(nested) if isinstance(nested, Mapping) else {}
        at = at[part]
    at[last] = value


def _set_service(data: dict[str, Any], key: str, parents: list[str], last: str, value: Any) -> None:
    """Set ``services.ID.field``: the service of that id (- and _ alike) in the list."""
    services = [dict(each) for each in data.get("services") or [{"name": "tertiary-1"}]]
    ids = [_id(each).replace("_", "-") for each in services]
    wanted = (parents or [last])[0].replace("_", "-")
    if not parents or wanted not in ids:
        raise unknown(f"overrides: {key}: service", wanted, ids)
    _put(services[ids.index(wanted)], parents[1:], last, value)
    data["services"] = services


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

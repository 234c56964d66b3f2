"""Settings laid over settings: key by key, with tables of defaults below and paths read from the right folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from der_gym.core.errors import unknown
from der_gym.scenario.config_files import CSV_OR_WORD, ENDS, PATH
from der_gym.scenario.service_list import listed, merge_services, model_of_service, place, settings_of
from der_gym.scenario.validation import inner_type, is_mapping, key_type, model_of


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` laid over it, mapping by mapping.

    Lists are replaced whole, but ``services``: there an entry changes the one of its id.
    """
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        if key == "services" and isinstance(old, list | tuple):
            merged[key] = merge_services(list(old), value, merge)
            continue
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def set_dotted(data: dict[str, Any], key: str, value: Any, model: type[BaseModel]) -> dict[str, Any]:
    """Return ``data`` with a dotted key set; a mapping is laid over the one that stands there.

    Parameters
    ----------
    data : dict
        Settings; not changed.
    key : str
        ``"fleet.n_device"``.
    value : object
        Checked later, by the model.
    model : type of BaseModel
        Of ``data``.

    Raises
    ------
    InputError
        For a name that no model on the way has, with the nearest one.
    """
    first, _, rest = key.partition(".")
    if first == "services" and rest:
        return _set_of_service(data, key, value)
    kind: Any = model
    parts: list[Any] = []
    for part in key.split("."):
        found = model_of(kind)
        if found is not None and part not in found.model_fields:
            raise unknown(f"overrides: {key}", part, found.model_fields)
        parts.append(_key(kind, part))
        kind = inner_type(kind, part)
    for part in reversed(parts):
        value = {part: value}
    return merge(data, value)


def _set_of_service(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return ``data`` with ``services.ID.field`` set, or with a mapping laid over the service ``services.ID``."""
    _, name, *parts = key.split(".")
    services = listed(data)
    at = place(services, name, key)
    model = model_of_service(services[at])
    if not parts:
        services[at] = merge(services[at], settings_of(name, value))
    elif model is not None:  # else its name is refused later
        services[at] = set_dotted(services[at], ".".join(parts), value, model)
    return data | {"services": services}


def _key(kind: Any, part: str) -> Any:
    """Return a part of a dotted key as the mapping that it stands in has it: the hour ``5`` is a number."""
    return int(part) if key_type(kind) is int and part.isdecimal() else part


def with_defaults(data: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return ``data`` with every table that it names in part laid over the model's own table.

    A table is a field whose value is a mapping, such as ``services.tertiary-1.award_table_kw``: an entry that is not
    named keeps its default. Entries whose key or value has the wrong type are left for the model to refuse.

    Parameters
    ----------
    data : mapping
        Settings; not changed.
    model : type of BaseModel
        Of ``data``.
    """
    out = dict(data)
    for name, field in model.model_fields.items():
        given = out.get(name)
        if name == "services" and isinstance(given, list | tuple):
            out[name] = [_service_with_defaults(each) for each in given]
        if not isinstance(given, Mapping):
            continue
        inner = model_of(field.annotation)
        if inner is not None:
            out[name] = with_defaults(given, inner)
        elif is_mapping(field.annotation):
            out[name] = merge(_default(field), _keyed(given, field.annotation))
    return out


def _service_with_defaults(service: Any) -> Any:
    model = model_of_service(service)
    return service if model is None else with_defaults(service, model)


def _default(field: Any) -> dict[Any, Any]:
    value = field.get_default(call_default_factory=True)
    return dict(value) if isinstance(value, Mapping) else {}


def _keyed(table: Mapping[Any, Any], kind: Any) -> dict[Any, Any]:
    """Return a table with whole numbers as keys where its type has them; JSON writes them as text."""
    inner = inner_type(kind, None)
    return {
        _key(kind, key) if isinstance(key, str) else key: _keyed(value, inner)
        if isinstance(value, Mapping) and is_mapping(inner)
        else value
        for key, value in table.items()
    }


def anchored(data: Mapping[str, Any], folder: Path, model: type[BaseModel]) -> dict[str, Any]:
    """Return ``data`` with every relative path made absolute: read beside ``folder``.

    Parameters
    ----------
    data : mapping
        Settings; not changed.
    folder : Path
        Of the file that they stand in.
    model : type of BaseModel
        Of ``data``; it says which settings are paths.
    """
    out = dict(data)
    for name, field in model.model_fields.items():
        value, inner = out.get(name), model_of(field.annotation)
        if inner is not None and isinstance(value, Mapping):
            out[name] = anchored(value, folder, inner)
        elif isinstance(value, str | os.PathLike) and value and _is_path(field.json_schema_extra, str(value)):
            out[name] = os.path.abspath(folder / value)
    return out


def _is_path(extra: Any, value: str) -> bool:
    """Return whether a field's value names a file: any of a field of paths, a CSV of one that may hold a word."""
    return extra == PATH or (extra == CSV_OR_WORD and value.lower().endswith(ENDS))

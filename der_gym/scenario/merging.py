"""Settings laid over settings: key by key, with tables of defaults below and paths read from the right folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.config import JsonDict

from der_gym.core.errors import unknown
from der_gym.scenario.validation import inner_type, is_mapping, key_type, model_of

PATH: JsonDict = {"format": "path"}  # json_schema_extra of a field that names a file


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``change`` laid over it, mapping by mapping; lists are replaced whole."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def set_dotted(data: dict[str, Any], key: str, value: Any, model: type[BaseModel]) -> dict[str, Any]:
    """Return ``data`` with a dotted key set; a mapping is laid over the one that stands there.

    Raises
    ------
    InputError
        For a name that no model on the way has, with the nearest one.
    """
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


def _key(kind: Any, part: str) -> Any:
    """Return a part of a dotted key as the mapping that it stands in has it: the hour ``5`` is a number."""
    return int(part) if key_type(kind) is int and part.isdecimal() else part


def with_defaults(data: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return ``data`` with every table that it names in part laid over the model's own table.

    A table is a field whose value is a mapping, such as ``market.award_table_kw``: an entry that is not named keeps
    its default. Entries whose key or value has the wrong type are left for the model to refuse.
    """
    out = dict(data)
    for name, field in model.model_fields.items():
        given = out.get(name)
        if not isinstance(given, Mapping):
            continue
        inner = model_of(field.annotation)
        if inner is not None:
            out[name] = with_defaults(given, inner)
        elif is_mapping(field.annotation):
            out[name] = merge(_default(field), _keyed(given, field.annotation))
    return out


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
    """Return ``data`` with every relative path made absolute: read beside ``folder``."""
    out = dict(data)
    for name, field in model.model_fields.items():
        value, inner = out.get(name), model_of(field.annotation)
        if inner is not None and isinstance(value, Mapping):
            out[name] = anchored(value, folder, inner)
        elif value and isinstance(value, str | os.PathLike) and field.json_schema_extra == PATH:
            out[name] = os.path.abspath(folder / value)
    return out

"""Settings models from outside: the type behind a key, and one line for the first fault."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from der_gym.core import text
from der_gym.core.errors import nearest
from der_gym.devices.base import DeviceConfig
from der_gym.scenario.settings import devices_model


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return one line for the first fault, an unknown key if there is one: key, value, allowed, nearest name.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel
        The one that raised it.
    """
    faults = error.errors()
    misspelt = [each for each in faults if each["type"] == "extra_forbidden"]  # it says why another key is missing
    first = (misspelt or faults)[0]
    where = ".".join(str(part) for part in first["loc"]) or "scenario"
    if first["type"] == "extra_forbidden":
        allowed = fields_at(model, first["loc"][:-1])
        close = nearest(str(first["loc"][-1]), allowed)
        hint = f"; did you mean {close!r}?" if close else ""
        return f"{where}: unknown key{hint} allowed: {', '.join(sorted(allowed))}"
    message = first["msg"].removeprefix("Value error, ")
    if message.startswith(f"{where}."):  # a part of it has said where
        return message
    value = first.get("input")
    shown = "" if isinstance(value, dict | BaseModel) or value is None else f" (given: {text.shown(value)})"
    return f"{where}: {message}{shown}"


def fields_at(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Return the names of the fields of the model that stands at ``loc`` within ``model``; none where no model does."""
    kind: Any = model
    for part in loc:
        kind = inner_type(kind, part)
    found = model_of(kind)
    return list(found.model_fields) if found is not None else []


def inner_type(kind: Any, part: Any) -> Any:
    """Return the type of what stands under a key: a model's field, a mapping's value, a tuple's entry; else None.

    Parameters
    ----------
    kind : type
        Annotation of a setting, or a model.
    part : str or int
        Name or place below it.
    """
    for option in _options(kind):
        if _is_model(option) and part in option.model_fields:
            return option.model_fields[part].annotation
        if is_mapping(option):
            return get_args(option)[1]
        if get_origin(option) in (tuple, list) and isinstance(part, int):
            return get_args(option)[0]
    return None


def model_of(kind: Any) -> type[BaseModel] | None:
    """Return the model among the options of a type, or None."""
    return next((option for option in _options(kind) if _is_model(option)), None)


def is_mapping(kind: Any) -> bool:
    """Return whether a type is a mapping of keys to values, such as ``dict[str, float]``."""
    return any(get_origin(option) in (dict, Mapping) for option in _options(kind))


def key_type(kind: Any) -> Any:
    """Return the type of the keys of a mapping's type, or None."""
    return next((get_args(option)[0] for option in _options(kind) if get_origin(option) in (dict, Mapping)), None)


def _options(kind: Any) -> list[Any]:
    """Return the types that a type allows: what stands in a union or behind ``Annotated``, else itself."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _options(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [option for each in get_args(kind) for option in _options(each)]
    return [devices_model() if kind is DeviceConfig else kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)

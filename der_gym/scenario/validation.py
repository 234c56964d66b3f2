"""One line for the first fault of a settings model."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from der_gym.core.errors import nearest


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return one line for the first fault, an unknown key if there is one: key, value, allowed, nearest name."""
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
    shown = "" if isinstance(value, dict | BaseModel) or value is None else f" (given: {value!r})"
    return f"{where}: {message}{shown}"


def fields_at(model: Any, loc: tuple[Any, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            model = inner_model(model, part) if part in model.model_fields else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def inner_model(model: Any, part: str) -> Any:
    """Return the model of field ``part``, or None where it is no model."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    annotation = model.model_fields[part].annotation
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None

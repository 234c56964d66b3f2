"""The list of services in settings: entries are known by their id, and laid over one another by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from der_gym.core.errors import InputError, unknown
from der_gym.services import SERVICES

Merge = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def id_of(service: Any) -> str:
    """Return the id of an entry: its ``id``, else its ``name``, else nothing."""
    return str(service.get("id") or service.get("name", "")) if isinstance(service, Mapping) else ""


def model_of_service(service: Any) -> type[BaseModel] | None:
    """Return the settings model of an entry, or None where its name is no service's."""
    name = service.get("name") if isinstance(service, Mapping) else None
    return SERVICES[name].Config if isinstance(name, str) and name in SERVICES else None


def merge_services(base: list[Any], change: Any, merge: Merge) -> Any:
    """Return the services of a list, in its order; an entry keeps what it does not name of the base's of its id.

    A mapping of ids changes those of the base and leaves the others.

    Parameters
    ----------
    base : list
        Services of the scenario below.
    change : list or mapping
        Services, or id -> settings.
    merge : callable
        Lays one mapping over another.
    """
    known = {id_of(each): dict(each) for each in base if isinstance(each, Mapping)}
    if isinstance(change, Mapping):
        for name, own in change.items():
            if name not in known:
                raise unknown("services", str(name), known)
            known[name] = merge(known[name], settings_of(name, own))
        return [*known.values()]
    if not isinstance(change, list | tuple):
        return change
    return [merge(known.get(id_of(each), {}), each) if isinstance(each, Mapping) else each for each in change]


def listed(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the services of settings; of settings that name none the one that they get."""
    return [dict(each) for each in data.get("services") or [{"name": "tertiary-1"}]]


def place(services: list[dict[str, Any]], name: str, key: str) -> int:
    """Return the place of the service of an id (- and _ alike); InputError names ``key`` and the nearest id.

    Parameters
    ----------
    services : list of dict
    name : str
        Id.
    key : str
        Dotted key that names it, for errors.
    """
    ids = [id_of(each).replace("_", "-") for each in services]
    wanted = name.replace("_", "-")
    if wanted not in ids:
        raise unknown(f"overrides: {key}: service", wanted, ids)
    return ids.index(wanted)


def settings_of(name: str, given: Any) -> Mapping[str, Any]:
    """Return what is given for the service of an id; InputError where it is no mapping of settings.

    Parameters
    ----------
    name : str
        Id, for errors.
    given : object
        Must be a mapping.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"services.{name}: {given!r}; allowed: a mapping of its settings")
    return given

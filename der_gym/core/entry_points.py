"""Plug-ins of installed packages: found by their entry points, one group for each registry."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Protocol


class Plugins(Protocol):
    """A registry that plug-ins are added to."""

    def register(self, name: str, item: Any) -> Any:
        """Add a plug-in."""

    def holds(self, item: object) -> bool:
        """Return whether a plug-in is there, under whatever name."""


def load(group: str, registry: Plugins) -> None:
    """Register what installed packages bring.

    An entry point ``name = package.module:thing`` registers the thing under the name. One that names a module
    (``name = package.module``) imports it, and the module registers what it brings. A package that cannot be loaded
    is left out with one warning.

    Parameters
    ----------
    group : str
        Of the entry points, such as ``der_gym.controllers``.
    registry : Registry
    """
    for point in _points(group):
        try:
            found = point.load()
            if not isinstance(found, ModuleType) and not registry.holds(found):
                registry.register(point.name, found)
        except Exception as error:  # a package may raise anything
            _warn(point, f"{type(error).__name__}: {error}")


def _points(group: str) -> Iterator[EntryPoint]:
    """Yield the entry points of a group in an order that does not depend on the search path."""
    yield from sorted(_found().select(group=group), key=lambda point: (_package(point), point.name))


@cache
def _found() -> Any:
    return entry_points()


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


_told: set[tuple[str, str]] = set()


def _warn(point: EntryPoint, error: str) -> None:
    """Warn, once for each package and error: a package that cannot be imported fails in every group."""
    package = _package(point)
    if (package, error) not in _told:
        _told.add((package, error))
        line = " ".join(error.split())
        warnings.warn(f"package {package!r}: plug-in {point.name!r} is left out: {line}", stacklevel=2)

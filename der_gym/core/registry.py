"""One registry type for every kind of plug-in: a name, an object, and a clear error for a name that is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from der_gym.core import entry_points
from der_gym.core.errors import InputError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Plug-ins of one kind by name, in the order of registration.

    Plug-ins of other packages are loaded when a name is asked for that is not there, or all names are.

    Parameters
    ----------
    kind : str
        What is registered, in the words of an error message: ``"device"``, ``"path"``.
    group : str
        Group of the entry points by which other packages add to it, such as ``"der_gym.devices"``; '' for none.
    fits : callable, optional
        ``fits(item) -> bool``: whether an object is a plug-in of this kind at all.
    form : str
        What ``fits`` asks for, in the words of an error message.
    """

    def __init__(
        self, kind: str, group: str = "", fits: Callable[[Any], bool] | None = None, form: str = "another object"
    ) -> None:
        self.kind, self._waiting = kind, group
        self._fits, self._form = fits, form
        self._items: dict[str, T] = {}

    def register(self, name: str, item: T) -> T:
        """Add ``item`` under ``name`` and return it.

        Raises
        ------
        InputError
            For a name taken by another item, or an object that is no plug-in of this kind.
        """
        if self._fits is not None and not self._fits(item):
            raise InputError(f"{self.kind}: {name!r} is {item!r}; allowed: {self._form}")
        if self._items.get(name, item) is not item:
            raise InputError(f"{self.kind}: {name!r} is registered already")
        self._items[name] = item
        return item

    def registered(self) -> tuple[str, ...]:
        """Return the names registered so far; no package is loaded for it."""
        return tuple(self._items)

    def holds(self, item: object) -> bool:
        """Return whether ``item`` is registered so far, under whatever name; no package is loaded for it."""
        return any(each is item for each in self._items.values())

    def _load(self) -> None:
        """Load the plug-ins of installed packages, once."""
        group, self._waiting = self._waiting, ""
        if group:
            entry_points.load(group, self)

    def __getitem__(self, name: str) -> T:
        if name not in self:
            raise unknown(self.kind, name, self._items)
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        if name not in self._items:
            self._load()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._items)

    def __len__(self) -> int:
        self._load()
        return len(self._items)

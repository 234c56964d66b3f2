"""One registry type for every kind of plug-in: a name, an object, and a clear error for a name that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from der_gym.core.errors import InputError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Plug-ins of one kind by name, in the order of registration.

    Parameters
    ----------
    kind : str
        What is registered, in the words of an error message: ``"device"``, ``"path"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str, item: T) -> T:
        """Add ``item`` under ``name`` and return it; a name taken by another item raises InputError."""
        if self._items.get(name, item) is not item:
            raise InputError(f"{self.kind}: {name!r} is registered already")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> T:
        if name not in self._items:
            raise unknown(self.kind, name, self._items)
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

"""Source files of modules: their place, their text as it was loaded, and their imports."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from der_gym.engine.imports import Import, imports

OWN = __name__.partition(".")[0]
VERSIONED = frozenset({"numpy", "numba", "scipy", "llvmlite", "pydantic"}) | sys.stdlib_module_names
_COMPILING = frozenset({"numba", OWN})  # a library that imports one of these may hold code that kernels call
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def top(name: str) -> str:
    """Return the first part of a dotted name."""
    return name.partition(".")[0]


class Source:
    """One file of Python: its text and its imports.

    Parameters
    ----------
    text : bytes
    package : str
        Name of the package that relative imports start from.
    installed : bool
        Whether it lies among installed libraries.
    """

    def __init__(self, text: bytes, package: str, installed: bool) -> None:
        self._text, self._package, self._installed = text, package, installed
        self.digest = hashlib.sha256(text).digest()

    @cached_property
    def _imports(self) -> list[Import]:
        return list(imports(self._text, self._package))

    @cached_property
    def counts(self) -> bool:
        """Whether its imports count as well."""
        return not self._installed or any(top(each.module) in _COMPILING for each in self._imports)

    @cached_property
    def edges(self) -> list[str]:
        """Names of the modules that it imports."""
        return list(dict.fromkeys(name for each in self._imports for name in _targets(each)))

    @cached_property
    def extensions(self) -> list[str]:
        """Names of the imported modules that import numba: they may teach the compiler something."""
        found = ((name, read_source(name)) for name in self.edges)
        return [name for name, each in found if each is not None and each.compiles]

    @cached_property
    def compiles(self) -> bool:
        """Whether it imports numba."""
        return any(top(each.module) == "numba" for each in self._imports)


def _targets(found: Import) -> Iterator[str]:
    """Yield the modules that one import statement counts."""
    if top(found.module) in VERSIONED:
        return
    place = _place(found.module)
    if place is None or place.folders is None:  # a module: all names taken of it stand there
        yield found.module
        return
    for name in found.names or ("*",):
        inner = f"{found.module}.{name}"
        if name == "*":
            yield from _whole(found.module, place)
        elif (part := _place(inner)) is None:
            yield found.module
        elif part.folders is None:
            yield inner
        else:
            yield from _whole(inner, part)


def _whole(name: str, place: _Place) -> Iterator[str]:
    """Yield the names of a package and of all its modules; of an installed library its own name alone."""
    yield name
    for folder in place.folders or ():
        if top(name) == OWN or not _INSTALLED & set(Path(folder).parts):
            for path in sorted(Path(folder).rglob("*.py")):
                inner = path.relative_to(folder).with_suffix("").parts
                yield ".".join([name, *(inner[:-1] if inner[-1] == "__init__" else inner)])


@dataclass(frozen=True)
class _Place:
    """The place of a module; ``folders`` are a package's."""

    file: str | None
    folders: tuple[str, ...] | None


def _place(name: str) -> _Place | None:
    """Return where a module lies, imported or not; None where there is none of that name."""
    module = sys.modules.get(name)
    if module is not None:
        folders = getattr(module, "__path__", None)
        return _Place(getattr(module, "__file__", None), None if folders is None else tuple(folders))
    return _unloaded(name)


def _unloaded(name: str) -> _Place | None:
    above = name.rpartition(".")[0]
    try:
        if above:
            folders = getattr(_place(above), "folders", None)
            spec = PathFinder.find_spec(name, list(folders)) if folders else None
        else:
            spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    inside = spec.submodule_search_locations
    return _Place(spec.origin if spec.has_location else None, None if inside is None else tuple(inside))


class _Seen(NamedTuple):
    spec: Any  # of the module as it was loaded; None where it was not imported
    stamp: tuple[int, int]
    source: Source


_seen: dict[tuple[str, str], _Seen] = {}


def read_source(name: str, file: str | None = None) -> Source | None:
    """Return a module's source as it was when the module was loaded, as far as that can be known.

    A file that is edited while its module stays loaded says nothing about the code in memory. So a loaded module's file
    is looked at again only where the module was loaded anew, which gives it another spec.

    Parameters
    ----------
    name : str
        Dotted name of the module.
    file : str, optional
        Its file, where that may not be the one that an import would find (generated code, a script).

    Returns
    -------
    Source or None
        None where there is no such file of Python.
    """
    place = _place(name)
    imported = place is not None and file in (None, place.file)
    path = place.file if place is not None and imported else file
    if path is None or not path.endswith(".py"):
        return None
    spec = getattr(sys.modules.get(name), "__spec__", None) if imported else None
    kept = _seen.get((name, path))
    if kept is None or spec is None or kept.spec is not spec:
        is_package = place is not None and imported and place.folders is not None
        kept = _look(name, path, spec, name if is_package else name.rpartition(".")[0])
    return kept and kept.source


def _look(name: str, path: str, spec: Any, package: str) -> _Seen | None:
    """Read a file where it is new or another one than before."""
    kept = _seen.get((name, path))
    try:
        status = os.stat(path)
        stamp = status.st_mtime_ns, status.st_size
        if kept is None or kept.stamp != stamp:
            installed = bool(_INSTALLED & set(Path(path).parts))
            kept = _Seen(spec, stamp, Source(Path(path).read_bytes(), package, installed))
    except OSError:
        return None
    _seen[name, path] = kept._replace(spec=spec)
    return kept

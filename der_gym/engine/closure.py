"""Keys of things made from code: a key changes with the code that the thing depends on, and with no other code.

Modules (`key`): their sources and those of all modules that they import, one after another.

- An import counts wherever it stands: under ``TYPE_CHECKING`` and inside a function too.
- ``from package import module`` counts the module. The package's ``__init__`` counts where a name of its own is taken.
- A package that is named as a whole (``import package``) counts with all its files.
- Standard library, numpy, numba, scipy, llvmlite and pydantic do not count: the key holds their versions instead.
- Another installed library counts with the one file that is imported, unless this file imports numba or der_gym.
- An import by a name that the program computes (``importlib.import_module``) is not seen.

A compiled function (`function_key`): the compiler freezes the values of a function's globals. So the key follows their
names: the file of each named function, the value of each constant, and for anything else the closure of its module.
Other imports of the function's file cannot reach the machine code.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from der_gym.engine.sources import OWN, VERSIONED, Source, read_source, top

_COMPILER = "der_gym.engine.compile"  # its closure is part of every function's key
# These keep and find files, and do not shape their content: they never count.
_KEPT = ("cache", "closure", "compile_ahead", "imports", "kept_arrays", "kernel_cache", "sources")
_KEEPING = frozenset(f"der_gym.engine.{name}" for name in _KEPT)
_PLAIN = (int, float, complex, str, bytes, type(None))


@cache
def versions() -> str:
    """Return the versions of compiler, libraries and Python, and the processor's name and features, as one line."""
    import llvmlite
    import numba
    from llvmlite import binding

    cpu = f"{platform.machine()} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    libraries = " ".join(f"{each.__name__} {each.__version__}" for each in (numba, llvmlite, np))
    return f"{libraries} python {platform.python_version()} {cpu}"


def key(roots: Iterable[str], without: Iterable[str] = ()) -> str:
    """Return the key of a thing that some modules make.

    Parameters
    ----------
    roots : iterable of str
        Dotted names of modules. A package's name stands for its ``__init__``.
    without : iterable of str
        Modules that do not count, and are not followed.

    Returns
    -------
    str
        16 hex digits over the names and sources in the closure of ``roots`` and over `versions`.
    """
    return _digits(_closure(roots, without).items())


def names(roots: Iterable[str], without: Iterable[str] = ()) -> set[str]:
    """Return the names of the modules in the closure of ``roots``; arguments as of `key`."""
    return set(_closure(roots, without))


def _digits(parts: Iterable[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256(versions().encode())
    for name, digest in sorted(parts):
        whole.update(name.encode() + b"\0" + digest)
    return whole.hexdigest()[:16]


def _closure(roots: Iterable[str], without: Iterable[str] = ()) -> dict[str, bytes]:
    """Return the digests of the sources of modules and of all that they import, by the modules' names."""
    todo = list(roots)
    own, done = {OWN, *map(top, todo)}, {*without, *_KEEPING}
    found: dict[str, bytes] = {}
    while todo:
        name = todo.pop()
        source = None if name in done or top(name) in VERSIONED else read_source(name)
        done.add(name)
        if source is not None:
            found[name] = source.digest
            todo += source.edges if top(name) in own or source.counts else []
    return found


def function_key(function: Callable[..., Any]) -> str | None:
    """Return the key of the machine code of a Python function.

    All globals that the function names must exist when it is called, as at its compilation. See `see`.

    Parameters
    ----------
    function : callable
        A Python function.

    Returns
    -------
    str or None
        16 hex digits; None for a function that stands in no file, because a change of it could not be seen.
    """
    followed = _Followed()
    followed.function(function)
    if see(function) is None:
        return None
    return _digits({*followed.parts, *_closure([_COMPILER, *followed.modules]).items()})


def see(function: Callable[..., Any]) -> Source | None:
    """Read a function's file, where it was not read before, and return it.

    At the declaration of a function its file is as it was loaded; later it may have been edited.
    """
    return read_source(function.__module__, function.__code__.co_filename)


class _Followed:
    """The names in functions, followed to their values and on.

    Attributes
    ----------
    parts : set
        (name, digest) of files and constants.
    modules : set
        Modules whose closure counts.
    """

    def __init__(self) -> None:
        self.parts, self.modules = set[tuple[str, bytes]](), set[str]()
        self._done, self._inside = set[int](), set[int]()

    def function(self, function: Any, name: str = "") -> None:
        """Follow the names in a Python function, which another function calls ``name``."""
        self._constant(name, f"{function.__module__} {function.__qualname__}".encode())
        if id(function) in self._done:
            return
        self._done.add(id(function))
        source = see(function)
        if source is not None:
            self.parts.add((function.__module__, source.digest))
            self.modules.update(source.extensions)
        wanted = list(dict.fromkeys(_names(function.__code__)))
        for each, value in _named(function, wanted):
            self._value(f"{name}/{each}", value, wanted)

    def _value(self, name: str, value: Any, wanted: list[str]) -> None:
        """Follow the value of a name."""
        plain = getattr(value, "py_func", value)
        if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            self._constant(name, f"{value.dtype.descr} {value.shape}".encode() + value.tobytes())
        elif isinstance(value, _PLAIN):
            self._constant(name, f"{type(value).__name__} {value!r}".encode())
        elif isinstance(value, list | tuple | dict):
            self._several(name, value, wanted)
        elif isinstance(value, ModuleType):
            self._module(name, value, wanted)
        elif isinstance(plain, FunctionType) and top(plain.__module__) not in VERSIONED:
            self.function(plain, name)
        else:
            self._other(name, value)

    def _constant(self, name: str, content: bytes) -> None:
        self.parts.add((name, hashlib.sha256(content).digest()))

    def _several(self, name: str, values: Any, wanted: list[str]) -> None:
        self._other(name, type(values))
        pairs = list(values.items() if isinstance(values, dict) else enumerate(values))
        for k, (key_, each) in enumerate(pairs):
            self._constant(f"{name}.{k}", repr(key_).encode())
            self._value(f"{name}.{k}", each, wanted)

    def _module(self, name: str, module: ModuleType, wanted: list[str]) -> None:
        """Follow the names ``wanted`` of a module."""
        self._constant(name, module.__name__.encode())
        if top(module.__name__) in VERSIONED or id(module) in self._inside:
            return
        self._inside.add(id(module))
        for each in wanted:
            if each in vars(module):
                self._value(f"{name}.{each}", vars(module)[each], wanted)
        self._inside.remove(id(module))

    def _other(self, name: str, value: Any) -> None:
        """Count a class or an object by its name, and all that its module depends on."""
        called = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or repr(value)
        origin = getattr(value, "__module__", None) or type(value).__module__
        self._constant(name, f"{origin} {called}".encode())
        if top(origin) not in VERSIONED:
            self.modules.add(origin)


def _named(function: Any, wanted: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the values of the globals and enclosing variables that a function names."""
    yield from ((name, function.__globals__[name]) for name in wanted if name in function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # nothing stands there yet
            yield f"{function.__qualname__}.{name}", cell.cell_contents


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)

"""The one place where numba is set up: two decorators, and a kernel cache that cannot go stale.

``scalar`` marks a pure, branch-free function of numbers that is inlined into the loops; ``kernel`` marks a loop over
arrays. Both compile without fast-math, so a kernel gives the bits of the same loop in plain Python.

The cache lies in a folder named by a hash of the sources that the kernels come from, numba's and llvmlite's
versions and the CPU: numba alone would not see an edit in another file. Where no folder can be written a temporary one
of the user's own serves. Only our kernels are kept there: numba's setting holds no longer than one kernel is declared.
"""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# no_cfunc_wrapper: nobody calls a kernel through a C pointer, and the wrappers take a twentieth of the compile time
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "no_cfunc_wrapper": True}
_CLOSED: dict[str, Any] = {"nopython": True, "no_cpython_wrapper": True}


_NO_KERNELS = {"cli", "evaluation"}  # folders that hold no kernel and shape no pool
_OWN_KERNELS = {"controllers"}  # folders whose kernels no other folder calls, and that shape no pool


@cache
def source_hash(own: str = "") -> str:
    """Return 16 hex digits over the sources that kernels come from, the compiler's versions and the processor.

    ``own`` is the folder of kernels that stand apart, and adds its sources; without it none of those folders counts,
    so that an edit of a controller leaves pools and the engine's kernels as they are.
    """
    import llvmlite
    import numba
    from llvmlite import binding

    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    skip = _NO_KERNELS | _OWN_KERNELS - {own}
    for path in sorted(p for p in root.rglob("*.py") if not skip & set(p.relative_to(root).parts)):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    cpu = f"{platform.machine()} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    digest.update(f"{numba.__version__} {llvmlite.__version__} {platform.python_version()} {cpu}".encode())
    return digest.hexdigest()[:16]


def cache_home() -> Path:
    """Return the folder for everything that can be made again: ``DER_GYM_CACHE``, else the user's cache folder."""
    named = os.environ.get("DER_GYM_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if base:
        return Path(base) / "der_gym"
    try:
        return Path.home() / ".cache" / "der_gym"
    except RuntimeError:  # a user without a home
        return _temporary_home()


def _temporary_home() -> Path:
    return Path(tempfile.gettempdir()) / f"der_gym-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def writable(folder: Path) -> bool:
    """Return whether files can be made in ``folder``, making the folder if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except (OSError, RuntimeError):
        return False


def _own(folder: Path) -> bool:
    """Return whether ``folder``, made if need be, is this user's alone to write: what lies there will be executed."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        made = folder.lstat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (made.st_uid == os.getuid() and made.st_mode & 0o40022 == 0o40000)


def _find_folder() -> str:
    """Return the folder for compiled kernels, '' (with a warning) where none can be written."""
    last = _temporary_home()
    for home in (cache_home(), last):
        if (home != last or _own(home)) and writable(home / "kernels"):
            return str(home / "kernels")
    warnings.warn("no folder for compiled kernels can be written; every start compiles anew", stacklevel=2)
    return ""


_folder: str | None = None


def _own_folder(function: Callable[..., Any]) -> str:
    """Return the folder of the package that a kernel stands in if that folder's kernels stand apart, else ''."""
    parts = function.__module__.split(".")
    return next((name for name in parts[1:-1] if parts[0] == "der_gym" and name in _OWN_KERNELS), "")


@cache
def _quiet_compiler() -> None:
    """Let no garbage be collected while something compiles: a compiler's many small objects take a tenth longer so."""
    from numba.core import event

    class Quiet(event.Listener):  # type: ignore[misc]
        depth, collects = 0, False

        def on_start(self, event: Any) -> None:
            if self.depth == 0:
                self.collects = gc.isenabled()
                gc.disable()
            self.depth += 1

        def on_end(self, event: Any) -> None:
            self.depth -= 1
            if self.depth == 0 and self.collects:
                gc.enable()

    event.register("numba:compile", Quiet())


def kernel(function: F) -> F:
    """Compile a loop over arrays: no GIL, IEEE arithmetic, cached on disk."""
    global _folder
    import numba

    if _folder is None:
        _folder = _find_folder()
        _quiet_compiler()
    if numba.config.DISABLE_JIT:
        return function
    kinds = _kinds()
    compiled: F = kept(kinds.Closed(function, targetoptions={**_CLOSED, **_OPTIONS}, pipeline_class=kinds.Counted))
    return compiled


@cache
def _kinds() -> Any:
    """Return the module `dispatch`, whose loops know from here on their ways in from Python."""
    from der_gym.engine import dispatch

    dispatch.Closed.open, dispatch.Closed.has_bridge = staticmethod(opened), staticmethod(has_bridge)
    return dispatch


@cache
def has_bridge() -> bool:
    """Return whether kernels can be called by `native`, which is tried once in a process; warns where they cannot."""
    from der_gym.engine import probe

    reason = probe.fault(kernel)
    if reason is not None:
        probe.warn(reason)
    return reason is None


def part(function: F) -> F:
    """Compile a loop over arrays that only kernels and other parts call: the same, without machine code of its own."""
    import numba

    if numba.config.DISABLE_JIT:
        return function
    kinds = _kinds()
    compiled: F = kinds.Part(function, targetoptions={**_CLOSED, **_OPTIONS}, pipeline_class=kinds.Linked)
    return compiled


def kept(compiled: Any, *inside: str) -> Any:
    """Let a compiled function be kept in its folder, or in one inside of it, and return it."""
    import numba

    if _folder:
        place = Path(_folder, source_hash(_own_folder(compiled.py_func)), *inside)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(place)
        try:
            compiled.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    return compiled


def opened(function: Callable[..., Any]) -> Any:
    """Return the compiled form of a loop that has numba's own way in from Python."""
    import numba

    return kept(numba.njit(**_OPTIONS)(function), "opened")


def scalar(function: F) -> F:
    """Compile a pure function of numbers that is inlined where it is called; the way in from Python is left out."""
    from der_gym.engine.dispatch import Inlined, Linked

    options = {"forceinline": True, **_CLOSED, **_OPTIONS}
    compiled: F = Inlined(function, targetoptions=options, pipeline_class=Linked)
    return compiled

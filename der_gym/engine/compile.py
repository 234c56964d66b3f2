"""The one place where numba is set up: three decorators, and a kernel cache that cannot go stale.

``scalar`` marks a pure, branch-free function of numbers that is inlined into the loops; ``kernel`` marks a loop over
arrays; ``part`` marks a loop that only kernels call. All compile without fast-math, so a kernel gives the bits of the
same loop in plain Python.

Kernels are kept on disk (`kernel_cache`), each under a key over what its code depends on (`closure`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# no_cfunc_wrapper: no kernel is called through a C pointer, and the wrappers take a twentieth of the compile time
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False, "no_cfunc_wrapper": True}
_CLOSED: dict[str, Any] = {"nopython": True, "no_cpython_wrapper": True}


@cache
def _quiet_compiler() -> None:
    """Switch the garbage collector off during compilation: it takes a tenth of the time and finds little."""
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
    import numba

    _quiet_compiler()
    if numba.config.DISABLE_JIT:
        return function
    kinds = _kinds()
    compiled: F = kept(kinds.Closed(function, targetoptions={**_CLOSED, **_OPTIONS}, pipeline_class=kinds.Counted))
    return compiled


@cache
def _kinds() -> Any:
    """Return the module `dispatch`, after its loops were given their ways in from Python."""
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
    from der_gym.engine.kernel_cache import see

    see(function)
    kinds = _kinds()
    compiled: F = kinds.Part(function, targetoptions={**_CLOSED, **_OPTIONS}, pipeline_class=kinds.Linked)
    return compiled


def kept(compiled: Any, inside: str = "") -> Any:
    """Let a compiled function be kept on disk and return it; ``inside`` tells forms of the same function apart."""
    from der_gym.engine.kernel_cache import KernelCache

    compiled._cache = KernelCache(compiled.py_func, inside)
    return compiled


def opened(function: Callable[..., Any]) -> Any:
    """Return the compiled form of a loop that has numba's own way in from Python."""
    import numba

    return kept(numba.njit(**_OPTIONS)(function), "opened")


def scalar(function: F) -> F:
    """Compile a pure function of numbers that is inlined where it is called; the way in from Python is left out."""
    from der_gym.engine.dispatch import Inlined, Linked
    from der_gym.engine.kernel_cache import see

    see(function)
    options = {"forceinline": True, **_CLOSED, **_OPTIONS}
    compiled: F = Inlined(function, targetoptions=options, pipeline_class=Linked)
    return compiled

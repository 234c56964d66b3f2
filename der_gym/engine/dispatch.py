"""The three kinds of compiled functions that `compile` makes, and how Python calls each."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import CPUDispatcher

from der_gym.engine import native
from der_gym.engine.references import Counted

_HANDED = (np.ndarray, int, float, np.float32)


class Unmade(JITCodeLibrary):  # type: ignore[misc]
    """Code that is only linked into the code of others; this saves a tenth of all the time to compile.

    It gets no machine code of its own. The function that links it optimises it.
    """

    def _optimize_final_module(self) -> None:
        """Do nothing."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    @property
    def codegen(self) -> Any:
        return self  # asked for ``set_env`` only

    def set_env(self, name: str, env: Any) -> None:
        """Do nothing: a function without machine code needs no environment."""


class Linked(Counted):
    """Compiles to code that others link."""

    def __init__(self, typing_context: Any, target_context: Any, library: Any, *rest: Any) -> None:
        super().__init__(typing_context, target_context, Unmade(target_context.codegen(), "linked"), *rest)


class Inlined(CPUDispatcher):  # type: ignore[misc]
    """A function of numbers that only compiled code calls; called from Python it is plain Python."""

    def __call__(self, *given: Any) -> Any:
        return self.py_func(*given)


class Closed(CPUDispatcher):  # type: ignore[misc]
    """A loop without numba's way in from Python, which takes a tenth of the time to compile.

    From Python ``loop(lo, hi, *given)`` is the same machine code by `native.call`. A loop that returns something, or
    gets something else than arrays and plain numbers, is compiled once more: ``opened``. So is every loop where the
    trial of `native.call` failed.

    Attributes
    ----------
    open : callable
        Returns the form of a plain function that has numba's own way in.
    has_bridge : callable
        Returns whether `native.call` works in this process.
    """

    open: ClassVar[Any]  # `compile` sets both: it stands above this module
    has_bridge: ClassVar[Any]

    @cached_property
    def opened(self) -> Any:
        return self.open(self.py_func)

    def __call__(self, *given: Any) -> Any:
        laid = "opened" not in self.__dict__ and _plain(given) and self.has_bridge()
        done = laid and native.call(self, given[0], given[1], given[2:])
        return None if done else self.opened(*given)


class Part(Closed):
    """A loop that only loops call. From Python it is compiled once more."""

    def __call__(self, *given: Any) -> Any:
        return self.opened(*given)


def _plain(given: tuple[Any, ...]) -> bool:
    """Return whether these are two whole numbers, and then what `native.call` hands over."""
    return len(given) > 1 and type(given[0]) is type(given[1]) is int and all(isinstance(e, _HANDED) for e in given)

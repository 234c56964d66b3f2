"""A function of numbers that an author wrote: the names of its arguments and results, and the time of its calls."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from der_gym.core.errors import InputError
from der_gym.engine.compile import part, scalar

_TAKEN = {  # names of a written source's own
    *("draw", "begin", "redraw", "advance", "capability", "save", "kernel", "enter", "recall", "find_enrolled"),
    *("owner", "place_row", "find_accepting", "sum_cells", "any_positive"),
}
_PLAIN_CALLS = {"np.float32", "np.float64", "min", "max", "abs"}


class Stage:
    """A function that an author wrote, and how it is called.

    Parameters
    ----------
    function : callable
        Its last statement returns names.
    once : bool
        Called once for a world, with values; else for each device.
    writes : str
        Names of whole rows that it writes, where it holds its own loop over rows.
    when : str
        Row: the loop is left out where no device's entry is above 0.
    every_s, at_s : int
        Second of the day, and period, at which it is due; 0: always.
    """

    def __init__(
        self, function: Callable[..., Any], *, once: bool = False, writes: str = "", when: str = "", every_s: int = 0,
        at_s: int = 0,
    ) -> None:  # fmt: skip
        self.plain: Callable[..., Any] = getattr(function, "py_func", function)
        self.name, self.module = self.plain.__name__, self.plain.__module__
        self.called = f"{self.name}_" if self.name in _TAKEN else self.name  # in the written source
        self.label = f"{self.module}.{self.plain.__qualname__}"
        self.once, self.when, self.every_s, self.at_s = once, when, every_s, at_s
        self.loops = bool(writes)
        self.takes = tuple(inspect.signature(self.plain).parameters)
        self._writes = tuple(writes.split())
        compiled = function if hasattr(function, "py_func") else (part if self.loops else scalar)(self.plain)
        self.call: Any = compiled
        if "<locals>" in self.plain.__qualname__:
            raise InputError(f"{self.label}: stands inside a function; allowed: at the top of a module")

    @property
    def bare(self) -> bool:
        """Return whether its module still holds the function as it was written, not the compiled one."""
        return not hasattr(getattr(sys.modules[self.module], self.name, None), "py_func")

    @cached_property
    def gives(self) -> tuple[str, ...]:
        """Return the names that it returns, or writes as rows."""
        return self._writes or returned(self.plain)

    @property
    def due(self) -> str:
        """Return the condition under which it is called, '' for always."""
        if self.every_s:  # `fresh`: also at the start of an episode
            return f"fresh or clock_s % {self.every_s} == {self.at_s}"
        return f"any_positive({self.when})" if self.when else ""


def returned(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names that a function's last statement returns.

    Raises
    ------
    InputError
        Where it returns anything but names, or returns twice.
    """
    body = _tree(function)
    returns = [node for node in ast.walk(body) if isinstance(node, ast.Return)]
    value = returns[0].value if len(returns) == 1 and returns[0] is body.body[-1] else None
    items = value.elts if isinstance(value, ast.Tuple) else [value]
    if not all(isinstance(item, ast.Name) for item in items):
        raise InputError(f"{function.__module__}.{function.__name__}: its last line, and no other, must return names")
    return tuple(item.id for item in items if isinstance(item, ast.Name))


@cache
def _tree(function: Callable[..., Any]) -> ast.FunctionDef:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    return tree


def calls_others(function: Callable[..., Any]) -> str:
    """Return the first function that it calls beside conversions, least and greatest; '' where there is none."""
    nodes = (node for line in _tree(function).body for node in ast.walk(line))
    calls = (ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call))
    return next((name for name in calls if name not in _PLAIN_CALLS), "")

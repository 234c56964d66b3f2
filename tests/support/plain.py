"""Compiled modules as plain Python, for the slow twin of a kernel."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any


def plain(module: Any) -> dict[str, Any]:
    """Return a module's names with every compiled function, here and in der_gym's modules below, as plain Python."""
    names = dict(vars(module))
    for name, value in vars(module).items():
        if isinstance(value, ModuleType) and value.__name__.startswith("der_gym."):
            names[name] = SimpleNamespace(**plain(value))
        elif hasattr(value, "py_func"):
            home = vars(module) if value.__module__ == module.__name__ else plain(sys.modules[value.__module__])
            names[name] = FunctionType(value.py_func.__code__, names if home is vars(module) else home, name)
    return names


def plain_kernel(kernel: Any) -> Any:
    """Return a compiled kernel as plain Python, with everything that it calls."""
    return plain(sys.modules[kernel.py_func.__module__])[kernel.py_func.__name__]

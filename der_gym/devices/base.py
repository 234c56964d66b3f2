"""A device class as the engine runs it: what its author declared, and the kernels that are written of it.

The kernels are written when they are first asked for, so that a class costs nothing where no scenario uses it.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any

from der_gym.devices.declare import (
    KERNELS,
    Declaration,
    DeviceConfig,
    Kernels,
    Register,
    Role,
    Traits,
    rows,
)
from der_gym.devices.forms import kernels_of
from der_gym.devices.response import response_s

__all__ = ["KERNELS", "DeviceConfig", "DeviceModel", "Kernels", "Register", "Role", "Traits", "rows"]


class DeviceModel(Declaration):
    """A device class: a `Declaration` with its kernels."""

    @cached_property
    def kernels(self) -> Kernels:
        """Return the compiled loops, written from the author's functions."""
        return Kernels(**{**kernels_of(self), **self._by_hand})

    @cached_property
    def _answers(self) -> dict[str, Any]:
        """Return what `response_s` has found, by settings: each draws a fleet."""
        return {}

    def response_s(self, config: Any) -> Any:
        """Return 200 equally likely seconds from a command's arrival to full upward response, float64, ascending."""
        key = config.model_dump_json()
        if key not in self._answers:
            self._answers[key] = response_s(self, self.kernels.draw, self._response, config)
        return self._answers[key].copy()

    def response_p95_s(self, config: Any) -> float:
        """Return the seconds of dead time and ramp of upward response that 95 % of the devices do not exceed."""
        return float(self.response_s(config)[189])

    def __deepcopy__(self, memo: object) -> DeviceModel:
        return self  # a class is a constant

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a copy in another process be that process's own class."""
        return _find, (next(self.stages()).module, self.name)


def _find(module: str, name: str) -> DeviceModel:
    found = vars(importlib.import_module(module)).values()
    return next(each for each in found if isinstance(each, DeviceModel) and each.name == name)

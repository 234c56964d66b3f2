"""The arrays of one device class in all worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.devices import DEVICES
from der_gym.devices.base import DeviceModel
from der_gym.engine.memory import Arena
from der_gym.fleet.structure import Structure

Array = np.ndarray


@dataclass
class DeviceArrays:
    """One class's arrays, and its places [lo, hi) in the fleet's rows."""

    device: DeviceModel
    lo: int
    hi: int
    cfg: Array  # float32 (k,)
    params: Array  # float32 (S, n_param, n)
    state: Array  # float32 (S, n_state, n)
    energy: Array  # float64 (S, n_energy, n)
    registers: Array  # float64 (S, n_row, 1 or n), see `numerics.sums.kept_row`
    opt_out: np.float32

    @property
    def mark(self) -> int:
        """Return the place in the first row of the mark that `numerics.sums.kept_row` reads; -1 where there is none."""
        n_register = len(self.device.registers)
        return n_register if self.registers.shape[1] < n_register else -1

    def places(self, name: str) -> list[tuple[int, slice]]:
        """Return where the parts of a register stand in ``registers``: rows and columns."""
        number, n = self.device.registers.number(name), self.registers.shape[2]
        if self.mark < 0:
            return [(number, slice(0, n))]
        of_each = [(self.device.booked.index(name) + 1, slice(0, n))] if name in self.device.booked else []
        return [(0, slice(number, number + 1)), *of_each]

    def register(self, name: str) -> Array:
        """Return the register ``name``, float64 (S, n): a view; (S, 1) where it is the sum of its shard's devices."""
        if name in self.device.energy:
            row: Array = self.energy[:, self.device.energy.number(name)]
            return row
        first, *rest = [self.registers[:, at, columns] for at, columns in self.places(name)]
        return first + rest[0].sum(axis=1, keepdims=True) if rest else first


def make_device_arrays(
    name: str,
    structure: Structure,
    config: Any,
    n_all: int,
    opt_out: float,
    by_device: bool,
    booked_by_device: bool,
    arena: Arena,
) -> DeviceArrays:
    """Return the empty arrays of class ``name`` for ``n_all`` shards."""
    device = DEVICES[name]
    lo, hi = structure.class_slice[name]
    n = hi - lo
    return DeviceArrays(
        device=device,
        lo=lo,
        hi=hi,
        cfg=device.constants(config),
        params=arena.zeros((n_all, max(len(device.params), 1), n), np.float32),
        state=arena.zeros((n_all, max(len(device.state), 1), n), np.float32),
        energy=arena.zeros((n_all, max(len(device.energy), 1), n)),
        registers=np.zeros((n_all, *_shape(device, n, by_device, booked_by_device))),
        opt_out=np.float32(opt_out),
    )


def _shape(device: DeviceModel, n: int, by_device: bool, booked_by_device: bool) -> tuple[int, int]:
    """Return rows and columns of a class's registers; a class with few others keeps all by device."""
    n_register, n_row = max(len(device.registers), 1), len(device.booked) + 1
    if booked_by_device and not by_device and n_row < n_register < n:
        return n_row, n
    return n_register, n if by_device or booked_by_device else 1

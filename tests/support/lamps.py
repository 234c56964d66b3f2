"""Lamps: the smallest device class, for tests of what is written of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from der_gym.devices.base import DeviceConfig, DeviceModel, Register, Traits, rows
from der_gym.devices.layout import Layout

_0 = np.float32(0.0)


class LampConfig(DeviceConfig):
    """Settings of the lamps."""

    lamp_kw: float = 0.5


def make(**change: Any) -> DeviceModel:
    """Return a class without functions: a lamp that is on, and dimmed by a command."""
    own = {
        "name": "lamp", "english": "lamp", "japanese": "照明", "echonet": 0x0290, "stage": 1, "command": "swing",
        "traits": Traits(continuous=True), "config": LampConfig, "layout": Layout(LampConfig),
        "params": rows("lamp.params", "full_kw | kW | on"), "state": rows("lamp.state", "level | - | of it"),
        "energy": rows("lamp.energy", "burnt_kwh | kWh | so far"),
        "meters": {"used_kwh": Register("kWh", "drawn", ("used", "使用"), row="power_kw", scale="hours8")},
    }  # fmt: skip
    return DeviceModel(**(own | change))


def draw(rated_kw, lamp_kw):
    rated_kw = rated_kw if rated_kw > _0 else lamp_kw
    full_kw, dead_s = rated_kw, np.float32(1.0)
    return rated_kw, full_kw, dead_s


def hours(dt_s):
    hours8 = np.float64(dt_s) / np.float64(3600.0)
    return hours8


def burn(full_kw, cmd_end, accepts_commands):
    level = np.float32(1.0) - max(cmd_end, _0) * accepts_commands
    power_kw = full_kw * level
    shown_kw = power_kw
    return level, power_kw, shown_kw


def add(burnt_kwh, power_kw, hours8):
    burnt_kwh = burnt_kwh + np.float64(power_kw) * hours8
    return burnt_kwh


def lamp() -> DeviceModel:
    """Return the lamp with its functions."""
    model = make()
    model.draw(draw)
    model.once("tick")(hours)
    model.tick(burn)
    model.tick(add)
    return model

"""What a battery gives is what it draws less than its own schedule: owners are repaid for that alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from batteries import EXACT, FAST, advance, make, mine

from der_gym.devices.battery.model import BATTERY
from der_gym.engine.tables import FLEET, SITE

REGISTERS = BATTERY.registers

HOUR = 60
ALL_FAST = EXACT | FAST


def withheld_kwh(f: Any, a: float, minutes: int = HOUR) -> np.ndarray:
    """Return what each battery gives while the fraction ``a`` is in force, kWh (n,)."""
    for _ in range(10):
        advance(f, a)  # dead time and ramps are over
    before = f.registers[0, REGISTERS.WITHHELD_KWH].copy()
    for _ in range(minutes):
        advance(f, a)
    return f.registers[0, REGISTERS.WITHHELD_KWH] - before


def test_without_a_command_nothing_is_given() -> None:
    for net_kw in (1.0, -2.0):  # covers the house; charges from the panels
        f = make(**ALL_FAST)
        f.site[:, SITE.NET_KW] = net_kw
        assert withheld_kwh(f, 0.0).max() <= 1e-4


def test_a_discharge_beyond_the_house_is_given() -> None:
    f = make(soc=0.9, **ALL_FAST)
    before = f.registers[0, REGISTERS.DISCHARGED_KWH].copy()
    given = withheld_kwh(f, 0.5, 30)
    power = -mine(f, FLEET.POWER_KW)[0]
    assert (f.registers[0, REGISTERS.DISCHARGED_KWH] > before).all() and power.min() > 0
    assert given == pytest.approx(np.maximum(power - 1.0, 0.0) * 0.5, abs=0.02)  # the house takes 1 kW anyway


def test_holding_a_charge_back_is_given() -> None:
    f = make(soc=0.2, **ALL_FAST)
    f.site[:, SITE.NET_KW] = -1.5  # panels
    own_kw = -f.site[0, SITE.NET_KW, 0]
    given = withheld_kwh(f, 0.1)
    left_kw = mine(f, FLEET.POWER_KW)[0]
    assert (left_kw > 0.0).all() and (left_kw < own_kw).all()  # it still charges, but less
    assert given == pytest.approx(own_kw - left_kw, rel=0.03)


def test_in_standby_all_that_is_discharged_is_given_and_a_charge_gives_nothing() -> None:
    f = make(soc=0.8, **ALL_FAST)
    f.fleet[:, FLEET.STANDBY] = 1.0
    before = f.registers[0, REGISTERS.DISCHARGED_KWH].copy()
    given = f.registers[0, REGISTERS.WITHHELD_KWH].copy()
    for _ in range(30):
        advance(f, 0.4)
    assert f.registers[0, REGISTERS.WITHHELD_KWH] - given == pytest.approx(
        f.registers[0, REGISTERS.DISCHARGED_KWH] - before, rel=1e-5
    )
    assert withheld_kwh(f, -0.4, 20).max() <= 1e-6

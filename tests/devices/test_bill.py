"""The owner's bill of a device against its own schedule: worked by hand, and against a battery that is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from batteries import EXACT, FAST, advance, make

from der_gym.devices.battery.model import BATTERY
from der_gym.devices.bill import difference
from der_gym.engine.tables import FLEET, SITE

ENERGY, REGISTERS = BATTERY.energy, BATTERY.registers
F4 = np.float32
ONE: dict[str, Any] = {
    "n": 1, "given": (3.0, 1.0), "usable_kwh": (9.8,), "usable_share": (1.0,), "usable_spread": 0.0,
    "reserve": (0.0,), "reserve_share": (1.0,), "round_trip_mean": 0.81, "round_trip_sd": 0.0, **EXACT, **FAST,
}  # fmt: skip


@pytest.mark.parametrize(
    ("house", "power", "own", "drawn", "fed"),
    [
        (1.0, 0.0, -1.0, 1.0, 0.0),  # standing by: the home buys what the battery would have given
        (1.0, -3.0, -1.0, 0.0, 2.0),  # the rest of a discharge is sold
        (1.0, -3.0, 0.0, -1.0, 2.0),
        (-2.0, 0.0, 2.0, 0.0, 2.0),  # the sun's surplus is sold, not stored
        (0.5, 1.0, 0.0, 1.0, 0.0),  # a car or a heater
    ],
)
def test_a_home_draws_and_feeds_more(house: float, power: float, own: float, drawn: float, fed: float) -> None:
    got = difference.py_func(F4(house), F4(power), F4(own), F4(0.5))
    assert got == pytest.approx((drawn / 2, fed / 2))


def registers(f: Any) -> dict[str, float]:
    return {name: float(f.registers[0, k].sum()) for k, name in enumerate(REGISTERS)}


def test_a_battery_that_is_left_alone_costs_its_owner_nothing() -> None:
    f = make(**{**ONE, "n": 16})
    for hour in range(12):
        f.site[:, SITE.NET_KW] = (1.0, -2.0, 0.3)[hour % 3]
        for _ in range(60):
            advance(f, 0.0)
    found = registers(f)
    assert found["charged_kwh"] > 10 and found["discharged_kwh"] > 10
    for name in ("import_more_kwh", "export_more_kwh", "stored_more_kwh", "worn_kwh"):
        assert abs(found[name]) < 0.002 * found["charged_kwh"], name  # the shadow has no ramps
    np.testing.assert_allclose(f.energy[:, ENERGY.OWN_KWH], f.energy[:, ENERGY.ENERGY_KWH], atol=2e-3)


def test_standby_costs_what_the_battery_would_have_given_and_leaves_the_energy() -> None:
    f = make(**ONE)  # 4.9 kWh, 0.9 one way, a home of 1 kW
    f.fleet[:, FLEET.STANDBY] = 1.0
    for _ in range(120):
        advance(f, 0.0)
    found = registers(f)
    assert found["import_more_kwh"] == pytest.approx(2.0, rel=1e-4)
    assert found["stored_more_kwh"] == pytest.approx(2.0, rel=1e-4)  # 2 / 0.9 kWh stored give 2 kWh
    assert (found["export_more_kwh"], found["worn_kwh"]) == (0, 0)


def test_a_dispatch_gives_the_home_what_it_needs_and_sells_the_rest() -> None:
    f = make(**ONE)
    f.fleet[:, FLEET.STANDBY] = 1.0
    advance(f, 1.0)  # the ramp
    before = registers(f)
    for _ in range(60):
        advance(f, 1.0)
    found = {name: value - before[name] for name, value in registers(f).items()}
    assert found["import_more_kwh"] == pytest.approx(0, abs=1e-5)  # its own schedule would cover the home too
    assert found["export_more_kwh"] == pytest.approx(2.0, rel=1e-4)
    assert found["stored_more_kwh"] == pytest.approx(-2.0, rel=1e-4)
    assert found["worn_kwh"] == pytest.approx(2.0, rel=1e-4)


def test_what_the_own_schedule_would_have_given_earlier_wears_no_more() -> None:
    f = make(**ONE)
    f.fleet[:, FLEET.STANDBY] = 1.0
    for _ in range(120):
        advance(f, 0.0)  # the own schedule gives 2 kWh
    for _ in range(60):
        advance(f, 1.0)  # 3 kWh against 1
    assert registers(f)["worn_kwh"] == pytest.approx(0, abs=0.06)
    assert registers(f)["discharged_kwh"] == pytest.approx(3, abs=0.06)

"""V2H charger: no command takes a car below its floor, keeps it from its trip, or wears out its contactor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from device_rig import Rig
from pydantic import ValidationError

from der_gym.devices.v2h.config import V2HConfig
from der_gym.devices.v2h.model import V2H


def cars(n: int = 200, start_h: float = 19.0, **settings: Any) -> Rig:
    """Return cars at home in the evening whose owners all take commands; the house draws 2 kW."""
    rig = Rig(V2H, n=n, start_h=start_h, n_world=1, now_probability=0.0, plug_floor=1.0, **settings)
    rig.limits[:] = 9.0
    rig.begin()
    rig.row("accepts_commands")[:], rig.row("meter_gain")[:] = 1.0, 1.0
    rig.site[:] = 2.0
    return rig


def here(rig: Rig) -> np.ndarray:
    """Return which cars are plugged in, (n,)."""
    return (rig.own("arrive_s")[0] <= rig.t_s) & (rig.own("depart_s")[0] > rig.t_s)


def test_a_discharge_covers_the_house_and_feeds_the_grid_only_with_the_right_to() -> None:
    rig = cars(feed_back_share=0.5)
    rig.given[:] = -1
    rig.begin()
    at_home = here(rig) & (rig.own("held_kwh")[0] > rig.own("floor_kwh")[0] + 3)
    for _ in range(5):
        power = rig.step(1.0)[0]
    feeds = rig.own("export_max_kw")[0] > 0
    assert (at_home & feeds).sum() > 10 and (at_home & ~feeds).sum() > 10
    assert (power[~feeds] >= -2.0).all() and power[at_home & ~feeds].min() == pytest.approx(-2.0)
    assert power[at_home & feeds].min() < -3.0 and not power[~here(rig)].any()


def test_no_car_is_taken_below_its_floor_and_all_are_ready_for_their_trips() -> None:
    rig = cars(n=300, start_h=17.0)
    floor, ready = rig.own("floor_kwh")[0], rig.own("ready_kwh")[0]
    low = rig.own("held_kwh")[0] < floor  # came home with less
    for _ in range(18 * 12):  # to 11 h: at noon the next day is drawn
        rig.step(1.0, dt_s=300)
        assert (rig.own("held_kwh")[0][~low] >= floor[~low] - 1e-4).all()
    assert rig.own("missing_kwh").max() < 0.05  # the margin before departure covers the pauses
    assert (ready >= floor).all() and rig.own("discharged_kwh").sum() > 50


def waiting_cars(**settings: Any) -> tuple[Rig, np.ndarray]:
    """Return cars to which nothing flows yet, and which of them have room for both directions, (n,)."""
    rig = cars(habit_share=(0.0, 0.0, 1.0), **settings)
    idle = here(rig) & (rig.own("held_kwh")[0] < rig.own("full_kwh")[0] - 4) & (rig.own("direction")[0] == 0)
    idle &= rig.own("held_kwh")[0] > rig.own("floor_kwh")[0] + 2
    assert idle.sum() > 10
    return rig, idle


def seconds_until(rig: Rig, a: float, most: int, reached: float) -> np.ndarray:
    """Return the second, (n,), in which a car's power is first above ``reached`` kW in the command's direction."""
    found = np.zeros(rig.n)
    for second in range(1, most):
        power = -np.sign(a) * rig.step(a, dt_s=1)[0]
        found = np.where((found == 0) & (power > reached), second, found)
    return found


def test_the_first_start_takes_a_handshake_and_a_turn_takes_a_pause() -> None:
    rig, idle = waiting_cars()
    flowing = seconds_until(rig, -1.0, 110, 0.0)
    first, ramp = rig.own("first_s")[0], rig.own("ramp_s")[0]
    assert (np.abs(flowing - first)[idle] <= 1.5).all() and first.min() >= 30 and first.max() <= 90
    charging = rig.own("power_end_kw")[0].copy()
    turned = seconds_until(rig, 1.0, 40, 0.0)
    flip, falling = rig.own("flip_s")[0], charging / rig.own("charger_kw")[0] * ramp
    assert (np.abs(turned - flip - falling)[idle] <= 1.5).all() and flip.min() >= 5 and flip.max() <= 20


def test_power_rises_at_each_chargers_own_rate() -> None:
    rig, idle = waiting_cars(ramp_s=(4.0, 20.0))
    before = rig.own("power_end_kw")[0].copy()
    steepest = np.zeros(rig.n)
    for _ in range(120):
        rig.step(-1.0, dt_s=1)
        steepest = np.maximum(steepest, rig.own("power_end_kw")[0] - before)
        before = rig.own("power_end_kw")[0].copy()
    rate = (rig.own("charger_kw") / rig.own("ramp_s"))[0]
    assert (steepest <= rate * 1.0001).all() and steepest[idle] == pytest.approx(rate[idle], rel=1e-3)
    assert before[idle] == pytest.approx(rig.own("charger_kw")[0][idle]) and np.ptp(rate[idle]) > 0.5


def test_a_contactor_opens_without_current_and_the_next_start_takes_a_handshake() -> None:
    rig, idle = waiting_cars(hold_s=600)
    for _ in range(3):
        rig.step(-1.0)
    assert (rig.own("cycles")[0][idle] == 1).all()
    for minute in range(11):
        assert (rig.own("direction")[0][idle] != 0).all(), minute
        rig.step(0.0)
    still = idle & (rig.own("own_s")[0] > rig.t_s)
    assert still.sum() > 10 and (rig.own("direction")[0][still] == 0).all()
    flowing = seconds_until(rig, -1.0, 110, 0.0)
    assert (np.abs(flowing - rig.own("first_s")[0])[still] <= 1.5).all() and (rig.own("cycles")[0][still] == 2).all()


def test_a_day_has_four_cable_cycles_at_most_and_commands_leave_the_last_to_the_owner() -> None:
    rig = cars(hold_s=60)
    cycles = [rig.own("cycles")[0].copy()]
    for k in range(int(16.9 * 60)):  # from 19 h to before noon; 25 starts asked for
        owners = rig.own("own_s")[0] <= rig.t_s  # their own schedule charges
        rig.step(-1.0 if (k // 20) % 2 else 0.0)
        cycles.append(rig.own("cycles")[0].copy())
        assert owners[cycles[-1] > np.maximum(cycles[-2], 3)].all()
    assert max(c.max() for c in cycles) == 4 and (cycles[-1] == 4).sum() > 10
    counted = sum((after - before).sum() for before, after in pairwise(cycles))
    assert rig.own("cable_cycles").sum() == counted > 150
    assert rig.own("missing_kwh").max() < 0.05


def test_a_new_day_begins_a_new_count() -> None:
    rig = cars(hold_s=60)
    for k in range(17 * 60 - 5):
        rig.step(-1.0 if (k // 20) % 2 else 0.0)
    assert rig.own("cycles").max() == 4
    for _ in range(10):  # over noon, when no car is there
        rig.step(0.0)
    assert not rig.own("cycles").any() and not rig.own("direction").any()


def test_sixty_seconds_are_one_minute() -> None:
    fine, coarse = (cars(n=100) for _ in range(2))
    for minute in range(60):
        a = [1.0, 0.0, -0.5][minute // 7 % 3]
        coarse.step(a)
        for _ in range(60):
            fine.step(a, dt_s=1)
    kwh = [rig.own("charged_kwh").sum() - rig.own("discharged_kwh").sum() for rig in (fine, coarse)]
    assert kwh[0] == pytest.approx(kwh[1], rel=0.01, abs=0.2)
    assert fine.own("held_kwh") == pytest.approx(coarse.own("held_kwh"), abs=0.15)


def test_energy_in_the_car_is_what_went_through_the_charger() -> None:
    rig = Rig(V2H, n=60, start_h=18.0, by_device=True).begin()
    rig.row("meter_gain")[:] = 1.0
    before = rig.own("held_kwh").copy()
    for k in range(100):
        rig.step(float(np.cos(k / 9)), dt_s=300)
    eta = rig.cfg[V2H.layout.table.EFFICIENCY]
    moved = rig.own("charged_kwh") * eta - rig.own("discharged_kwh") / eta
    assert rig.own("held_kwh") - before == pytest.approx(moved, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"flip_s": (20.0, 5.0)}, "flip_s"),
        ({"floor_share": (0.2, 0.95)}, "floor_share"),
        ({"flips": 3}, "flips"),
        ({"cycles_per_day": 0}, "cycles_per_day"),
        ({"hold_s": 1}, "hold_s"),
    ],
)
def test_bad_settings_are_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        V2HConfig(**change)

"""The EV charger: no command crosses a hard limit, capabilities keep their word, cars drive as in Japan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ev import Fleet

from der_gym.devices.ev.model import EV
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET

# --- hard limits


COMMANDS = st.lists(st.sampled_from([-1.0, -0.4, 0.0, 0.1, 0.45, 0.8, 1.0]), min_size=1, max_size=60)


@settings(max_examples=15, deadline=None)
@given(commands=COMMANDS, every=st.sampled_from([1, 7, 60]), part=st.sampled_from([0.0, 0.25, 1.0]))
def test_no_command_keeps_a_car_from_its_need(commands, every, part):
    fleet = Fleet(n=120, fail_to_wake=0.0, ramp_s=(1e-3, 1e-3)).begin()
    cars = (fleet.row("need_kwh")[0] > 0).sum()
    steps = fleet.row("switched")[0] == 0
    a = 0.0
    for minute in range(1439):
        new = commands[(minute // every) % len(commands)]
        fleet.step(60, a, new, part)
        a = new
        power = fleet.row("now_kw")[0]
        on, rated = power > 0, fleet.row("charger_kw")[0]
        assert power[on].min(initial=9.0) > 1.1999
        np.testing.assert_allclose(power[on & ~steps], rated[on & ~steps], rtol=1e-6)
        assert np.abs(power[on] * 5 - np.round(power[on] * 5)).max(initial=0) < 1e-4
        assert (fleet.row("stops")[0] - 100 * (fleet.row("stops")[0] >= 100) <= 10).all()
    stops = fleet.registers[0, EV.registers.STOPS]
    assert stops.max() <= 10
    assert fleet.row("sessions").sum() == cars
    assert fleet.row("missing_kwh").max() < 1e-3 and fleet.row("short_cars").sum() == 0


def test_a_car_that_does_not_wake_is_counted_and_shown_as_debt():
    fleet = Fleet(n=300, clock_h=21.0, fail_to_wake=0.49, now_probability=0.0).begin()
    for minute in range(120):
        fleet.step(60, 1.0 if (minute // 10) % 2 == 0 else 0.0)
    asleep = fleet.row("wait_s")[0] > 1e8
    left = (fleet.row("need_kwh") - fleet.row("got_kwh"))[0]
    assert asleep.sum() > 5
    np.testing.assert_allclose(fleet.capability()[0, CAPABILITY.DEBT_KWH, asleep], left[asleep] / 0.9, rtol=1e-4)
    fleet.run(13 * 3600, dt=60)
    np.testing.assert_allclose(fleet.row("missing_kwh")[0, asleep], left[asleep], rtol=1e-5)
    assert fleet.row("short_cars")[0].sum() == (left[asleep] > 1).sum()


@pytest.mark.parametrize("config", [{"now_probability": 1.0}, {"max_stops": 0}, {"takes": 0}])
def test_who_takes_no_commands_charges_as_if_there_were_none(config):
    config, takes = {k: v for k, v in config.items() if k != "takes"}, config.get("takes", 1)
    free, asked = Fleet(**config).begin(), Fleet(**config).begin()
    asked.fleet[:, FLEET.ACCEPTS_COMMANDS] = takes
    for minute in range(1439):
        free.step(60)
        asked.step(60, (-1.0, 1.0)[minute // 30 % 2])
    assert free.row("charged_kwh").sum() > 10
    for name in ("energy", "registers", "state"):
        assert np.array_equal(getattr(free, name), getattr(asked, name)), name


def test_a_nearly_empty_car_charges_at_once_until_it_is_safe():
    fleet = Fleet(n=600, battery_kwh=(20, 20, 20, 20), urgent_soc=0.5, now_probability=0.0).begin().run(8 * 3600, a=1.0)
    urgent_kwh = (fleet.row("need_kwh") - fleet.row("obey_kwh"))[0]
    early = (urgent_kwh > 0.5) & (fleet.row("arrive_s")[0] < 3 * 3600)
    assert early.sum() > 5
    assert (fleet.row("own_s")[0, early] == fleet.row("arrive_s")[0, early]).all()
    over = fleet.row("got_kwh")[0, early] - urgent_kwh[early]
    assert (over > 0).all() and (over < 0.11).all()


# --- capabilities


@pytest.mark.parametrize("clock_h", [20.0, 4.5])
def test_up_is_what_thirty_minutes_of_relief_bring(clock_h):
    asked, free = (Fleet(n=1000, clock_h=clock_h).begin() for _ in range(2))
    capability = asked.capability()[0]
    tight = (capability[CAPABILITY.UP_KW] == 0) & (free.row("now_kw")[0] > 0)
    asked.run(1800, a=1.0)
    free.run(1800)
    relief_kw = 2 * (free.row("charged_kwh") - asked.row("charged_kwh"))[0]
    able = (free.row("own_s")[0] <= 0) & ~tight
    assert capability[CAPABILITY.UP_KW].sum() > 20
    assert 0.93 < relief_kw[able].sum() / capability[CAPABILITY.UP_KW].sum() < 1.02
    assert tight.sum() > 5  # no spare time for 30 minutes, or takes no commands


def test_down_is_what_thirty_minutes_of_load_bring():
    asked, free = Fleet(n=400, clock_h=21.0).begin(), Fleet(n=400, clock_h=21.0).begin()
    down = asked.capability()[0, CAPABILITY.DOWN_KW]
    asked.run(1800, a=-1.0)
    free.run(1800)
    load_kw = 2 * (asked.row("charged_kwh") - free.row("charged_kwh"))[0]
    assert down.sum() > 20
    assert 0.9 < load_kw[down > 0].sum() / down.sum() < 1.001  # the start delay is lost


def test_stored_can_wait_and_leaves_no_debt():
    fleet = Fleet(n=300, clock_h=22.0).begin()
    capability = fleet.capability()[0]
    assert capability[CAPABILITY.STORED_KWH].sum() > 100
    assert not capability[CAPABILITY.DEBT_KWH].any()
    absent = (fleet.row("arrive_s")[0] > 0) | (fleet.row("depart_s")[0] <= 0)
    assert not capability[:, absent].any()


# --- the fleet as a whole


def test_a_week_of_a_thousand_cars():
    fleet, kw = Fleet(n=1000, clock_h=12.0).begin(), []
    for _ in range(7 * 288):
        fleet.step(300)
        kw.append(fleet.fleet[0, FLEET.POWER_KW, :1000].sum())
    by_hour = np.roll(np.reshape(kw, (7, 24, 12)).mean((0, 2)), 12)  # kW of 1,000 cars = W a car
    assert 3.0 < fleet.row("charged_kwh").sum() * 0.9 / 7000 < 4.0
    assert by_hour[18:22].min() > 100 and by_hour[18:22].max() < 350
    assert by_hour[9:12].max() < 50
    sessions = fleet.row("sessions").sum()
    assert 1500 < sessions < 3000
    assert fleet.row("short_cars").sum() + (fleet.row("missing_kwh") > 0.01).sum() < 0.005 * sessions
    balance = fleet.row("charged_kwh") - fleet.row("loss_kwh") - fleet.row("charged_kwh") * np.float64(np.float32(0.9))
    assert np.abs(balance).max() < 1e-9
    stored = fleet.row("got_kwh") - fleet.row("need_kwh")
    assert stored.max() < 1e-5


def test_the_battery_gets_what_the_grid_gave_less_the_loss():
    fleet = Fleet(n=100).begin().run(20 * 3600, a=0.3)
    net = fleet.row("charged_kwh") - fleet.row("loss_kwh") - fleet.row("got_kwh")
    assert fleet.row("got_kwh").sum() > 50 and np.abs(net).max() < 1e-9


def test_cold_days_need_more():
    needs = []
    for temp_c in (20.0, 0.0):
        fleet = Fleet(n=500)
        fleet.ctx[:, EXOGENOUS.TEMP_C] = temp_c
        needs.append(fleet.begin().row("need_kwh").sum())
    assert 1.2 < needs[1] / needs[0] < 1.34


def test_weekend_arrivals_are_earlier():
    weekday, saturday = Fleet(n=2000).begin(), Fleet(n=2000, day=8995).begin()
    arrive = [f.row("arrive_s")[0][f.row("need_kwh")[0] > 0].mean() / 3600 + 12 for f in (weekday, saturday)]
    assert 17.9 < arrive[0] < 18.6 and arrive[1] < arrive[0] - 0.6

"""Home battery: limits that no command crosses, energy that adds up, a schedule of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from batteries import (
    EXACT,
    FAST,
    LO,
    NIGHT_S,
    NOON_S,
    advance,
    balance,
    begin,
    capability,
    draw,
    limit,
    make,
    mine,
    rounding,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from der_gym.devices.battery import config as c
from der_gym.devices.battery import physics as ph
from der_gym.devices.battery.config import CFG
from der_gym.devices.battery.draws import pick
from der_gym.devices.battery.model import BATTERY
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, SITE

PARAMS, STATE, ENERGY, REGISTERS = BATTERY.params, BATTERY.state, BATTERY.energy, BATTERY.registers

# what a battery is ------------------------------------------------------------------------------------------------


def test_draws_follow_their_distributions() -> None:
    f = make(n=6000)
    p, rated, dead = f.params[0], mine(f, FLEET.RATED_KW)[0], mine(f, FLEET.DEAD_S)[0]
    assert p[PARAMS.CAPACITY_KWH].mean() == pytest.approx(8.95, abs=0.15)  # capability 8.0, shipments 9.3 kWh
    assert rated.min() >= 2.0 and rated.max() <= np.float32(5.9) and 3.2 <= rated.mean() <= 4.0
    trip = p[PARAMS.EFFICIENCY] ** 2
    assert trip.mean() == pytest.approx(0.88, abs=0.005)
    assert trip.min() >= 0.7999 and trip.max() <= 0.9301
    kept = np.round(p[PARAMS.RESERVE_KWH] / p[PARAMS.CAPACITY_KWH], 3)
    assert np.array_equal(np.unique(kept), np.float32([0, 0.1, 0.2, 0.3]))
    assert [float((kept == np.float32(k)).mean()) for k in (0, 0.1, 0.2, 0.3)] == pytest.approx(
        [0.1, 0.2, 0.4, 0.3], abs=0.03
    )
    assert (dead > 600).mean() == pytest.approx(0.03, abs=0.01)
    assert np.median(dead[dead < 600]) == pytest.approx(2.0, abs=0.15)
    full_s, release_s = rated / p[PARAMS.RATE_KW_S], rated / p[PARAMS.RELEASE_KW_S]
    assert (full_s <= 2.001).mean() == pytest.approx(0.8, abs=0.03)  # the slow class starts fast
    assert ((full_s > 9.9) & (full_s < 30.1)).mean() == pytest.approx(0.2, abs=0.03)
    assert ((release_s > 119) & (release_s < 301)).mean() == pytest.approx(0.1, abs=0.02)
    assert p[PARAMS.GAIN].std() == pytest.approx(0.02, abs=0.002) and p[PARAMS.OFFSET_KW].std() == pytest.approx(
        0.03, abs=0.003
    )
    assert (p[PARAMS.EXPORT_MAX_KW] > 0).mean() == pytest.approx(0.75, abs=0.03)
    start = p[PARAMS.NIGHT_START_S]
    assert (start % 60 == 0).all() and start.min() >= 0 and start.max() < 240 * 60 and np.unique(start).size > 200


def test_the_resource_table_is_kept() -> None:
    f = make(n=50, given=(4.4, 0.0))
    assert (mine(f, FLEET.RATED_KW) == np.float32(4.4)).all() and (f.params[:, PARAMS.EXPORT_MAX_KW] == 0).all()
    other = make(n=50)
    assert np.array_equal(
        f.params[:, PARAMS.CAPACITY_KWH], other.params[:, PARAMS.CAPACITY_KWH]
    )  # the rest is as drawn


def test_limits_and_panels_are_those_of_the_site_at_the_draw() -> None:
    into, out, panels = (np.random.default_rng(k).uniform(1.0, 9.0, 60).astype(np.float32) for k in range(3))
    panels[::3] = 0.0
    f = make(n=60, pv_kw=panels, limits=(into, out))
    p, at = f.params[0], f.index[0, LO:]
    feeds = make(n=60).params[0, PARAMS.EXPORT_MAX_KW] > 0
    assert feeds.any() and not feeds.all()
    assert np.array_equal(p[PARAMS.IMPORT_MAX_KW], into[at])
    assert np.array_equal(p[PARAMS.EXPORT_MAX_KW], np.where(feeds, out[at], 0.0))
    queue = make(n=60, pv_kw=5.0).params[0, PARAMS.NIGHT_DRAW]
    assert (queue >= 0).all() and np.array_equal(p[PARAMS.NIGHT_DRAW], np.where(panels[at] > 0, queue, -1.0))


def test_the_fleet_key_draws_and_the_world_key_does_not() -> None:
    f = make(n_world=2)
    before = f.params.copy()
    f.keys[:, 2:] += np.uint32(9)
    draw(f)
    assert np.array_equal(f.params, before)
    f.keys[:, 0] += np.uint32(9)
    draw(f)
    assert not np.array_equal(f.params, before)


def test_pool_carries_the_state_of_charge_between_reserve_and_full() -> None:
    f = make(n=3)
    f.pool[0, 0] = 0.0, 1.0, np.nan
    begin(f)
    p = f.params[0].astype(np.float64)
    middle = (p[PARAMS.RESERVE_KWH, 2] + p[PARAMS.CAPACITY_KWH, 2]) / 2
    assert f.energy[0, ENERGY.ENERGY_KWH].tolist() == pytest.approx(
        [p[PARAMS.RESERVE_KWH, 0], p[PARAMS.CAPACITY_KWH, 1], middle], rel=1e-12
    )
    out = np.zeros_like(f.pool)
    BATTERY.kernels.save(0, 1, 1, f.active, f.params, f.state, f.energy, out)
    assert out[0, 0].tolist() == [0.0, 1.0, 0.5]


# a command --------------------------------------------------------------------------------------------------------


def test_a_command_shifts_the_own_schedule_with_each_units_error() -> None:
    f = make(n=200, given=(3.0, 1.0))
    for _ in range(3):
        got = advance(f, 0.5)
    p = f.params[0]
    assert got[0] == pytest.approx(-1.0 - 0.5 * 2.0 * p[PARAMS.GAIN] + p[PARAMS.OFFSET_KW], abs=1e-5)
    assert got.mean() == pytest.approx(-2.0, abs=0.02)  # half way from covering a house of 1 kW to full; errors cancel
    for _ in range(6):  # the slow class takes up to five minutes to end a discharge
        got = advance(f, 0.0)
    assert got[0] == pytest.approx(-1.0, abs=1e-5)  # back to covering the house, without error


@pytest.mark.parametrize("own_kw", [-1.2, 0.0, 2.0])
def test_there_is_no_cliff_beside_no_command(own_kw: float) -> None:
    f4 = np.float32
    none = ph.wanted_kw(f4(0.0), f4(own_kw), f4(4.0), f4(1.0), f4(0.0))
    for a in (-1e-3, 1e-3):
        assert ph.wanted_kw(f4(a), f4(own_kw), f4(4.0), f4(1.0), f4(0.0)) == pytest.approx(none, abs=0.01)
    assert ph.wanted_kw(f4(1.0), f4(own_kw), f4(4.0), f4(1.0), f4(0.0)) == pytest.approx(-4.0, abs=1e-5)
    assert ph.wanted_kw(f4(-1.0), f4(own_kw), f4(4.0), f4(1.0), f4(0.0)) == pytest.approx(4.0, abs=1e-5)


def test_a_command_that_arrives_within_a_tick_acts_for_the_rest() -> None:
    f, g = make(given=(3.0, 1.0), **EXACT, **FAST), make(given=(3.0, 1.0), **EXACT, **FAST)
    mixed = advance(f, 0.0, 1.0, part=0.75)
    early, late = advance(g, 0.0, dt=15.0), advance(g, 1.0, dt=45.0)
    assert mixed == pytest.approx((early * 15 + late * 45) / 60, rel=1e-5)
    assert mixed == pytest.approx(-0.25 - 0.75 * 3.0, abs=0.1)
    assert f.state[:, STATE.POWER_END_KW] == pytest.approx(-3.0)


def test_opted_out_devices_keep_their_own_schedule() -> None:
    f = make(given=(3.0, 1.0), **FAST)
    mine(f, FLEET.ACCEPTS_COMMANDS)[:] = 0.0
    advance(f, 1.0)
    assert advance(f, 1.0) == pytest.approx(-1.0, abs=1e-6)
    assert (capability(f)[CAPABILITY.UP_KW] == 0).all() and (capability(f)[CAPABILITY.DOWN_KW] == 0).all()


def test_a_slow_unit_ends_its_discharge_slowly_and_charges_at_once() -> None:
    slow = {"ramp_fast_share": 0.0, "ramp_middle_share": 0.0, "release_min_s": 240.0, "release_max_s": 240.0}
    f = make(n=4, soc=0.7, given=(3.0, 1.0), usable_kwh=(9.8,), usable_share=(1.0,), **EXACT, **slow)
    f.fleet[:, FLEET.STANDBY] = 1.0
    advance(f, 1.0)
    assert advance(f, 1.0) == pytest.approx(-3.0)
    assert [float(advance(f, 0.0).mean()) for _ in range(5)] == pytest.approx(
        [-2.625, -1.875, -1.125, -0.375, 0.0], abs=1e-3
    )
    advance(f, 1.0)
    advance(f, 1.0)
    advance(f, -1.0)
    assert f.state[:, STATE.POWER_END_KW] == pytest.approx(3.0)


# Without standing loss: where a store runs empty within the minute, up to 40 W of it would count one way or the other.
@pytest.mark.parametrize(("a", "soc"), [(0.8, 0.5), (1.0, 0.02), (-0.9, 0.5), (-1.0, 0.93), (0.0, 0.5)])
def test_sixty_seconds_are_one_minute(a: float, soc: float) -> None:
    f, g = (make(n=60, soc=soc, standby_min_kw=0.0, standby_max_kw=0.0) for _ in range(2))
    for minute in range(5):
        command = a if minute < 4 else 0.0
        advance(f, command)
        for _ in range(60):
            advance(g, command, dt=1.0)
    drawn = [x.registers[0, REGISTERS.CHARGED_KWH] - x.registers[0, REGISTERS.DISCHARGED_KWH] for x in (f, g)]
    assert drawn[0].sum() == pytest.approx(drawn[1].sum(), rel=1e-3)
    assert f.energy[0, ENERGY.ENERGY_KWH] == pytest.approx(g.energy[0, ENERGY.ENERGY_KWH], abs=2e-3)


# limits -----------------------------------------------------------------------------------------------------------

tick = st.tuples(
    st.sampled_from([0.0, 1.0, -1.0, 0.01, -0.4, 0.6]),
    st.sampled_from([0.0, 1.0, -1.0, 0.5]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([1.0, 10.0, 60.0, 300.0]),
    st.sampled_from([-12.0, -3.0, -0.2, 0.0, 0.4, 5.0, 11.0]),
    st.sampled_from([(0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]),
    st.sampled_from([NIGHT_S, NOON_S]),
)


@settings(max_examples=60)
@given(soc=st.sampled_from([0.0, 0.004, 0.5, 0.79, 0.998, 1.0]), ticks=st.lists(tick, min_size=1, max_size=25))
def test_no_sequence_of_commands_crosses_a_limit(soc: float, ticks: list[Any]) -> None:
    f = make(n=12, soc=soc, limits=(6.0, np.tile([2.0, 9.9], 6)))
    start = f.energy[:, ENERGY.ENERGY_KWH].copy()
    for a0, a1, part, dt, net, (standby, storm), sod_s in ticks:
        f.site[:, SITE.NET_KW] = net
        f.fleet[:, FLEET.STANDBY], f.ctx[:, EXOGENOUS.STORM], f.ctx[:, EXOGENOUS.SOD_S] = standby, storm, sod_s
        power = advance(f, a0, a1, part, dt)
        check_limits(f, power, net, storm)
        check_limits(f, f.state[:, 0], net, storm, slack=1e-6)
    assert (np.abs(balance(f, start)) <= rounding(f)).all()


def check_limits(f: Any, power: np.ndarray, net: float, storm: float, slack: float = 0.0) -> None:
    """Assert every hard limit on power (within ``slack`` kW), and on the stored energy as it is now."""
    feeds = f.params[:, PARAMS.EXPORT_MAX_KW] > 0  # every site may feed the grid
    out, into = np.maximum(-power, 0), np.maximum(power, 0)
    assert (np.abs(power) <= mine(f, FLEET.RATED_KW) + slack).all()
    assert (out[~feeds] <= np.float32(max(net, 0.0)) + slack).all()  # never feeds the grid
    most = np.maximum(np.float32(net) + limit(f, 1), 0.0)
    assert (out <= most + slack)[feeds].all()
    assert (into <= np.maximum(limit(f, 0) - np.float32(net), 0.0) + slack).all()
    assert storm == 0.0 or (out == 0.0).all()
    energy = f.energy[:, ENERGY.ENERGY_KWH]
    assert (energy >= f.params[:, PARAMS.RESERVE_KWH].astype(np.float64) - 1e-7).all()
    assert (energy <= f.params[:, PARAMS.CAPACITY_KWH].astype(np.float64) + 1e-7).all()


def test_energy_is_conserved_over_a_week_of_swings() -> None:
    f, rng = make(n=200), np.random.default_rng(0)
    start = f.energy[:, ENERGY.ENERGY_KWH].copy()
    for _ in range(7 * 96):
        f.site[:, SITE.NET_KW] = rng.normal(0.2, 1.5, f.n)
        advance(f, float(rng.choice([0.0, 0.0, 0.7, -0.7])), dt=300.0)
    through = f.registers[:, REGISTERS.CHARGED_KWH : REGISTERS.LOSS_KWH + 1].sum(axis=1)
    assert (through > 5.0).all()
    assert (np.abs(balance(f, start)) <= rounding(f)).all()


def test_without_feed_back_a_full_command_gives_the_house_draw_and_no_more() -> None:
    f = make(given=(3.0, 0.0), **FAST)
    for _ in range(2):
        assert (advance(f, 1.0) >= -1.0).all()
    assert advance(f, 1.0) == pytest.approx(-1.0, abs=0.05)
    f.site[:, SITE.NET_KW] = -2.0  # the sun comes out: the rest does not exist
    assert (advance(f, 1.0) == 0.0).all()


def test_charge_falls_beyond_four_fifths_and_stops_when_full() -> None:
    f = make(n=20, soc=1.0, given=(3.0, 1.0), reserve=(0.0,), reserve_share=(1.0,), **EXACT, **FAST)
    capacity = f.params[:, PARAMS.CAPACITY_KWH].astype(np.float64)
    powers = {}
    for soc in (0.5, 0.9, 1.0):
        f.energy[:], f.state[:] = (soc * capacity)[:, None], 0.0
        advance(f, -1.0, dt=1.0)
        advance(f, -1.0, dt=1.0)
        powers[soc] = advance(f, -1.0, dt=1.0)
    assert powers[0.5] == pytest.approx(3.0)
    assert powers[0.9] == pytest.approx(0.6 * 3.0, rel=1e-2)
    assert (powers[1.0] <= 0.01).all()


def test_standing_by_costs_energy_down_to_the_reserve() -> None:
    f = make(n=20, soc=0.01, standby_min_kw=0.02, standby_max_kw=0.02)
    f.fleet[:, FLEET.STANDBY] = 1.0
    start = f.energy[0, ENERGY.ENERGY_KWH].copy()
    assert (advance(f, 0.0) == 0.0).all()
    assert start - f.energy[0, ENERGY.ENERGY_KWH] == pytest.approx(0.02 / 60, rel=1e-6)
    for _ in range(200):
        advance(f, 0.0, dt=300.0)
    assert f.energy[0, ENERGY.ENERGY_KWH] == pytest.approx(f.params[0, PARAMS.RESERVE_KWH], abs=1e-9)


# its own schedule -------------------------------------------------------------------------------------------------


def test_storm_charges_and_holds_whatever_the_command() -> None:
    f = make(given=(3.0, 1.0), **FAST)
    advance(f, 1.0)
    f.ctx[:, EXOGENOUS.STORM] = 1.0
    for _ in range(120):
        assert (advance(f, 1.0, dt=300.0) >= 0.0).all()
    held = f.energy[0, ENERGY.ENERGY_KWH] / f.params[0, PARAMS.CAPACITY_KWH]
    assert (held > 0.999).all()
    assert (capability(f)[CAPABILITY.UP_KW] == 0).all()


def test_a_home_with_panels_takes_up_the_surplus_and_covers_itself() -> None:
    f = make(n=30, pv_kw=5.0, **FAST, night_share_pv=(0.0, 0.0, 0.0))
    f.site[:, SITE.NET_KW] = -1.2
    advance(f)
    assert advance(f) == pytest.approx(1.2, abs=1e-6)
    f.ctx[:, EXOGENOUS.SOD_S], f.site[:, SITE.NET_KW] = NIGHT_S, 0.4
    advance(f)
    assert advance(f) == pytest.approx(-0.4, abs=1e-6)


def test_a_home_without_panels_charges_by_night_to_its_target() -> None:
    f = make(n=40, soc=0.0, **FAST)
    p = f.params[0].astype(np.float64)
    started = np.zeros(f.n)
    for minute in range(480):
        f.ctx[:, EXOGENOUS.SOD_S] = (82_800 + 60 * minute) % 86_400
        power = advance(f)[0]
        assert (power >= 0.0).all()  # cheap hours: it buys, it does not cover
        started = np.where((started == 0) & (power > 0), 60.0 * minute + 1, started)
    assert np.array_equal(started - 1, p[PARAMS.NIGHT_START_S])
    reached = f.energy[0, ENERGY.ENERGY_KWH] - p[PARAMS.RESERVE_KWH]
    lost = 8 * p[PARAMS.STANDBY_KW]
    assert (reached <= p[PARAMS.NIGHT_TARGET_KWH] + 1e-6).all()
    assert (reached >= p[PARAMS.NIGHT_TARGET_KWH] - lost - 0.15).all()
    f.ctx[:, EXOGENOUS.SOD_S] = 25_200
    advance(f)
    assert advance(f) == pytest.approx(-1.0, abs=1e-6)  # from 07 h it covers the house


def test_the_share_of_panel_homes_that_charge_by_night_follows_the_season() -> None:
    buys = {}
    for season in range(3):
        f = make(n=2000, soc=0.2, pv_kw=4.8, night_start_max_min=0.0, **FAST)
        f.ctx[:, EXOGENOUS.SOD_S], f.ctx[:, EXOGENOUS.SEASON] = NIGHT_S, season
        buys[season] = advance(f)[0] > 0
    assert [float(x.mean()) for x in buys.values()] == pytest.approx([0.20, 0.10, 0.35], abs=0.04)
    assert not (buys[1] & ~buys[0]).any() and not (buys[0] & ~buys[2]).any()  # the same homes, and more


def test_standby_gives_nothing_of_its_own_and_still_follows_a_command() -> None:
    f = make(given=(3.0, 1.0), **EXACT, **FAST)
    f.fleet[:, FLEET.STANDBY] = 1.0
    f.site[:, SITE.NET_KW] = -2.0
    assert (advance(f) == 0.0).all()
    advance(f, 0.2)
    assert advance(f, 0.2) == pytest.approx(-0.6, abs=1e-6)


# the capability --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soc", [0.05, 0.5, 0.9])
def test_what_the_gauge_promises_is_delivered_for_half_an_hour(soc: float) -> None:
    instant = {"ramp_fast_min_s": 0.2, "ramp_fast_max_s": 0.2}
    for row, a in ((CAPABILITY.UP_KW, 1.0), (CAPABILITY.DOWN_KW, -1.0)):
        f = make(n=100, soc=soc, **EXACT, **FAST, **instant)
        f.fleet[:, FLEET.STANDBY] = 1.0
        promised = capability(f)[row, 0]
        given_kw = np.zeros(f.n)
        for _ in range(30):
            given_kw += -a * advance(f, a)[0] / 30
        assert given_kw == pytest.approx(promised, rel=0.05, abs=1e-3)
    assert (promised > 0).all()


def test_stored_energy_counts_from_the_reserve() -> None:
    f = make(soc=0.25, given=(3.0, 0.0))
    p, got = f.params[0], capability(f)
    expected = 0.25 * (p[PARAMS.CAPACITY_KWH] - p[PARAMS.RESERVE_KWH]) * p[PARAMS.EFFICIENCY]
    assert got[CAPABILITY.STORED_KWH, 0] == pytest.approx(expected, rel=1e-5)  # also where nothing may be fed back
    assert (got[CAPABILITY.UP_KW] <= 1.0).all() and (got[CAPABILITY.DEBT_KWH] == 0.0).all()


# settings ---------------------------------------------------------------------------------------------------------


def test_each_setting_reaches_its_place() -> None:
    config = c.BatteryConfig()
    cfg = BATTERY.constants(config)
    for name, at in zip(CFG.names, range(CFG.N), strict=True):
        value = getattr(config, name, None)
        assert not isinstance(value, float) or cfg[at] == np.float32(value), name
    assert cfg[CFG.NIGHT_SHARE_PV + 2] == np.float32(0.35) and cfg[CFG.USABLE_KWH] == np.float32(4.0)
    assert cfg.shape == (65,)
    assert [float(pick.py_func(cfg, CFG.RESERVE, np.float32(u))) for u in (0.05, 0.15, 0.5, 0.99)] == pytest.approx(
        [0.0, 0.1, 0.2, 0.3]
    )


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"usable_kwh": (5.0, 8.0), "usable_share": (1.0,)}, "usable_kwh"),
        ({"reserve_share": (0.5, 0.2, 0.2, 0.2)}, "reserve"),
        ({"reserve": (0.0, 0.1, 0.2, 0.97)}, "reserve"),
        ({"release_min_s": 300.0, "release_max_s": 200.0}, "release_min_s"),
        ({"ramp_fast_share": 0.9}, "ramp_fast_share"),
        ({"capacity": 9.0}, "capacity"),
    ],
)
def test_settings_that_cannot_be_are_refused(bad: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        c.BatteryConfig.model_validate(bad)

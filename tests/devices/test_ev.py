"""The EV charger: sessions by address, charging in closed form, hard limits under any command."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.devices.ev import sessions
from der_gym.devices.ev.config import CFG, EVConfig
from der_gym.devices.ev.model import EV
from der_gym.devices.ev.physics import level_kw
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, NOT_GIVEN, SITE

PARAMS, STATE = EV.params, EV.state

DAY_S = 86_400
MONDAY = 8997  # day number since 2000-01-01; 8,995 = 7 * 1,285 is a Saturday


class Fleet:
    """A small fleet of cars, stepped by the kernels; ``clock_h`` is the time of day at which it begins."""

    def __init__(self, n_world: int = 1, n: int = 64, clock_h: float = 12.0, day: int = MONDAY, lo: int = 0, **config):
        self.config = EVConfig(**config)
        self.cfg = EV.constants(self.config)
        self.n, self.n_world, self.lo = n, n_world, lo
        self.active = np.ones(n_world, bool)
        self.keys = np.random.default_rng(5).integers(0, 2**32, (n_world, 4), dtype=np.uint32)
        self.uid = np.arange(100 - lo, 100 + n, dtype=np.uint32)[None]
        self.start_s = int(day * DAY_S + clock_h * 3600)
        self.t_s = 0
        self.ctx = np.zeros((n_world, EXOGENOUS.N), np.float32)
        self.ctx[:, EXOGENOUS.TEMP_C] = 16.0
        self.told_kw, self.given = (
            np.full(n, np.nan, np.float32),
            np.full((1, GIVEN.N, lo + n), NOT_GIVEN, np.int8),
        )
        self.params = np.zeros((n_world, len(EV.params), n), np.float32)
        self.state = np.zeros((n_world, len(EV.state), n), np.float32)
        self.energy = np.zeros((n_world, len(EV.energy), n))
        self.fleet = np.zeros((n_world, FLEET.N, lo + n + 3), np.float32)
        self.registers = np.zeros((n_world, len(EV.registers), n))  # each car's own
        self.fleet[:, FLEET.ACCEPTS_COMMANDS], self.fleet[:, FLEET.METER_GAIN] = 1, 1
        self.out = np.zeros((n_world, lo + n + 3, CAPABILITY.N))
        edge = np.arange(lo + n + 4, dtype=np.int64)
        self.cells = edge[:-1].copy(), edge[1:].copy()  # every place is a cell of its own
        self.site_index, self.limits = np.zeros((1, lo + n), np.int32), np.ones((1, 2, 1), np.float32)
        self.site = np.zeros((n_world, SITE.N, 1), np.float32)

    @property
    def abs_s(self) -> np.ndarray:
        return np.full(self.n_world, self.start_s + self.t_s, np.int64)

    def head(self) -> tuple[Any, ...]:
        return 0, self.n_world, 1, self.active

    def clock(self, dt: float) -> None:
        self.ctx[:, EXOGENOUS.T_S], self.ctx[:, EXOGENOUS.DT_S] = self.t_s, dt
        self.ctx[:, EXOGENOUS.SOD_S] = (self.start_s + self.t_s) % DAY_S

    def draw(self) -> None:
        self.fleet[self.active, FLEET.RATED_KW, self.lo : self.lo + self.n] = self.told_kw
        homes = (self.given, self.site_index, self.site, self.limits)
        EV.kernels.draw(*self.head(), self.keys, self.uid, self.cfg, *homes, self.params, self.fleet, self.lo)

    def begin(self) -> Fleet:
        self.draw()
        self.clock(60)
        pool = np.full((self.n_world, 0, self.n), np.nan, np.float32)
        pool.flags.writeable = False
        saved = (pool, np.arange(self.n_world), np.zeros((1, self.n), np.int16))
        tail = (*saved, self.params, self.state, self.energy, self.lo)
        self.state[self.active], self.energy[self.active] = 0.0, 0.0
        self.redraw(fresh=True)
        EV.kernels.begin(*self.head(), self.keys, self.uid, self.abs_s, self.ctx, self.cfg, *tail)
        self.redraw()
        return self

    def redraw(self, fresh: bool = False) -> None:
        tail = (self.params, self.state, self.energy, self.lo, fresh)
        EV.kernels.redraw(*self.head(), self.keys, self.uid, self.abs_s, self.ctx, self.cfg, *tail)

    def common(self, *registers: np.ndarray) -> tuple[Any, ...]:
        places = (self.ctx, self.cfg, self.site_index, self.site)
        return (*self.head(), *places, self.params, self.state, self.energy, *registers, self.fleet, self.lo)

    def step(self, dt: int, a0: Any = 0.0, a1: Any = None, part: float = 0.0) -> None:
        if self.t_s % 300 == 0:
            self.redraw()
        self.clock(dt)
        at = slice(self.lo, self.lo + self.n)
        self.fleet[:, FLEET.CMD_START, at], self.fleet[:, FLEET.CMD_END, at] = a0, a0 if a1 is None else a1
        self.fleet[:, FLEET.CMD_END_SHARE, at] = part
        EV.kernels.advance(*self.common(self.registers))
        self.t_s += dt

    def run(self, seconds: int, dt: int = 60, a: float = 0.0) -> Fleet:
        for _ in range(seconds // dt):
            self.step(dt, a)
        return self

    def capability(self) -> np.ndarray:
        self.clock(60)
        EV.kernels.capability(*self.common(), True, False, *self.cells, self.out)
        return self.out[:, self.lo : self.lo + self.n].transpose(0, 2, 1)

    def row(self, name: str) -> np.ndarray:
        kinds = (
            (EV.params, self.params),
            (EV.state, self.state),
            (EV.energy, self.energy),
            (EV.registers, self.registers),
        )
        for rows, array in kinds:
            if name in rows:
                return array[:, rows.number(name)]
        raise KeyError(name)


def plain(module: types.ModuleType) -> dict[str, Any]:
    """Return the module's names with every compiled function replaced by its plain Python source."""
    names = dict(vars(module))
    for name, value in list(names.items()):
        if hasattr(value, "py_func"):
            source = value.py_func
            names[name] = types.FunctionType(source.__code__, names, name)
    return names


# --- kernels and their scalars


def replayed(module: dict[str, Any], key: tuple, day: int, cfg: np.ndarray, car: tuple) -> tuple:
    """Return (km, plugged in) of one car, its days taken one after another from the last that is sure."""
    battery_kwh, weekday_km, weekend_km, _, phase_d = car
    cycle = int(cfg[CFG.PLUG_CYCLE_D])
    back = (day + int(phase_d)) % cycle or cycle
    km, plugged = np.float32(0), np.float32(0)
    for d in range(day - back + 1, day + 1):
        mean = weekend_km if module["weekend"](np.int64(d)) else weekday_km
        km, plugged = module["drive"](*key, d, cfg, battery_kwh, mean, km, plugged)
    return km, np.float32(1) if back == cycle else plugged


def test_sessions_are_the_plain_function_of_the_address():
    fleet = Fleet(n_world=2, n=30).begin()
    module = plain(sessions)
    for s in range(2):
        for i in range(fleet.n):
            car, key = module["habits"](fleet.row("sort")[s, i], fleet.cfg), (*fleet.keys[s, 2:], fleet.uid[0, i])
            km, plugged = replayed(module, key, MONDAY, fleet.cfg, car)
            arrive, depart, now, threshold = module["hours"](*key, np.int64(MONDAY), fleet.cfg)
            delay_and_fail = module["waking"](*key, np.int64(MONDAY), fleet.cfg)
            session = module["session"](
                np.float32(0), arrive, depart, now, km, plugged, np.float32(16), fleet.cfg,
                fleet.params[s, PARAMS.CHARGER_KW, i], car[0], car[3],
            )  # fmt: skip
            want = (*session, *delay_and_fail, threshold, now)
            rows = [*range(STATE.THRESHOLD + 1), STATE.STOPS]
            assert np.array_equal(fleet.state[s, rows, i], np.array(want, np.float32))


# --- addresses


def test_a_car_has_the_same_luck_in_another_place_of_the_batch():
    fleet, alone = Fleet(n_world=3, n=20), Fleet(n_world=1, n=1, lo=5)
    alone.keys[0], alone.uid[0, 5] = fleet.keys[2], fleet.uid[0, 7]
    fleet.begin().run(2 * DAY_S, dt=60, a=0.4)
    alone.begin().run(2 * DAY_S, dt=60, a=0.4)
    assert np.array_equal(alone.params[0, :, 0], fleet.params[2, :, 7])
    assert np.array_equal(alone.state[0, :, 0], fleet.state[2, :, 7])
    assert np.array_equal(alone.energy[0, :, 0], fleet.energy[2, :, 7])
    assert np.array_equal(alone.registers[0, :, 0], fleet.registers[2, :, 7])


def test_shards_of_a_world_share_its_luck():
    whole, parts = Fleet(n=20).begin(), Fleet(n_world=2, n=10)
    keys, uid = whole.keys[:1], whole.uid.reshape(2, 10)
    active, abs_s = np.ones(1, bool), whole.abs_s
    given, limits = np.full((2, GIVEN.N, 10), NOT_GIVEN, np.int8), np.ones((2, 2, 1), np.float32)
    parts.fleet[:, FLEET.RATED_KW] = np.nan
    homes = (given, np.zeros((2, 10), np.int32), parts.site, limits)
    pool = np.zeros((2, 0, 10), np.float32)
    pool.flags.writeable = False
    EV.kernels.draw(0, 2, 2, active, keys, uid, whole.cfg, *homes, parts.params, parts.fleet, 0)
    saved = (pool, np.zeros(2, np.int64), np.zeros((2, 10), np.int16))
    who, own = (active, keys, uid, abs_s, whole.ctx, whole.cfg), (parts.params, parts.state, parts.energy, 0)
    EV.kernels.redraw(0, 2, 2, *who, *own, True)
    EV.kernels.begin(0, 2, 2, *who, *saved, *own)
    assert np.array_equal(np.concatenate(list(parts.state), axis=1), whole.state[0])


@pytest.mark.parametrize("clock_h", [18.5, 23.75, 6.0, 11.5])
def test_begin_is_where_an_uncommanded_run_from_noon_arrives(clock_h):
    gone_s = int(((clock_h - 12) % 24) * 3600)
    late = Fleet(clock_h=clock_h, day=MONDAY if clock_h > 12 else MONDAY + 1).begin()
    early = Fleet(clock_h=12.0).begin().run(gone_s, dt=60)
    times = [STATE.ARRIVE_S, STATE.OWN_S, STATE.DEPART_S]
    there = early.row("need_kwh")[0] > 0
    assert there.sum() > 10
    for row in times:
        assert np.array_equal(early.state[0, row, there] - gone_s, late.state[0, row, there])
    assert np.array_equal(early.state[0, STATE.NEED_KWH :][:5], late.state[0, STATE.NEED_KWH :][:5])
    np.testing.assert_allclose(late.row("got_kwh"), early.row("got_kwh"), atol=2e-3)
    np.testing.assert_allclose(late.row("now_kw"), early.row("now_kw"), atol=1e-3)
    assert not late.row("missing_kwh").any() and not late.registers.any()


def test_noon_at_begin_is_not_drawn_twice():
    fleet = Fleet().begin()
    before = fleet.state.copy(), fleet.energy.copy()
    fleet.redraw()
    assert np.array_equal(before[0], fleet.state) and np.array_equal(before[1], fleet.energy)


def test_clock_times_are_exact_minutes_two_days_into_the_episode():
    fleet = Fleet(n=200, clock_h=13.0).begin().run(2 * DAY_S, dt=300)
    there = fleet.row("need_kwh")[0] > 0
    for name in ("arrive_s", "own_s", "depart_s"):
        assert not (fleet.row(name)[0, there] % 60).any()
    arrive, own, depart = (fleet.row(name)[0, there] for name in ("arrive_s", "own_s", "depart_s"))
    noon = fleet.t_s - 3600
    assert (arrive >= noon).all() and (arrive < noon + DAY_S / 2).all() and (depart < noon + DAY_S).all()
    assert (arrive <= own).all() and (own < depart).all()


# --- charging


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_sixty_ticks_of_a_second_are_one_of_a_minute(part):
    fine, coarse = Fleet(n=200, clock_h=17.0).begin(), Fleet(n=200, clock_h=17.0).begin()
    a, rng = 0.0, np.random.default_rng(2)
    for minute in range(240):
        new = float(rng.uniform(-1, 1)) if minute % 10 == 0 else a
        coarse.step(60, a, new, part)
        for second in range(60):
            fine.step(1, new if second >= 60 * (1 - part) else a)
        a = new
    want, got = fine.row("charged_kwh"), coarse.row("charged_kwh")
    assert want.sum() > 50
    assert abs(got.sum() / want.sum() - 1) < 1e-3
    np.testing.assert_allclose(got, want, atol=0.02)


@pytest.mark.parametrize("switched", [0.0, 1.0])
@pytest.mark.parametrize("rated", [3.0, 3.2, 6.0])
def test_levels_are_steps_above_the_floor_and_right_in_the_mean(switched, rated):
    thresholds = ((np.arange(2000) + 0.5) / 2000).astype(np.float32)
    for fraction in np.linspace(0, 1, 21, dtype=np.float32):
        power = np.array([level_kw(fraction, np.float32(rated), np.float32(switched), u) for u in thresholds])
        assert abs(power.mean() - fraction * rated) < 0.01
        if switched:
            assert set(np.unique(power)) <= {0, np.float32(rated)}
        else:
            assert ((power == 0) | (power > 1.19)).all()
            np.testing.assert_allclose(power * 5, np.round(power * 5), atol=1e-4)


def test_the_start_waits_for_the_car():
    fleet = Fleet(n=300, clock_h=17.0, habit_share=(1, 0, 0), ramp_s=(1e-3, 1e-3), now_probability=0.0).begin()
    fresh = (fleet.row("arrive_s")[0] >= 0) & (fleet.row("need_kwh")[0] > 2)
    fleet.run(3 * 3600, dt=1)
    there_s = np.clip(3 * 3600 - fleet.row("arrive_s")[0] - fleet.row("delay_s")[0], 0, None)
    charging = fresh & (fleet.row("now_kw")[0] > 0)
    assert charging.sum() > 20
    want = fleet.row("charger_kw")[0] * there_s / 3600
    np.testing.assert_allclose(fleet.row("charged_kwh")[0, charging], want[charging], rtol=1e-3, atol=1e-3)
    delays = fleet.row("delay_s")[0]
    assert 0.04 < (delays == 300).mean() < 0.14 and 10 < np.median(delays) < 25 and delays.max() <= 600


def test_an_early_call_charges_a_timer_car_and_a_relieving_one_stops_it():
    fleet = Fleet(n=200, clock_h=21.5, habit_share=(0, 1, 0), timer_h=(1.0, 1.0), now_probability=0.0).begin()
    waiting = (fleet.row("arrive_s")[0] < 0) & (fleet.row("need_kwh")[0] > 3) & (fleet.row("own_s")[0] > 5400)
    assert waiting.sum() > 5
    fleet.run(1800, a=-1.0)
    assert (fleet.row("now_kw")[0, waiting] == fleet.row("charger_kw")[0, waiting]).all()
    fleet.run(60, a=0.0)
    assert not fleet.row("now_kw")[0, waiting].any()
    assert (fleet.row("stops")[0, waiting] == 1).all()


# --- settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chargers_kw": (3, 6)}, "chargers_kw"),
        ({"charger_share": (0.6, 0.6)}, "ev.charger_share"),
        ({"finish_before_s": 800.0}, "laxity_margin_s"),
        ({"laxity_margin_s": 60.0}, "laxity_margin_s"),
        ({"ramp_s": (0.0, 8.0)}, "ev.ramp_s"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(ValidationError, match=words):
        EVConfig(**change)


def test_settings_stand_in_their_places():
    cfg = EV.constants(EVConfig())
    assert cfg.shape == (CFG.N,) and cfg.dtype == np.float32 and np.isfinite(cfg).all()
    assert cfg[CFG.NOW_PROBABILITY] == np.float32(0.05) and cfg[CFG.LAXITY_MARGIN_S] == 900

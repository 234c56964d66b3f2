"""The EV charger: sessions by address, charging in closed form, hard limits under any command."""

from __future__ import annotations

import platform
import re
import types
from typing import Any

import numba
import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.devices import base
from der_gym.devices.ev import config, model, physics, sessions
from der_gym.devices.ev import model as m
from der_gym.devices.ev.config import EVConfig, constants
from der_gym.devices.ev.physics import level_kw
from der_gym.engine.compile import _OPTIONS
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, SITE

DAY_S = 86_400
MONDAY = 8997  # day number since 2000-01-01; 8,995 = 7 * 1,285 is a Saturday


class Fleet:
    """A small fleet of cars, stepped by the kernels; ``clock_h`` is the time of day at which it begins."""

    def __init__(self, n_world: int = 1, n: int = 64, clock_h: float = 12.0, day: int = MONDAY, lo: int = 0, **config):
        self.config = EVConfig(**config)
        self.cfg = constants(self.config)
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
            np.full((1, GIVEN.N, lo + n), base.NOT_GIVEN, np.int8),
        )
        self.params = np.zeros((n_world, len(m.EV.params), n), np.float32)
        self.state = np.zeros((n_world, len(m.EV.state), n), np.float32)
        self.acc = np.zeros((n_world, len(m.EV.acc), n))
        self.fleet = np.zeros((n_world, FLEET.N, lo + n + 3), np.float32)
        self.book = np.zeros((n_world, len(m.EV.book), n))  # each car's own
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
        model.draw(*self.head(), self.keys, self.uid, self.cfg, *homes, self.params, self.fleet, self.lo)

    def begin(self) -> Fleet:
        self.draw()
        self.clock(60)
        pool = np.full((self.n_world, 0, self.n), np.nan, np.float32)
        pool.flags.writeable = False
        saved = (pool, np.arange(self.n_world), np.zeros((1, self.n), np.int16))
        tail = (*saved, self.params, self.state, self.acc, self.lo)
        self.state[self.active], self.acc[self.active] = 0.0, 0.0
        self.redraw(fresh=True)
        model.begin(*self.head(), self.keys, self.uid, self.abs_s, self.ctx, self.cfg, *tail)
        self.redraw()
        return self

    def redraw(self, fresh: bool = False) -> None:
        tail = (self.params, self.state, self.acc, self.lo, fresh)
        model.redraw(*self.head(), self.keys, self.uid, self.abs_s, self.ctx, self.cfg, *tail)

    def common(self, *book: np.ndarray) -> tuple[Any, ...]:
        places = (self.ctx, self.cfg, self.site_index, self.site)
        return (*self.head(), *places, self.params, self.state, self.acc, *book, self.fleet, self.lo)

    def step(self, dt: int, a0: Any = 0.0, a1: Any = None, part: float = 0.0) -> None:
        if self.t_s % 300 == 0:
            self.redraw()
        self.clock(dt)
        at = slice(self.lo, self.lo + self.n)
        self.fleet[:, FLEET.CMD_START, at], self.fleet[:, FLEET.CMD_END, at] = a0, a0 if a1 is None else a1
        self.fleet[:, FLEET.CMD_END_SHARE, at] = part
        model.advance(*self.common(self.book))
        self.t_s += dt

    def run(self, seconds: int, dt: int = 60, a: float = 0.0) -> Fleet:
        for _ in range(seconds // dt):
            self.step(dt, a)
        return self

    def capability(self) -> np.ndarray:
        self.clock(60)
        model.capability(*self.common(), True, False, *self.cells, self.out)
        return self.out[:, self.lo : self.lo + self.n].transpose(0, 2, 1)

    def row(self, name: str) -> np.ndarray:
        kinds = (
            (m.EV.params, self.params),
            (m.EV.state, self.state),
            (m.EV.acc, self.acc),
            (m.EV.book, self.book),
        )
        for rows, array in kinds:
            if name in rows:
                return array[:, rows.index(name)]
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


def replayed(module: dict[str, Any], key: tuple, day: int, cfg: np.ndarray, car: np.ndarray) -> tuple:
    """Return (km, plugged in) of one car, its days taken one after another from the last that is sure."""
    cycle = int(cfg[config.PLUG_CYCLE_D])
    back = (day + int(car[sessions.PHASE_D])) % cycle or cycle
    km, plugged = np.float32(0), np.float32(0)
    for d in range(day - back + 1, day + 1):
        mean = car[sessions.WEEKEND_KM if module["weekend"](np.int64(d)) else sessions.WEEKDAY_KM]
        km, plugged = module["drive"](*key, d, cfg, car[sessions.BATTERY_KWH], mean, km, plugged)
    return km, np.float32(1) if back == cycle else plugged


def test_sessions_are_the_plain_function_of_the_address():
    fleet = Fleet(n_world=2, n=30).begin()
    module = plain(sessions)
    for s in range(2):
        cars = np.empty((sessions.N_HABIT, fleet.n), np.float32)
        module["habits"](fleet.row("sort")[s], fleet.cfg, cars)
        for i in range(fleet.n):
            car, key = cars[:, i], (*fleet.keys[s, 2:], fleet.uid[0, i])
            km, plugged = replayed(module, key, MONDAY, fleet.cfg, car)
            arrive, depart, now, threshold = module["hours"](*key, np.int64(MONDAY), fleet.cfg)
            delay_and_fail = module["waking"](*key, np.int64(MONDAY), fleet.cfg)
            session = module["session"](
                np.float32(0), arrive, depart, now, km, plugged, np.float32(16), fleet.cfg,
                fleet.params[s, m.CHARGER_KW, i], car[sessions.BATTERY_KWH], car[sessions.TIMER_S],
            )  # fmt: skip
            want = (*session, *delay_and_fail, threshold, now)
            rows = [*range(m.THRESHOLD + 1), m.STOPS]
            assert np.array_equal(fleet.state[s, rows, i], np.array(want, np.float32))


def test_advance_is_the_plain_loop_bit_for_bit():
    fleet, rng = Fleet(n_world=2, n=24, lo=3, clock_h=18.0).begin(), np.random.default_rng(1)
    tick = plain(physics)["tick"]
    c = config
    eta = fleet.cfg[c.ETA]
    hour = np.float32(3600)
    for _ in range(40):
        a0, a1 = (rng.uniform(-1, 1, (2, 24)).astype(np.float32) for _ in range(2))
        want_state, want_acc, want_book = fleet.state.copy(), fleet.acc.copy(), fleet.book.copy()
        dt, part, t = np.float32(60), np.float32(rng.choice([0, 0.3, 1])), np.float32(fleet.t_s)
        want_kw = np.zeros((2, 24), np.float32)
        for s in range(2):
            for i in range(24):
                x, car, acc, book = want_state[s, :, i], fleet.params[s, :, i], want_acc[s, :, i], want_book[s, :, i]
                left = np.float32(np.float64(x[m.NEED_KWH]) - acc[m.GOT_KWH])
                power, wait, stops, drawn, stopped = tick(
                    t, dt, a0[s, i], a1[s, i], part, np.float32(1), left, x[m.POWER_KW], x[m.WAIT_S], x[m.STOPS],
                    car[m.CHARGER_KW], car[m.SWITCHED], car[m.RATE_KW_S], x[m.ARRIVE_S], x[m.OWN_S],
                    x[m.DEPART_S], x[m.OBEY_KWH], x[m.DELAY_S], x[m.FAIL_AT], x[m.THRESHOLD], hour / eta,
                    eta / hour, fleet.cfg[c.MARGIN_S], fleet.cfg[c.MAX_STOPS],
                )  # fmt: skip
                x[m.POWER_KW], x[m.WAIT_S], x[m.STOPS] = power, wait, stops
                want_kw[s, i] = drawn * (np.float32(1) / dt)
                kwh = np.float64(drawn) * np.float64(1.0 / 3600.0)
                book[m.CHARGED_KWH] += kwh
                acc[m.GOT_KWH] += kwh * np.float64(eta)
                book[m.LOSS_KWH] += np.float64(drawn) * (np.float64(1.0 / 3600.0) * (1.0 - np.float64(eta)))
                book[m.STOPS_TOTAL] += stopped
        fleet.step(60, a0, a1, part)
        assert np.array_equal(fleet.state, want_state)
        assert np.array_equal(fleet.acc, want_acc) and np.array_equal(fleet.book, want_book)  # nobody leaves yet
        assert np.array_equal(fleet.fleet[:, FLEET.POWER_KW, 3:27], want_kw)
        assert np.array_equal(fleet.fleet[:, FLEET.SHOWN_KW, 3:27], want_kw)
    assert fleet.row("stops").max() > 0 and fleet.row("charged_kwh").sum() > 0
    assert not fleet.fleet[:, FLEET.POWER_KW, :3].any() and not fleet.fleet[:, FLEET.POWER_KW, 27:].any()


def test_gauge_is_the_plain_loop_bit_for_bit():
    fleet = Fleet(n=40, clock_h=20.0).begin().run(3600, a=0.5)
    got, capabilities, c = fleet.capability(), plain(physics)["capabilities"], config
    for i in range(fleet.n):
        x, car = fleet.state[0, :, i], fleet.params[0, :, i]
        left = np.float32(max(np.float64(x[m.NEED_KWH]) - fleet.acc[0, m.GOT_KWH, i], 0.0))
        want = capabilities(
            np.float32(fleet.t_s), np.float32(1), left, x[m.WAIT_S], x[m.STOPS], car[m.CHARGER_KW],
            x[m.ARRIVE_S], x[m.OWN_S], x[m.DEPART_S], x[m.OBEY_KWH], fleet.cfg[c.ETA], fleet.cfg[c.MARGIN_S],
            fleet.cfg[c.MAX_STOPS],
        )  # fmt: skip
        assert np.array_equal(got[0, :, i], np.array(want, np.float32))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="packed arithmetic is looked for on x86-64")
@pytest.mark.parametrize("name", ["advance", "capability"])
def test_physics_compiles_to_packed_arithmetic(name):
    fresh = numba.njit(**_OPTIONS)(getattr(m, name).py_func)
    f4 = {d: numba.types.Array(numba.float32, d, "C") for d in (1, 2, 3)}
    i4, f8 = numba.types.Array(numba.int32, 2, "C"), numba.types.Array(numba.float64, 3, "C")
    flags, i8 = numba.types.Array(numba.boolean, 1, "C"), numba.types.Array(numba.int64, 1, "C")
    signature = [*[numba.int64] * 3, flags, f4[2], f4[1], i4, f4[3], f4[3], f4[3], f8]
    last = {
        "advance": [f8, f4[3], numba.int64],
        "capability": [f4[3], numba.int64, numba.int64, numba.boolean, i8, i8, f8],
    }
    fresh.compile(tuple(signature + last[name]))
    assembly = "".join(fresh.inspect_asm().values())
    for packed in ("mulps", "divps", "minps", "maxps"):
        assert re.search(rf"\bv?{packed}\b", assembly), packed


def test_an_inactive_world_changes_no_bit():
    fleet = Fleet(n_world=2, clock_h=18.0).begin().run(1800)
    fleet.active[1] = False
    before = [array[1].copy() for array in (fleet.params, fleet.state, fleet.acc, fleet.book, fleet.out)]
    fleet.draw()
    fleet.begin().run(600, a=1.0).capability()
    after = [array[1] for array in (fleet.params, fleet.state, fleet.acc, fleet.book, fleet.out)]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


# --- addresses


def test_a_shards_register_is_the_sum_of_those_of_the_cars_in_the_list():
    each, summed = (Fleet(n_world=2, n=60, clock_h=18.0).begin() for _ in range(2))
    summed.book = np.zeros((2, len(m.EV.book), 1))
    for fleet in (each, summed):
        fleet.fleet[:, FLEET.METER_GAIN, :60:3] = 0
        for minute in range(16 * 60):
            fleet.step(60, 1.0 if (minute // 10) % 2 else 0.0)
    assert np.array_equal(each.acc, summed.acc) and np.array_equal(each.fleet, summed.fleet)
    assert not each.book[:, :, ::3].any() and each.row("got_kwh")[:, ::3].any()
    totals = each.book.sum(axis=2)
    assert (totals[:, : m.SESSIONS + 1] > 0).all()
    np.testing.assert_allclose(summed.book[:, :, 0], totals, rtol=1e-12)


def test_a_car_has_the_same_luck_in_another_place_of_the_batch():
    fleet, alone = Fleet(n_world=3, n=20), Fleet(n_world=1, n=1, lo=5)
    alone.keys[0], alone.uid[0, 5] = fleet.keys[2], fleet.uid[0, 7]
    fleet.begin().run(2 * DAY_S, dt=60, a=0.4)
    alone.begin().run(2 * DAY_S, dt=60, a=0.4)
    assert np.array_equal(alone.params[0, :, 0], fleet.params[2, :, 7])
    assert np.array_equal(alone.state[0, :, 0], fleet.state[2, :, 7])
    assert np.array_equal(alone.acc[0, :, 0], fleet.acc[2, :, 7])
    assert np.array_equal(alone.book[0, :, 0], fleet.book[2, :, 7])


def test_shards_of_a_world_share_its_luck():
    whole, parts = Fleet(n=20).begin(), Fleet(n_world=2, n=10)
    keys, uid = whole.keys[:1], whole.uid.reshape(2, 10)
    active, abs_s = np.ones(1, bool), whole.abs_s
    given, limits = np.full((2, GIVEN.N, 10), base.NOT_GIVEN, np.int8), np.ones((2, 2, 1), np.float32)
    parts.fleet[:, FLEET.RATED_KW] = np.nan
    homes = (given, np.zeros((2, 10), np.int32), parts.site, limits)
    pool = np.zeros((2, 0, 10), np.float32)
    pool.flags.writeable = False
    model.draw(0, 2, 2, active, keys, uid, whole.cfg, *homes, parts.params, parts.fleet, 0)
    saved = (pool, np.zeros(2, np.int64), np.zeros((2, 10), np.int16))
    who, own = (active, keys, uid, abs_s, whole.ctx, whole.cfg), (parts.params, parts.state, parts.acc, 0)
    model.redraw(0, 2, 2, *who, *own, True)
    model.begin(0, 2, 2, *who, *saved, *own)
    assert np.array_equal(np.concatenate(list(parts.state), axis=1), whole.state[0])


@pytest.mark.parametrize("clock_h", [18.5, 23.75, 6.0, 11.5])
def test_begin_is_where_an_uncommanded_run_from_noon_arrives(clock_h):
    gone_s = int(((clock_h - 12) % 24) * 3600)
    late = Fleet(clock_h=clock_h, day=MONDAY if clock_h > 12 else MONDAY + 1).begin()
    early = Fleet(clock_h=12.0).begin().run(gone_s, dt=60)
    times = [m.ARRIVE_S, m.OWN_S, m.DEPART_S]
    there = early.row("need_kwh")[0] > 0
    assert there.sum() > 10
    for row in times:
        assert np.array_equal(early.state[0, row, there] - gone_s, late.state[0, row, there])
    assert np.array_equal(early.state[0, m.NEED_KWH :][:5], late.state[0, m.NEED_KWH :][:5])
    np.testing.assert_allclose(late.row("got_kwh"), early.row("got_kwh"), atol=2e-3)
    np.testing.assert_allclose(late.row("power_kw"), early.row("power_kw"), atol=1e-3)
    assert not late.row("missing_kwh").any() and not late.book.any()


def test_noon_at_begin_is_not_drawn_twice():
    fleet = Fleet().begin()
    before = fleet.state.copy(), fleet.acc.copy()
    fleet.redraw()
    assert np.array_equal(before[0], fleet.state) and np.array_equal(before[1], fleet.acc)


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
    charging = fresh & (fleet.row("power_kw")[0] > 0)
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
    assert (fleet.row("power_kw")[0, waiting] == fleet.row("charger_kw")[0, waiting]).all()
    fleet.run(60, a=0.0)
    assert not fleet.row("power_kw")[0, waiting].any()
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


def test_constants_fill_their_rows_and_kernels_have_one_signature():
    cfg = constants(EVConfig())
    assert cfg.shape == (config.N_CFG,) and cfg.dtype == np.float32 and np.isfinite(cfg).all()
    assert cfg[config.NOW_P] == np.float32(0.05) and cfg[config.MARGIN_S] == 900
    Fleet().begin().run(600)
    assert len(model.advance.signatures) == len(model.begin.signatures) == 1

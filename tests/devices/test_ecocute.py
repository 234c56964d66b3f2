"""EcoCute: heat that adds up, a boil that is done by the morning, limits that no command crosses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from der_gym.devices.ecocute import config as c
from der_gym.devices.ecocute.config import CFG, EcoCuteConfig
from der_gym.devices.ecocute.model import ECOCUTE
from der_gym.engine import tables
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, SITE

PARAMS, STATE, ENERGY, REGISTERS = ECOCUTE.params, ECOCUTE.state, ECOCUTE.energy, ECOCUTE.registers
LO = 2  # other classes' devices stand before these
DAY_S = 86_400
MONDAY = 9004  # days since 2000-01-01, a Saturday
WEATHER = {"winter": (6.0, 9.0, 2), "mid": (17.0, 17.0, 0), "summer": (28.0, 25.0, 1)}  # outdoor, mains degC, season
F4 = np.float32


class Homes:
    """Homes with an EcoCute each, in one or more worlds, and a clock."""

    def __init__(
        self, n: int = 40, season: str = "winter", start_h: float = 12.0, tick_s: int = 60, n_world: int = 1,
        seed: int = 7, given_kw: float = np.nan, swing_c: float = 3.0, pool: np.ndarray | None = None,
        begin: bool = True, by_home: bool = True, **config: Any,
    ) -> None:  # fmt: skip
        self.n, self.tick_s, self.now_s, self.swing_c = n, tick_s, int(MONDAY * DAY_S + start_h * 3600), swing_c
        self.weather, self.n_world = WEATHER[season], n_world
        self.cfg = ECOCUTE.constants(EcoCuteConfig.model_validate(config))
        self.active = np.ones(n_world, bool)
        self.keys = np.random.default_rng(seed).integers(0, 2**32, (n_world, 4), dtype=np.uint32)
        self.uid = np.arange(10 - LO, 10 + n, dtype=np.uint32)[None]
        self.told_kw, self.given = given_kw, np.full((1, GIVEN.N, LO + n), tables.NOT_GIVEN, np.int8)
        self.pool = np.full((n_world, len(ECOCUTE.saved), n), np.nan, F4) if pool is None else pool
        self.params, self.state = np.zeros((n_world, len(PARAMS), n), F4), np.zeros((n_world, len(STATE), n), F4)
        self.energy, self.ctx = np.zeros((n_world, len(ENERGY), n)), np.zeros((n_world, EXOGENOUS.N), F4)
        self.registers = np.zeros((n_world, len(REGISTERS), n if by_home else 1))
        self.fleet = np.zeros((n_world, FLEET.N, LO + n + 1), F4)
        self.fleet[:, FLEET.ACCEPTS_COMMANDS] = self.fleet[:, FLEET.METER_GAIN] = 1.0
        self.index, self.site = np.zeros((1, LO + n), np.int32), np.zeros((n_world, SITE.N, 1), F4)
        self.limits, self.cell = np.zeros((1, 2, 1), F4), np.arange(LO + n + 1, dtype=np.int64)
        self.shards = (0, n_world, 1, self.active)
        self.clock()
        self.run("draw")
        if begin:
            self.run("begin")
            self.run("redraw")

    def clock(self) -> None:
        """Set the context rows for the tick that begins now."""
        second = self.now_s % DAY_S
        self.abs_s = np.full(self.n_world, self.now_s, np.int64)
        self.ctx[:, EXOGENOUS.DT_S], self.ctx[:, EXOGENOUS.SOD_S] = self.tick_s, second
        outdoor, self.ctx[:, EXOGENOUS.MAINS_C], self.ctx[:, EXOGENOUS.SEASON] = self.weather
        self.ctx[:, EXOGENOUS.TEMP_C] = outdoor + self.swing_c * np.cos((second / 3600 - 14) / 24 * 2 * np.pi)
        self.ctx[:, EXOGENOUS.WEEKEND] = (self.now_s // DAY_S) % 7 < 2

    def arguments(self, kernel: str) -> tuple[Any, ...]:
        """Return a kernel's arguments; of ``capability`` those before the rows and cells asked for."""
        homes, drawn = (self.index, self.site), (*self.shards, self.keys, self.uid)
        if kernel == "draw":
            self.row(FLEET.RATED_KW)[self.active] = self.told_kw
            return *drawn, self.cfg, self.given, *homes, self.limits, self.params, self.fleet, LO
        if kernel in ("advance", "capability"):
            own = self.params, self.state, self.energy, *((self.registers,) if kernel == "advance" else ())
            return *self.shards, self.ctx, self.cfg, *homes, *own, self.fleet, LO
        place = np.arange(self.n, dtype=np.int16)[None]
        saved = self.pool.view()
        saved.flags.writeable = False  # as in the engine
        pool = (saved, np.arange(self.n_world), place) if kernel == "begin" else ()
        fresh = (False,) if kernel == "redraw" else ()
        return *drawn, self.abs_s, self.ctx, self.cfg, *pool, self.params, self.state, self.energy, LO, *fresh

    def run(self, kernel: str) -> None:
        """Run a kernel on the arrays as they stand."""
        table = vars(ECOCUTE.kernels)
        if kernel == "begin":
            self.state[self.active], self.energy[self.active], self.registers[self.active] = 0.0, 0.0, 0.0
            table["redraw"](*self.arguments("redraw")[:-1], True)
        table[kernel](*self.arguments(kernel))

    def step(self, a: Any = 0.0, before: Any = None, part: Any = 1.0) -> np.ndarray:
        """Work one tick under ``a`` (``before`` it for ``1 - part`` of the tick); return the power (W, n)."""
        self.clock()
        if self.now_s % 300 == 0:
            self.run("redraw")
        self.row(FLEET.CMD_START)[:], self.row(FLEET.CMD_END)[:], self.row(FLEET.CMD_END_SHARE)[:] = (
            a if before is None else before,
            a,
            part,
        )
        self.run("advance")
        self.now_s += self.tick_s
        return self.row(FLEET.POWER_KW).copy()

    def hours(self, n_hour: float, a: Any = 0.0) -> np.ndarray:
        """Return the mean power of each tick of some hours, (n_tick, n), world 0."""
        return np.array([self.step(a)[0] for _ in range(round(n_hour * 3600 / self.tick_s))])

    def capability(self) -> np.ndarray:
        """Return the capability rows, (N, n), world 0: each place of the fleet is a cell, and others' stay."""
        self.clock()
        out = np.full((self.n_world, self.cell.size, CAPABILITY.N), np.nan)
        asked = True, False, self.cell, self.cell + 1, out
        ECOCUTE.kernels.capability(*self.arguments("capability"), *asked)
        assert np.isnan(out[:, :LO]).all() and np.isnan(out[:, LO + self.n :]).all()
        return out[0, LO : LO + self.n].T

    def row(self, row: int) -> np.ndarray:
        """Return a fleet row of these homes, (W, n)."""
        return self.fleet[:, row, LO : LO + self.n]

    def get(self, row: int, w: int = 0) -> np.ndarray:
        """Return a state row of a world, a copy."""
        return self.state[w, row].copy()

    def register(self, name: str, w: int = 0) -> np.ndarray:
        """Return a float64 row of a world by its name, each home's own, a copy."""
        kept, names = (self.energy, ENERGY) if name in ENERGY else (self.registers, REGISTERS)
        return kept[w, names.number(name)].copy()

    def sorts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return (persons from 0, row of CLASSES, boiling mode, boils by day) of each home of world 0."""
        sort = self.params[0, PARAMS.SORT]
        code = np.abs(sort).astype(int) - 1
        return code // c.N_SORT, code % c.N_SORT // 2, code % 2, sort < 0

    @property
    def on(self) -> np.ndarray:
        """Return which homes boil, world 0."""
        return np.asarray(self.state[0, STATE.RUN_S] > 0)


# --- draws


def test_homes_follow_their_shares() -> None:
    homes = Homes(20_000, begin=False)
    own = homes.params[0]
    config = EcoCuteConfig()
    persons, kind, mode, by_day = homes.sorts()
    assert np.bincount(persons) / homes.n == pytest.approx(config.household_share, abs=0.012)
    assert np.bincount(kind) / homes.n == pytest.approx(config.class_share, abs=0.012)
    assert by_day.mean() == pytest.approx(0.30, abs=0.012)
    assert mode.mean() == pytest.approx(0.40, abs=0.012)
    assert own[PARAMS.SHOWN_GAIN].std() == pytest.approx(0.05, rel=0.03)
    dead = homes.row(FLEET.DEAD_S)[0]
    assert dead.min() >= 30 and dead.max() <= 120 and dead.mean() == pytest.approx(75, abs=1)
    ramp_s = 1 / own[PARAMS.RAMP_PER_S]
    assert ramp_s.min() >= 179.9 and ramp_s.max() <= 480.1
    assert homes.row(FLEET.RATED_KW)[0].mean() == pytest.approx(1.035, abs=0.02)


def test_a_given_rating_scales_the_machine() -> None:
    plain_homes, scaled = Homes(30), Homes(30, given_kw=2.0)
    rated = plain_homes.row(FLEET.RATED_KW)[0]
    assert scaled.row(FLEET.RATED_KW) == pytest.approx(2.0, rel=1e-6)
    assert scaled.get(STATE.HEAT_KW) == pytest.approx(plain_homes.get(STATE.HEAT_KW) * 2 / rated, rel=1e-5)
    assert scaled.get(STATE.COP) == pytest.approx(plain_homes.get(STATE.COP), rel=1e-6)


def litres_of_days(homes: Homes, n_day: int) -> np.ndarray:
    """Return the hot water asked for in each slot, L, (n_day * 96, n)."""
    litres = []
    for _ in range(n_day * 96):
        homes.clock()
        homes.run("redraw")
        litres.append(homes.get(STATE.DRAW_KW) / 4 / (1.163e-3 * (40 - homes.weather[1])))
        homes.now_s += 900
    return np.array(litres)


def test_hot_water_of_a_week() -> None:
    homes = Homes(1500, start_h=0)
    litres = litres_of_days(homes, 7).reshape(7, 96, -1)
    persons, day, config = homes.sorts()[0], litres.sum(axis=1), EcoCuteConfig()
    weekday_l, weekend_l = np.array(config.weekday_l)[persons], np.array(config.weekend_l)[persons]
    learned = (5 * weekday_l + 2 * weekend_l) / 7
    assert day.mean() == pytest.approx(learned.mean(), rel=0.04)  # a bath on a day with little water adds some
    assert day[5:].mean() == pytest.approx(weekend_l.mean(), rel=0.05)
    spread = (day / np.where(np.arange(7)[:, None] >= 5, weekend_l, weekday_l)).std()
    assert 0.3 < spread < 0.5  # the day's factor, and showers that come or not
    by_hour = litres.reshape(7, 24, 4, -1).sum(axis=2).mean(axis=(0, 2))
    assert by_hour[:6].sum() < 1 and by_hour[18:24].sum() / by_hour.sum() > 0.7
    expected = np.diff(c.used_by_hour(EcoCuteConfig()))
    assert by_hour / by_hour.sum() == pytest.approx(expected, abs=0.02)
    baths = litres.max(axis=1) >= 180
    assert baths.mean() == pytest.approx(np.array(config.bath_share)[persons].mean(), abs=0.03)


def test_draws_have_addresses() -> None:
    """The same luck at every tick length, in another order, beside others, and in a later call."""
    asked = {}
    for tick_s in (10, 60, 300):
        homes, seen = Homes(12, start_h=17, tick_s=tick_s), []
        for _ in range(4 * 3600 // tick_s):
            homes.step()
            seen.append(homes.get(STATE.DRAW_KW))
        asked[tick_s] = np.array(seen)[:: 900 // tick_s]
    assert (asked[10] == asked[60]).all() and (asked[60] == asked[300]).all() and asked[60].any()
    few, many = Homes(5, begin=False), Homes(9, begin=False)
    few.uid[0, LO:] = many.uid[0, LO:][[8, 3, 0, 5, 1]]
    few.run("draw")
    assert (few.params[0] == many.params[0][:, [8, 3, 0, 5, 1]]).all()


def test_the_threshold_is_new_each_day() -> None:
    homes = Homes(200, start_h=0)
    first = homes.get(STATE.THRESHOLD)
    homes.hours(12)
    assert (homes.get(STATE.THRESHOLD) == first).all()
    homes.now_s += DAY_S // 2
    homes.step()
    assert abs(np.corrcoef(first, homes.get(STATE.THRESHOLD))[0, 1]) < 0.2
    assert first.min() > 0 and first.max() < 1 and first.mean() == pytest.approx(0.5, abs=0.06)


# --- kernels against plain Python


def empty(homes: Homes) -> None:
    """Leave next to no heat in the tanks of world 0, machines that stand still, and all taps open."""
    homes.energy[0, ENERGY.HEAT_KWH], homes.state[0, STATE.RUN_S], homes.state[0, STATE.DRAW_KW] = 0.1, -60.0, 40.0


def same(a: Homes, b: Homes) -> None:
    """Assert that two sets of homes hold the same bits."""
    for name in ("params", "state", "energy", "registers", "fleet"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True), name


def test_an_inactive_world_changes_no_bit() -> None:
    homes, alone = Homes(8, n_world=2), Homes(8, n_world=2)
    homes.active[1], homes.registers[1] = False, 7.0
    arrays = homes.params, homes.state, homes.energy, homes.registers, homes.fleet
    frozen = [array[1].copy() for array in arrays]
    for name in ("begin", "redraw", "advance"):
        homes.run(name)
    assert all(np.array_equal(x, y[1]) for x, y in zip(frozen, arrays, strict=True))
    alone.hours(3)
    homes.active[1] = True
    homes.now_s = alone.now_s - 3 * 3600
    homes.run("begin")
    homes.run("redraw")
    homes.hours(3)
    same(homes, alone)
    assert (homes.params[0] != homes.params[1]).any()


# --- settings


@pytest.mark.parametrize(
    ("given_settings", "word"),
    [
        ({"margim": 2.0}, "margim"),
        ({"margin": 0.5}, "margin"),
        ({"household_share": (0.5, 0.5, 0.5, 0.0, 0.0)}, "add up to 1"),
        ({"ramp_s": (300.0, 100.0)}, "ramp_s"),
        ({"reheat_l": 10.0}, "reheat_l"),
        ({"starts_kept": 5}, "starts_kept"),
        ({"night_h": (23.0, 31.0)}, "night_h"),
        ({"other_by_hour": (1.0,)}, "other_by_hour"),
        ({"floor_l": float("nan")}, "floor_l"),
    ],
)
def test_bad_settings_are_refused(given_settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        EcoCuteConfig.model_validate(given_settings)


def test_settings_reach_the_vector() -> None:
    config = EcoCuteConfig()
    cfg = ECOCUTE.constants(config)
    assert cfg.dtype == F4 and cfg.shape == (CFG.N,)
    assert cfg[CFG.MARGIN] == F4(config.margin) and cfg[CFG.SHOWN_SD] == F4(config.shown_sd)
    assert tuple(cfg[CFG.DAY_H : CFG.DAY_H + 2]) == config.day_h
    assert cfg[CFG.CLASS_SHARE + 3] == pytest.approx(1) and cfg[CFG.HOUSEHOLD_SHARE + 4] == pytest.approx(1)
    assert cfg[CFG.USED] == 0 and cfg[-1] == pytest.approx(1) and (np.diff(cfg[CFG.USED :]) >= 0).all()

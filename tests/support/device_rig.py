"""Devices of any class with all that their kernels read: homes, weather, links, commands, other classes beside them."""

from __future__ import annotations

from typing import Any

import device_oracle
import numpy as np

from der_gym.devices.base import DeviceModel
from der_gym.devices.owners.terms import ASKED
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, NOT_GIVEN, SITE

LO = 5  # other classes' devices stand before these
AFTER = 4  # and after
DAY_S = 86_400
MONDAY = 8997  # days since 2000-01-01
ARRAYS = ("params", "state", "energy", "registers", "fleet", "site", "out", "asks")


class Rig:
    """Devices of one class in two worlds.

    Parameters
    ----------
    model : DeviceModel
    n : int
        Devices of a shard.
    plain : bool
        Work the author's functions in plain Python instead of the kernels.
    by_device : bool
        Keep registers of each device.
    start_h : float
        Hour of the day at which the clock starts.
    """

    def __init__(
        self, model: DeviceModel, n: int = 20, plain: bool = False, by_device: bool = False, start_h: float = 17.0,
        n_world: int = 2, n_shard: int = 1, seed: int = 3, **settings: Any,
    ) -> None:  # fmt: skip
        self.model, self.n, self.plain, self.n_world, self.n_shard = model, n, plain, n_world, n_shard
        self.lo, self.start_s, self.t_s, self.fresh, self.opting, self.reached = LO, 0, 0, False, True, True
        self.start_s = int(MONDAY * DAY_S + start_h * 3600)
        random, n_all, places = np.random.default_rng(seed), n_world * n_shard, LO + n + AFTER
        self.random = random
        self.cfg = model.constants(model.config(**settings))
        self.active = np.ones(n_world, dtype=bool)
        self.keys = random.integers(2**32, size=(n_world, 4), dtype=np.uint32)
        self.uid = (np.arange(n_shard * places, dtype=np.uint32) + 70).reshape(n_shard, places)
        self.given = np.full((n_shard, GIVEN.N, places), NOT_GIVEN, np.int8)
        self.given[:, :, ::7] = 1
        self.site_index = random.integers(n, size=(n_shard, places)).astype(np.int32)
        self.limits = random.uniform(2.0, 9.0, (n_shard, 2, n)).astype(np.float32)
        self.site = random.normal(0.5, 1.5, (n_all, SITE.N, n)).astype(np.float32)
        self.fleet = random.normal(0.0, 1.0, (n_all, FLEET.N, places)).astype(np.float32)
        self.fleet[:, FLEET.LINK_DOWN_S], self.fleet[:, FLEET.LINK_UP_S] = 0.0, 0.0
        self.fleet[:, FLEET.LINK_DOWN_S : FLEET.LINK_UP_S + 1, ::9] = np.array([[100.0], [5000.0]], np.float32)
        self.row("meter_gain")[:] = random.choice([0.0, 0.98, 1.01], self.row("meter_gain").shape, p=[0.1, 0.5, 0.4])
        self.row("accepts_commands")[:] = random.choice([0.0, 1.0], self.row("meter_gain").shape, p=[0.2, 0.8])
        self.row("standby")[:] = 0.0
        self.params = np.zeros((n_all, max(len(model.params), 1), n), np.float32)
        self.state = np.zeros((n_all, max(len(model.state), 1), n), np.float32)
        self.energy = np.zeros((n_all, max(len(model.energy), 1), n))
        self.registers = np.zeros((n_all, max(len(model.registers), 1), n if by_device else 1))
        self.ctx = np.zeros((n_world, EXOGENOUS.N), np.float32)
        self.pool = random.uniform(0.2, 0.8, (3, len(model.saved), n)).astype(np.float32)
        self.pool.flags.writeable = False
        self.at = np.arange(n_all) % 3 - 1
        self.place = np.tile(random.permutation(n).astype(np.int16), (n_shard, 1))
        edges = np.unique([0, LO, LO + 3, LO + n, places])
        self.cell_lo, self.cell_hi = edges[:-1].copy(), edges[1:].copy()
        self.out = np.zeros((n_all, self.cell_lo.size, CAPABILITY.N))
        self.tariff = np.array([31.0, 21.0, 8.5, 4.0, 0.5, 3.0], np.float32)
        self.asks = np.zeros((n_all, len(ASKED), places), np.float32)
        self.clock(60)

    def row(self, name: str) -> np.ndarray:
        """Return a row of the fleet, of these devices, (S, n)."""
        return self.fleet[:, FLEET.number(name), self.lo : self.lo + self.n]

    def own(self, name: str) -> np.ndarray:
        """Return a row of the class's own or a register by its name, (S, n) or (S, 1)."""
        for array in ("params", "state", "energy", "registers"):
            if name in getattr(self.model, array):
                found: np.ndarray = getattr(self, array)[:, getattr(self.model, array).number(name)]
                return found
        raise KeyError(name)

    def clock(self, dt_s: int) -> None:
        """Set clock and weather of the tick that begins now."""
        self.abs_s = np.full(self.n_world, self.start_s + self.t_s, dtype=np.int64)
        sod = self.abs_s % DAY_S
        values = {"t_s": self.t_s, "dt_s": dt_s, "sod_s": sod, "mains_c": 9.0, "season": [2, 1][: self.n_world]}
        values |= {"temp_c": 6.0 + 3.0 * np.cos((sod / 3600 - 14) / 12 * np.pi), "house_shape": 0.6}
        values |= {
            "weekend": (self.abs_s // DAY_S) % 7 < 2,
            "sun_kw_m2": np.maximum(np.sin((sod / 3600 - 6) / 12 * 3.1), 0),
        }
        for name, value in values.items():
            self.ctx[:, EXOGENOUS.number(name)] = value

    def run(self, kernel: str) -> None:
        """Work one kernel on the arrays as they stand."""
        compiled = getattr(self.model.kernels, kernel)
        if compiled is None:
            return
        if self.plain:
            device_oracle.work(self.model, kernel, self)
        else:
            compiled(0, self.n_world * self.n_shard, self.n_shard, *self._given(kernel))

    def _given(self, kernel: str) -> tuple[Any, ...]:
        homes, own = (self.site_index, self.site), (self.params, self.state, self.energy)
        who, when = (self.active, self.keys, self.uid), (self.abs_s, self.ctx, self.cfg)
        if kernel == "draw":
            return (*who, self.cfg, self.given, *homes, self.limits, self.params, self.fleet, self.lo)
        if kernel == "begin":
            return (*who, *when, self.pool, self.at, self.place, *own, self.lo)
        if kernel == "redraw":
            return (*who, *when, *own, self.lo, self.fresh)
        if kernel == "save":
            return (self.active, *own, self.out)
        if kernel == "owner":
            return (self.active, self.ctx, self.cfg, self.tariff, *homes, *own, self.fleet, self.lo, self.asks)
        given = (self.active, self.ctx, self.cfg, *homes, *own)
        if kernel == "advance":
            return (*given, self.registers, self.fleet, self.lo)
        return (*given, self.fleet, self.lo, self.opting, self.reached, self.cell_lo, self.cell_hi, self.out)

    def begin(self) -> Rig:
        """Draw devices and set their state; every third rated power is given."""
        self.row("rated_kw")[:] = np.where(np.arange(self.n) % 3 == 0, np.float32(3.0), np.float32(np.nan))
        self.run("draw")
        self.clock(60)
        self.fresh = True
        self.run("redraw")
        self.fresh = False
        self.run("begin")
        return self

    def step(self, a0: Any = 0.0, a1: Any = None, share: Any = 1.0, dt_s: int = 60) -> np.ndarray:
        """Work one tick under a command; return the power (S, n)."""
        self.clock(dt_s)
        if self.t_s % 300 == 0 and self.t_s:
            self.run("redraw")
        self.row("cmd_start")[:], self.row("cmd_end")[:] = a0, a0 if a1 is None else a1
        self.row("cmd_end_share")[:] = share
        self.run("advance")
        self.t_s += dt_s
        return self.row("power_kw").copy()

    def bits(self) -> dict[str, bytes]:
        """Return the bits of every array that a kernel may write."""
        return {name: getattr(self, name).tobytes() for name in ARRAYS}

"""Batteries for the tests: drawn, begun, advanced a tick at a time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from der_gym.devices.battery import config as c
from der_gym.devices.battery.model import BATTERY
from der_gym.engine import tables
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, SITE

PARAMS, ENERGY, REGISTERS = BATTERY.params, BATTERY.energy, BATTERY.registers

LO = 3  # other classes' devices stand before these
EXACT = {"gain_sd": 0.0, "offset_sd_kw": 0.0, "standby_min_kw": 0.0, "standby_max_kw": 0.0}
FAST = {"ramp_fast_share": 1.0, "ramp_middle_share": 0.0}
NOON_S, NIGHT_S = 43_200.0, 4 * 3600.0


def make(
    n: int = 16, n_world: int = 1, soc: float = 0.5, given: tuple[float, float] | None = None, pv_kw: Any = 0.0,
    limits: tuple[Any, Any] = (10.0, 9.9), **settings: Any,
) -> Any:  # fmt: skip
    """Return batteries drawn and begun at one state of charge, one per site, with 1 kW of house.

    ``pv_kw`` and ``limits`` (import, export, kW) are those of the sites, which a battery reads when it is drawn.
    """
    f = SimpleNamespace(n=n, n_world=n_world, cfg=BATTERY.constants(c.BatteryConfig.model_validate(settings)))
    f.keys = np.random.default_rng(8).integers(0, 2**32, (n_world, 4), dtype=np.uint32)
    f.uid, f.index = np.arange(LO + n, dtype=np.uint32)[None] + 50, np.zeros((1, LO + n), np.int32)
    f.index[0, LO:] = np.arange(n)[::-1]
    f.active, f.abs_s = np.ones(n_world, bool), np.zeros(n_world, np.int64)
    f.site = np.zeros((n_world, SITE.N, n), np.float32)
    f.site[:, SITE.BARE_KW], f.site[:, SITE.NET_KW] = 1.0, 1.0
    f.site[:, SITE.PV_RATED_KW] = pv_kw
    f.limits = np.empty((1, 2, n), np.float32)
    f.limits[0, 0], f.limits[0, 1] = limits
    f.fleet = np.zeros((n_world, FLEET.N, LO + n + 2), np.float32)
    f.fleet[:, FLEET.ACCEPTS_COMMANDS], f.fleet[:, FLEET.METER_GAIN] = 1.0, 1.0
    f.params = np.zeros((n_world, len(BATTERY.params), n), np.float32)
    f.state, f.energy = (
        np.zeros((n_world, len(BATTERY.state), n), np.float32),
        np.zeros((n_world, len(BATTERY.energy), n)),
    )
    f.registers = np.zeros((n_world, len(BATTERY.registers), n))  # each battery's own
    edge = np.arange(LO + n + 3, dtype=np.int64)
    f.cell_lo, f.cell_hi = edge[:-1].copy(), edge[1:].copy()  # every place is a cell of its own
    f.pool = np.full((n_world, 1, n), soc, np.float32)
    f.at, f.place = np.arange(n_world), np.arange(n, dtype=np.int16)[None]
    f.told_kw, f.given = np.nan, np.full((1, GIVEN.N, LO + n), tables.NOT_GIVEN, np.int8)
    if given is not None:
        f.told_kw, f.given[0, GIVEN.FEED_BACK] = given
    f.ctx = np.zeros((n_world, EXOGENOUS.N), np.float32)
    f.ctx[:, EXOGENOUS.DT_S], f.ctx[:, EXOGENOUS.SOD_S] = 60.0, NOON_S
    draw(f)
    begin(f)
    return f


def draw(f: Any) -> None:
    """Draw what the batteries are."""
    homes = (f.given, f.index, f.site, f.limits)
    mine(f, FLEET.RATED_KW)[f.active] = f.told_kw
    BATTERY.kernels.draw(0, f.n_world, 1, f.active, f.keys, f.uid, f.cfg, *homes, f.params, f.fleet, LO)


def begin(f: Any) -> None:
    """Set the stored energy."""
    luck = (f.keys, f.uid, f.abs_s, f.ctx, f.cfg)
    f.state[f.active], f.energy[f.active] = 0.0, 0.0
    saved = f.pool.view()
    saved.flags.writeable = False  # as in the engine
    BATTERY.kernels.begin(0, f.n_world, 1, f.active, *luck, saved, f.at, f.place, f.params, f.state, f.energy, LO)


def mine(f: Any, row: int) -> np.ndarray:
    """Return a fleet row of these batteries, (W, n)."""
    return f.fleet[:, row, LO : LO + f.n]


def limit(f: Any, row: int) -> np.ndarray:
    """Return the sites' import (0) or export limit (1) in the order of the batteries, (n,)."""
    return f.limits[0, row, f.index[0, LO:]]


def own(f: Any, *registers: np.ndarray) -> tuple[Any, ...]:
    """Return the arguments that `advance` and `capability` share."""
    return f.active, f.ctx, f.cfg, f.index, f.site, f.params, f.state, f.energy, *registers, f.fleet, LO


def advance(f: Any, a0: Any = 0.0, a1: Any = None, part: Any = 1.0, dt: float = 60.0) -> np.ndarray:
    """Work one tick; return the mean power (W, n) in kW."""
    mine(f, FLEET.CMD_START)[:], mine(f, FLEET.CMD_END)[:], mine(f, FLEET.CMD_END_SHARE)[:] = (
        a0,
        a0 if a1 is None else a1,
        part,
    )
    f.ctx[:, EXOGENOUS.DT_S] = dt
    BATTERY.kernels.advance(0, f.n_world, 1, *own(f, f.registers))
    return mine(f, FLEET.POWER_KW).copy()


def capability(f: Any) -> np.ndarray:
    """Return the capability (N_CAPABILITY, W, n)."""
    out = np.full((f.n_world, f.fleet.shape[2], CAPABILITY.N), np.nan)
    BATTERY.kernels.capability(0, f.n_world, 1, *own(f), True, False, f.cell_lo, f.cell_hi, out)
    assert np.isnan(out[:, :LO]).all() and np.isnan(out[:, LO + f.n :]).all()
    return out[:, LO : LO + f.n].transpose(2, 0, 1)


def balance(f: Any, start: np.ndarray) -> np.ndarray:
    """Return what the registers leave unexplained of the change of stored energy, kWh."""
    eta = f.params[:, PARAMS.EFFICIENCY].astype(np.float64)
    charged, discharged, lost = (
        f.registers[:, k] for k in (REGISTERS.CHARGED_KWH, REGISTERS.DISCHARGED_KWH, REGISTERS.LOSS_KWH)
    )
    return f.energy[:, ENERGY.ENERGY_KWH] - start - (charged * eta - discharged / eta - lost)


def rounding(f: Any) -> np.ndarray:
    """Return the most of that which rounding explains, kWh.

    A tick's change of the stored energy is float32: the losses of the way in or out are rounded, then the change. So
    each tick may err by two roundings (2**-24) of what it moved: some 1e-9 kWh a minute, 1e-8 in five minutes.
    """
    eta = f.params[:, PARAMS.EFFICIENCY].astype(np.float64)
    charged, discharged, lost = (
        f.registers[:, k] for k in (REGISTERS.CHARGED_KWH, REGISTERS.DISCHARGED_KWH, REGISTERS.LOSS_KWH)
    )
    return 1e-12 + 2 * 2.0**-24 * (charged * eta + discharged / eta + lost)

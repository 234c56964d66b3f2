"""The reference days: the fleet without commands over the scenario's whole calendar.

Run once per scenario at 300-s ticks and kept on disk (`reference_days_file`). From it come each world's History (the
last ten days' half-hour means per cell), its state at t = 0 (tank, state of charge), and the capability table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S, SLOT_PER_DAY
from der_gym.devices import site as home
from der_gym.engine import parallel
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, Program, share
from der_gym.engine.tables import CAPABILITY, SITE
from der_gym.fleet.structure import Structure
from der_gym.numerics.sums import dot
from der_gym.signals import calendar
from der_gym.signals.table import SignalTable
from der_gym.simulation import metering
from der_gym.simulation.exogenous import context
from der_gym.simulation.fleet_arrays import Fleet

Array = np.ndarray
_TICKS = BLOCK_S // REFRESH_S  # of a half hour
WARM_UP_DAYS = 11  # before the first day of an episode: ten of history, one to settle
KEPT = (CAPABILITY.UP_KW, CAPABILITY.STORED_KWH)  # what awards are checked against; others would cost disk
AFTER_DAYS = 2  # signals needed after the first day: the episode and the 24 h run on


@dataclass(frozen=True)
class Pool:
    """Power, capability and states of the uncommanded fleets.

    Attributes
    ----------
    first_day : int
        Day number of the first day in the arrays.
    keys : uint32 (n_fleet, 2)
        The fleets' keys: an episode that takes fleet j draws its Params from key j.
    power_kw : float32 (n_fleet, n_day, 48, n_cell + 2)
        Half-hour means per cell; the last two columns are the homes' load and PV.
    capability : float32 (n_fleet, n_day, 48, n_cell, len(KEPT))
        The rows `KEPT` of the capability at each half hour's start, all present devices.
    starts_s : tuple of int
        Seconds of the day at which states were saved.
    states : dict
        Class name -> float32 (n_fleet, n_day, n_start, n_pool, n).
    """

    first_day: int
    keys: Array
    power_kw: Array
    capability: Array
    starts_s: tuple[int, ...]
    states: dict[str, Array]

    @property
    def n_day(self) -> int:
        """Return the number of days."""
        return int(self.power_kw.shape[1])

    def rows(self, name: str) -> Array:
        """Return the states of class ``name``, read only, float32 (n_fleet * n_day * n_start, n_pool, n)."""
        states = self.states[name]
        rows_ = np.asarray(states).reshape(math.prod(states.shape[:3]), *states.shape[3:])
        rows_.flags.writeable = False
        return rows_

    def at(self, fleet_no: Array, day: Array, abs_s: Array) -> Array:
        """Return the number in `rows` of fleets, day numbers and starts (W,), int64 (W,)."""
        start = np.searchsorted(self.starts_s, abs_s % DAY_S)
        at: Array = (fleet_no * self.n_day + day - self.first_day) * len(self.starts_s) + start
        return at


@lru_cache(maxsize=1)
def _storm_luck() -> Array:
    """Return the luck of each day of a calendar of 60,000, float64 in 0..1."""
    return np.random.default_rng(7).random(60_000)


def day_kinds(first_day: int, n_day: int, storm_share: float) -> Array:
    """Return (weekend, season, storm) of each day, int64 (n_day, 3).

    Parameters
    ----------
    first_day, n_day : int
        Number of the first day; days.
    storm_share : float
        Share of days under a storm warning, 0..1.
    """
    days = np.arange(first_day, first_day + n_day)
    storm = _storm_luck()[days % 60_000] < storm_share
    return np.stack([calendar.is_holiday(days), calendar.season(days), storm], axis=1).astype(np.int64)


def joined(pools: Iterable[Pool]) -> Pool:
    """Return the pool of the fleets of several, all of the same days, starts, cells and places."""
    first, *others = pools
    if not others:
        return first
    every = [first, *others]
    keys, power_kw, capability = (np.concatenate([getattr(p, k) for p in every]) for k in _BY_FLEET)
    states = {name: np.concatenate([p.states[name] for p in every]) for name in first.states}
    return Pool(first.first_day, keys, power_kw, capability, first.starts_s, states)


_BY_FLEET = ("keys", "power_kw", "capability")


def run_pool(
    structure: Structure, devices: Any, signals: SignalTable, keys: Array, starts_s: tuple[int, ...], storm_share: float
) -> Pool:
    """Run the fleets over every day of ``signals`` and return the result.

    Parameters
    ----------
    structure : Structure
    devices : DevicesConfig
    signals : SignalTable
    keys : uint32 (n_fleet, 2)
        Key of each fleet.
    starts_s : tuple of int
        Seconds of the day at which states are saved.
    storm_share : float
        Share of days under a storm warning, 0..1.
    """
    n_fleet = len(keys)
    fleet = Fleet(structure, devices, n_fleet, 1e9, receiving=False)
    fleet.keys[:, :2] = keys
    fleet.keys[:, 2:] = keys ^ np.uint32(0x5DEECE66)
    n_day = signals.last_day - signals.first_day + 1
    recorder = _Recorder(fleet, n_day, starts_s)
    _begin(fleet, signals)
    active = np.ones(n_fleet, dtype=bool)
    kinds = np.broadcast_to(day_kinds(signals.first_day, n_day, storm_share), (n_fleet, n_day, 3)).copy()
    day0 = fleet.day().copy()
    window = np.broadcast_to(signals.values, (n_fleet, *signals.values.shape))
    window = np.ascontiguousarray(window)
    begun = (active, fleet.t_s, fleet.abs_s, REFRESH_S, day0, kinds, window, fleet.ctx)
    begin, work = [Call(context, *begun, by_world=True)], [*fleet.advance_devices(active), *recorder.adding()]
    refresh = fleet.redraw_slots(active)
    workers = min(parallel.default_workers(), n_fleet)
    opening = [
        *begin,
        *fleet.update_membership(active),
        *refresh,
        *fleet.measure_capability(active, recorder.now),
    ]
    rest = [*work, *((_TICKS - 1) * [*begin, *refresh, *work]), recorder.keeping()]
    opens = Program(opening, n_fleet, 1, workers)
    stops = sorted({0, *starts_s, DAY_S})  # the run comes back to Python where states are saved, and at midnight
    goes_on = [
        Program([*rest, *(((end - s) // BLOCK_S - 1) * [*opening, *rest])], n_fleet, 1, workers)
        for s, end in pairwise(stops)
    ]
    for _ in range(n_day):
        for program in goes_on:
            opens()
            recorder.save()
            program()
    return Pool(signals.first_day, keys, recorder.power_kw, recorder.capability, starts_s, recorder.states)


def _begin(fleet: Fleet, signals: SignalTable) -> None:
    active = np.ones(fleet.n_world, dtype=bool)
    fleet.abs_s[:] = signals.start_abs_s
    fleet.t_s[:] = 0.0
    nothing = {}
    for name, st in fleet.classes.items():
        saved = np.zeros((0, len(st.device.saved), 0), dtype=np.float32)
        saved.flags.writeable = False  # the same types as of a world, so the same kernel
        nothing[name] = saved, np.zeros((1, st.hi - st.lo), dtype=np.int16)
    none = np.full(fleet.n_all, -1, dtype=np.int64)
    share([*fleet.draw_params(active), *fleet.begin_episode(active, nothing, none)], fleet.n_all, 1)


class _Recorder:
    """Half-hour means, capabilities and saved states of a running fleet."""

    def __init__(self, fleet: Fleet, n_day: int, starts_s: tuple[int, ...]) -> None:
        n, st = fleet.n_world, fleet.structure
        self.fleet, self.starts_s = fleet, starts_s
        self.active = np.ones(n, dtype=bool)
        self.power_kw = np.zeros((n, n_day, SLOT_PER_DAY, st.n_cell + 2), dtype=np.float32)
        self.capability = np.zeros((n, n_day, SLOT_PER_DAY, st.n_cell, len(KEPT)), dtype=np.float32)
        self.states = {
            name: np.zeros((n, n_day, len(starts_s), len(s.device.saved), s.hi - s.lo), dtype=np.float32)
            for name, s in fleet.classes.items()
        }
        self.power = np.zeros((fleet.n_all, st.n_cell, metering.POWER.N))
        self.sum_kw = np.zeros((n, st.n_cell + 2))
        self.now = np.zeros((fleet.n_all, st.n_cell, CAPABILITY.N))

    def save(self) -> None:
        """Take the states if an episode may begin now."""
        day, sod = divmod(int(self.fleet.t_s[0]), DAY_S)
        for name, s in self.fleet.classes.items() if sod in self.starts_s else ():
            out = np.zeros_like(self.states[name][:, 0, 0])
            save = s.device.kernels.save
            if save is not None:
                save(0, self.fleet.n_all, 1, self.active, s.params, s.state, s.energy, out)
            self.states[name][:, day, self.starts_s.index(sod)] = out

    def adding(self) -> list[Call]:
        """Add the tick's power to the half hour's sum and move the clocks on."""
        f, st = self.fleet, self.fleet.structure
        sums = Call(metering.sum_power_cells, 1, self.active, st.cell_lo, st.cell_hi, f.fleet, self.power)
        homes = st.site_present.astype(np.float32)
        own = (f.t_s, f.abs_s, f.ctx, f.house_cfg, self.power, f.site, homes, self.sum_kw)
        return [sums, Call(add_tick, REFRESH_S, *own, by_world=True)]

    def keeping(self) -> Call:
        """Keep the means of the half hour that has just ended, and the capability at its start."""
        return Call(keep, self.fleet.t_s, self.sum_kw, self.now, self.power_kw, self.capability, by_world=True)


@kernel
def add_tick(w0, w1, dt_s, t_s, abs_s, ctx, cfg, power, site, homes, sum_kw):  # type: ignore[no-untyped-def]
    """Add a tick of each fleet (one shard each) to ``sum_kw``, float64 (n_fleet, n_cell + 2): cells, load, PV."""
    for w in range(w0, w1):
        n_cell = power.shape[1]
        for c in range(n_cell):
            sum_kw[w, c] += power[w, c, metering.POWER.TRUE_KW]
        pv_kw = dot(site[w, SITE.PV_RATED_KW], homes[0]) * np.float64(home.sunshine(ctx[w], cfg))
        sum_kw[w, n_cell] += dot(site[w, SITE.BARE_KW], homes[0]) + pv_kw
        sum_kw[w, n_cell + 1] += pv_kw
        t_s[w] += dt_s
        abs_s[w] += dt_s


@kernel
def keep(w0, w1, t_s, sum_kw, now, power_kw, capability):  # type: ignore[no-untyped-def]
    """Move ``sum_kw`` as means, and the capability (none at the very first), to the half hour that has just ended."""
    for w in range(w0, w1):
        begun = int(t_s[w]) - BLOCK_S
        day, slot = begun // DAY_S, begun % DAY_S // BLOCK_S
        for c in range(sum_kw.shape[1]):
            power_kw[w, day, slot, c] = sum_kw[w, c] / _TICKS
            sum_kw[w, c] = 0.0
        for c in range(now.shape[1] if begun > 0 else 0):
            for k in range(len(KEPT)):
                capability[w, day, slot, c, k] = now[w, c, KEPT[k]]

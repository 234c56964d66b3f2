"""The pool of days: the fleet left alone over the scenario's whole calendar.

Run once per scenario at 300-s ticks and kept on disk by the scenario's hash. From it come each world's History (the
last ten days' half-hour means per cell), its state at t = 0 (tank, state of charge), and the capability table.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core import parallel, rows
from der_gym.core.files import whole_file
from der_gym.core.jit import cache_home, kernel, source_hash, writable
from der_gym.core.program import Call, Program
from der_gym.core.sums import lane_sum
from der_gym.core.units import BLOCK_S, DAY_S, REFRESH_S, SLOT_PER_DAY
from der_gym.groups.structure import Structure
from der_gym.signals import calendar
from der_gym.signals.table import SignalTable
from der_gym.simulation import tally
from der_gym.simulation.context import context
from der_gym.simulation.fleet import Fleet

Array = np.ndarray
WARM_UP_DAYS = 11  # before a day can be an episode's first: ten of History, one to settle
AFTER_DAYS = 2  # signals needed after the first day: the episode and the 24 h run on


@dataclass(frozen=True)
class Pool:
    """What the uncommanded fleets did.

    Attributes
    ----------
    first_day : int
        Day number of the first day in the arrays.
    keys : uint32 (n_fleet, 2)
        The fleets' keys: an episode that takes fleet j draws its Params from key j.
    power_kw : float32 (n_fleet, n_day, 48, n_cell + 2)
        Half-hour means per cell; the last two columns are the homes' load and PV.
    stock : float32 (n_fleet, n_day, 48, n_cell, N_STOCK)
        Gauge at each half hour's start, all present devices.
    starts_s : tuple of int
        Seconds of the day at which states were saved.
    states : dict
        Class name -> float32 (n_fleet, n_day, n_start, n_pool, n).
    """

    first_day: int
    keys: Array
    power_kw: Array
    stock: Array
    starts_s: tuple[int, ...]
    states: dict[str, Array]

    @property
    def n_day(self) -> int:
        """Return the number of days."""
        return int(self.power_kw.shape[1])


@lru_cache(maxsize=1)
def _storm_luck() -> Array:
    """Return the luck of each day of a calendar of 60,000, float64 in 0..1."""
    return np.random.default_rng(7).random(60_000)


def day_kinds(first_day: int, n_day: int, storm_share: float) -> Array:
    """Return (weekend, season, storm) of each day, int64 (n_day, 3)."""
    days = np.arange(first_day, first_day + n_day)
    storm = _storm_luck()[days % 60_000] < storm_share
    return np.stack([calendar.is_holiday(days), calendar.season(days), storm], axis=1).astype(np.int64)


def run_pool(
    structure: Structure, devices: Any, signals: SignalTable, keys: Array, starts_s: tuple[int, ...], storm_share: float
) -> Pool:
    """Run the fleets over every day of ``signals`` and return what they did."""
    n_fleet = len(keys)
    fleet = Fleet(structure, devices, n_fleet, 1e9)
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
    awarded = np.zeros((n_fleet, 1), dtype=np.uint8)
    begun = (active, fleet.t_s, fleet.abs_s, REFRESH_S, day0, kinds, window, awarded, fleet.ctx)
    begin, work = [Call(context, *begun, by_world=True)], [*fleet.advancing(active), *recorder.adding()]
    refresh, ticks = fleet.refreshing(active), BLOCK_S // REFRESH_S - 1
    workers = min(parallel.default_workers(), n_fleet)
    opens = Program([*begin, *fleet.turning(active), *refresh], n_fleet, 1, workers)
    half_hour = Program([*work, *(ticks * [*begin, *refresh, *work])], n_fleet, 1, workers)
    for _ in range(n_day * SLOT_PER_DAY):
        opens()
        recorder.before()
        half_hour()
        recorder.after()
    return Pool(signals.first_day, keys, recorder.power_kw, recorder.stock, starts_s, recorder.states)


def _begin(fleet: Fleet, signals: SignalTable) -> None:
    active = np.ones(fleet.n_world, dtype=bool)
    fleet.abs_s[:] = signals.start_abs_s
    fleet.t_s[:] = 0.0
    fleet.draw(active)
    nothing = {
        name: np.full((fleet.n_all, len(st.device.pool), st.hi - st.lo), np.nan, dtype=np.float32)
        for name, st in fleet.stores.items()
    }
    fleet.begin(active, nothing)


class _Recorder:
    """Half-hour means, gauges and saved states of a running fleet."""

    def __init__(self, fleet: Fleet, n_day: int, starts_s: tuple[int, ...]) -> None:
        n, st = fleet.n_world, fleet.structure
        self.fleet, self.starts_s = fleet, starts_s
        self.active = np.ones(n, dtype=bool)
        self.power_kw = np.zeros((n, n_day, SLOT_PER_DAY, st.n_cell + 2), dtype=np.float32)
        self.stock = np.zeros((n, n_day, SLOT_PER_DAY, st.n_cell, tally.N_STOCK), dtype=np.float32)
        self.states = {
            name: np.zeros((n, n_day, len(starts_s), len(s.device.pool), s.hi - s.lo), dtype=np.float32)
            for name, s in fleet.stores.items()
        }
        self.power = np.zeros((fleet.n_all, st.n_cell, tally.N_POWER))
        self.gauge = np.zeros((fleet.n_all, st.n_cell, tally.N_STOCK))
        self.sum_kw = np.zeros((n, st.n_cell + 2))

    def _where(self) -> tuple[int, int]:
        t = int(self.fleet.t_s[0])
        return t // DAY_S, t % DAY_S

    def before(self) -> None:
        """Take gauges and states where a half hour begins."""
        day, sod = self._where()
        self._slot = day, sod // BLOCK_S
        fleet, st = self.fleet, self.fleet.structure
        span = (0, fleet.n_all, 1, self.active)
        if fleet.t_s[0] > 0:
            fleet.measure(self.active)
            tally.tally_stock(*span, fleet.t_s, st.cell_lo, st.cell_hi, fleet.fleet, fleet.gauge, False, self.gauge)
        self.stock[:, day, sod // BLOCK_S] = self.gauge
        if sod in self.starts_s:
            k = self.starts_s.index(sod)
            for name, s in fleet.stores.items():
                out = np.zeros_like(self.states[name][:, 0, 0])
                s.device.save(*span, s.params, s.state, s.acc, out)
                self.states[name][:, day, k] = out

    def adding(self) -> list[Call]:
        """Add the tick's power to the half hour's sum and move the clocks on."""
        f, st = self.fleet, self.fleet.structure
        sums = Call(tally.tally_power, 1, self.active, st.cell_lo, st.cell_hi, f.fleet, self.power)
        return [sums, Call(add_tick, REFRESH_S, f.t_s, f.abs_s, self.power, f.site, self.sum_kw, by_world=True)]

    def after(self) -> None:
        """Keep the means of the half hour that has just ended."""
        self.power_kw[:, self._slot[0], self._slot[1]] = self.sum_kw / (BLOCK_S // REFRESH_S)
        self.sum_kw[:] = 0.0


@kernel
def add_tick(w0, w1, dt_s, t_s, abs_s, power, site, sum_kw):  # type: ignore[no-untyped-def]
    """Add a tick of each fleet (one shard each) to ``sum_kw``, float64 (n_fleet, n_cell + 2): cells, load, PV."""
    for w in range(w0, w1):
        n_cell, n_site = power.shape[1], site.shape[2]
        for c in range(n_cell):
            sum_kw[w, c] += power[w, c, tally.TRUE]
        sum_kw[w, n_cell] += lane_sum(site[w, rows.LOAD_KW], 0, n_site)
        sum_kw[w, n_cell + 1] += lane_sum(site[w, rows.PV_KW], 0, n_site)
        t_s[w] += dt_s
        abs_s[w] += dt_s


def pool_hash(settings: dict[str, Any], structure: Structure) -> str:
    """Return 16 hex digits over what the pool depends on: settings, fleet and the package's sources."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for array in (structure.uid, structure.given, structure.site_index, structure.cell_lo, structure.site_limits):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(source_hash().encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=4)
def load_pool(name: str) -> Pool | None:
    """Return the pool kept under ``name``, or None where there is none that can be read."""
    try:
        kept = _mapped(_path(name))
        states = {key[6:]: array for key, array in kept.items() if key.startswith("state.")}
        starts = tuple(int(s) for s in kept["starts_s"])
        return Pool(int(kept["first_day"]), kept["keys"], kept["power_kw"], kept["stock"], starts, states)
    except (OSError, ValueError, KeyError, struct.error, zipfile.BadZipFile):
        return None


def _mapped(path: Path) -> dict[str, Array]:
    """Return the arrays of an uncompressed .npz, read only: what is not looked at takes no memory, and none twice."""
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for member in archive.infolist():
            file.seek(member.header_offset + 26)  # of the lengths of its name and of what else stands before the data
            file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
            np.lib.format.read_magic(file)
            shape, _, kind = np.lib.format.read_array_header_1_0(file)
            inside = file.tell() + math.prod(shape) * kind.itemsize <= path.stat().st_size
            if kind.hasobject or not inside:
                raise ValueError(f"{path}: {member.filename} is no array of numbers")
            array = np.memmap(path, kind, "r", file.tell(), shape) if math.prod(shape) else np.zeros(shape, kind)
            arrays[member.filename.removesuffix(".npy")] = array
    return arrays


def keep_pool(name: str, pool: Pool) -> None:
    """Keep ``pool`` on disk under ``name``; where nothing can be written it is made again next time."""
    path = _path(name)
    if not writable(path.parent):
        return
    arrays = {f"state.{key}": value for key, value in pool.states.items()}
    arrays |= {"first_day": np.array(pool.first_day), "starts_s": np.array(pool.starts_s), "keys": pool.keys}
    arrays |= {"power_kw": pool.power_kw, "stock": pool.stock}
    save: Any = np.savez  # its stub takes every keyword for a flag
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        save(file, **arrays)


def _path(name: str) -> Path:
    return cache_home() / "pools" / f"{name}.npz"

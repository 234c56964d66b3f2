"""A small fleet that represents a large one in the reference days: the same cells, fewer devices in each.

Params are drawn from the fleet's key, so each fleet of the pool has a sample of its own. The devices of a cell are put
in an order in which neighbours are alike in what governs their start (``strata`` of their class), and cut into runs of
equal length. The middle device of a run plays the reference days; all of the run take over its state. So the sample has
the fleet's spread of panels, capacities and households, and a home with large panels begins as one with large panels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from der_gym.devices import DEVICES
from der_gym.engine.program import share
from der_gym.engine.tables import FLEET, SITE
from der_gym.fleet.resources import ResourceTable
from der_gym.fleet.structure import Structure
from der_gym.fleet.tree import TreeConfig
from der_gym.simulation.device_arrays import DeviceArrays
from der_gym.simulation.fleet_arrays import Fleet

Array = np.ndarray
EXACT = 4096  # up to so many devices the reference days are run on the fleet itself
SAMPLE = 1024  # those of a larger fleet are run on a sample of about so many devices


def class_order() -> tuple[str, ...]:
    """Return the classes in the order in which they advance: by stage, then registration."""
    return tuple(sorted(DEVICES, key=lambda name: DEVICES[name].stage))


def build(
    table: ResourceTable, trees: Mapping[str, TreeConfig], switched: dict[str, Any], shard_size: int | None = None
) -> Structure:
    """Return the structure of a table; ``shard_size`` None keeps the default."""
    size = {} if shard_size is None else {"shard_size": shard_size}
    return Structure.build(table, trees, class_order(), switched_paths=switched, **size)


@dataclass(frozen=True)
class Sample:
    """The fleets of the reference days, and how they represent that of a world.

    Attributes
    ----------
    structures : tuple of Structure
        One shard each: one for each fleet of the pool, with the same cells and places; or one for all of them.
    scale : float64 (n_cell + 2,)
        The world's devices per device of the sample; the last two, homes per home, for load and PV.
    place : dict
        Class -> int16 (n_structure * n_shard, n): the sample's place whose state a place of the world takes over.
    """

    structures: tuple[Structure, ...]
    scale: Array
    place: dict[str, Array]

    @property
    def structure(self) -> Structure:
        """Return the first fleet's structure."""
        return self.structures[0]


def take_sample(
    table: ResourceTable,
    structure: Structure,
    trees: Mapping[str, TreeConfig],
    switched: dict[str, Any],
    devices: Any,
    keys: Array,
) -> Sample:
    """Return a sample of about ``SAMPLE`` devices for each fleet, at least one of every cell.

    A fleet of ``EXACT`` devices or fewer represents itself.

    Parameters
    ----------
    table : ResourceTable
    structure : Structure
        Of the table.
    trees, switched
        As for `build`.
    devices : DevicesConfig
    keys : uint32 (n_fleet, 2)
        Key of each fleet of the pool.
    """
    if structure.n_device <= EXACT:
        return itself(structure)
    made = [_sample(table, structure, trees, switched, devices, key) for key in keys]
    structures = tuple(small for small, _ in made)
    place = {name: np.concatenate([places[name] for _, places in made]) for name in structure.class_slice}
    return Sample(structures, _scale(structure, structures), place)


def nominal_kw(sample: Sample, structure: Structure, devices: Any, key: Array) -> Array:
    """Return each leaf's rated swing in the first fleet, whose key is ``key``, kW, float64 (n_leaf,)."""
    small = sample.structure
    one = Fleet(small, devices, 1, 1.0)
    one.keys[:, :2] = key
    share(one.draw_params(np.ones(1, dtype=bool)), 1, 1)
    rated, edges = one.fleet[0, FLEET.RATED_KW], zip(small.cell_lo, small.cell_hi, strict=True)
    cells = np.array([rated[lo:hi].sum(dtype=np.float64) for lo, hi in edges])
    return np.bincount(small.cell_leaf, cells * sample.scale[: small.n_cell], minlength=structure.n_leaf)


def _scale(structure: Structure, structures: Sequence[Structure]) -> Array:
    sites = np.mean([small.site_present.sum() for small in structures])
    homes = structure.site_present.sum() / max(sites, 1)
    return np.append(units(structure) / units(structures[0]), [homes, homes])


def itself(structure: Structure) -> Sample:
    """Return the sample of a fleet that represents itself."""
    return Sample((structure,), _scale(structure, (structure,)), _own_places(structure))


def units(structure: Structure) -> Array:
    """Return the devices of each cell, int64 (n_cell,)."""
    edges = zip(structure.cell_lo, structure.cell_hi, strict=True)
    return np.array([int(structure.present[:, lo:hi].sum()) for lo, hi in edges], dtype=np.int64)


def _own_places(structure: Structure) -> dict[str, Array]:
    return {
        name: np.broadcast_to(np.arange(hi - lo, dtype=np.int16), (structure.n_shard, hi - lo)).copy()
        for name, (lo, hi) in structure.class_slice.items()
    }


def _sample(
    table: ResourceTable, structure: Structure, trees: Any, switched: Any, devices: Any, key: Array
) -> tuple[Structure, dict[str, Array]]:
    """Return the structure of a fleet's sample, and the place in it of each place of the world."""
    taken = np.full(structure.row.shape, -1, dtype=np.int32)  # table row that each place takes after
    drawn = _strata(structure, devices, key)
    share_ = SAMPLE / structure.n_device
    for name, (first, _) in structure.class_slice.items():
        for lo, hi in _cells(structure, name):
            own, rows = structure.present[:, lo:hi].astype(bool), structure.row[:, lo:hi]
            values = drawn[name][:, lo - first : hi - first][own]
            n = max(1, round(len(values) * share_))
            taken[:, lo:hi][own] = rows[own][after(values, n)]
    chosen = np.unique(taken[taken >= 0])
    small = build(table.take(chosen), trees, switched, shard_size=structure.n_device)
    place_of = np.empty(len(chosen), dtype=np.int32)  # place in the small fleet of each row that was chosen
    place_of[small.row[0, small.present[0] > 0]] = np.flatnonzero(small.present[0])
    whole = np.where(taken >= 0, place_of[np.searchsorted(chosen, np.maximum(taken, chosen[0]))], -1)
    return small, {
        name: np.maximum(whole[:, lo:hi] - small.class_slice[name][0], 0).astype(np.int16)
        for name, (lo, hi) in structure.class_slice.items()
    }


def _cells(structure: Structure, name: str) -> list[tuple[int, int]]:
    """Return the places of each cell of a class."""
    lo, hi = structure.class_slice[name]
    edges = zip(structure.cell_lo.tolist(), structure.cell_hi.tolist(), strict=True)
    return [(a, b) for a, b in edges if lo <= a < hi]


def _strata(structure: Structure, devices: Any, key: Array) -> dict[str, Array]:
    """Return, by class, what governs the start of each device of a fleet, float32 (n_shard, n, n_strata)."""
    parts: dict[str, list[Array]] = {name: [] for name in structure.class_slice}
    for p in range(structure.n_shard):  # shard by shard, so that a million devices need no second copy of a world
        one = Fleet(_shard(structure, p), devices, 1, 1.0)
        one.keys[:, :2] = key
        share(one.draw_params(np.ones(1, dtype=bool)), 1, 1)
        for name, own in one.classes.items():
            parts[name].append(np.stack([_row(one, own, row) for row in own.device.strata or ("",)], axis=1))
    return {name: np.stack(each) for name, each in parts.items()}


def _row(fleet: Fleet, own: DeviceArrays, name: str) -> Array:
    """Return a row of a class's Params, or of its homes, of each device, float32 (n,); zeros for ``""``."""
    if not name:
        return np.zeros(own.hi - own.lo, dtype=np.float32)
    if name in own.device.params:
        row: Array = own.params[0, own.device.params.number(name)]
        return row
    home: Array = fleet.site[0, SITE.number(name), fleet.structure.site_index[0, own.lo : own.hi]]
    return home


_BY_SHARD = ("present", "uid", "row", "site_index", "rated_kw", "given", "site_uid", "site_present", "site_limits")


def _shard(structure: Structure, p: int) -> Structure:
    """Return one shard of a structure as a structure."""
    return replace(structure, n_shard=1, **{name: getattr(structure, name)[p : p + 1] for name in _BY_SHARD})


def after(values: Array, n: int) -> Array:
    """Return, for each device, the one whose state it takes over: ``n`` different ones, each for equally many.

    Parameters
    ----------
    values : float32 (n_device, n_strata)
        What governs their start, the strongest first.
    n : int
        1..n_device.
    """
    out = np.empty(len(values), dtype=np.int64)
    for run in np.array_split(alike(values, n), n):
        out[run] = run[len(run) // 2]
    return out


def alike(values: Array, n: int) -> Array:
    """Return an order in which neighbours are alike: cut by the first value, each part by the next, and so on.

    Every other part runs backwards, so that there is no jump between parts. The number of parts is the same root of
    ``n`` at every level.
    """
    by = np.argsort(values[:, 0], kind="stable")
    if values.shape[1] == 1 or n <= 1:
        return by
    n_part = max(1, round(n ** (1 / values.shape[1])))
    parts = [part[alike(values[part, 1:], max(1, n // n_part))] for part in np.array_split(by, n_part)]
    return np.concatenate([part[::-1] if k % 2 else part for k, part in enumerate(parts)])

"""A small fleet that represents a large one in the reference days: the same cells, fewer devices in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.devices import DEVICES
from der_gym.fleet.resources import ResourceTable
from der_gym.fleet.structure import Structure
from der_gym.fleet.tree import TreeConfig

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
    """The fleet of the reference days, and how it represents that of a world.

    Attributes
    ----------
    structure : Structure
        One shard.
    scale : float64 (n_cell + 2,)
        The world's devices per device of the sample; the last two, homes per home, for load and PV.
    place : dict
        Class -> int16 (n_shard, n): the sample's place whose state a place of the world takes over.
    """

    structure: Structure
    scale: Array
    place: dict[str, Array]


def take_sample(
    table: ResourceTable, structure: Structure, trees: Mapping[str, TreeConfig], switched: dict[str, Any]
) -> Sample:
    """Return a sample of about ``SAMPLE`` devices, at least one of every cell; a small fleet represents itself."""
    if structure.n_device <= EXACT:
        small = structure
    else:
        small = build(table.take(_pick(structure)), trees, switched, shard_size=structure.n_device)
    homes = structure.site_present.sum() / max(small.site_present.sum(), 1)
    scale = np.append(units(structure) / units(small), [homes, homes])
    return Sample(small, scale, {name: _places(structure, small, name) for name in structure.class_slice})


def itself(structure: Structure) -> Sample:
    """Return the sample of a fleet that represents itself."""
    places = {name: _places(structure, structure, name) for name in structure.class_slice}
    return Sample(structure, np.ones(structure.n_cell + 2), places)


def units(structure: Structure) -> Array:
    """Return the devices of each cell, int64 (n_cell,)."""
    edges = zip(structure.cell_lo, structure.cell_hi, strict=True)
    return np.array([int(structure.present[:, lo:hi].sum()) for lo, hi in edges], dtype=np.int64)


def _pick(structure: Structure) -> Array:
    """Return the table's rows of the sample: the first of every cell, in proportion."""
    share = SAMPLE / structure.n_device
    chosen = []
    for lo, hi in zip(structure.cell_lo, structure.cell_hi, strict=True):
        rows = structure.row[:, lo:hi]
        rows = np.sort(rows[rows >= 0])
        chosen.append(rows[: max(1, round(len(rows) * share))])
    return np.sort(np.concatenate(chosen))


def _places(structure: Structure, small: Structure, name: str) -> Array:
    """Return, cell by cell, places of the sample in turn, relative to the class's first place."""
    lo, hi = structure.class_slice[name]
    first = small.class_slice[name][0]
    out = np.zeros((structure.n_shard, hi - lo), dtype=np.int16)  # a sample has fewer places than that counts
    for c in range(structure.n_cell):
        a, b = int(structure.cell_lo[c]), int(structure.cell_hi[c])
        if lo <= a < hi:
            n = int(small.cell_hi[c] - small.cell_lo[c])
            order = np.arange(structure.n_shard * (b - a), dtype=np.int32).reshape(structure.n_shard, b - a) % max(n, 1)
            out[:, a - lo : b - lo] = order + int(small.cell_lo[c]) - first
    return out

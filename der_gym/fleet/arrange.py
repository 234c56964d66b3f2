"""From a table and its trees to cells and shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError, unknown
from der_gym.fleet.labels import Ints, addresses
from der_gym.fleet.packing import Packing, deal, pack, site_signature
from der_gym.fleet.resources import ResourceTable
from der_gym.fleet.tree import CONTROL, Tree, combine

_MOST_PADDING = 2.0  # places per device; beyond, the trees are too fine for cells that are equal in all shards


@dataclass(frozen=True)
class Cells:
    """Devices by cell; ``first`` is a row of each cell, ``class_of`` each device's place in the class order."""

    cell_of: Ints  # (n_device,)
    first: Ints  # (n_cell,)
    class_names: tuple[str, ...]
    class_of: Ints  # (n_device,)
    leaf_of: Ints  # (n_device,)
    leaf_names: tuple[str, ...]


@dataclass(frozen=True)
class Shards:
    """The shard and the place of every device."""

    n_shard: int
    device_shard: Ints  # (n_device,)
    site_shard: Ints  # (n_site of the table,)
    site_uid: NDArray[np.uint32]
    devices: Packing
    sites: Packing


def find_cells(table: ResourceTable, trees: Mapping[str, Tree], class_order: Sequence[str]) -> Cells:
    """Return the cells of a table: sorted by class, leaf, path, cloud, then the nodes of the trees.

    Parameters
    ----------
    table : ResourceTable
    trees : mapping of str to Tree
        ``"control"`` among them.
    class_order : sequence of str
        Device classes in the order of their places.

    Raises
    ------
    InputError
        For a class that is not in ``class_order``.
    """
    names = table.device.list_names()
    for name in names:
        if name not in class_order:
            raise unknown("class", name, class_order)
    class_names = tuple(name for name in class_order if name in names)
    class_of = np.array([class_names.index(name) for name in names], np.int32)[table.device.codes]
    control = trees[CONTROL]
    leaf = np.full(len(control.nodes), -1, np.int32)
    leaf[list(control.leaves)] = np.arange(len(control.leaves))
    leaf_of = leaf[control.node_of]
    columns = [(class_of, len(class_names)), (leaf_of, len(control.leaves))]
    columns += [(column.codes, len(column.names)) for column in (table.path, table.cloud)]
    columns += [(tree.node_of, len(tree.nodes)) for tree in trees.values()]
    _, first, cell_of = np.unique(combine(columns), return_index=True, return_inverse=True)
    leaf_names = tuple(control.nodes[k] for k in control.leaves)
    return Cells(cell_of.astype(np.int32), first, class_names, class_of, leaf_of, leaf_names)


def find_shards(table: ResourceTable, cells: Cells, shard_size: int) -> Shards:
    """Return the shards of a table; places within a cell follow the sites, then the uid.

    Parameters
    ----------
    table : ResourceTable
    cells : Cells
    shard_size : int
        Devices of a shard on average at most, > 0.

    Raises
    ------
    InputError
        Where equal cells in every shard would more than double the arrays.
    """
    site, n_site = table.site.codes, len(table.site.names)
    n_shard = min(max(1, -(-len(table) // shard_size)), n_site)
    site_uid = addresses(table.site.names, "site")
    site_shard = deal(site_signature(site, cells.cell_of, n_site), n_shard)
    sites = pack(site_shard, _site_leaf(table, cells), site_uid, n_shard, len(cells.leaf_names))
    device_shard = site_shard[site]
    tie = (sites.place[site].astype(np.uint64) << np.uint64(32)) | table.uid  # neighbours read neighbouring sites
    devices = pack(device_shard, cells.cell_of, tie, n_shard, len(cells.first), lanes=True)
    n_place = int(devices.hi[-1])
    if n_shard * n_place > _MOST_PADDING * len(table):
        raise InputError(
            f"the trees cut {len(table)} devices into {len(cells.first)} cells, too many for {n_shard} shards "
            f"({n_shard * n_place} places); use coarser trees or a larger shard_size than {shard_size}"
        )
    return Shards(n_shard, device_shard, site_shard, site_uid, devices, sites)


def _site_leaf(table: ResourceTable, cells: Cells) -> Ints:
    """Return the leaf of each site's first device, by class order, then uid (n_site,)."""
    rank = (cells.class_of.astype(np.uint64) << np.uint64(32)) | table.uid
    least = np.full(len(table.site.names), np.iinfo(np.uint64).max)
    np.minimum.at(least, table.site.codes, rank)
    is_first = rank == least[table.site.codes]
    leaf = np.empty(len(least), np.int32)
    leaf[table.site.codes[is_first]] = cells.leaf_of[is_first]
    return leaf

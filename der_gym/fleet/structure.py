"""The fixed arrangement of a fleet in arrays: shards, class slices, cells, sites and the trees over the cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import unknown
from der_gym.fleet.arrange import Cells, Shards, find_cells, find_shards
from der_gym.fleet.fill import given_rows, rated_rows, site_limits, spread, spread_addresses
from der_gym.fleet.labels import Ints
from der_gym.fleet.packing import Packing, in_lanes
from der_gym.fleet.resources import ResourceTable
from der_gym.fleet.tree import Tree, TreeConfig, build_trees

__all__ = ["SHARD_SIZE", "Node", "Structure"]

SHARD_SIZE = 16_384


@dataclass(frozen=True)
class Node:
    """A node of a tree over the cells."""

    name: str
    parent: int  # -1 for the root
    cells: Ints  # cells of the node and of all below it


@dataclass(frozen=True)
class Structure:
    """A fleet's arrangement, the same for all worlds.

    Attributes
    ----------
    n_device, n_shard, n_place, n_site : int
        Devices; shards per world; places and site places per shard, padding included.
    class_slice : dict
        Class -> (lo, hi) of its places; classes without devices are absent.
    class_names, leaf_names, path_names, cloud_names : tuple of str
        What ``cell_class``, ``cell_leaf``, ``cell_path`` and ``cell_cloud`` point into.
    cell_lo, cell_hi : int64 (n_cell,)
        Places ``[lo, hi)``, the same in every shard, sorted by class.
    cell_class, cell_leaf, cell_path, cell_cloud : int32 (n_cell,)
        What all devices of a cell share.
    present : uint8 (n_shard, n_place)
        0 for padding.
    uid : uint32 (n_shard, n_place)
        Address of draws, distinct; of the id alone (padding: free addresses from the top).
    row : int32 (n_shard, n_place)
        Row of the table, -1 for padding.
    site_index : int32 (n_shard, n_place)
        The device's place among the shard's sites; padding points at an absent site that no device has.
    rated_kw : float32 (n_shard, n_place or 1)
        What the table says, NaN = draw; one place stands for all where it says nothing.
    given : int8 (n_shard, N_GIVEN, n_place)
        Feed-back right, start-stop path; NOT_GIVEN = draw.
    site_uid : uint32 (n_shard, n_site)
        Address of the site's draws, from the site's name alone.
    site_present : uint8 (n_shard, n_site)
        0 for padding.
    site_limits : float32 (n_shard, 2, n_site)
        Import and export limit, kW; NaN = default.
    site_cell_lo, site_cell_hi : int64 (n_leaf,)
        Sites whose first device (class order, then uid) is in the leaf: the receiving-point meter's cells.
    trees : dict
        Tree -> nodes; ``control`` is one of them.
    """

    n_device: int
    n_shard: int
    n_place: int
    n_site: int
    class_slice: dict[str, tuple[int, int]]
    class_names: tuple[str, ...]
    leaf_names: tuple[str, ...]
    path_names: tuple[str, ...]
    cloud_names: tuple[str, ...]
    cell_lo: NDArray[np.int64]
    cell_hi: NDArray[np.int64]
    cell_class: NDArray[np.int32]
    cell_leaf: NDArray[np.int32]
    cell_path: NDArray[np.int32]
    cell_cloud: NDArray[np.int32]
    present: NDArray[np.uint8]
    uid: NDArray[np.uint32]
    row: NDArray[np.int32]
    site_index: NDArray[np.int32]
    rated_kw: NDArray[np.float32]
    given: NDArray[np.int8]
    site_uid: NDArray[np.uint32]
    site_present: NDArray[np.uint8]
    site_limits: NDArray[np.float32]
    site_cell_lo: NDArray[np.int64]
    site_cell_hi: NDArray[np.int64]
    trees: dict[str, tuple[Node, ...]]

    @property
    def n_cell(self) -> int:
        """Number of cells."""
        return len(self.cell_lo)

    @property
    def n_leaf(self) -> int:
        """Number of control leaves."""
        return len(self.leaf_names)

    def node_matrix(self, tree: str) -> NDArray[np.uint8]:
        """Return (n_node, n_cell): 1 where the cell belongs to the node. An unknown tree raises InputError."""
        if tree not in self.trees:
            raise unknown("tree", tree, self.trees)
        matrix = np.zeros((len(self.trees[tree]), self.n_cell), np.uint8)
        for line, node in zip(matrix, self.trees[tree], strict=True):
            line[node.cells] = 1
        return matrix

    @staticmethod
    def build(
        table: ResourceTable,
        trees: Mapping[str, TreeConfig],
        class_order: Sequence[str],
        shard_size: int = SHARD_SIZE,
        switched_paths: Mapping[str, Collection[str]] | None = None,
    ) -> Structure:
        """Arrange a table.

        Parameters
        ----------
        table : ResourceTable
            The fleet.
        trees : mapping
            Trees by name; without ``control`` the default one stands in. Each tree makes cells finer.
        class_order : sequence of str
            Classes in the order in which they advance (stage, then registration).
        shard_size : int
            A world of more devices is cut into shards of about so many, >= 1; no site is cut.
        switched_paths : mapping, optional
            Class -> paths that can only start and stop it. Classes that are not named: NaN, drawn.

        Raises
        ------
        InputError
            For a class that is not in ``class_order``, trees that `build_trees` refuses, or trees so fine that equal
            cells in every shard would more than double the arrays.
        """
        built = build_trees(table, trees)
        cells = find_cells(table, built, class_order)
        shards = find_shards(table, cells, shard_size)
        return _assemble(table, built, cells, shards, switched_paths or {})


def _assemble(
    table: ResourceTable,
    trees: Mapping[str, Tree],
    cells: Cells,
    shards: Shards,
    switched_paths: Mapping[str, Collection[str]],
) -> Structure:
    n_shard, n_place, n_site = shards.n_shard, int(shards.devices.hi[-1]), int(shards.sites.hi[-1])
    padded = n_shard * n_place > len(table)
    n_site = int(in_lanes(np.array([n_site + padded]))[0])  # padding devices stand at an absent site, the last
    at = shards.device_shard.astype(np.int64) * n_place + shards.devices.place
    site_at = shards.site_shard.astype(np.int64) * n_site + shards.sites.place
    places, site_places = (n_shard, n_place), (n_shard, n_site)
    first = cells.first
    return Structure(
        n_device=len(table),
        n_shard=n_shard,
        n_place=n_place,
        n_site=n_site,
        class_slice=_class_slice(cells, shards.devices),
        class_names=cells.class_names,
        leaf_names=cells.leaf_names,
        path_names=tuple(table.path.list_names()),
        cloud_names=tuple(table.cloud.list_names()),
        cell_lo=shards.devices.lo,
        cell_hi=shards.devices.hi,
        cell_class=cells.class_of[first],
        cell_leaf=cells.leaf_of[first],
        cell_path=table.path.codes[first].astype(np.int32),
        cell_cloud=table.cloud.codes[first].astype(np.int32),
        present=spread(at, 1, 0, places, np.uint8),
        uid=spread_addresses(at, table.uid, places),
        row=spread(at, np.arange(len(table)), -1, places, np.int32),
        site_index=spread(at, shards.sites.place[table.site.codes], n_site - 1, places, np.int32),
        rated_kw=rated_rows(table, at, places),
        given=given_rows(table, at, places, switched_paths),
        site_uid=spread_addresses(site_at, shards.site_uid, site_places),
        site_present=spread(site_at, 1, 0, site_places, np.uint8),
        site_limits=site_limits(table, site_at, site_places),
        site_cell_lo=shards.sites.lo,
        site_cell_hi=shards.sites.hi,
        trees={name: _nodes(tree, first) for name, tree in trees.items()},
    )


def _class_slice(cells: Cells, devices: Packing) -> dict[str, tuple[int, int]]:
    class_of = cells.class_of[cells.first]
    return {
        name: (int(devices.lo[class_of == k].min()), int(devices.hi[class_of == k].max()))
        for k, name in enumerate(cells.class_names)
    }


def _nodes(tree: Tree, first: Ints) -> tuple[Node, ...]:
    """Return the nodes of a tree with the cells that they and those below them hold."""
    holds = np.zeros((len(tree.nodes), len(first)), bool)
    holds[tree.node_of[first], np.arange(len(first))] = True
    for node in range(len(tree.nodes) - 1, 0, -1):
        holds[tree.parent[node]] |= holds[node]
    lines = zip(tree.nodes, tree.parent, holds, strict=True)
    return tuple(Node(name, parent, np.flatnonzero(line)) for name, parent, line in lines)

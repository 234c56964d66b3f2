"""Recursive groups: trees over the resource table, from selectors or from columns. Several trees overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from der_gym.core.errors import InputError, unknown
from der_gym.fleet.labels import Coder, Ints, Labels
from der_gym.fleet.resources import ResourceTable, word_of

CONTROL = "control"
_STRICT = ConfigDict(extra="forbid", frozen=True)
_LISTED = 200  # an error lists no more names than this


class GroupConfig(BaseModel):
    """A group: those devices of the group above that every selector of ``where`` takes; it may hold groups.

    >>> fast = GroupConfig(name="fast", where={"class": "heater", "path": ["P1", "P3"]})
    """

    model_config = _STRICT

    name: str = Field(min_length=1, pattern="^[^/]+$", description="unlike its neighbours'; no slash")
    where: dict[str, str | tuple[str, ...]] = Field(
        default={}, description="column: value, or values of which one fits"
    )
    groups: tuple[GroupConfig, ...] = Field(default=(), description="groups within")

    @field_validator("where")
    @classmethod
    def _words(cls, where: dict[str, Any]) -> dict[str, Any]:
        """Name each column by the resource table's word: ``class`` for ``device``."""
        named = {word_of(column): value for column, value in where.items()}
        if len(named) < len(where):
            twice = next(column for column in where if word_of(column) != column)
            raise ValueError(f"{twice!r} and {word_of(twice)!r} are one column; allowed: one of them")
        return named


class TreeConfig(BaseModel):
    """A tree by columns (``by: [area, feeder]``: a node per area, within it one per feeder) or by ``groups``."""

    model_config = _STRICT

    by: tuple[str, ...] = Field(default=(), description="columns, from the root down; an empty text goes no deeper")
    groups: tuple[GroupConfig, ...] = Field(default=(), description="groups below the root")

    @field_validator("by")
    @classmethod
    def _words(cls, by: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(word_of, by))

    @model_validator(mode="after")
    def _one_of(self) -> TreeConfig:
        if bool(self.by) == bool(self.groups):
            raise ValueError("a tree has either 'by' or 'groups'")
        return self


DEFAULT_TREES: Mapping[str, TreeConfig] = {
    "cloud": TreeConfig(by=("maker_cloud",)),
    "place": TreeConfig(by=("area", "feeder")),
    "function": TreeConfig(by=("class",)),
    "balancing_group": TreeConfig(by=("demand_bg",)),
    "market_list": TreeConfig(by=("market_list",)),
}


@dataclass(frozen=True)
class Tree:
    """A tree over the rows of a table; a node stands after its parent.

    Attributes
    ----------
    name : str
        ``control``, ``place`` ...; the root's name too.
    nodes : tuple of str
        The root, then the path of names below it: ``tokyo``, ``tokyo/feeder-0001``.
    parent : tuple of int
        Each node's parent, -1 for the root.
    node_of : int (n_device,)
        The deepest node that holds each device.
    """

    name: str
    nodes: tuple[str, ...]
    parent: tuple[int, ...]
    node_of: Ints

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """Nodes without groups within, in the order of the nodes."""
        return tuple(sorted(set(range(len(self.nodes))) - set(self.parent)))


class _Growing:
    """A tree while it is made."""

    def __init__(self, name: str, n_device: int) -> None:
        self.name, self.nodes, self.parent = name, [name], [-1]
        self.node_of = np.zeros(n_device, np.int32)

    def add(self, name: str, parent: int) -> int:
        self.nodes.append(name if parent == 0 else f"{self.nodes[parent]}/{name}")
        self.parent.append(parent)
        return len(self.nodes) - 1

    def done(self) -> Tree:
        return Tree(self.name, tuple(self.nodes), tuple(self.parent), self.node_of)


def build_tree(table: ResourceTable, name: str, config: TreeConfig) -> Tree:
    """Return a tree over ``table``; a device that no node below the root takes stays with the root.

    Parameters
    ----------
    table : ResourceTable
        Devices of the fleet.
    name : str
        Of the tree.
    config : TreeConfig
        How nodes are cut.

    Raises
    ------
    InputError
        For an unknown column or value in a selector, a group that no device matches, neighbours with one name, or a
        device that two neighbours claim (both are named, with an example).
    """
    growing = _Growing(name, len(table))
    if config.by:
        _grow_by(growing, table, config.by)
    else:
        _grow_groups(growing, table, config.groups, 0, np.ones(len(table), bool))
    return growing.done()


def control_tree(table: ResourceTable, config: TreeConfig | None = None) -> Tree:
    """Return the tree whose leaves receive commands; by default a leaf for each ``leaf`` hint, else for each
    combination of class, path and cloud, in the table's order.

    Parameters
    ----------
    table : ResourceTable
        Devices of the fleet.
    config : TreeConfig, optional
        How leaves are cut.

    Raises
    ------
    InputError
        As `build_tree`; or where a device is in no leaf.
    """
    if config is None:
        return _by_hint(table)
    tree = build_tree(table, CONTROL, config)
    outside = ~np.isin(tree.node_of, tree.leaves) | (tree.node_of == 0)
    if outside.any():
        row = int(np.argmax(outside))
        what = "/".join(table.labels(column).text(row) for column in ("class", "path", "maker_cloud"))
        raise InputError(
            f"tree 'control': {int(outside.sum())} devices are in no leaf, such as {table.id_of(row)!r} ({what}); "
            f"it ends in {tree.nodes[int(tree.node_of[row])]!r}"
        )
    return tree


def build_trees(table: ResourceTable, configs: Mapping[str, TreeConfig]) -> dict[str, Tree]:
    """Return the trees of a fleet by name, ``control`` first; where it is not configured it is the default one.

    Parameters
    ----------
    table : ResourceTable
        Devices of the fleet.
    configs : mapping of str to TreeConfig
        Name -> how nodes are cut.
    """
    trees = {CONTROL: control_tree(table, configs.get(CONTROL))}
    return trees | {name: build_tree(table, name, config) for name, config in configs.items() if name != CONTROL}


def combine(columns: Sequence[tuple[Ints, int]]) -> NDArray[np.int64]:
    """Return one number (n,) per row for (codes, number of codes) columns; it sorts as the columns do, left first."""
    key, size = np.zeros(len(columns[0][0]), np.int64), 1
    for codes, count in columns:
        if size * count >= 2**62:
            used, key = np.unique(key, return_inverse=True)
            size = len(used)
        key, size = key * count + codes, size * count
    return key


def _grow_by(growing: _Growing, table: ResourceTable, by: Sequence[str]) -> None:
    at = np.arange(len(table))  # rows that may still go deeper
    for column in by:
        label = table.labels(column)
        at = at[~np.isin(label.codes[at], label.codes_of([""]))]
        if not len(at):
            return
        count = len(label.names)
        keys, inverse = np.unique(
            combine([(growing.node_of[at], len(growing.nodes)), (label.codes[at], count)]), return_inverse=True
        )
        names = [bytes(label.names[key % count]).decode() for key in keys.tolist()]
        nodes = [growing.add(name, key // count) for name, key in zip(names, keys.tolist(), strict=True)]
        growing.node_of[at] = np.array(nodes, np.int32)[inverse]


def _grow_groups(
    growing: _Growing, table: ResourceTable, groups: Sequence[GroupConfig], parent: int, held: NDArray[np.bool_]
) -> None:
    names = [group.name for group in groups]
    for group in groups:
        if names.count(group.name) > 1:
            raise InputError(f"tree {growing.name!r}: two groups of {growing.nodes[parent]!r} are named {group.name!r}")
        node = growing.add(group.name, parent)
        taken = held & _selected(growing, table, group, node)
        if not taken.any():
            raise InputError(f"tree {growing.name!r}, group {growing.nodes[node]!r}: no device matches {group.where}")
        twice = taken & (growing.node_of != parent)
        if twice.any():
            row = int(np.argmax(twice))
            other = growing.nodes[int(growing.node_of[row])]
            raise InputError(
                f"tree {growing.name!r}: {other!r} and {growing.nodes[node]!r} both claim {int(twice.sum())} devices, "
                f"such as {table.id_of(row)!r}"
            )
        growing.node_of[taken] = node
        _grow_groups(growing, table, group.groups, node, taken)


def _selected(growing: _Growing, table: ResourceTable, group: GroupConfig, node: int) -> NDArray[np.bool_]:
    mask = np.ones(len(table), bool)
    for column, value in group.where.items():
        where = f"tree {growing.name!r}, group {growing.nodes[node]!r}, where"
        try:
            label = table.labels(column)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        mask &= np.isin(label.codes, _codes(label, (value,) if isinstance(value, str) else value, f"{where}.{column}"))
    return mask


def _codes(label: Labels, values: Sequence[str], what: str) -> Ints:
    codes = label.codes_of(values)
    if len(codes) < len(set(values)):
        found = {bytes(label.names[code]).decode() for code in codes}
        missing = next(value for value in values if value not in found)
        if len(label.names) > _LISTED:
            raise InputError(f"{what}: no device has {missing!r}; there are {len(label.names)} names")
        raise unknown(what, missing, label.list_names())
    return codes


def _by_hint(table: ResourceTable) -> Tree:
    columns = [table.labels(name) for name in ("leaf", "class", "path", "maker_cloud")]
    keys = combine([(column.codes, len(column.names)) for column in columns])
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    coder, leaf = Coder(), np.empty(len(first), np.int32)
    for k in np.argsort(first, kind="stable"):
        hint, *rest = (column.text(int(first[k])) for column in columns)
        leaf[k] = coder[hint or "-".join(rest)]
    return Tree(CONTROL, (CONTROL, *coder), (-1,) + (0,) * len(coder), leaf[inverse] + np.int32(1))

"""Nodes and claims: the part of each control leaf that a service measures, and the kW that two services want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError, unknown
from der_gym.fleet.structure import Structure
from der_gym.services.base import ServiceConfig

F8 = NDArray[np.float64]
ALL = "all"


def node_leaves(structure: Structure, config: ServiceConfig) -> NDArray[np.bool_]:
    """Return which control leaves a service's node holds, bool (n_leaf,).

    Raises
    ------
    InputError
        For an unknown tree or node, a node without devices, or one that cuts a control leaf.
    """
    wanted = [config.node] if isinstance(config.node, str) else list(config.node)
    cells = np.zeros(structure.n_cell, dtype=bool)
    for name in wanted:
        cells |= _cells(structure, f"services.{config.id}.node", name)
    leaves = np.bincount(structure.cell_leaf, cells, minlength=structure.n_leaf)
    whole = np.bincount(structure.cell_leaf, minlength=structure.n_leaf)
    cut = np.flatnonzero((leaves > 0) & (leaves < whole))
    if len(cut):
        raise InputError(
            f"services.{config.id}.node {config.node!r}: cuts control leaf {structure.leaf_names[cut[0]]!r}; "
            "allowed: nodes of whole control leaves (make the control tree finer: groups.control)"
        )
    held: NDArray[np.bool_] = leaves > 0
    return held


def _cells(structure: Structure, key: str, name: str) -> NDArray[np.bool_]:
    if name == ALL:
        return np.ones(structure.n_cell, dtype=bool)
    tree, _, node = name.partition("/")
    if tree not in structure.trees:
        raise unknown(f"{key}: tree", tree, [ALL, *structure.trees])
    nodes = {each.name: each.cells for each in structure.trees[tree]}
    wanted = node or tree
    if wanted not in nodes:
        raise unknown(f"{key}: node of tree {tree!r}", node, [n for n in nodes if n != tree])
    held = np.zeros(structure.n_cell, dtype=bool)
    held[nodes[wanted]] = True
    return held


def leaf_weights(structure: Structure, services: Sequence[ServiceConfig]) -> Mapping[str, F8]:
    """Return each service's part of every control leaf, 0..1, float64 (n_leaf,) by id.

    Raises
    ------
    InputError
        Where services claim more than the whole of a leaf: the same kW would be promised twice.
    """
    weights: dict[str, F8] = {c.id: node_leaves(structure, c).astype(np.float64) * c.share for c in services}
    claimed = np.sum(list(weights.values()), axis=0)
    over = np.flatnonzero(claimed > 1.0 + 1e-9)
    if len(over):
        who = [name for name, weight in weights.items() if weight[over[0]] > 0]
        raise InputError(
            f"services {' and '.join(who)}: both claim control leaf {structure.leaf_names[over[0]]!r}; allowed: nodes "
            "without a common leaf, or shares that add up to 1 (services.ID.share)"
        )
    return weights

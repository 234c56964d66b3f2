"""Columns of the aggregator's view by name: what an observation field may read, and nothing else."""

from __future__ import annotations

from typing import Literal, get_args

from der_gym.core.errors import InputError, nearest
from der_gym.engine.schema import Table
from der_gym.simulation.aggregator_view import BLOCK, LEAF, SERVICE, WORLD

Scope = Literal["world", "service", "block", "leaf"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
TABLES: dict[str, Table] = {"world": WORLD, "service": SERVICE, "block": BLOCK, "leaf": LEAF}
# Tables of which a field of a scope has one row: its own, and those around it.
AROUND: dict[str, tuple[str, ...]] = {
    "world": ("world",),
    "service": ("service", "world"),
    "block": ("block", "service", "world"),
    "leaf": ("leaf", "world"),
}
# How a kernel reads a column of world w: of service k, of its block i, of leaf i; and of all of them.
_ONE = {
    "world": "world[w, {}]",
    "service": "service[w, k, {}]",
    "block": "block[w, k, i, {}]",
    "leaf": "leaf[w, i, {}]",
}
_ALL = {"service": "service[w, :, {}]", "block": "block[w, :, :, {}]", "leaf": "leaf[w, :, {}]"}


def source(label: str, scope: Scope, argument: str) -> str:
    """Return how a kernel reads what a field's argument names.

    Parameters
    ----------
    label : str
        What an error calls the field.
    scope : str
        Of the field.
    argument : str
        A column of the scope's own table, else of one around it: ``up_kw``, ``temp_c``. With a table's name before it,
        that table's column: ``world_temp_c``. Of a table of which the field has not one row but all, an array:
        ``leaf_up_kw`` and ``service_plan_kw`` float64 (n,), ``block_plan_kw`` float64 (n_service, n_block).

    Returns
    -------
    str
        Expression over ``world``, ``service``, ``block``, ``leaf`` and the numbers ``w``, ``k`` and ``i``.

    Raises
    ------
    InputError
        For a name that is no column, with the nearest one.
    """
    for name in AROUND[scope]:
        if argument in TABLES[name]:
            return _ONE[name].format(f"{name.upper()}.{argument.upper()}")
    table, _, column = argument.partition("_")
    if column in TABLES.get(table, ()):
        forms = _ONE if table in AROUND[scope] else _ALL
        return forms[table].format(f"{table.upper()}.{column.upper()}")
    raise InputError(f"{label}: {_unknown(scope, argument)}")


def _unknown(scope: Scope, argument: str) -> str:
    """Return what is wrong with an argument that is no column, and which ones there are."""
    plain = list(dict.fromkeys(name for table in AROUND[scope] for name in TABLES[table]))
    named = [f"{table}_{name}" for table in TABLES for name in TABLES[table]]
    inside = next((name for name in named if name.partition("_")[2] == argument), None)
    close = inside or nearest(argument, [*plain, *named])
    hint = f"did you mean {close!r}? " if close else ""
    allowed = f"{', '.join(plain)}; or world_, service_, block_, leaf_ and a column of that table"
    return f"argument {argument!r} is no column of its scope; {hint}allowed: {allowed}"

"""Columns of the aggregator's view by name: what an observation field may read, and nothing else."""

from __future__ import annotations

import re
from typing import Literal, get_args

from der_gym.core.errors import InputError, nearest
from der_gym.engine.schema import Table
from der_gym.services import SERVICES
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
        ``leaf_up_kw`` and ``service_plan_kw`` float64 (n,), ``block_plan_kw`` float64 (n_service, n_block). With a
        service's name before it, that service's own column: ``capacity_call_call_kw``.

    Returns
    -------
    str
        Expression over ``world``, ``service``, ``block``, ``leaf``, ``own`` and the numbers ``w``, ``k`` and ``i``; the
        number of a service's own column stands in it as ``{capacity-call.call_kw}``.

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
    for kind in SERVICES:
        column = argument.removeprefix(f"{_word(kind)}_")
        if column != argument and column in SERVICES[kind].FIELDS:
            return f"own[w, {{{kind}.{column}}}]"
    raise InputError(f"{label}: {_unknown(scope, argument)}")


def own_columns(text: str) -> list[str]:
    """Return the own columns of services that an expression of `source` names, ``service.column`` each."""
    return re.findall(r"\{([^}]+)\}", text)


def _word(kind: str) -> str:
    return kind.replace("-", "_")


def _unknown(scope: Scope, argument: str) -> str:
    """Return what is wrong with an argument that is no column, and which ones there are."""
    plain = list(dict.fromkeys(name for table in AROUND[scope] for name in TABLES[table]))
    named = [f"{table}_{name}" for table in TABLES for name in TABLES[table]]
    named += [f"{_word(kind)}_{name}" for kind in SERVICES for name in SERVICES[kind].FIELDS]
    inside = next((name for name in named if name.endswith(f"_{argument}")), None)
    close = inside or nearest(argument, [*plain, *named])
    hint = f"did you mean {close!r}? " if close else ""
    allowed = f"{', '.join(plain)}; or world_, service_, block_, leaf_, a service's name_ and a column of it"
    return f"argument {argument!r} is no column of its scope; {hint}allowed: {allowed}"

"""The layout of observation and action: which entry is which quantity, and how to get its unit back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.core.heads import Head
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.env.action.layout import ActionLayout
from der_gym.env.observation.columns import TABLES, Scope
from der_gym.env.observation.fields import FIELDS, SHIPPED, Field
from der_gym.env.observation.kernel import compile_fields
from der_gym.simulation import aggregator_view
from der_gym.simulation.offers import BUDGET, OFFER

Array = np.ndarray
_TABLES = {"world": 0, "block": 1, "leaf": 2, "service": 4}
_EXTRA, _OWN = 3, 5
_OFFERS = {  # read 1 at, low, high
    "leaf": {"offer_yen_kwh": (50.0, -4.0, 4.0), "offer_on_way": (1.0, 0.0, 1.0), "answered_share": (1.0, 0.0, 1.0)},
    "world": {"budget_left": (1.0, 0.0, 1.0)},
}
_CONST = 0  # else 1 + the number of the service whose award is the unit
N_AHEAD = aggregator_view.N_AHEAD


@dataclass(frozen=True)
class ServiceView:
    """What a layout knows of a service: its id, the leaves of its node, its own fields, and its registered name."""

    id: str
    leaves: tuple[int, ...]
    own: tuple[Field, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Layout:
    """Fields and their places.

    Attributes
    ----------
    leaf_names : tuple of str
    nominal_kw : float64 (n_leaf,)
        Rated swing of each leaf: the unit of its action and telemetry.
    fields : dict
        Key (``"request_kw"``, ``"leaf.seen_kw"``) -> (field, first place, number of values). A service's field has a
        value for each service, a block's ``N_AHEAD`` for each.
    size : int
        Entries of the observation.
    services : tuple of ServiceView
    chosen : int, optional
        The one service that this layout looks at; see `of`.
    fleet_nominal_kw : float64 (n,)
        Rated swing of all leaves of the fleet.
    action : ActionLayout
        Heads of the action and their places.
    """

    leaf_names: tuple[str, ...]
    nominal_kw: Array
    fields: dict[str, tuple[Field, int, int]]
    size: int
    services: tuple[ServiceView, ...]
    action: ActionLayout
    chosen: int | None = None
    fleet_nominal_kw: Array | None = None

    @staticmethod
    def make(
        leaf_names: tuple[str, ...],
        nominal_kw: Array,
        services: Sequence[ServiceView] = (),
        heads: Sequence[Head] | None = None,
        asked: Sequence[str] = (),
        in_awards: bool = False,
    ) -> Layout:
        """Return the layout for a fleet's leaves, its services and heads: shipped columns, then the services' own.

        Where a head offers pay, the columns of the offers stand after the services' own.

        Parameters
        ----------
        leaf_names : tuple of str, n_leaf of them
        nominal_kw : float64 (n_leaf,)
            Rated swing of each leaf, kW, > 0.
        services : sequence of ServiceView
            Default: one service, of all leaves.
        heads : sequence of Head, optional
            Of the action; default: dispatch.
        asked : sequence of str
            Keys of further fields, which follow in this order; those of installed packages are loaded when named.
        in_awards : bool
            Whether an action's entry of 1 asks a leaf for one award; else for its rated swing.

        Raises
        ------
        InputError
            For an unknown field, with the nearest name; for one that stands in the layout already.
        """
        views = tuple(services) or (ServiceView("service", tuple(range(len(leaf_names)))),)
        n = len(views)
        width = {"world": 1, "service": n, "block": n * N_AHEAD, "leaf": len(leaf_names)}
        named = [(_name(field), field, width[field.scope]) for field in (FIELDS[key] for key in SHIPPED)]
        named += [(f"{view.id}.{field.name}", field, 1) for view in views for field in view.own]
        if any(head.kind == "incentive" for head in heads or ()):
            named += [(_name(field), field, width[field.scope]) for field in offer_fields()]
        named += [(_name(field), field, width[field.scope]) for field in _asked(asked)]
        fields, at = {}, 0
        for name, field, n_value in named:
            fields[name] = (field, at, n_value)
            at += n_value
        action = ActionLayout.make(leaf_names, heads, np.maximum(nominal_kw, 1e-9) if in_awards else None)
        return Layout(leaf_names, nominal_kw, fields, at, views, action, fleet_nominal_kw=nominal_kw)

    @property
    def _n_offers(self) -> int:
        return sum(n for field, _, n in self.fields.values() if field in offer_fields())

    def of(self, service: str) -> Layout:
        """Return this layout as one service sees it: its own values, and the leaves of its node only.

        The observation stays whole; an action of this layout has entries for the leaves of the node.
        """
        ids = [view.id for view in self.services]
        if service not in ids:
            raise unknown("service", service, ids)
        k = ids.index(service)
        held = list(self.services[k].leaves)
        names = tuple(self.leaf_names[j] for j in held)
        own = None if self.action.nominal_kw is None else self.action.nominal_kw[held]
        action = ActionLayout.make(names, self.action.heads, own)
        return replace(self, leaf_names=names, nominal_kw=self.nominal_kw[held], action=action, chosen=k)

    @property
    def n_leaf(self) -> int:
        """Return the number of leaves."""
        return len(self.leaf_names)

    def _find(self, name: str) -> tuple[Field, int, int]:
        if name in self.fields:
            return self.fields[name]
        if self.chosen is not None and (own := f"{self.services[self.chosen].id}.{name}") in self.fields:
            return self.fields[own]
        raise unknown("observation field", name, self.fields)

    def places(self, name: str) -> Array:
        """Return the entries of a field, int64 (n,): of the chosen service and its leaves where one is chosen."""
        field, at, n = self._find(name)
        every = np.arange(at, at + n)
        if self.chosen is None:
            return every
        if field.scope == "leaf":
            return every[list(self.services[self.chosen].leaves)]
        per = {"service": 1, "block": N_AHEAD}.get(field.scope, n)
        first = self.chosen * per if field.scope in ("service", "block") else 0
        return every[first : first + per]

    @property
    def _fleet(self) -> Array:
        return self.nominal_kw if self.fleet_nominal_kw is None else self.fleet_nominal_kw

    def _single(self, field: Field) -> bool:
        return field.scope == "world" or (field.scope == "service" and (self.chosen is not None or self._one))

    @property
    def _one(self) -> bool:
        return len(self.services) == 1

    def raw(self, obs: Array, name: str) -> Array:
        """Return a field as it stands in ``obs`` (..., size): (...,) where it has one value, else (..., n).

        Parameters
        ----------
        obs : float32 (..., size)
        name : str
            Of a field, as in ``fields``.
        """
        places = self.places(name)
        if self._single(self._find(name)[0]):
            return obs[..., places[0]]
        return obs[..., places[0] : places[-1] + 1] if len(places) == places[-1] - places[0] + 1 else obs[..., places]

    def decode(self, obs: Array, name: str) -> Array:
        """Return a field of ``obs`` (..., size) in its own unit, float64; cut values stay cut."""
        field, _, _ = self._find(name)
        value: Array = np.asarray(self.raw(obs, name), dtype=np.float64)
        unit: Array | float
        if field.scale == "nominal":
            unit = self.nominal_kw
        elif field.scale == "fleet":
            unit = float(self._fleet.sum())
        elif field.scale == "award":
            unit = self._awards(obs, field, self._owner(name))
        else:
            unit = float(field.scale)
        decoded: Array = value * unit
        return decoded

    def _owner(self, name: str) -> int:
        """Return the number of the service of whose own fields one is; 0 for a field that is no service's own."""
        owns = (k for k, view in enumerate(self.services) for field in view.own if name == f"{view.id}.{field.name}")
        return next(owns, 0)

    def _awards(self, obs: Array, field: Field, owner: int) -> Array:
        """Return the award that is the unit of a field's values: each service's own, the owner's for others."""
        award = self.decode(obs, "unit_kw")
        if self.chosen is not None or self._one:
            return award if self._single(field) else award[..., None]
        if field.scope == "block":
            return np.repeat(award, N_AHEAD, axis=-1)
        return award if field.scope == "service" else award[..., owner]

    def encode(self, values: Mapping[str, Any], obs: Array | None = None) -> Array:
        """Return the action that sets these values of the heads; see `ActionLayout.encode`.

        ``obs``, float32 (..., size), says what an award is; it is read with ``action.unit: award`` alone.
        """
        return self.action.encode(values, self.award_kw(obs))

    def award_kw(self, obs: Array | None) -> Array | None:
        """Return one award of the episode, float64 (...,), summed over the services; None where no unit needs it."""
        if obs is None or self.action.nominal_kw is None:
            return None
        _, at, n = self.fields["unit_kw"]
        total: Array = np.asarray(obs, dtype=np.float64)[..., at : at + n].sum(axis=-1) * float(self._fleet.sum())
        return total

    def bounds(self) -> tuple[Array, Array]:
        """Return the least and greatest observation, float32 (size,) each."""
        low, high = np.zeros(self.size, np.float32), np.zeros(self.size, np.float32)
        for field, at, n in self.fields.values():
            low[at : at + n], high[at : at + n] = field.low, field.high
        return low, high

    def plan(self) -> tuple[Array, Array]:
        """Return each entry's origin, int64 (size, 4): table, row, column, unit; float64 (size, 3): scale, bounds."""
        where, how = np.zeros((self.size, 4), np.int64), np.zeros((self.size, 3))
        extra, owners = 0, [k for k, view in enumerate(self.services) for _ in view.own]
        first_own = self.size - self.n_computed - self._n_offers - len(owners)
        for field, at, n in self.fields.values():
            for i in range(n):
                service = i if field.scope == "service" else i // N_AHEAD if field.scope == "block" else 0
                if first_own <= at < first_own + len(owners):
                    where[at, :3], service = (_OWN, 0, at - first_own), owners[at - first_own]
                elif field in offer_fields():
                    where[at + i, :3] = _OWN, 0, at + i - first_own
                elif field.compute is None:
                    where[at + i, :3] = _TABLES[field.scope], i, _column(field)
                else:
                    where[at + i, :3] = _EXTRA, i, extra
                    extra += 1
                where[at + i, 3], how[at + i, 0] = self._scale(field, i, service)
                how[at + i, 1:] = field.low, field.high
        return where, how

    def _scale(self, field: Field, i: int, service: int) -> tuple[int, float]:
        if field.scale == "award":
            return 1 + service, 1.0
        if field.scale == "nominal":
            return _CONST, float(self._fleet[i])
        return _CONST, float(self._fleet.sum()) if field.scale == "fleet" else float(field.scale)

    def is_computed(self, name: str) -> bool:
        """Return whether a field is a function, not a column."""
        return self._find(name)[0].compute is not None

    @property
    def computed(self) -> list[tuple[Field, int]]:
        """Return the fields that are functions, each with its number of values."""
        return [(field, n) for field, _, n in self.fields.values() if field.compute is not None]

    @property
    def n_computed(self) -> int:
        """Return the number of values that functions give."""
        return sum(n for _, n in self.computed)

    def computing(self, active: Array, view: aggregator_view.AggregatorView, out: Array) -> list[Call]:
        """Return what computes the fields that are functions, in the ``active`` worlds.

        Parameters
        ----------
        active : bool (n_world,)
        view : AggregatorView
        out : float64 (n_world, n_computed)
        """
        if not self.computed:
            return []
        first = np.cumsum([0, *(n for _, n in self.computed)])[:-1]
        given = (active, view.world, view.service, view.block, view.leaf, view.own, first, out)
        made = compile_fields(tuple(field for field, _ in self.computed), self._own_places())
        return [Call(made, *given, by_world=True)]

    def _own_places(self) -> dict[str, int]:
        """Return the number of each own column of the services, of several of a kind of the first one's."""
        every = [f"{view.kind}.{field.name}" for view in self.services for field in view.own]
        return {name: every.index(name) for name in every}

    def describe(self) -> str:
        """Return observation and action as two tables in Markdown."""
        lines = ["| entries | field | unit | reads 1 at | range | meaning |", "|---|---|---|---|---|---|"]
        for name, (field, at, n) in self.fields.items():
            span = f"{at}" if n == 1 else f"{at}-{at + n - 1}"
            lines.append(
                f"| {span} | {name} | {field.unit} | {field.scale} | [{field.low:g}, {field.high:g}] | {field.title} |"
            )
        return "\n".join([*lines, "", self.action.describe()])


@cache
def offer_fields() -> tuple[Field, ...]:
    """Return the fields of the offers, in the order of their columns; only layouts of offers have them."""
    rows = [("leaf", row) for row in OFFER.rows] + [("world", row) for row in BUDGET.rows]
    return tuple(
        Field(row.name, cast(Scope, scope), row.unit, *_OFFERS[scope][row.name], row.meaning) for scope, row in rows
    )


def _name(field: Field) -> str:
    """Return what a field is called in a layout."""
    return field.name if field.scope in ("world", "service") else field.key


def _asked(keys: Sequence[str]) -> list[Field]:
    """Return the fields that a scenario names."""
    for k, key in enumerate(keys):
        if key not in FIELDS:
            raise unknown("observation.fields", key, FIELDS)
        if key in (*SHIPPED, *keys[:k]):
            raise InputError(f"observation.fields: {key!r} stands in the layout already; allowed: each field once")
        if FIELDS[key].compute is None:
            raise InputError(f"observation.fields: {key!r} is no function of columns; allowed: fields made by @field")
    return [FIELDS[key] for key in keys]


def _column(field: Field) -> int:
    """Return a field's column; InputError names the nearest one."""
    if field.name not in TABLES[field.scope]:
        raise unknown(f"{field.label}: column", field.name, TABLES[field.scope])
    return TABLES[field.scope].number(field.name)


def field_table() -> str:
    """Return the fields registered so far without places, one line each; no package is loaded for it."""
    width = {"world": "1", "service": "1", "block": str(N_AHEAD), "leaf": "n_leaf"}
    lines = ["field                       values  unit     reads 1 at  meaning"]
    for f in (FIELDS[key] for key in FIELDS.registered()):
        lines.append(f"{_name(f):27} {width[f.scope]:7} {f.unit:8} {f.scale!s:11} {f.title}")
    return "\n".join(lines)


@kernel
def observe(w0, w1, active, where, how, world, service, block, leaf, extra, own, unit_column, out):  # type: ignore[no-untyped-def]
    """Cut the observations of the active worlds, float32 (n_world, size), from the aggregator's view.

    ``block`` is that of all services in one, float64 (n_world, n_service n_ahead, n_column).
    """
    for w in range(w0, w1):
        if not active[w]:
            continue
        for j in range(out.shape[1]):
            table, i, c, unit = where[j, 0], where[j, 1], where[j, 2], where[j, 3]
            if table == 0:
                x = world[w, c]
            elif table == 1:
                x = block[w, i, c]
            elif table == 2:
                x = leaf[w, i, c]
            elif table == 4:
                x = service[w, i, c]
            elif table == 5:
                x = own[w, c]
            else:
                x = extra[w, c]
            x /= max(service[w, unit - 1, unit_column], 1e-9) if unit > 0 else how[j, 0]
            out[w, j] = np.float32(min(max(x, how[j, 1]), how[j, 2]))

"""The layout of observation and action: which entry is which quantity, and how to get its unit back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from der_gym.core.errors import unknown
from der_gym.engine.compile import kernel
from der_gym.env.observation.fields import FIELDS, Field
from der_gym.simulation import aggregator_view

Array = np.ndarray
_COLUMNS = {"world": aggregator_view.WORLD, "block": aggregator_view.BLOCK, "leaf": aggregator_view.LEAF}
_TABLES = {"world": 0, "block": 1, "leaf": 2}
_EXTRA = 3
_CONST, _AWARD = 0, 1


@dataclass(frozen=True)
class Layout:
    """Fields and their places.

    Attributes
    ----------
    leaf_names : tuple of str
    nominal_kw : float64 (n_leaf,)
        Rated swing of each leaf: the unit of its action and telemetry.
    fields : dict
        Key (``"request_kw"``, ``"leaf.seen_kw"``) -> (field, first place, number of values).
    size : int
        Entries of the observation.
    """

    leaf_names: tuple[str, ...]
    nominal_kw: Array
    fields: dict[str, tuple[Field, int, int]]
    size: int

    @staticmethod
    def make(leaf_names: tuple[str, ...], nominal_kw: Array) -> Layout:
        """Return the layout of all registered fields for a fleet's leaves."""
        width = {"world": 1, "block": aggregator_view.N_AHEAD, "leaf": len(leaf_names)}
        fields, at = {}, 0
        for key in FIELDS:
            field = FIELDS[key]
            name = field.name if field.scope == "world" else key
            fields[name] = (field, at, width[field.scope])
            at += width[field.scope]
        return Layout(leaf_names, nominal_kw, fields, at)

    @property
    def n_leaf(self) -> int:
        """Return the number of leaves: the length of the action."""
        return len(self.leaf_names)

    def _find(self, name: str) -> tuple[Field, int, int]:
        if name not in self.fields:
            raise unknown("observation field", name, self.fields)
        return self.fields[name]

    def raw(self, obs: Array, name: str) -> Array:
        """Return a field as it stands in ``obs`` (..., size): (...,) for a world field, else (..., n)."""
        field, at, n = self._find(name)
        return obs[..., at] if field.scope == "world" else obs[..., at : at + n]

    def decode(self, obs: Array, name: str) -> Array:
        """Return a field of ``obs`` (..., size) in its own unit, float64; cut values stay cut."""
        field, _, _ = self._find(name)
        value: Array = np.asarray(self.raw(obs, name), dtype=np.float64)
        unit: Array | float
        if field.scale == "nominal":
            unit = self.nominal_kw
        elif field.scale == "fleet":
            unit = float(self.nominal_kw.sum())
        elif field.scale == "award":
            award = self.decode(obs, "unit_kw")
            unit = award if field.scope == "world" else award[..., None]
        else:
            unit = float(field.scale)
        decoded: Array = value * unit
        return decoded

    def bounds(self) -> tuple[Array, Array]:
        """Return the least and greatest observation, float32 (size,) each."""
        low, high = np.zeros(self.size, np.float32), np.zeros(self.size, np.float32)
        for field, at, n in self.fields.values():
            low[at : at + n], high[at : at + n] = field.low, field.high
        return low, high

    def plan(self) -> tuple[Array, Array]:
        """Return each entry's origin, int64 (size, 4): table, row, column, unit; float64 (size, 3): scale, bounds."""
        where, how = np.zeros((self.size, 4), np.int64), np.zeros((self.size, 3))
        extra = 0
        for field, at, n in self.fields.values():
            for i in range(n):
                if field.compute is None:
                    where[at + i, :3] = _TABLES[field.scope], i, _COLUMNS[field.scope].number(field.name)
                else:
                    where[at + i, :3] = _EXTRA, i, extra
                    extra += 1
                where[at + i, 3], how[at + i, 0] = self._scale(field, i)
                how[at + i, 1:] = field.low, field.high
        return where, how

    def _scale(self, field: Field, i: int) -> tuple[int, float]:
        if field.scale == "award":
            return _AWARD, 1.0
        if field.scale == "nominal":
            return _CONST, float(self.nominal_kw[i])
        return _CONST, float(self.nominal_kw.sum()) if field.scale == "fleet" else float(field.scale)

    def extras(self, table: aggregator_view.AggregatorView) -> Array:
        """Return the values of the fields that compute themselves, float64 (n_world, n)."""
        n_world = table.world.shape[0]
        own = [(field.compute, n) for field, _, n in self.fields.values() if field.compute is not None]
        columns = [np.asarray(compute(table), dtype=np.float64).reshape(n_world, n) for compute, n in own]
        return np.concatenate(columns, axis=1) if columns else np.zeros((n_world, 0))

    @property
    def computes(self) -> bool:
        """Return whether a field computes itself."""
        return any(field.compute is not None for field, _, _ in self.fields.values())

    def describe(self) -> str:
        """Return the observation as a table in Markdown."""
        lines = ["| entries | field | unit | reads 1 at | range | meaning |", "|---|---|---|---|---|---|"]
        for name, (field, at, n) in self.fields.items():
            span = f"{at}" if n == 1 else f"{at}-{at + n - 1}"
            lines.append(
                f"| {span} | {name} | {field.unit} | {field.scale} | [{field.low:g}, {field.high:g}] | {field.title} |"
            )
        return "\n".join(lines)


def field_table() -> str:
    """Return the fields without places: what every scenario observes, one line each."""
    width = {"world": "1", "block": str(aggregator_view.N_AHEAD), "leaf": "n_leaf"}
    lines = ["field                       values  unit     reads 1 at  meaning"]
    for key in FIELDS:
        f = FIELDS[key]
        name = f.name if f.scope == "world" else key
        lines.append(f"{name:27} {width[f.scope]:7} {f.unit:8} {f.scale!s:11} {f.title}")
    return "\n".join(lines)


@kernel
def observe(w0, w1, active, where, how, world, block, leaf, extra, unit_column, out):  # type: ignore[no-untyped-def]
    """Cut the observations of the active worlds, float32 (n_world, size), from the public table."""
    for w in range(w0, w1):
        if not active[w]:
            continue
        award = max(world[w, unit_column], 1e-9)
        for j in range(out.shape[1]):
            table, i, c = where[j, 0], where[j, 1], where[j, 2]
            if table == 0:
                x = world[w, c]
            elif table == 1:
                x = block[w, i, c]
            elif table == 2:
                x = leaf[w, i, c]
            else:
                x = extra[w, c]
            x /= award if where[j, 3] == 1 else how[j, 0]
            out[w, j] = np.float32(min(max(x, how[j, 1]), how[j, 2]))

"""The layout of the action: which entry is which head of which leaf, and how its unit maps onto [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.engine.schema import Table
from der_gym.env.action.heads import HEADS, Head
from der_gym.network.streams import MessageStream

Array = np.ndarray
SLOTS = {"a": 1, "b": 2}  # column of a message
PLAN = Table(
    "action plan",
    "float64 (n, N): where each entry of the action goes; an entry of the world has a line for every leaf",
    """
    entry  | - | engine | number of the entry
    lane   | - |        | lane of the message
    column | - |        | column of the message: 1 for a, 2 for b
    every  | - |        | decisions between two values
    counts | - |        | 1 on an entry's first line, else 0: a cut entry counts once
    middle | - |        | middle of the head's bounds, in its unit
    half   | - |        | half their distance
    """,
)


@dataclass(frozen=True)
class ActionLayout:
    """Heads and their places in the action, in the order of the scenario.

    Attributes
    ----------
    leaf_names : tuple of str
    places : dict
        Head's name -> (head, first entry, number of entries).
    size : int
        Entries of the action.
    """

    leaf_names: tuple[str, ...]
    places: dict[str, tuple[Head, int, int]]
    size: int

    @staticmethod
    def make(leaf_names: Sequence[str], heads: Sequence[Head] | None = None) -> ActionLayout:
        """Return the layout of these heads, by default dispatch alone, over a fleet's leaves."""
        places, at = {}, 0
        for head in (HEADS["dispatch"],) if heads is None else heads:
            n = len(leaf_names) if head.scope == "leaf" else 1
            places[head.name] = head, at, n
            at += n
        return ActionLayout(tuple(leaf_names), places, at)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return the heads in the order of the action."""
        return tuple(head for head, _, _ in self.places.values())

    def names(self) -> list[str]:
        """Return the name of every entry: ``"dispatch[leaf]"``, or the head's name for one value of the world."""
        named = ((head, n) for head, _, n in self.places.values())
        return [f"{h.name}[{leaf}]" if h.scope == "leaf" else h.name for h, n in named for leaf in self.leaf_names[:n]]

    def _find(self, name: str) -> tuple[Head, int, int]:
        if name not in self.places:
            raise unknown("action head", name, self.places)
        return self.places[name]

    def encode(self, values: Mapping[str, Any]) -> Array:
        """Return the action that sets these values, float32 (..., size).

        Parameters
        ----------
        values : mapping
            Head -> values in its unit, a number or (..., n_leaf); (...,) for a head of the world. A head that is left
            out says nothing: it has the value nearest to 0. Values beyond a head's bounds become entries beyond -1..1.

        Raises
        ------
        InputError
            For an unknown head, or a shape that does not fit.
        """
        given = {name: self._scaled(name, value) for name, value in values.items()}
        ahead = np.broadcast_shapes(*(each.shape[:-1] for each in given.values()), ())
        out = np.empty((*ahead, self.size), dtype=np.float32)
        for name, (head, at, n) in self.places.items():
            nearest_to_0 = min(max(0.0, head.low), head.high)
            out[..., at : at + n] = given.get(name, (nearest_to_0 - _middle(head)) / _half(head))
        return out

    def _scaled(self, name: str, value: Any) -> Array:
        head, _, n = self._find(name)
        array = np.asarray(value, dtype=np.float64)
        array = array[..., None] if head.scope == "world" or array.ndim == 0 else array
        if array.shape[-1] not in (1, n):
            raise InputError(f"action head {name}: shape {array.shape}; allowed: a number, or (..., {n})")
        if head.strict and not ((array >= head.low) & (array <= head.high)).all():
            odd = array[~((array >= head.low) & (array <= head.high))].flat[0]
            raise InputError(f"action head {name}: {odd:g} {head.unit}; allowed: {head.low:g} to {head.high:g}")
        scaled: Array = (array - _middle(head)) / _half(head)
        return scaled

    def decode(self, action: Array, name: str) -> Array:
        """Return a head's values of ``action`` (..., size) in its unit, float64 (..., n), cut to its bounds.

        Of a head of the world (...,).
        """
        head, at, n = self._find(name)
        entries = np.asarray(action, dtype=np.float64)[..., at : at + n]
        value: Array = np.clip(_middle(head) + _half(head) * entries, head.low, head.high)
        return value[..., 0] if head.scope == "world" else value

    def describe(self) -> str:
        """Return the action as a table in Markdown."""
        lines = [
            "| entries | head | message | unit | -1 .. 1 stands for | taken every | meaning |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, (head, at, n) in self.places.items():
            span = f"{at}" if n == 1 else f"{at}-{at + n - 1}"
            every = f"{head.gate_s} s" if head.gate_s else "decision"
            bounds = f"{head.low:g} .. {head.high:g}"
            lines.append(
                f"| {span} | {name} | {head.kind}.{head.slot} | {head.unit} | {bounds} | {every} | {head.title} |"
            )
        return "\n".join(lines)

    def plan(self, streams: Sequence[MessageStream], decision_s: int) -> Array:
        """Return where each entry goes, float64 (n, PLAN.N).

        Parameters
        ----------
        streams : sequence of MessageStream
        decision_s : int
            Time between two decisions, s.
        """
        kinds, n_leaf = [stream.kind for stream in streams], len(self.leaf_names)
        rows = []
        for head, at, n in self.places.values():
            every, first_lane = max(head.gate_s // decision_s, 1), kinds.index(head.kind) * n_leaf
            for leaf in range(n_leaf):
                goes = (at + leaf % n, first_lane + leaf, SLOTS[head.slot], every, int(leaf < n))
                rows.append((*goes, _middle(head), _half(head)))
        return np.array(rows, dtype=np.float64)


def _middle(head: Head) -> float:
    return 0.5 * (head.low + head.high)


def _half(head: Head) -> float:
    return 0.5 * (head.high - head.low)

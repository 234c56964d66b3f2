"""The layout of the action: which entry is which head of which leaf, and how its unit maps onto [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.core.heads import PLAN as PLAN_HEAD
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
    nominal_kw | kW |   | rated swing of the leaf where 1 stands for one award; else 0
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
    nominal_kw : float64 (n_leaf,), optional
        With ``action.unit: award``: rated swing of each leaf. An entry of dispatch of 1 stands for one award in kW,
        as a fraction of the leaf ``award / nominal``, at most 1. Without: for the whole leaf.
    """

    leaf_names: tuple[str, ...]
    places: dict[str, tuple[Head, int, int]]
    size: int
    nominal_kw: Array | None = None

    @staticmethod
    def make(
        leaf_names: Sequence[str], heads: Sequence[Head] | None = None, nominal_kw: Array | None = None
    ) -> ActionLayout:
        """Return the layout of these heads, by default dispatch alone, over a fleet's leaves.

        Parameters
        ----------
        leaf_names : sequence of str
            Control leaves, in their order.
        heads : sequence of Head, optional
            In the order of the action.
        nominal_kw : float64 (n_leaf,), optional
            Rated swing of each leaf where an entry of 1 asks for one award; default: it asks for that swing.
        """
        places, at = {}, 0
        for head in (HEADS["dispatch"],) if heads is None else heads:
            n = len(leaf_names) if head.scope == "leaf" else 1
            places[head.name] = head, at, n
            at += n
        return ActionLayout(tuple(leaf_names), places, at, nominal_kw)

    @property
    def is_plain(self) -> bool:
        """Return whether an action is the leaves' fractions as they stand."""
        return self.nominal_kw is None and self.heads == (HEADS["dispatch"],)

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

    def encode(self, values: Mapping[str, Any], award_kw: Array | float | None = None) -> Array:
        """Return the action that sets these values, float32 (..., size).

        Parameters
        ----------
        values : mapping
            Head -> values in its unit, a number or (..., n_leaf); (...,) for a head of the world. A head that is left
            out has its preset; without one it says nothing: it has the value nearest to 0. Values beyond a head's
            bounds become entries beyond -1..1.
        award_kw : float or (...,), optional
            One award, where it is the unit of dispatch: ``unit_kw`` of the observation, summed over the services.

        Raises
        ------
        InputError
            For an unknown head, a shape that does not fit, or an award that is missing.
        """
        given = {name: self._scaled(name, value) / self._reach(name, award_kw) for name, value in values.items()}
        ahead = np.broadcast_shapes(*(each.shape[:-1] for each in given.values()), ())
        out = np.empty((*ahead, self.size), dtype=np.float32)
        for name, (head, at, n) in self.places.items():
            preset = min(max(0.0, head.low), head.high) if head.preset is None else head.preset
            out[..., at : at + n] = given.get(name, (preset - _middle(head)) / _half(head))
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

    def _reach(self, name: str, award_kw: Array | float | None) -> Array | float:
        """Return what an entry of 1 stands for, over half the head's bounds: 1, or (..., n_leaf) in awards."""
        if self.nominal_kw is None or not _in_awards(self.places[name][0]):
            return 1.0
        if award_kw is None:
            raise InputError(f"action head {name}: award_kw is missing; allowed: kW, for action.unit is 'award'")
        reach: Array = np.asarray(award_kw, dtype=np.float64)[..., None] / self.nominal_kw
        return reach

    def decode(self, action: Array, name: str, award_kw: Array | float | None = None) -> Array:
        """Return a head's values of ``action`` (..., size) in its unit, float64 (..., n), cut to its bounds.

        Of a head of the world (...,). ``award_kw`` as in `encode`.
        """
        head, at, n = self._find(name)
        entries = np.clip(np.asarray(action, dtype=np.float64)[..., at : at + n], -1.0, 1.0)
        entries = entries * self._reach(name, award_kw)
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
        for head, at, n in (place for place in self.places.values() if place[0].kind != PLAN_HEAD):
            every, first_lane = max(head.gate_s // decision_s, 1), kinds.index(head.kind) * n_leaf
            for leaf in range(n_leaf):
                goes = (at + leaf % n, first_lane + leaf, SLOTS[head.slot], every, int(leaf < n))
                nominal_kw = 0.0 if self.nominal_kw is None or not _in_awards(head) else self.nominal_kw[leaf]
                rows.append((*goes, _middle(head), _half(head), nominal_kw))
        return np.array(rows, dtype=np.float64).reshape(-1, PLAN.N)

    def corrections(self) -> Array:
        """Return what moves the leaves' plans, float64 (n_leaf, 3): entry, middle, half; (0, 3) without such a head."""
        moving = [place for place in self.places.values() if place[0].kind == PLAN_HEAD]
        rows = [(at + leaf % n, _middle(h), _half(h)) for h, at, n in moving for leaf in range(len(self.leaf_names))]
        return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _in_awards(head: Head) -> bool:
    """Return whether a head's entries may stand for awards: fractions of leaves, the same both ways."""
    return head.kind == "dispatch" and head.low == -head.high


def _middle(head: Head) -> float:
    return 0.5 * (head.low + head.high)


def _half(head: Head) -> float:
    return 0.5 * (head.high - head.low)

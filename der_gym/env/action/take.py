"""From an action to messages: check it, cut it to [-1, 1], map it onto the heads' units, hold it between gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, Program
from der_gym.env.action.check import read_numbers
from der_gym.env.action.layout import PLAN, ActionLayout
from der_gym.network.streams import MessageStream

Array = np.ndarray


@kernel
def take_action(  # type: ignore[no-untyped-def]
    lo, hi, action, active, plan, award_kw, message, clipped, step_no, n_step, ended, found
):
    """Write actions into messages, count what was cut, count the step and mark the worlds that end with it.

    Parameters
    ----------
    lo, hi : int
        Not read: one call takes all worlds, for a fault in the last one leaves the first as it was.
    action : float32 (n_world, n_entry)
    active : bool (n_world,)
    plan : float64 (n, PLAN.N)
        See `ActionLayout.plan`.
    award_kw : float64 (n_world,)
        One award, where entries stand for awards.
    message : float32 (n_world, n_lane, 3)
        Out: a and b of the lanes whose heads take a value at this decision.
    clipped : float64 (n_world,)
        Entries cut so far.
    step_no : int64 (n_world,)
        Decisions so far in the episode.
    n_step : int
        Decisions of an episode.
    ended : bool (n_world,)
        Out.
    found : int64 (2,)
        Out: flat index of a value that is not finite (then nothing is counted) or -1; how many worlds end.
    """
    n_entry = action.shape[1]
    found[0], found[1] = -1, 0
    for w in range(action.shape[0]):
        if active[w]:
            for j in range(n_entry):
                if not abs(action[w, j]) < 3e38:
                    found[0] = w * n_entry + j
                    return
    for w in range(action.shape[0]):
        ended[w] = active[w] and step_no[w] + 1 >= n_step
        found[1] += 1 if ended[w] else 0
        if active[w]:
            for k in range(plan.shape[0]):
                row = plan[k]
                if row[PLAN.EVERY] > 1.0 and step_no[w] % int(row[PLAN.EVERY]) != 0:
                    continue
                a, middle, half = action[w, int(row[PLAN.ENTRY])], row[PLAN.MIDDLE], row[PLAN.HALF]
                cut = min(max(a, -1.0), 1.0)
                value = cut * half + middle if middle != 0.0 else cut * half
                if row[PLAN.NOMINAL_KW] > 0.0:
                    value = min(max(value * award_kw[w] / row[PLAN.NOMINAL_KW], -half), half)
                message[w, int(row[PLAN.LANE]), int(row[PLAN.COLUMN])] = value
                clipped[w] += row[PLAN.COUNTS] if abs(a) > 1.0 else 0.0
            step_no[w] += 1


@kernel
def take_corrections(action, active, rows, correction):  # type: ignore[no-untyped-def]
    """Write the corrections of the leaves' plans, per rated swing, float64 (n_world, n_leaf), of the active worlds.

    Parameters
    ----------
    action : float32 (n_world, n_entry); active : bool (n_world,)
    rows : float64 (n_leaf, 3)
        Entry, middle and half of the head's bounds; see `ActionLayout.corrections`.
    correction : float64 (n_world, n_leaf)
        Out.
    """
    for w in range(action.shape[0]):
        if active[w]:
            for j in range(rows.shape[0]):
                cut = min(max(action[w, int(rows[j, 0])], -1.0), 1.0)
                correction[w, j] = rows[j, 1] + rows[j, 2] * cut


class ActionTaker:
    """The messages that the actions of ``n_world`` worlds make.

    Parameters
    ----------
    layout : ActionLayout
    streams : sequence of MessageStream
        The scenario's, dispatch first.
    message : float32 (n_world, n_lane, 3)
        Written at each decision: the simulator's own, so that no step copies it.
    active : bool (n_world,)
        Written at each decision: the simulator's own.
    n_step : int
        Decisions of an episode.
    decision_s : int
        Time between two decisions, s.
    correction : float64 (n_world, n_leaf), optional
        Written at each decision where a head moves the plan.

    Attributes
    ----------
    message : float32 (n_world, n_lane, 3)
        Number of the stream, a, b: what the aggregator wants every lane to say now.
    clipped : float64 (n_world,)
        Entries cut to [-1, 1] in the episode.
    step_no : int64 (n_world,)
        Decisions taken in the episode.
    award_kw : float64 (n_world,)
        The episode's award, summed over the services; empty where it is not the unit of an entry.
    ended : bool (n_world,)
        Worlds that end with the last decision.
    """

    def __init__(
        self,
        layout: ActionLayout,
        streams: Sequence[MessageStream],
        message: Array,
        active: Array,
        n_step: int,
        decision_s: int,
        correction: Array | None = None,
    ) -> None:
        n_world, n_leaf = len(message), len(layout.leaf_names)
        self.layout, self.n_world, self.n_step, self.message, self.active = layout, n_world, n_step, message, active
        message[:, :, 0] = np.repeat(np.arange(len(streams)), n_leaf)
        self.clipped = np.zeros(n_world)
        self.step_no = np.zeros(n_world, dtype=np.int64)
        self.award_kw = np.zeros(0 if layout.nominal_kw is None else n_world)
        self._plan, self._corrections, self._correction = (
            layout.plan(streams, decision_s),
            layout.corrections(),
            correction,
        )
        self.ended = np.zeros(n_world, dtype=bool)
        self._given = np.zeros((n_world, layout.size), dtype=np.float32)
        self._found = np.zeros(2, dtype=np.int64)
        asked = (self._given, active, self._plan, self.award_kw, message)
        counted = (self.clipped, self.step_no, n_step, self.ended, self._found)
        self._take = Program([Call(take_action, *asked, *counted, by_world=True)], 1, 1, 1)

    def arrays(self) -> dict[str, Array]:
        """Return what a world's future depends on."""
        own = {"clipped": self.clipped, "step_no": self.step_no, "message": self.message}
        return own | ({"award_kw": self.award_kw} if self.award_kw.size else {})

    def begin(self, mask: Array, award_kw: Array) -> None:
        """Start the episodes of ``mask``, bool (n_world,), with their awards, float64 (n_world,)."""
        self.step_no[mask], self.clipped[mask] = 0, 0.0
        if self.award_kw.size:
            self.award_kw[mask] = award_kw[mask]

    def take(self, action: Any, active: Array) -> bool:
        """Take the actions of the ``active`` worlds; mark those that end with them, and return whether any does.

        Parameters
        ----------
        action : array-like (n_world, size)
        active : bool (n_world,)

        Raises
        ------
        InputError
            For another shape, a value that is not finite, masked arrays, text, complex numbers and objects.
        """
        given = read_numbers(action)
        if given.shape != self._given.shape:
            raise InputError(self._shape_fault(given.shape))
        self._given[:], self.active[:] = given, active
        self._take()
        at, n_ended = self._found.tolist()
        if at >= 0:
            w, j = divmod(at, self.layout.size)
            name = self.layout.names()[j]
            raise InputError(f"action: {given[w, j]} in world {w}, entry {j} ({name}); allowed: finite, -1 to 1")
        if self._correction is not None:
            take_corrections(given, active, self._corrections, self._correction)
        return bool(n_ended)

    def _shape_fault(self, shape: tuple[int, ...]) -> str:
        parts = [
            f"{name} {at}-{at + n - 1}" if n > 1 else f"{name} {at}" for name, (_, at, n) in self.layout.places.items()
        ]
        leaves = ", ".join(self.layout.leaf_names)
        allowed = (self.n_world, self.layout.size)
        return (
            f"action: shape {shape}; allowed: {allowed}, the entries of the heads {', '.join(parts)}; leaves: {leaves}"
        )

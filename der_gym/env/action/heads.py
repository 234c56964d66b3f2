"""Action heads: what a policy sets. A head is one entry here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from der_gym.core.registry import Registry


@dataclass(frozen=True)
class Head:
    """One part of the action.

    Attributes
    ----------
    name : str
    scope : str
        ``"leaf"``: one value per leaf.
    kind : str
        Kind of message that it makes: ``dispatch``, ``rule`` or ``incentive``.
    low, high : float
        Bounds, -1 and 1.
    title : str
    """

    name: str
    scope: Literal["leaf"]
    kind: str
    low: float
    high: float
    title: str


HEADS: Registry[Head] = Registry("action head")
HEADS.register(
    "dispatch",
    Head("dispatch", "leaf", "dispatch", -1.0, 1.0, "fraction of the leaf's upward (+) or downward (-) rated swing"),
)

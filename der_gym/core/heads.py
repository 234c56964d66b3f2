"""Action heads: a policy sets each of them. A head is a declaration; every layer may name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from der_gym.core.registry import Registry


@dataclass(frozen=True)
class Head:
    """One part of the action: a number that a message to the devices carries.

    Attributes
    ----------
    name : str
    scope : str
        ``"leaf"``: one value per leaf; ``"world"``: one value that goes to every leaf.
    kind : str
        Kind of message, the name of the behaviour that answers it: ``"dispatch"``, ``"rule"``, ``"incentive"``.
        ``PLAN`` is no message: the value moves the plan at the next gate.
    low, high : float
        Bounds in the head's unit. The Box's -1 and 1 are mapped onto them.
    title : str
    unit : str
        Of the value sent; ``"-"`` for a share.
    slot : str
        ``"a"`` or ``"b"``: the place in the message. A message with a = 0 says nothing, and ends the one in force.
    gate_s : int
        The value is taken at multiples of this many seconds of the episode and held in between; 0: at every decision.
    change : float, optional
        A value that moves by no more than this is not sent. Default: the network's ``change_share`` of the greatest
        value.
    channel : str, optional
        Channel of the messages. Default: each leaf's own paths.
    preset : float, optional
        Value where an action's author names none, as the shipped rules do. Default: the one nearest to 0, which says
        nothing.
    strict : bool
        Whether a value beyond the bounds is refused where an action is made of values; else it is cut.
    """

    name: str
    scope: Literal["leaf", "world"]
    kind: str
    low: float
    high: float
    title: str
    unit: str = "-"
    slot: Literal["a", "b"] = "a"
    gate_s: int = 0
    change: float | None = None
    channel: str | None = None
    preset: float | None = None
    strict: bool = False


PLAN = "plan"
HEADS: Registry[Head] = Registry("action head", "der_gym.heads")
HEADS.register(
    "dispatch",
    Head("dispatch", "leaf", "dispatch", -1.0, 1.0, "fraction of the leaf's upward (+) or downward (-) rated swing"),
)
HEADS.register(
    PLAN,
    Head(PLAN, "leaf", PLAN, -0.2, 0.2, "correction of the leaf's plan two half hours ahead, per rated swing"),
)
HEADS.register(
    "offer",
    Head(
        "offer",
        "leaf",
        "incentive",
        0.0,
        100.0,
        "pay offered to owners for each kWh drawn less (above 0) or more (below 0) than their baseline",
        unit="yen/kWh",
        gate_s=900,
        change=1.0,
        strict=True,
    ),
)

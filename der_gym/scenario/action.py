"""The action of a scenario: its heads, and the message streams and behaviours that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from der_gym.core.errors import InputError, unknown
from der_gym.core.heads import HEADS, PLAN, Head
from der_gym.devices import DEVICES, behaviours
from der_gym.network.channels import CHANNELS
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.scenario.validation import explain

Control = Literal["dispatch", "incentive", "both"]
OF_CONTROL: dict[Control, tuple[str, ...]] = {
    "dispatch": ("dispatch",),
    "incentive": ("offer",),
    "both": ("dispatch", "offer"),
}
OFFERS = "incentive"  # kind of the messages that offer pay


class HeadSettings(BaseModel):
    """Changes of a head by a scenario; a field left out stays as the head declares it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low: float | None = Field(None, description="value that the Box's -1 stands for")
    high: float | None = Field(None, description="value that the Box's 1 stands for")
    gate_s: int | None = Field(None, ge=0, le=86_400, description="the value is taken at multiples of this; 0: always")
    change: float | None = Field(None, ge=0, description="a value that moves by no more than this is not sent")
    channel: str | None = Field(None, description="channel of the messages; default: each leaf's own paths")
    preset: float | None = Field(None, description="value of rules that do not know the head; default: nothing is said")


class ActionSettings(BaseModel):
    """The heads of the action, in their order in the Box."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    heads: tuple[str, ...] | None = Field(
        None, min_length=1, description="heads by name, in the Box's order; none: those of control"
    )
    unit: Literal["nominal", "award"] = Field(
        "nominal",
        description="what 1 asks of a leaf: its rated swing, or the episode's award in kW, at most that swing",
    )
    plan_price: float = Field(
        1.25,
        ge=1,
        le=10,
        description="head plan: price of energy that a correction adds in an award, over reserve energy's",
    )
    settings: dict[str, HeadSettings] = Field(default_factory=dict, description="head -> what the scenario changes")

    @model_validator(mode="after")
    def _can_be(self) -> ActionSettings:
        if self.heads is not None:
            self.made("dispatch")
        return self

    def made(self, control: Control) -> tuple[Head, ...]:
        """Return the heads as this scenario has them; InputError for an unknown name, or heads that cannot be."""
        names = self.heads or OF_CONTROL[control]
        for name in self.settings:
            if name not in names:
                raise unknown("settings", name, names)
        made = tuple(self._made(name) for name in names)
        check_heads(made)
        return made

    def _made(self, name: str) -> Head:
        if name not in HEADS:
            raise unknown("heads", name, HEADS)
        changed = self.settings.get(name)
        return replace(HEADS[name], **changed.model_dump(exclude_none=True)) if changed else HEADS[name]


class ObservationSettings(BaseModel):
    """What the observation holds beside the shipped columns and the services' own."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fields: tuple[str, ...] = Field((), description="further fields by key, service.gap_kw, in their order")


def check_heads(heads: Iterable[Head]) -> None:
    """Refuse heads that no behaviour answers, that fill one place twice or whose bounds or channel cannot be."""
    taken: dict[tuple[str, str], str] = {}
    for head in heads:
        if head.kind != PLAN:
            behaviours.find(head.kind, f"heads: {head.name}: kind")
        if head.channel is not None and head.channel not in CHANNELS:
            raise unknown(f"heads: {head.name}: channel", head.channel, CHANNELS)
        if head.kind in ("dispatch", PLAN) and head.channel is not None:
            raise InputError(
                f"heads: {head.name}: channel {head.channel!r}; allowed: none, {head.kind} takes "
                + ("the leaf's paths" if head.kind == "dispatch" else "no channel")
            )
        if not head.low < head.high:
            raise InputError(f"heads: {head.name}: low {head.low:g}, high {head.high:g}; allowed: low < high")
        if head.preset is not None and not head.low <= head.preset <= head.high:
            raise InputError(
                f"heads: {head.name}: preset {head.preset:g}; allowed: {head.low:g} to {head.high:g}, its bounds"
            )
        place = head.kind, head.slot
        if place in taken:
            raise InputError(
                f"heads: {head.name}: fills {head.slot} of {head.kind!r} as {taken[place]} does; allowed: one head"
            )
        taken[place] = head.name
    for kind, slot in taken:
        if (kind, "a") not in taken:
            raise InputError(
                f"heads: {taken[kind, slot]}: fills {slot} of {kind!r}; allowed: beside a head that fills a"
            )


def check_control(heads: Iterable[Head], control: Control) -> None:
    """Refuse heads that ``control`` does not have, and a ``control`` whose heads are not there.

    Parameters
    ----------
    heads : iterable of Head
    control : str
        ``dispatch``, ``incentive`` or ``both``.
    """
    kinds = {head.kind: head.name for head in heads}
    for kind, wanted in (("dispatch", ("dispatch", "both")), (OFFERS, ("incentive", "both"))):
        if kind in kinds and control not in wanted:
            allowed = " or ".join(map(repr, wanted))
            raise InputError(f"action.heads: {kinds[kind]}: control is {control!r}; allowed: with control {allowed}")
    for kind in {"dispatch": (), "incentive": (OFFERS,), "both": ("dispatch", OFFERS)}[control]:
        if kind not in kinds:
            raise InputError(f"control {control!r}: no head of the action sends {kind!r}; allowed: with one that does")


def with_owners() -> list[str]:
    """Return the device classes that declare owners."""
    return [name for name in DEVICES if DEVICES[name].owner is not None and any(DEVICES[name].stages("owner"))]


def check_opting(classes: Iterable[str], settings: Any) -> None:
    """Refuse device classes without owners where owners choose whether they take commands.

    Parameters
    ----------
    classes : iterable of str
        Device classes of the fleet.
    settings : DispatchConfig
        ``behaviours.dispatch``.
    """
    for name in classes if settings.opting_out == "owner" else ():
        if name not in with_owners():
            raise InputError(
                f"behaviours.dispatch.opting_out 'owner': class {name!r} declares no owners; "
                f"allowed: coin, or a fleet of {', '.join(with_owners())}"
            )


def check_owners(classes: Iterable[str], settings: Any) -> None:
    """Refuse device classes without owners where owners are offered pay, and settings of classes that are none.

    Parameters
    ----------
    classes : iterable of str
        Device classes of the fleet.
    settings : OwnersConfig
        ``behaviours.incentive``.
    """
    known = with_owners()
    for name in classes:
        if name not in known:
            raise InputError(f"fleet: class {name!r} declares no owners to offer pay to; allowed: {', '.join(known)}")
    for name in settings.classes:
        if name not in known:
            raise unknown("behaviours.incentive.classes", name, known)
        settings.terms(name, DEVICES[name].owner)


def obeying(control: Control, settings: Any, leaf_names: Sequence[str]) -> tuple[bool, ...]:
    """Return which control leaves obey commands; under ``control: incentive`` none is sent one, and all count as such.

    Parameters
    ----------
    control : str
    settings : IncentiveConfig or None
        ``behaviours.incentive``; None where nobody is offered pay.
    leaf_names : sequence of str

    Raises
    ------
    InputError
        For a leaf that there is not, twice the same, leaves that hear offers alone where nobody is commanded anyway,
        or none that obeys.
    """
    if settings is None:
        return (True,) * len(leaf_names)
    only, where = settings.offers_only, "behaviours.incentive.offers_only"
    for key, names in (("offers_only", only), ("leaves", settings.leaves)):
        for name in names:
            if name not in leaf_names:
                raise unknown(f"behaviours.incentive.{key}", name, leaf_names)
    if only and control != "both":
        raise InputError(
            f"{where}: control is {control!r}; allowed: with control 'both', which commands the other leaves"
        )
    twice = [name for name in only if only.count(name) > 1]
    if twice:
        raise InputError(f"{where}: {twice[0]!r} stands twice; allowed: once")
    if len(only) == len(leaf_names):
        raise InputError(
            f"{where}: all {len(only)} leaves; allowed: fewer, or control incentive, which commands nobody"
        )
    return tuple(name not in only for name in leaf_names)


def check_gates(heads: Iterable[Head], decision_s: int) -> None:
    """Refuse gates that fall between two decisions.

    Parameters
    ----------
    heads : iterable of Head
    decision_s : int
        Time between two decisions, s, > 0.
    """
    for head in heads:
        if head.gate_s % decision_s:
            raise InputError(
                f"action.heads: {head.name}: gate_s {head.gate_s}; allowed: a multiple of decision_s {decision_s}"
            )


def check_plan(heads: Iterable[Head], services: Sequence[Any], method: str, settled: bool) -> None:
    """Refuse a head that moves the plan where there is no plan to move, or nobody who could settle it.

    Parameters
    ----------
    heads : iterable of Head
    services : sequence of ServiceConfig
    method : str
        ``plan.method``.
    settled : bool
        Whether the service has a price for what is moved.
    """
    names = [head.name for head in heads if head.kind == PLAN]
    if names and (method == "perfect" or any(each.plan == "perfect" for each in services)):
        raise InputError(f"action.heads: {names[0]}: the plan is perfect; allowed: plan.method forecast or like_days")
    if names and len(services) > 1:
        raise InputError(f"action.heads: {names[0]}: {len(services)} services; allowed: one, which settles the plan")
    if names and not settled:
        raise InputError(
            f"action.heads: {names[0]}: {services[0].id} has no price for it; allowed: a balancing product"
        )


def message_streams(heads: Iterable[Head], kinds: Iterable[str], change_share: float) -> tuple[MessageStream, ...]:
    """Return the message streams of these heads and further kinds: dispatch first, the others in order of their name.

    So the luck of a message does not depend on the order of the heads. A head that says nothing of it sends what moves
    by more than ``change_share`` of its greatest value.

    Parameters
    ----------
    heads : iterable of Head
    kinds : iterable of str
        Kinds of messages that devices understand although no head sends them.
    change_share : float
        0..1.
    """
    own: dict[str, list[Head]] = {kind: [] for kind in kinds}
    for head in (each for each in heads if each.kind != PLAN):
        own.setdefault(head.kind, []).append(head)
    others = [_stream(kind, own[kind], change_share) for kind in sorted(own) if kind != "dispatch"]
    dispatch = own.get("dispatch", [])
    return (_stream("dispatch", dispatch, change_share) if dispatch else DISPATCH, *others)


def _stream(kind: str, heads: list[Head], change_share: float) -> MessageStream:
    channels = sorted({head.channel for head in heads if head.channel is not None})
    if len(channels) > 1:
        raise InputError(f"action.heads: kind {kind!r} has the channels {', '.join(channels)}; allowed: one")
    greatest = {head.slot: change_share * max(abs(head.low), abs(head.high)) for head in heads}
    moves = greatest | {head.slot: head.change for head in heads if head.change is not None}
    second = kind == "dispatch" or behaviours.find(kind).second
    return MessageStream(kind, channels[0] if channels else None, moves.get("a"), moves.get("b", 0.0), second)


def behaviour_settings(given: Mapping[str, Mapping[str, Any]], kinds: Iterable[str]) -> dict[str, Any]:
    """Return the settings of the behaviours that answer these kinds, by kind, dispatch left out.

    Raises
    ------
    InputError
        For an unknown behaviour in ``given`` or ``kinds``, or a setting that cannot be.
    """
    made = {name: _configured(name, values) for name, values in given.items()}
    return {kind: made.get(kind) or _configured(kind, {}) for kind in kinds if kind != "dispatch"}


def dispatch_settings(given: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the settings of owners who are commanded, ``behaviours.dispatch``."""
    return _configured("dispatch", given.get("dispatch", {}))


def _configured(name: str, values: Mapping[str, Any]) -> Any:
    model = behaviours.find(name, "behaviours").config
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(f"behaviours.{name}.{explain(error, model)}") from None

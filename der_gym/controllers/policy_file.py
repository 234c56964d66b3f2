"""A learned policy as two files: ``policy.json`` (what it is) and ``policy.safetensors`` (numbers). Neither executes.

One sha256 covers both, so a change of either is noticed; it says that the files belong together, not who made them.
"""

from __future__ import annotations

import hashlib
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from der_gym.core.errors import InputError, unknown
from der_gym.core.files import read_file, whole_file, write_text
from der_gym.core.interrupt import held_back
from der_gym.env.observation.layout import Layout
from der_gym.scenario.validation import explain

Array = np.ndarray
CARD, WEIGHTS = "policy.json", "policy.safetensors"
NEXT = ".next"  # between the stem and the ending of new weights, until their card is there
LARGEST_BYTES = 256 * 2**20


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FieldCard(_Card):
    """An observation field as the policy knew it: its place and its scale."""

    name: str
    first: int = Field(ge=0)
    n: int = Field(ge=1)
    unit: str
    scale: float | str
    low: float
    high: float


class HeadCard(_Card):
    """An action head as the policy knew it."""

    name: str
    scope: str
    kind: str
    low: float
    high: float


class RuleCard(_Card):
    """The rule that the policy corrects, with its settings."""

    controller: str
    values: dict[str, Any]


class PolicyCard(_Card):
    """All that a policy is, but for its numbers.

    Attributes
    ----------
    inputs : tuple of str
        Names of the fields that its network sees; the rule's action follows them.
    frames : int
        Decisions that it sees, this one and the last ones.
    hold : int
        Decisions for which a correction is held.
    hidden : tuple of int
        Widths of the hidden layers.
    rule : RuleCard
        The rule that it corrects (``idle``: none).
    scale : tuple of float
        Per leaf: it moves the leaf by at most this share of the award, in kW, while an award stands. An offer it moves
        by at most the greatest of them, of half the head's range, while a commitment stands or comes.
    box : str, optional
        ``nominal`` or ``award``: the network's answer is the action itself, in the Box of a scenario with that
        ``action.unit``; it corrects no rule, so ``rule`` is ``idle`` and ``scale`` is not read.
    metrics, training : dict
        What it scored and how it was made; for people, nothing depends on them.
    sha256 : str
        Over the weights' file and this card without this entry.
    """

    format: Literal["der_gym-policy-1"] = "der_gym-policy-1"
    algorithm: str
    env: str
    der_gym: str
    scenario: str
    scenario_hash: str
    leaves: tuple[str, ...]
    fields: tuple[FieldCard, ...]
    heads: tuple[HeadCard, ...] = Field(min_length=1)
    inputs: tuple[str, ...]
    frames: int = Field(1, ge=1, le=64)
    hold: int = Field(1, ge=1, le=240)
    hidden: tuple[int, ...]
    rule: RuleCard
    scale: tuple[Annotated[float, Field(gt=0, le=2)], ...]
    box: Literal["nominal", "award"] | None = None
    metrics: dict[str, float] = {}
    training: dict[str, Any] = {}
    sha256: str = ""

    @model_validator(mode="after")
    def _named_once(self) -> PolicyCard:
        """Refuse names that stand twice: the network would read more inputs than there are."""
        names = {"fields": [f.name for f in self.fields], "heads": [h.name for h in self.heads]}
        for key, found in (names | {"inputs": list(self.inputs), "leaves": list(self.leaves)}).items():
            twice = [name for name in found if found.count(name) > 1]
            if twice:
                raise ValueError(f"{key}: {twice[0]!r} stands twice; allowed: each name once")
        return self

    @model_validator(mode="after")
    def _fields_apart(self) -> PolicyCard:
        """Refuse fields that share places of the observation, and inputs that are no fields."""
        known = {f.name for f in self.fields}
        for name in self.inputs:
            if name not in known:
                raise unknown("inputs", name, known)
        at = 0
        for f in sorted(self.fields, key=lambda f: f.first):
            if f.first != at:
                raise ValueError(f"fields: {f.name!r} begins at {f.first}; allowed: {at}, behind the one before")
            at += f.n
        return self

    @model_validator(mode="after")
    def _plain_without_a_rule(self) -> PolicyCard:
        if self.box is not None and self.rule.controller != "idle":
            raise ValueError(f"box {self.box!r}: the rule is {self.rule.controller!r}; allowed: idle")
        return self

    def written(self) -> dict[str, Any]:
        """Return the card as its file holds it; an empty ``box`` is left out, as before there was one."""
        return self.model_dump(mode="json", exclude={"box"} if self.box is None else None)

    def digest(self, weights: bytes) -> str:
        """Return the sha256 over the weights' bytes and this card without its ``sha256``."""
        entries = {name: value for name, value in self.written().items() if name != "sha256"}
        return hashlib.sha256(weights + json.dumps(entries, sort_keys=True).encode()).hexdigest()

    @property
    def n_input(self) -> int:
        """Return the network's number of inputs."""
        chosen = sum(f.n for f in self.fields if f.name in self.inputs)
        return self.frames * (chosen + self.n_entry)

    @property
    def n_entry(self) -> int:
        """Return the number of entries of the action."""
        return sum(len(self.leaves) if head.scope == "leaf" else 1 for head in self.heads)


def field_cards(layout: Layout) -> tuple[FieldCard, ...]:
    """Return a layout's fields as cards."""
    return tuple(
        FieldCard(name=name, first=at, n=n, unit=f.unit, scale=f.scale, low=f.low, high=f.high)
        for name, (f, at, n) in layout.fields.items()
    )


def head_cards(layout: Layout) -> tuple[HeadCard, ...]:
    """Return a layout's heads as cards."""
    heads = layout.action.heads
    return tuple(HeadCard(name=h.name, scope=h.scope, kind=h.kind, low=h.low, high=h.high) for h in heads)


def save(folder: Path, card: PolicyCard, tensors: dict[str, Array]) -> PolicyCard:
    """Write a policy's two files and return the card with its sha256.

    The card's renaming publishes both: new weights wait under a name of their own until it is there, and `load` finds
    them under either name. So a process that is killed leaves the old policy or the new one.

    Parameters
    ----------
    folder : Path
        It is there.
    card : PolicyCard
        Its sha256 is worked out anew.
    tensors : dict of str to array
        Weights; what the card names, float32 or float64.
    """
    from safetensors.numpy import save as to_bytes

    whole = to_bytes({name: np.ascontiguousarray(t, dtype=np.float32) for name, t in tensors.items()})
    card = card.model_copy(update={"sha256": card.digest(whole)})
    weights, following = _weights_of(folder / CARD)
    if following.exists() and _belongs(following, folder / CARD):  # of a process that was killed
        os.replace(following, weights)
    with held_back(), whole_file(following) as temporary:
        temporary.write_bytes(whole)
    write_text(folder / CARD, json.dumps(card.written(), indent=1, ensure_ascii=False) + "\n")
    os.replace(following, weights)
    return card


def _weights_of(file: Path) -> tuple[Path, Path]:
    """Return where the weights of a card's file are, and where new ones wait."""
    ending = Path(WEIGHTS).suffix
    return file.with_suffix(ending), file.with_suffix(NEXT + ending)


def _belongs(weights: Path, file: Path) -> bool:
    try:
        card = _read_card(file)
    except InputError:
        return False
    return card.digest(_read(weights)) == card.sha256


def files(path: str | Path) -> tuple[Path, Path]:
    """Return a policy's two files, card and weights; the weights are those that `load` would take.

    Parameters
    ----------
    path : str or Path
        A folder, or its ``policy.json``.
    """
    named = Path(path)
    file = named if named.suffix == ".json" else named / CARD
    first, following = _weights_of(file)
    return file, following if following.exists() and _belongs(following, file) else first


def load(path: str | Path) -> tuple[PolicyCard, dict[str, Array]]:
    """Return the card and the tensors of a policy: a folder, or its ``policy.json``.

    Raises
    ------
    InputError
        For a file that is missing, too large, of another kind, changed since it was made, or of other shapes.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    file, numbers = files(path)
    card, weights = _read_card(file), _read(numbers)
    if card.digest(weights) != card.sha256:
        raise InputError(f"policy {file}: changed since it was made (sha256 differs); take the original files")
    try:
        tensors = from_bytes(weights)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"policy {file}: its weights are no safetensors file: {error}") from None
    _check_shapes(file, card, tensors)
    return card, tensors


def _read(file: Path) -> bytes:
    try:
        return read_file(file, LARGEST_BYTES)
    except InputError as error:
        raise InputError(f"policy {error}") from None


def _read_card(file: Path) -> PolicyCard:
    text = _read(file)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"policy {file}: is no JSON; allowed: a policy.json as training writes it") from None
    try:
        return PolicyCard.model_validate(data)
    except ValidationError as error:
        raise InputError(f"policy {file}: {explain(error, PolicyCard)}") from None


def shapes(card: PolicyCard) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that a card asks for."""
    n_x = card.n_input // card.frames
    widths = [card.n_input, *card.hidden, card.n_entry]
    wanted: dict[str, tuple[int, ...]] = {"mean": (n_x,), "gain": (n_x,)}
    for k, (n_in, n_out) in enumerate(pairwise(widths)):
        wanted |= {f"weight.{k}": (n_in, n_out), f"bias.{k}": (n_out,)}
    return wanted


def _check_shapes(file: Path, card: PolicyCard, tensors: dict[str, Array]) -> None:
    if len(card.scale) != len(card.leaves):
        raise InputError(f"policy {file}: scale holds {len(card.scale)} numbers; allowed: one per leaf")
    wanted = shapes(card)
    for name in sorted(wanted.keys() | tensors.keys()):
        found = tensors.get(name)
        if name not in wanted or found is None or found.shape != wanted[name] or found.dtype != np.float32:
            have = "missing" if found is None else f"{found.dtype} {found.shape}"
            raise InputError(f"policy {file}: tensor {name!r} is {have}; allowed: float32 {wanted.get(name, 'none')}")
        if not np.isfinite(found).all():
            raise InputError(f"policy {file}: tensor {name!r} holds a number that is not finite")

"""A learned policy: a small network that corrects a rule. Runs in numpy, without the packages it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from der_gym.controllers import policy_file
from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, State
from der_gym.controllers.perceptron import answer, flatten, look, move
from der_gym.controllers.policy_file import PolicyCard
from der_gym.controllers.store import make
from der_gym.core.errors import InputError
from der_gym.env.observation.layout import Layout

_RULE = "rule."
_FRAMES, _HELD, _AGE = "frames", "held", "age"


class Policy:
    """``action = clip(rule + reach * correction)``; every ``hold`` decisions ``correction = clip(network(inputs))``.

    The rule acts at every decision; the correction is held, for what is changed every minute costs a message every
    minute. ``reach`` is ``scale`` times the award over the leaf's rated swing: a correction of 1 moves every leaf by
    the same kW, whatever its size. It is 0 outside the award, when the rule releases the homes: a fraction of 0 is
    their own schedule, one of 0.001 holds them.

    A card with ``box`` is a plain network: ``action = clip(network(inputs))``, at all times, in the Box.

    Parameters
    ----------
    card : PolicyCard
    tensors : mapping
        ``mean``, ``gain``, ``weight.k``, ``bias.k``; see :func:`der_gym.controllers.policy_file.shapes`.
    """

    name: ClassVar[str] = "policy"
    title: ClassVar[str] = "A learned policy that corrects a rule"
    needs: ClassVar[Literal["observation", "truth"]] = "observation"
    config_class: ClassVar[type[ControllerConfig]] = ControllerConfig

    def __init__(self, card: PolicyCard, tensors: Mapping[str, Array]) -> None:
        self.card = card
        self.acts_in_box = card.box is not None
        self.rule = make(card.rule.controller, card.rule.values)
        self.mean, self.gain = tensors["mean"], tensors["gain"]
        self.sizes, self.weights = flatten(tensors, len(card.hidden) + 1)
        self._limits = np.float32(-1.0), np.float32(1.0)  # of the Box, whatever the heads' units are

    @staticmethod
    def load(path: str | Path) -> Policy:
        """Return the policy of a folder or a ``policy.json``; nothing in it is executed. InputError as `load` says."""
        return Policy(*policy_file.load(path))

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep the layout; InputError names the fields, heads or leaves in which it is not the policy's own.

        Arguments are those of `Controller`.
        """
        _same_layout(self.card, layout)
        unit = "nominal" if layout.action.nominal_kw is None else "award"
        if self.card.box not in (None, unit):
            raise InputError(
                f"policy for {self.card.scenario}: action.unit {unit!r}; allowed: {self.card.box!r}, the policy's own"
            )
        self.rule.bind(layout, public)
        self.layout, self.per_kw = layout, np.array(self.card.scale) / layout.nominal_kw
        self.places = np.concatenate([layout.places(name) for name in self.card.inputs]).astype(np.int64)

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the actions; see :class:`der_gym.controllers.base.Controller`."""
        return self.decide(self.inputs(obs, state, episode_start), obs, state, episode_start)

    def decide(
        self, inputs: tuple[Array, Array, State], obs: Array, state: State | None, episode_start: Array
    ) -> tuple[Array, State]:
        """Return the actions that follow from what `inputs` gave; the other arguments are those of `predict`.

        Parameters
        ----------
        inputs : tuple
            The network's input, the rule's action, the next memory.
        obs : float32 (n, size)
        state : State or None
        episode_start : bool (n,)
        """
        x, base, memory = inputs
        held, age = np.zeros_like(base), np.zeros(len(obs), dtype=np.int64)
        if state is not None:
            held, age = state[_HELD].copy(), np.where(episode_start, 0, state[_AGE])
        answer(x, age == 0, self.sizes, self.weights, *self._limits, held)
        action = held.copy()
        if not self.acts_in_box:
            move(base, held, self.reach(obs), *self._limits, action)
        return action, memory | {_HELD: held, _AGE: (age + 1) % self.card.hold}

    def reach(self, obs: Array) -> Array:
        """Return how far each entry may be moved, float32 (n, n_entry).

        A fraction: ``scale`` of the award, else 0. An offer: the greatest ``scale`` where a commitment stands or comes.
        """
        award = self.layout.decode(obs, "award_kw")[:, None]
        most: Array = np.minimum(self.per_kw * award, 1.0).astype(np.float32)
        heads = self.layout.action.places
        if list(heads) == ["dispatch"]:
            return most
        due = (award > 0) | (self.layout.decode(obs, "block.award_kw") > 0).any(axis=1, keepdims=True)
        for name in (name for name in self.layout.fields if name.endswith((".more_kw", ".more_next_kw"))):
            due |= self.layout.decode(obs, name)[:, None] > 0
        offers = np.float32(max(self.card.scale)) * due.astype(np.float32)
        parts = [most if name == "dispatch" else np.repeat(offers, n, axis=1) for name, (_, _, n) in heads.items()]
        return np.concatenate(parts, axis=1)

    def inputs(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, Array, State]:
        """Return the network's input, float32 (n, n_input), the rule's action (n, n_leaf), and the next memory.

        Arguments are those of `Controller`.
        """
        rule = None if state is None else {k[len(_RULE) :]: v for k, v in state.items() if k.startswith(_RULE)}
        base, rule = self.rule.predict(obs, rule, episode_start)
        n_x, n_past = len(self.mean), self.card.frames - 1
        x = np.empty((len(obs), (1 + n_past) * n_x), dtype=np.float32)
        past = np.zeros((len(obs), n_past * n_x), np.float32) if state is None or not n_past else state[_FRAMES]
        look(obs, self.places, base, self.mean, self.gain, past, x)
        if n_past and episode_start.any():
            x[episode_start, n_x:] = np.tile(x[episode_start, :n_x], n_past)  # nothing was seen before
        memory = {_RULE + name: array for name, array in rule.items()}
        return x, base, memory | ({_FRAMES: x[:, : n_past * n_x].copy()} if n_past else {})


def _same_layout(card: PolicyCard, layout: Layout) -> None:
    """Raise InputError where a card's fields, heads or leaves are not those of ``layout``.

    Fields that another package has added do not count: they stand behind all that the policy knows.
    """
    own, cards = _named(card.fields), policy_file.field_cards(layout)
    known_here = {f.name: f for f in cards if f.name in own or not layout.is_computed(f.name)}
    pairs: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("fields", own, known_here),
        ("heads", _named(card.heads), _named(policy_file.head_cards(layout))),
        ("leaves", {n: k for k, n in enumerate(card.leaves)}, {n: k for k, n in enumerate(layout.leaf_names)}),
    )
    for what, there, here in pairs:
        differ = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if differ:
            shown = ", ".join(_difference(name, there.get(name), here.get(name)) for name in differ[:5])
            more = f" and {len(differ) - 5} more" if len(differ) > 5 else ""
            raise InputError(f"policy for {card.scenario}: {what} that differ: {shown}{more}")


def _named(cards: Any) -> dict[str, Any]:
    return {card.name: card for card in cards}


def _difference(name: str, own: Any, here: Any) -> str:
    if own is None or here is None:
        return f"{name} ({'unknown to the policy' if own is None else 'not in this scenario'})"
    if isinstance(own, int):
        return f"{name} (place {own} there, {here} here)"
    keys = [k for k in own.model_dump() if getattr(own, k) != getattr(here, k)]
    return f"{name} ({', '.join(f'{k} {getattr(own, k)} there, {getattr(here, k)} here' for k in keys)})"

"""A rule for each service: several services on their own nodes are played by copies of one rule."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from der_gym.controllers.base import Array, Controller, HasWorlds, State, public_info
from der_gym.core.errors import InputError
from der_gym.env.observation.layout import Layout


class PerService:
    """Copies of a rule, one for each service; each sees its own target and commands the leaves of its node.

    A leaf that two services share gets the sum of what they ask, weighted by their shares; a leaf of no node gets 0.

    Parameters
    ----------
    rule : Controller
        Not yet bound.
    layout : Layout
        Of the whole environment.
    worlds : HasWorlds
    """

    def __init__(self, rule: Controller, layout: Layout, worlds: HasWorlds) -> None:
        self.layout, self._parts = layout, list[tuple[str, Controller, Array, Array]]()
        self.name, self.title, self.needs = rule.name, rule.title, rule.needs
        for session in worlds.simulator.market.sessions:
            own, held = copy.deepcopy(rule), np.flatnonzero(session.leaf_weight > 0)
            own.bind(layout.of(session.id), public_info(worlds, session.id))
            self._parts.append((session.id, own, held, session.leaf_weight[held].astype(np.float32)))

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the fractions of every leaf; see `Controller`."""
        action, memory = np.zeros((len(obs), self.layout.n_leaf), dtype=np.float32), State()
        for name, rule, held, weight in self._parts:
            before = None if state is None else _of(state, name)
            part, after = rule.predict(obs, before, episode_start)
            action[:, held] += part * weight
            memory |= {f"{name}/{key}": value for key, value in after.items()}
        return action, memory


def _of(state: State, name: str) -> State:
    return {key.removeprefix(f"{name}/"): value for key, value in state.items() if key.startswith(f"{name}/")}


class InBox:
    """A controller of fractions, bound, whose actions are put into a Box of other heads or another unit.

    Heads beside dispatch have their presets.
    """

    def __init__(self, controller: Any, layout: Layout) -> None:
        self.controller, self.layout = controller, layout
        self.name, self.title, self.needs = controller.name, controller.title, controller.needs

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the actions; see `Controller`."""
        given, memory = self.controller.predict(obs, state, episode_start)
        if given.shape[-1] == self.layout.action.size != self.layout.n_leaf:
            return given, memory  # whole actions of all heads
        return self.layout.encode({"dispatch": given}, obs), memory


def bound(controller: Any, worlds: Any) -> Any:
    """Return a controller bound to the worlds of an environment: itself, or, of a rule, what plays it there.

    Of several services each has a copy of the rule. Heads beside dispatch have their presets.

    A controller that gives fractions of leaves is wrapped where an action is more than they (`ActionLayout.is_plain`).
    One whose ``acts_in_box`` is true gives whole actions.

    Parameters
    ----------
    controller : Controller
    worlds : Worlds
        ``env.unwrapped.worlds``.

    Raises
    ------
    InputError
        For a rule that cannot play the scenario's ``control``.
    """
    plays, control = getattr(controller, "plays", None), worlds.scenario.control
    if plays is not None and control not in plays:
        raise InputError(f"controller {controller.name}: control is {control!r}; allowed: {', '.join(plays)}")
    if len(worlds.simulator.market.sessions) > 1 and getattr(controller, "per_service", False):
        made: Any = PerService(controller, worlds.layout, worlds)
    else:
        controller.bind(worlds.layout, public_info(worlds))
        made = controller
    action = worlds.layout.action
    plain = action.is_plain or "dispatch" not in action.places or getattr(controller, "acts_in_box", False)
    return made if plain else InBox(made, worlds.layout)

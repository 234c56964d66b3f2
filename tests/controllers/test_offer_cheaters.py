"""Tricks with offers, played out: each stays below the honest best rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.utils import seeding
from worlds import small

from der_gym.controllers import bound, make
from der_gym.env.worlds import Worlds

Array = np.ndarray
N = 8
OWN = small("incentive-evening", {"fleet.n_device": 300, "action.settings": {"offer": {"low": -100.0, "high": 100.0}}})


def play(choose: Callable[[Worlds, Array, int], Array]) -> float:
    """Return the mean reward of an episode in which ``choose`` gives each leaf's offer, (N, n_leaf)."""
    worlds = Worlds("incentive-evening", OWN, N)
    every, total = np.ones(N, dtype=bool), np.zeros(N)
    worlds.reset(every, {i: seeding.np_random(i)[0] for i in range(N)}, {})
    for k in range(worlds.scenario.n_step):
        worlds.step(worlds.layout.encode({"offer": choose(worlds, worlds.observe(), k)}), every)
        total += worlds.reward.reward
    return float(total.mean())


def honest(worlds: Worlds, obs: Array, k: int) -> Array:
    """Offer as the threshold learner does."""
    held: dict[str, Any] = worlds.__dict__.setdefault("test_rule", {})
    if not held:
        held |= {"rule": bound(make("threshold_learner"), worlds), "state": None}
    action, held["state"] = held["rule"].predict(obs, held["state"], np.full(N, k == 0))
    offers: Array = worlds.layout.action.decode(action, "offer")
    return offers


def everywhere(worlds: Worlds, yen: Any) -> Array:
    return np.broadcast_to(np.asarray(yen, dtype=float), (N, worlds.layout.n_leaf)).copy()


def called(worlds: Worlds, obs: Array) -> Array:
    """Return the hours until the call ends and whether it runs, (N, 2)."""
    left = worlds.layout.decode(obs, "capacity-call.call_left_s") / 3600.0
    return np.stack([left, worlds.layout.decode(obs, "award_kw") > 0], axis=1)


def just_below(worlds: Worlds, obs: Array, k: int) -> Array:
    """Offer a little, at which hardly anybody gives anything, for ever."""
    return everywhere(worlds, 4.0)


def free_riders_only(worlds: Worlds, obs: Array, k: int) -> Array:
    """Offer much to heaters, which rest in the evening whatever they are paid."""
    heat = np.array(["ecocute" in name for name in worlds.layout.leaf_names])
    assert heat.any()
    return everywhere(worlds, np.where(heat, 90.0, 0.0))


def last_block(worlds: Worlds, obs: Array, k: int) -> Array:
    """Save the pay until the last half hour of the call, then offer all."""
    hours, on = called(worlds, obs).T
    return everywhere(worlds, np.where((on > 0) & (hours <= 0.5), 100.0, 0.0)[:, None])


def lifted_baseline(worlds: Worlds, obs: Array, k: int) -> Array:
    """Pay homes to draw more from 5 h to 2 h before the call, by which the yardstick is adjusted; then be honest."""
    starts = worlds.layout.decode(obs, "capacity-call.call_starts_in_s") / 3600.0
    early = (starts > 2.0) & (starts <= 3.0)
    return np.where(early[:, None], everywhere(worlds, -90.0), honest(worlds, obs, k))


@pytest.fixture(scope="module")
def best() -> float:
    return play(honest)


@pytest.mark.parametrize("trick", [just_below, free_riders_only, last_block, lifted_baseline])
def test_a_trick_stays_below_the_honest_rule(best: float, trick: Callable[..., Array]) -> None:
    assert play(trick) < best - 0.02


def test_the_honest_rule_is_worth_more_than_nothing(best: float) -> None:
    assert best > play(lambda worlds, obs, k: everywhere(worlds, 0.0)) + 0.05

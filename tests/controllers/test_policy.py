"""Learned policies do what their numbers say, with the same bits alone and among many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from policies import bound, card_for, tensors_for
from worlds import actions, small

from der_gym.controllers import make, public_info
from der_gym.controllers.perceptron import LIMIT
from der_gym.env.worlds import Worlds
from der_gym.evaluation.play import EpisodeRunner
from der_gym.scenario.load import load

Array = np.ndarray
N = 64


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    return Worlds("tertiary-1", small(), N)


@pytest.fixture(scope="module")
def seen(worlds: Worlds) -> list[Array]:
    """Return what twelve decisions of an episode show."""
    every = np.ones(N, dtype=bool)
    worlds.reset(every, {w: np.random.default_rng(w) for w in range(N)}, None)
    kept = []
    for a in actions(3, 12, worlds.layout.n_leaf):
        kept.append(worlds.observe())
        worlds.step(np.linspace(-1, 1, N)[:, None] * a, every)
    return kept


def play(policy: Any, seen: list[Array], rows: Any) -> Array:
    """Return the actions of some rows over the decisions; every row starts anew at the sixth."""
    out, state = [], None
    for k, obs in enumerate(seen):
        action, state = policy.predict(obs[rows], state, np.full(len(obs[rows]), k in (0, 5)))
        out.append(action)
    return np.array(out)


def plainly(policy: Any, obs: Array, x: Array, base: Array) -> Array:
    """Return the actions by plain loops in float64."""
    t = tensors_for(policy.card)
    out = np.empty_like(base)
    for r in range(len(x)):
        h = x[r].astype(np.float64)
        for k in range(len(policy.card.hidden) + 1):
            h = h @ t[f"weight.{k}"].astype(np.float64) + t[f"bias.{k}"]
            h = np.tanh(h) if k < len(policy.card.hidden) else h
        award_kw = policy.layout.decode(obs[r], "award_kw")
        reach = np.minimum(np.array(policy.card.scale) * award_kw / policy.layout.nominal_kw, 1.0)
        out[r] = np.clip(base[r] + reach * np.clip(h, -1, 1), -1, 1)
    return out


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("rows", [slice(5, 6), slice(3, 10), [9, 1, 40]], ids=["1", "7", "3 others"])
def test_a_row_has_the_same_bits_in_any_batch(worlds: Worlds, seen: list[Array], frames: int, rows: Any) -> None:
    whole = play(bound(worlds, frames=frames), seen, slice(None))
    assert play(bound(worlds, frames=frames), seen, rows).tobytes() == whole[:, rows].tobytes()


@pytest.mark.parametrize("frames", [1, 3])
def test_the_network_is_what_its_numbers_say(worlds: Worlds, seen: list[Array], frames: int) -> None:
    policy, state = bound(worlds, frames=frames), None
    for k, obs in enumerate(seen):
        start = np.full(N, k == 0)
        x, base, _ = policy.inputs(obs, state, start)
        action, state = policy.predict(obs, state, start)
        np.testing.assert_allclose(action, plainly(policy, obs, x, base), atol=2e-5)
    assert np.abs(action - base).max() > 0.1


def test_inputs_are_scaled_fields_and_the_rule(worlds: Worlds, seen: list[Array]) -> None:
    policy = bound(worlds, inputs=("request_kw", "leaf.sent_a"))
    rule = make("merit_order")
    rule.bind(worlds.layout, public_info(worlds))
    first, start = seen[0], np.ones(N, dtype=bool)
    x, base, _ = policy.inputs(first, None, start)
    assert (base == rule.predict(first, None, start)[0]).all()
    raw = np.column_stack([worlds.layout.raw(first, "request_kw"), worlds.layout.raw(first, "leaf.sent_a"), base])
    np.testing.assert_allclose(x, np.clip((raw - policy.mean) * policy.gain, -LIMIT, LIMIT), rtol=1e-5, atol=1e-6)


def test_frames_are_the_last_decisions_of_this_episode(worlds: Worlds, seen: list[Array]) -> None:
    policy, state, n_x = bound(worlds, frames=3), None, len(bound(worlds).mean)
    kept = []
    for k, obs in enumerate(seen[:6]):
        x, _, state = policy.inputs(obs, state, np.full(N, k in (0, 4)))
        kept.append(x[:, :n_x])
        past = [max(k - i, 4 if k >= 4 else 0) for i in range(3)]
        assert (x == np.concatenate([kept[i] for i in past], axis=1)).all()


def test_actions_stay_within_the_head_and_near_the_rule(worlds: Worlds, seen: list[Array]) -> None:
    policy = bound(worlds)
    policy.weights = policy.weights * np.float32(50.0)
    _, base, _ = policy.inputs(seen[3], None, np.ones(N, dtype=bool))
    action, _ = policy.predict(seen[3], None, np.ones(N, dtype=bool))
    assert np.abs(action).max() <= 1.0
    moved_kw = np.abs(action - base) * worlds.layout.nominal_kw
    award_kw = worlds.layout.decode(seen[3], "award_kw")[:, None]
    free = np.abs(action) < 1.0  # not cut by the head
    assert (moved_kw <= policy.card.scale[0] * award_kw * (1 + 1e-5)).all()
    assert (moved_kw / award_kw)[free].max() == pytest.approx(policy.card.scale[0], rel=1e-4)


def test_outside_the_award_the_rule_stands(worlds: Worlds, seen: list[Array]) -> None:
    policy, over = bound(worlds), seen[3].copy()
    worlds.layout.raw(over, "award_kw")[:] = 0.0
    start = np.ones(N, dtype=bool)
    assert (policy.predict(over, None, start)[0] == policy.inputs(over, None, start)[1]).all()
    assert (policy.predict(seen[3], None, start)[0] != policy.inputs(seen[3], None, start)[1]).any()


def test_a_network_of_zeros_is_its_rule(worlds: Worlds) -> None:
    policy = bound(worlds)
    policy.weights = np.zeros_like(policy.weights)
    stage = EpisodeRunner(load("tertiary-1", small()), 1)
    mine, rule = (stage.play(c, [1, 2], run_on=False).reward for c in (policy, make("merit_order")))
    assert (mine == rule).all()


def test_the_memory_is_never_changed_in_place(worlds: Worlds, seen: list[Array]) -> None:
    policy = bound(worlds, frames=2)
    _, state = policy.predict(seen[0], None, np.ones(N, dtype=bool))
    before = {name: array.copy() for name, array in state.items()}
    policy.predict(seen[1], state, np.zeros(N, dtype=bool))
    assert all((state[name] == before[name]).all() for name in before)


def test_a_policy_without_memory_fields_has_fewer_inputs(worlds: Worlds) -> None:
    n_leaf = worlds.layout.n_leaf
    without = tuple(name for name in worlds.layout.fields if name not in ("leaf.sent_a", "leaf.arrived_a"))
    assert card_for(worlds).n_input - card_for(worlds, inputs=without).n_input == 2 * n_leaf

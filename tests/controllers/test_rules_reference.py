"""The rules' kernels have the values of the same formulas in numpy, with any number of rows, and of plain Python."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
import pytest
import reference_rules as slow
from numba.core.dispatcher import Dispatcher
from plain import plain
from test_controllers import FACTS, LAYOUT, noise
from worlds import small

from der_gym.controllers import CONTROLLERS, base, closed_loop, loop, make, merit_order, open_loop, public_info, reading
from der_gym.env.worlds import Worlds

Array = np.ndarray
RULES = (slow.OpenLoop, slow.ClosedLoop, slow.MeritOrder)
MODULES = {"open_loop": open_loop, "closed_loop": closed_loop, "merit_order": merit_order}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "open_loop": [{}, {"lag_s": -90.0}],
    "closed_loop": [{}, {"lag_s": 45.0, "gain": 1.2, "integral_s": 60.0}, {"lag_s": -60.0, "slope_part": 0.3}],
    "merit_order": [{}, {"lag_s": -45.0, "base_share": 1.0, "base_s": 60.0, "base_step": 0.02, "level_s": 400.0}],
}
CASES = [(rule, values) for rule in RULES for values in VARIANTS[rule.name]]
N_WORLD = 64


@lru_cache(maxsize=1)
def worlds() -> Worlds:
    return Worlds("tertiary-1", small(), N_WORLD)


def both(rule: type[base.Rule], values: dict[str, Any]) -> tuple[base.Rule, base.Rule]:
    """Return a shipped rule and its reference with the same settings, bound to the worlds."""
    fast = make(rule.name, values)
    pair = fast, rule(fast.config)
    for one in pair:
        one.bind(worlds().layout, public_info(worlds()))
    return pair


@cache
def played(k: int) -> list[tuple[Array, Array, Array]]:
    """Return (observations, episode starts, reference's actions) of an episode that the reference of a case plays.

    Single rows begin anew on the way, as if their world had.
    """
    made, every = worlds(), np.ones(N_WORLD, dtype=bool)
    made.reset(every, {w: np.random.default_rng(w) for w in range(N_WORLD)}, None)
    rule, state, start, kept = both(*CASES[k])[1], None, every, []
    draw = np.random.default_rng(k)
    for _ in range(made.scenario.n_step):
        obs = made.observe()
        action, state = rule.predict(obs, state, start)
        kept.append((obs, start, action))
        made.step(action, every)
        start = draw.random(N_WORLD) < 0.02
    return kept


@pytest.mark.parametrize("n", [1, 7, N_WORLD])
@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: f"{CASES[k][0].name}-{k}")
def test_a_rule_equals_its_reference_over_an_episode(k: int, n: int) -> None:
    fast, state = both(*CASES[k])[0], None
    rows = slice(3, 3 + n) if n < N_WORLD else slice(None)
    for t, (obs, start, expected) in enumerate(played(k)):
        action, state = fast.predict(obs[rows], state, start[rows])
        assert (action == expected[rows]).all(), t
    steps = np.stack([action for _, _, action in played(k)])
    assert len(np.unique(steps)) > 100 and sum(start[3:10].sum() for _, start, _ in played(k)[1:]) >= 3


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_equals_its_reference_all_over_the_box(rule: Any) -> None:
    fast, old, one, two = make(rule.name), rule(make(rule.name).config), None, None
    for bound in (fast, old):
        bound.bind(LAYOUT, FACTS)
    for k in range(30):
        obs, start = noise(50, k), np.random.default_rng(k).random(50) < 0.1
        a, one = fast.predict(obs, one, start)
        b, two = old.predict(obs, two, start)
        assert (a == b).all(), k


@pytest.mark.parametrize("name", MODULES)
def test_a_rules_kernel_has_the_bits_of_plain_python(name: str) -> None:
    fast, python, one, two = make(name), make(name), None, None
    for bound in (fast, python):
        bound.bind(LAYOUT, FACTS)
    for k in range(12):
        obs, start = noise(5, k), np.arange(5) == k % 6
        a, one = fast.predict(obs, one, start)
        b, two = by_hand(python, obs, two, start)
        assert a.tobytes() == b.tobytes()
        assert all(one[key].tobytes() == two[key].tobytes() for key in one)


def by_hand(rule: Any, obs: Array, state: Any, start: Array) -> tuple[Array, Any]:
    """Return what ``predict`` of a rule returns with its kernel in plain Python."""
    names = plain(MODULES[rule.name])
    assert not isinstance(names["decide"], Dispatcher) and not isinstance(names["read"], Dispatcher)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULES[rule.name], "decide", names["decide"])
        if hasattr(rule, "decide"):
            patch.setattr(rule, "decide", names["decide"])
        found: tuple[Array, Any] = rule.predict(obs, state, start)
    return found


def test_entries_are_read_as_the_layout_decodes_them() -> None:
    names = [name for name, (field, _, _) in LAYOUT.fields.items() if field.scope != "leaf" and name != "unit_kw"]
    leaves = [name for name, (field, _, _) in LAYOUT.fields.items() if field.scope == "leaf"]
    at, unit = reading.entries(LAYOUT, ["unit_kw", *names], leaves)
    assert sorted(at) == list(range(LAYOUT.size))
    for obs in noise(5):
        out = np.empty(at.size)
        reading.read(at, unit, obs, out)
        group = np.concatenate([np.atleast_1d(LAYOUT.decode(obs, name)) for name in ["unit_kw", *names]])
        each = np.stack([LAYOUT.decode(obs, name) for name in leaves], axis=1)
        assert (out == np.r_[group, each.ravel()]).all()


def test_places_of_fields_are_those_of_their_names() -> None:
    assert loop.NOW_FIELDS[: loop.NOW.BLOCK_AWARD_KW_0][-1] == "temp_c" and len(loop.EACH_FIELDS) == loop.EACH.N
    for name, place in {
        "unit_kw": loop.NOW.UNIT_KW,
        "target_kw": loop.NOW.TARGET_KW,
        "temp_c": loop.NOW.TEMP_C,
    }.items():
        assert loop.NOW_FIELDS[place] == name
    for name, place in {"seen_kw": loop.EACH.SEEN_KW, "sent_a": loop.EACH.SENT_A, "down_kw": loop.EACH.DOWN_KW}.items():
        assert loop.EACH_FIELDS[place] == f"leaf.{name}"


def test_a_rule_is_compiled_once_for_any_number_of_rows() -> None:
    for name, module in MODULES.items():
        rule, state = CONTROLLERS[name](), None
        rule.bind(LAYOUT, FACTS)
        for n in (1, 7, 64):
            _, state = rule.predict(noise(n), None, np.ones(n, dtype=bool))
            rule.predict(noise(n), state, np.zeros(n, dtype=bool))
        assert len(module.decide.opened.signatures) == 1

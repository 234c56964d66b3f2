"""Fields that are functions of columns: they equal plain Python to the bit, and bad ones are refused in one line."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from worlds import SMALL_STEPS, actions, small

from der_gym.core.errors import InputError
from der_gym.engine.compile import scalar
from der_gym.env.observation import columns
from der_gym.env.observation.fields import FIELDS, Field, field, in_order
from der_gym.env.observation.kernel import compile_fields, write
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv

Array = np.ndarray
WIDE: dict[str, Any] = {"unit": "kW", "scale": 1.0, "low": -1e6, "high": 1e6}


@pytest.fixture
def own() -> Iterator[None]:
    """Take what a test registers out again."""
    before = FIELDS.registered()
    yield
    for name in set(FIELDS.registered()) - set(before):
        del FIELDS._items[name]


@scalar
def above(x: float, y: float) -> float:
    return x - y if x > y else 0.0


def gap_kw(target_kw: float, response_kw: float) -> float:
    """Target less what is seen."""
    return target_kw - response_kw


def room_kw(up_kw: float, down_kw: float, plan_kw: float, world_plan_kw: float, temp_c: float) -> float:
    return above(up_kw, down_kw) / max(abs(plan_kw - world_plan_kw), 1.0) + 0.1 * temp_c


def ahead_kw(plan_kw: float, world_plan_kw: float, leaf_up_kw: Array) -> float:
    return plan_kw - world_plan_kw + leaf_up_kw[0]


def most_kw(leaf_up_kw: Array, block_plan_kw: Array, block_left: float) -> float:
    most = 0.0
    for up_kw in leaf_up_kw:
        most = max(most, up_kw)
    return most + block_plan_kw[1] * block_left


OWN: dict[str, Callable[..., float]] = {
    "world.gap_kw": gap_kw,
    "leaf.room_kw": room_kw,
    "block.ahead_kw": ahead_kw,
    "world.most_kw": most_kw,
}


def registered(keys: list[str]) -> list[Field]:
    return [field(key, **WIDE)(OWN[key]) for key in keys]


def value(one: Field, env: DERGroupVectorEnv, w: int, i: int) -> float:
    """Return what a field's function gives in plain Python, its arguments read from the view by name."""
    view = env.worlds.simulator.view
    row = {"world": view.world[w], "block": view.block[w], "leaf": view.leaf[w]}
    given = []
    for name in OWN[one.key].__code__.co_varnames[: OWN[one.key].__code__.co_argcount]:
        table, column = (one.scope, name) if name in columns.TABLES[one.scope] else ("world", name)
        if column not in columns.TABLES[table]:
            table, _, column = name.partition("_")
        at = row[table][..., columns.TABLES[table].number(column)]
        given.append(float(at[i]) if table == one.scope != "world" else at if at.ndim else float(at))
    return one(*given)


@pytest.mark.usefixtures("own")
def test_every_function_gives_the_bits_of_plain_python_over_an_episode() -> None:
    made = registered(list(OWN))
    env = DERGroupVectorEnv(2, "tertiary-1", small())
    obs, _ = env.reset(seed=1)
    wants = env.layout.n_leaf, obs.shape
    seen = set()
    for k, action in enumerate(actions(1, SMALL_STEPS + 5, wants[0])):
        for one in made if k % 7 == 0 or k > SMALL_STEPS - 3 else ():
            name = one.name if one.scope == "world" else one.key
            _, at, n = env.layout.fields[name]
            plain = [[np.float32(value(one, env, w, i)) for i in range(n)] for w in range(2)]
            assert obs[:, at : at + n].tolist() == np.array(plain).tolist(), one.key
            seen.update(np.array(plain).ravel().tolist())
        obs, *_ = env.step(np.stack([action, -action]))
    assert len(seen) > 100


@pytest.mark.usefixtures("own")
def test_columns_stay_where_they_are_and_functions_follow_by_name() -> None:
    plain, _ = DERGroupEnv("tertiary-1", small()).reset(seed=1)
    layouts = []
    for keys in (["world.gap_kw", "leaf.room_kw"], ["leaf.room_kw", "world.gap_kw"]):  # in whatever order
        for name in OWN:
            FIELDS._items.pop(name, None)
        registered(keys)
        env = DERGroupEnv("tertiary-1", small())
        obs, _ = env.reset(seed=1)
        assert obs[: len(plain)].tobytes() == plain.tobytes() and len(obs) == len(plain) + env.layout.n_leaf + 1
        layouts.append(list(env.layout.fields))
    assert layouts[0] == layouts[1] and layouts[0][-2:] == ["leaf.room_kw", "gap_kw"]
    check_env(env, skip_render_check=True)


@pytest.mark.usefixtures("own")
def test_the_source_is_readable() -> None:
    text = write(registered(["world.gap_kw", "leaf.room_kw"]))
    assert "out[w, first[0]] = world_gap_kw(world[w, WORLD.TARGET_KW], world[w, WORLD.RESPONSE_KW])" in text
    assert "        for i in range(leaf.shape[1]):\n" in text and "leaf[w, i, LEAF.UP_KW]" in text
    assert "world.gap_kw: Target less what is seen." in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.usefixtures("own")
def test_a_field_is_still_its_function_and_is_pickled_by_name() -> None:
    (one,) = registered(["world.gap_kw"])
    assert one(5.0, 2.0) == 3.0 and one.title == "Target less what is seen." and one.scope == "world"
    assert pickle.loads(pickle.dumps(one)) is one
    assert in_order()[-1] == "world.gap_kw"
    with pytest.raises(TypeError, match="is a column"):
        FIELDS["world.plan_kw"](1.0)


@pytest.mark.usefixtures("own")
def test_a_world_that_takes_no_step_keeps_its_values() -> None:
    registered(["world.gap_kw"])
    env = DERGroupVectorEnv(2, "tertiary-1", small(), autoreset_mode="Disabled")
    env.reset(seed=1)
    worlds, active = env.worlds, np.array([True, False])
    before = worlds.observe()
    for _ in range(7):
        worlds.step(np.ones((2, env.layout.n_leaf), np.float32), active)
    after = worlds.observe()
    assert before[1].tobytes() == after[1].tobytes() and before[0, -1] != after[0, -1]


BAD: dict[str, tuple[str, Callable[..., Any], dict[str, Any], str]] = {
    "a misspelt column": ("world.a", lambda targt_kw: 0.0, {}, "'targt_kw' is no column; did you mean 'target_kw'?"),
    "the truth": ("leaf.a", lambda power_kw: 0.0, {}, "'power_kw' is no column"),
    "a leaf's column": ("world.a", lambda leaf_upp_kw: 0.0, {}, "did you mean 'leaf_up_kw'?"),
    "a plain function": ("world.a", lambda plan_kw: value(plan_kw), {}, "world.a: cannot be compiled: Untyped global"),  # type: ignore[call-arg, arg-type]
    "a text": ("world.a", lambda plan_kw: "text", {}, "world.a: returns .*; allowed: a number"),
    "nothing": ("world.a", lambda plan_kw: None, {}, "world.a: returns none; allowed: a number"),
    "all leaves": ("world.a", lambda leaf_up_kw: leaf_up_kw, {}, "allowed: a number"),
    "a star": ("world.a", lambda *plan_kw: 0.0, {}, "without defaults or stars"),
    "a default": ("world.a", lambda plan_kw=1.0: 0.0, {}, "argument 'plan_kw=1.0'; allowed: names of columns"),
    "a leaf's unit": ("world.a", lambda plan_kw: 0.0, {"scale": "nominal"}, "allowed: award, fleet, a number"),
    "no such unit": ("world.a", lambda plan_kw: 0.0, {"scale": "awrd"}, "did you mean 'award'?"),
    "a scale of 0": ("world.a", lambda plan_kw: 0.0, {"scale": 0.0}, "scale 0.0; allowed: above 0"),
    "no such scope": ("word.a", lambda plan_kw: 0.0, {}, "scope 'word'; allowed: world, block, leaf"),
    "no scope": ("gap_kw", lambda plan_kw: 0.0, {}, "allowed: scope.name"),
    "a name that is taken": ("world.plan_kw", lambda plan_kw: 0.0, {}, "registered already"),
    "bounds the other way": ("world.a", lambda plan_kw: 0.0, {"low": 2e6}, "allowed: low below high"),
}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_field_is_refused_in_one_line(name: str) -> None:
    key, function, changes, says = BAD[name]
    with pytest.raises(InputError, match=says) as caught:
        compile_fields((field(key, **{**WIDE, **changes})(function),))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 900


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'award_kw'"):
        Field("award_k", "world", "kW", 1.0, 0, 1, "")


@pytest.mark.usefixtures("own")
def test_one_bad_field_among_good_ones_is_named_when_an_environment_is_made() -> None:
    registered(["world.gap_kw"])
    field("world.bad", **WIDE)(lambda plan_kw: plan_kw + "kW")
    with pytest.raises(InputError, match=r"world\.bad: cannot be compiled"):
        DERGroupEnv("tertiary-1", small())


def test_only_the_view_can_be_read() -> None:
    every = {columns.source("", scope, name) for scope in columns.SCOPES for name in columns.TABLES[scope]}
    assert {text.partition("[")[0] for text in every} == {"world", "block", "leaf"}
    readers = {row.reader for table in columns.TABLES.values() for row in table.rows}
    assert readers == {"aggregator"}

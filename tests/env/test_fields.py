"""Fields that are functions of columns: they equal plain Python to the bit, and bad ones are refused in one line."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from worlds import SMALL_STEPS, actions, small

from der_gym.core.errors import InputError
from der_gym.engine.compile import scalar
from der_gym.env.observation import columns
from der_gym.env.observation.fields import FIELDS, Field, field
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


def gap_kw(target_kw: float, response_kw: float, hour_sin: float) -> float:
    """Target less what is seen."""
    return target_kw - response_kw + hour_sin


def room_kw(up_kw: float, down_kw: float, plan_kw: float, service_plan_kw: Array, temp_c: float) -> float:
    return above(up_kw, down_kw) / max(abs(plan_kw - service_plan_kw[0]), 1.0) + 0.1 * temp_c


def ahead_kw(plan_kw: float, service_plan_kw: float, target_kw: float, leaf_up_kw: Array) -> float:
    return plan_kw - service_plan_kw + target_kw + leaf_up_kw[0]


def most_kw(leaf_up_kw: Array, block_plan_kw: Array, world_episode_left: float) -> float:
    most = 0.0
    for up_kw in leaf_up_kw:
        most = max(most, up_kw)
    return most + block_plan_kw[0, 1] * world_episode_left


OWN: dict[str, Callable[..., float]] = {
    "service.gap_kw": gap_kw,
    "leaf.room_kw": room_kw,
    "block.ahead_kw": ahead_kw,
    "world.most_kw": most_kw,
}


def registered(keys: list[str]) -> list[Field]:
    return [field(key, **WIDE)(OWN[key]) for key in keys]


def asking(*keys: str) -> dict[str, Any]:
    """Return the settings of a small scenario that names these fields."""
    return small(changes={"observation.fields": list(keys)})


def value(one: Field, env: DERGroupVectorEnv, w: int, at: int) -> float:
    """Return what a field's function gives in plain Python, its arguments read from the view by name."""
    view = env.worlds.simulator.view
    rows = {"world": view.world[w], "service": view.service[w], "block": view.block[w], "leaf": view.leaf[w]}
    k, i = divmod(at, rows["block"].shape[1]) if one.scope == "block" else (at, at)
    index = {"world": (), "service": (k,), "block": (k, i), "leaf": (i,)}
    given = []
    for name in inspect.signature(OWN[one.key]).parameters:
        table = next((t for t in columns.AROUND[one.scope] if name in columns.TABLES[t]), None)
        table, column = (table, name) if table else (name.partition("_")[0], name.partition("_")[2])
        values = rows[table][..., columns.TABLES[table].number(column)]
        given.append(float(values[index[table]]) if table in columns.AROUND[one.scope] else values)
    return one(*given)


@pytest.mark.usefixtures("own")
def test_every_function_gives_the_bits_of_plain_python_over_an_episode() -> None:
    made = registered(list(OWN))
    env = DERGroupVectorEnv(2, "tertiary-1", asking(*OWN))
    obs, _ = env.reset(seed=1)
    wants = env.layout.n_leaf, obs.shape
    seen = set()
    for k, action in enumerate(actions(1, SMALL_STEPS + 5, wants[0])):
        for one in made if k % 7 == 0 or k > SMALL_STEPS - 3 else ():
            name = one.name if one.scope in ("world", "service") else one.key
            _, at, n = env.layout.fields[name]
            plain = [[np.float32(value(one, env, w, i)) for i in range(n)] for w in range(2)]
            assert obs[:, at : at + n].tolist() == np.array(plain).tolist(), one.key
            seen.update(np.array(plain).ravel().tolist())
        obs, *_ = env.step(np.stack([action, -action]))
    assert len(seen) > 100


@pytest.mark.usefixtures("own")
def test_fields_join_the_scenarios_that_name_them_behind_all_columns() -> None:
    registered(["service.gap_kw", "leaf.room_kw"])
    plain, _ = DERGroupEnv("tertiary-1", small()).reset(seed=1)
    for keys, names in (
        (("leaf.room_kw", "service.gap_kw"), ["leaf.room_kw", "gap_kw"]),
        (("service.gap_kw", "leaf.room_kw"), ["gap_kw", "leaf.room_kw"]),
    ):
        env = DERGroupEnv("tertiary-1", asking(*keys))
        obs, _ = env.reset(seed=1)
        assert obs[: len(plain)].tobytes() == plain.tobytes() and len(obs) == len(plain) + env.layout.n_leaf + 1
        assert list(env.layout.fields)[-2:] == names
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["service.plan_k"], "observation.fields: unknown.*did you mean 'service.plan_kw'"),
        (["service.plan_kw"], "'service.plan_kw' stands in the layout already"),
    ],
)
def test_a_scenario_that_names_no_field_of_its_own_is_refused(keys: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        DERGroupEnv("tertiary-1", asking(*keys))


@pytest.mark.usefixtures("own")
def test_a_services_own_columns_can_be_read() -> None:
    """The field of the call's column equals the column, whatever the place of the service in the list."""

    def call_share(capacity_call_call_kw: float, capacity_call_call_left_s: float) -> float:
        return capacity_call_call_kw * 1000.0 + capacity_call_call_left_s

    field("leaf.call", **WIDE)(call_share)
    for first in (True, False):
        services = [{"name": "tertiary-1", "node": "function/battery", "award_kw": 5, "limits": "off"}]
        call = {"name": "capacity-call", "node": "function/ecocute", "contract_kw": 2, "limits": "off"}
        services = [call, *services] if first else [*services, call]
        changes = {"services": services, "fleet.n_device": 60, "pool.n_fleet": 1, "observation.fields": ["leaf.call"]}
        env = DERGroupEnv("stacked-capacity", changes | {"decision_s": 1800, "signals.start": "2026-08-03"})
        obs, _ = env.reset(seed=1)
        seen = set()
        for _ in range(env.worlds.scenario.n_step):
            kw, left_s, got = (
                env.layout.decode(obs, name)
                for name in ("capacity-call.call_kw", "capacity-call.call_left_s", "leaf.call")
            )
            assert got == pytest.approx(np.full(env.layout.n_leaf, kw * 1000.0 + left_s))
            seen.add(round(float(kw), 3))
            obs, *_ = env.step(np.zeros(env.action_space.shape, np.float32))
        assert seen == {0.0, 2.0}


@pytest.mark.usefixtures("own")
def test_a_field_of_a_service_that_is_not_there_is_refused() -> None:
    field("leaf.call", **WIDE)(lambda capacity_call_call_kw: capacity_call_call_kw)
    with pytest.raises(InputError, match=r"reads 'capacity-call.call_kw'; allowed: a scenario with the service"):
        DERGroupEnv("tertiary-1", asking("leaf.call"))


@pytest.mark.usefixtures("own")
def test_the_source_is_readable() -> None:
    text = write(registered(["service.gap_kw", "leaf.room_kw"]), {})
    assert "        for k in range(service.shape[1]):\n            out[w, first[0] + k] = service_gap_kw(\n" in text
    assert "service[w, k, SERVICE.TARGET_KW], service[w, k, SERVICE.RESPONSE_KW], world[w, WORLD.HOUR_SIN]" in text
    assert "        for i in range(leaf.shape[1]):\n" in text and "service[w, :, SERVICE.PLAN_KW]" in text
    assert "service.gap_kw: Target less what is seen." in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.usefixtures("own")
def test_a_field_is_still_its_function_and_is_pickled_by_name() -> None:
    (one,) = registered(["service.gap_kw"])
    assert one(5.0, 2.0, 1.0) == 4.0 and one.title == "Target less what is seen." and one.scope == "service"
    assert pickle.loads(pickle.dumps(one)) is one
    with pytest.raises(TypeError, match="is a column"):
        FIELDS["service.plan_kw"](1.0)


@pytest.mark.usefixtures("own")
def test_a_world_that_takes_no_step_keeps_its_values() -> None:
    registered(["service.gap_kw"])
    env = DERGroupVectorEnv(2, "tertiary-1", asking("service.gap_kw"), autoreset_mode="Disabled")
    env.reset(seed=1)
    worlds, active = env.worlds, np.array([True, False])
    before = worlds.observe()
    for _ in range(7):
        worlds.step(np.ones((2, env.layout.n_leaf), np.float32), active)
    after = worlds.observe()
    assert before[1].tobytes() == after[1].tobytes() and before[0, -1] != after[0, -1]


BAD: dict[str, tuple[str, Callable[..., Any], dict[str, Any], str]] = {
    "a misspelt column": (
        "service.a",
        lambda targt_kw: 0.0,
        {},
        "'targt_kw' is no column of its scope; did you mean 'target_kw'?",
    ),
    "a service's column for a world": ("world.a", lambda target_kw: 0.0, {}, "did you mean 'service_target_kw'?"),
    "the truth": ("leaf.a", lambda power_kw: 0.0, {}, "'power_kw' is no column"),
    "a service's own column": (
        "leaf.a",
        lambda capacity_call_cal_kw: 0.0,
        {},
        "did you mean 'capacity_call_call_kw'?",
    ),
    "a leaf's column": ("service.a", lambda leaf_upp_kw: 0.0, {}, "did you mean 'leaf_up_kw'?"),
    "a plain function": (
        "service.a",
        lambda plan_kw: value(plan_kw),
        {},
        "service.a: cannot be compiled: Untyped global",
    ),  # type: ignore[call-arg, arg-type]
    "a text": ("service.a", lambda plan_kw: "text", {}, "service.a: returns .*; allowed: a number"),
    "nothing": ("service.a", lambda plan_kw: None, {}, "service.a: returns none; allowed: a number"),
    "all leaves": ("service.a", lambda leaf_up_kw: leaf_up_kw, {}, "allowed: a number"),
    "a star": ("service.a", lambda *plan_kw: 0.0, {}, "without defaults or stars"),
    "a default": ("service.a", lambda plan_kw=1.0: 0.0, {}, "argument 'plan_kw=1.0'; allowed: names of columns"),
    "a leaf's unit": ("service.a", lambda plan_kw: 0.0, {"scale": "nominal"}, "allowed: award, fleet, a number"),
    "no such unit": ("service.a", lambda plan_kw: 0.0, {"scale": "awrd"}, "did you mean 'award'?"),
    "a scale of 0": ("service.a", lambda plan_kw: 0.0, {"scale": 0.0}, "scale 0.0; allowed: above 0"),
    "no such scope": ("word.a", lambda plan_kw: 0.0, {}, "scope 'word'; allowed: world, service, block, leaf"),
    "no scope": ("gap_kw", lambda plan_kw: 0.0, {}, "allowed: scope.name"),
    "a name that is taken": ("service.plan_kw", lambda plan_kw: 0.0, {}, "registered already"),
    "a service's name": ("world.plan_kw", lambda temp_c: 0.0, {}, "'service.plan_kw' has this name in a layout"),
    "bounds the other way": ("service.a", lambda plan_kw: 0.0, {"low": 2e6}, "allowed: low below high"),
}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_field_is_refused_in_one_line(name: str) -> None:
    key, function, changes, says = BAD[name]
    with pytest.raises(InputError, match=says) as caught:
        compile_fields((field(key, **{**WIDE, **changes})(function),), {})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 900


@pytest.mark.usefixtures("own")
def test_a_field_without_a_function_is_refused() -> None:
    FIELDS.register("service.award_k", Field("award_k", "service", "kW", 1.0, 0, 1, ""))
    with pytest.raises(InputError, match=r"'service\.award_k' is no function of columns"):
        DERGroupEnv("tertiary-1", asking("service.award_k"))


@pytest.mark.usefixtures("own")
def test_one_bad_field_among_good_ones_is_named_when_an_environment_is_made() -> None:
    registered(["service.gap_kw"])
    field("service.bad", **WIDE)(lambda plan_kw: plan_kw + "kW")
    with pytest.raises(InputError, match=r"service\.bad: cannot be compiled"):
        DERGroupEnv("tertiary-1", asking("service.gap_kw", "service.bad"))


def test_only_the_view_can_be_read() -> None:
    every = {columns.source("", scope, name) for scope in columns.SCOPES for name in columns.TABLES[scope]}
    assert {text.partition("[")[0] for text in every} == {"world", "service", "block", "leaf"}
    readers = {row.reader for table in columns.TABLES.values() for row in table.rows}
    assert readers == {"aggregator"}


CHILD = """
import sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[1])
import numpy as np
from acme_kept import scaled_kw
from der_gym.env.observation.kernel import compile_fields
from der_gym.simulation.aggregator_view import BLOCK, LEAF, SERVICE, WORLD
kernel = compile_fields((scaled_kw,), {})
service, out = np.full((2, 3, len(SERVICE)), 5.0), np.zeros((2, 3))
rest = np.zeros((2, len(WORLD))), service, np.zeros((2, 3, 3, len(BLOCK))), np.zeros((2, 4, len(LEAF)))
kernel(0, 2, np.array([True, False]), *rest, np.zeros((2, 0)), np.zeros(1, np.int64), out)
print(sum(kernel.stats.cache_hits.values()), *out.ravel())
"""


def test_another_process_finds_the_machine_code_until_the_function_changes(tmp_path: Path) -> None:
    source = """
from der_gym.env.observation.fields import field
SCALE = {}
@field("service.scaled_kw", unit="kW", scale="award", low=-5, high=5)
def scaled_kw(target_kw):
    return SCALE * target_kw
"""
    said = []
    for scale in (2.0, 2.0, 3.0):
        (tmp_path / "acme_kept.py").write_text(source.format(scale), encoding="utf-8")
        env = {**os.environ, "DER_GYM_CACHE": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path)], env=env, capture_output=True, text=True, check=True
        )
        said.append([float(word) for word in done.stdout.split()])
    assert said[0] == [0, 10, 10, 10, 0, 0, 0] and said[1] == [1, 10, 10, 10, 0, 0, 0]
    assert said[2] == [0, 15, 15, 15, 0, 0, 0]
    (kept,) = (tmp_path / "cache" / "generated").iterdir()
    assert "service_scaled_kw(service[w, k, SERVICE.TARGET_KW])" in kept.read_text(encoding="utf-8")

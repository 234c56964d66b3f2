"""Copies and pickles of environments go on as the original does: every array, reward term, info and observation."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from signals_files import write
from worlds import MIX, actions, bits, same, small

from der_gym.core.errors import InputError
from der_gym.env.observation.fields import FIELDS, field
from der_gym.env.reward.reward import REWARD_TERMS, TERMS, RewardTerm
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.env.worlds import Worlds

Array = np.ndarray
N_BEFORE, N_STEP, N_AFTER = 75, 45, 10  # to the copy, to the episode's end, after it
SCRATCH = {"_debtors", "_capability_now", "last"}  # written before they are read, within a step
# An early morning of cars and hot water: one world heats and charges too late, and its failed blocks lock it out.
CHANGES: dict[str, Any] = {
    "observation.fields": ["leaf.room_kw"],
    "fleet.mix": MIX,
    "fleet.n_device": 300,
    "episode.n_block": 3,
    "episode.starts_h": [5],
    "services.tertiary-1.award_share": 1.0,
    "services.tertiary-1.award_table_kw": {season: {5: 900} for season in ("mid", "summer", "winter")},
}
WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "copy of a pickle": lambda env: copy.deepcopy(pickle.loads(pickle.dumps(env))),
}


@pytest.fixture
def own() -> Iterator[None]:
    """Have a field and a reward term of one's own."""

    @field("leaf.room_kw", unit="kW", scale="nominal", low=-5, high=5)
    def room_kw(up_kw: float, down_kw: float, plan_kw: float) -> float:
        return up_kw - down_kw + plan_kw

    REWARD_TERMS.register("spread", RewardTerm("spread", lambda sim, active: sim.view.leaf[:, :, 0].std(axis=1)))
    yield
    del FIELDS._items[room_kw.key], REWARD_TERMS._items["spread"]


def many() -> DERGroupVectorEnv:
    env = DERGroupVectorEnv(3, "tertiary-1", {**small(), **CHANGES})
    env.reset(seed=1)
    return env


def owned(worlds: Worlds) -> dict[str, Array]:
    """Return every array of a world's parts, those that nothing is left in between two steps excepted."""
    sim, reward = worlds.simulator, worlds.reward
    parts = {"worlds": worlds, "reward": reward, "simulator": sim, "view": sim.view, "market": sim.market}
    parts |= {"fleet": sim.fleet, "network": sim.network, "meters": sim.meters, "action": worlds.action}
    for session in sim.market.sessions:
        parts |= {f"session {session.id}": session, f"service {session.id}": session.service}
    named = (
        (name, key, each) for name, part in parts.items() for key, each in vars(part).items() if key not in SCRATCH
    )
    return sim.arrays() | {f"{name}.{key}": each for name, key, each in named if isinstance(each, np.ndarray)}


def everything(worlds: Worlds) -> dict[str, Array]:
    return {name: array.copy() for name, array in owned(worlds).items()}


def differences(one: DERGroupVectorEnv, other: DERGroupVectorEnv) -> list[str]:
    infos, others = one.worlds.infos(), other.worlds.infos()
    return same(everything(one.worlds), everything(other.worlds)) + same(infos, others)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_goes_on_as_its_original_over_an_end_and_a_reset(way: str) -> None:
    env = many()
    given = actions(3, N_BEFORE + N_STEP + N_AFTER, env.layout.n_leaf)
    for action in given[:N_BEFORE]:
        env.step(np.stack([action, np.ones_like(action), -np.ones_like(action)]))
    twin, before = WAYS[way](env), everything(env.worlds)
    assert same(env.worlds.infos(), twin.worlds.infos()) == [] and twin.worlds.simulator is not env.worlds.simulator
    largest = np.zeros(len(TERMS))
    ended = 0
    for k, action in enumerate(given[N_BEFORE:]):
        made = np.stack([action, np.ones_like(action), -np.ones_like(action)])
        a, b = env.step(made), twin.step(made)
        for mine, its in zip(a[:4], b[:4], strict=True):
            assert mine.tobytes() == its.tobytes(), k
        assert differences(env, twin) == [], k
        assert all(np.array_equal(a[4][name], b[4][name]) for name in a[4]), k
        largest, ended = np.maximum(largest, np.abs(env.worlds.reward.terms).max(axis=0)), ended + int(a[3].sum())
    assert ended == 3 and (largest > 0).all(), dict(zip(TERMS.names, largest, strict=True))
    assert same(before, everything(env.worlds)) != []


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("way", WAYS)
def test_what_a_copys_programs_hold_is_the_copys_own(way: str) -> None:
    env = many()
    twin = WAYS[way](env)
    mine, its, moving = owned(env.worlds), owned(twin.worlds), env.worlds.simulator.arrays()
    held = [[x for call in e.worlds.simulator.step_plan.whole.calls for x in call.given] for e in (env, twin)]
    n_shared = 0
    for a, b in zip(*held, strict=True):
        for name in mine if isinstance(a, np.ndarray) else ():
            shared = np.shares_memory(a, mine[name])
            assert np.shares_memory(b, its[name]) == shared, name
            assert not (shared and name in moving and np.shares_memory(b, mine[name])), name
            n_shared += shared
    assert n_shared > 100


@pytest.mark.usefixtures("own")
def test_steps_of_the_one_do_not_move_the_other() -> None:
    env = many()
    twin = copy.deepcopy(env)
    kept = everything(twin.worlds)
    env.step(np.ones((3, env.layout.n_leaf), np.float32))
    assert same(kept, everything(twin.worlds)) == []
    assert twin._generators[0] is twin.worlds.simulator.generators[0] is not env._generators[0]


def test_a_single_environment_behind_gymnasiums_wrappers_is_copied() -> None:
    env = gym.make("DERGroup-v0", scenario="tertiary-1", overrides=small(), render_mode="rgb_array")
    env.reset(seed=1)
    env.step(env.action_space.sample())
    for way in WAYS.values():
        twin = way(env)
        action = env.action_space.sample()
        for mine, its in zip(env.step(action), twin.step(action), strict=True):
            assert bits(mine) == bits(its) if isinstance(mine, np.ndarray) else mine == its
        assert env.render().tobytes() == twin.render().tobytes()
        assert bits(env.reset()[0]) == bits(twin.reset()[0])  # the same luck from the same generator


CHILD = """
import pickle, sys
import numpy as np
from worlds import bits
with open(sys.argv[1], "rb") as file:
    env = pickle.load(file)
print(bits(*(x for _ in range(10) for x in env.step(np.full(env.action_space.shape, 0.5, np.float32))[:2])))
"""


def test_another_process_goes_on_with_a_pickle(tmp_path: Path, project_root: Path) -> None:
    env = DERGroupEnv("tertiary-1", small())
    env.reset(seed=1)
    env.step(np.ones(env.layout.n_leaf, np.float32))
    kept = tmp_path / "env.pickle"
    kept.write_bytes(pickle.dumps(env))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(kept)],
        cwd=project_root / "tests" / "support",
        capture_output=True,
        text=True,
        check=True,
    )
    here = bits(*(x for _ in range(10) for x in env.step(np.full(env.action_space.shape, 0.5, np.float32))[:2]))
    assert done.stdout.strip() == here


def test_a_perfect_plan_and_shards_are_copied() -> None:
    changes = {**small(), "services.tertiary-1.plan": "perfect", "fleet.n_device": 60}
    env = DERGroupVectorEnv(2, "tertiary-1", changes)
    env.reset(seed=1)
    env.step(np.ones((2, env.layout.n_leaf), np.float32))
    twin = copy.deepcopy(env)
    for e in (env, twin):
        e.step(-np.ones((2, env.layout.n_leaf), np.float32))
    assert differences(env, twin) == []


def test_a_pickle_of_files_that_have_changed_is_refused(tmp_path: Path) -> None:
    rows = ["id,class,path,rated_kw,leaf", *(f"b{k},battery,P3,{3 + k % 2},all" for k in range(20))]
    table = write(tmp_path / "mine.csv", rows)
    env = DERGroupEnv("tertiary-1", small(changes={"resources": str(table)}))
    env.reset(seed=1)
    kept = pickle.dumps(env)
    assert pickle.loads(kept).layout.n_leaf == env.layout.n_leaf
    write(table, rows[:-1])
    with pytest.raises(InputError, match="the files of scenario tertiary-1 have changed"):
        pickle.loads(kept)
    twin, action = copy.deepcopy(env), np.ones(env.layout.n_leaf, np.float32)  # it keeps what the original holds
    assert bits(twin.step(action)[0]) == bits(env.step(action)[0])

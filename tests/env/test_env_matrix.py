"""What every shipped scenario must do as an environment: one matrix for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from worlds import SMALL_STEPS, actions, small

import der_gym
from der_gym.env.observation.layout import offer_fields
from der_gym.env.single import DERGroupEnv
from der_gym.scenario.load import names
from der_gym.simulation import aggregator_view

# Constant by nature: what a fixed date fixes; the wait on paths that take a command each minute; a fixed award.
FIXED = {"weekend", "summer", "winter", "leaf.wait_s"}
# Likewise a contract, which no failed block precedes; requests of a service that asks for nothing, plans at standby.
ASKED = {f"request_{m}_min_ago_kw" for m in range(5, 35, 5)} | {
    "award_kw",
    "block.award_kw",
    "request_kw",
    "target_kw",
    "target_bin_end_kw",
}
CONTRACT = {"unit_kw", "failed_before"}
# Offers without a budget; whose messages are on their way for less than a decision; commands that nobody can send.
OFFERS, COMMANDS = {"budget_left", "leaf.offer_on_way"}, {"leaf.sent_a", "leaf.arrived_a", "leaf.quota_left"}
IDEAL = ("ladder-0", "ladder-1", "ladder-2", "tertiary-1-tiny")  # no device is silent there
FIXED_IN = {key: {"leaf.silent_share"} for key in IDEAL} | {
    "ladder-0": {"leaf.silent_share", "bin_left"},  # a decision per bin
    "tertiary-1-market": {"unit_kw"},
    "capacity-call": CONTRACT,
    "stacked-capacity": CONTRACT,
    "imbalance": ASKED | {"failed_before", "leaf.plan_kw", "leaf.up_kw"},
    "incentive-evening": CONTRACT | OFFERS | COMMANDS,
    "incentive-solar": ASKED
    | CONTRACT
    | OFFERS
    | COMMANDS
    | {"leaf.down_kw", "leaf.up_kw", "leaf.plan_kw", "solar-purchase.bought_kwh"},  # bought the day before
    # a decision per half hour, on an ideal network
    "incentive-0": CONTRACT | OFFERS | COMMANDS | {"bin_left", "block_left", "leaf.silent_share", "leaf.offer_yen_kwh"},
    "tertiary-1-both": OFFERS | COMMANDS,  # leaves that obey no command are sent none
    "stacked-imbalance": ASKED | {"failed_before", "plan_kw", "block.plan_kw", "leaf.plan_kw"},
}


@pytest.fixture(scope="module", params=names())
def env(request: pytest.FixtureRequest) -> Iterator[DERGroupEnv]:
    assert der_gym.__version__  # importing the package registers the id
    made = gym.make("DERGroup-v0", scenario=request.param, overrides=small(request.param))
    yield made.unwrapped  # type: ignore[misc]
    made.close()


def play(env: DERGroupEnv, seed: int, n: int = SMALL_STEPS) -> list[np.ndarray]:
    """Return the observations of ``n`` decisions, at most an episode."""
    n = min(n, env.worlds.scenario.n_step)
    obs, _ = env.reset(seed=seed)
    seen = [obs]
    for action in actions(seed, n, env.layout.action.size):
        obs, reward, terminated, truncated, info = env.step(action)
        assert isinstance(reward, float) and np.isfinite(reward) and terminated is False
        assert all(type(value) is np.float64 and np.isfinite(value) for value in info.values())
        seen.append(obs)
    assert truncated is (n == env.worlds.scenario.n_step)
    return seen


def test_gymnasium_finds_nothing(env: DERGroupEnv) -> None:
    check_env(env)


def test_stable_baselines3_finds_nothing(env: DERGroupEnv) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(env, warn=True)


def test_the_same_seed_gives_the_same_episode(env: DERGroupEnv) -> None:
    one, other, third = play(env, 3), play(env, 3), play(env, 4)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))
    assert one[0].tobytes() != third[0].tobytes()


def test_starts_differ(env: DERGroupEnv) -> None:
    assert len({env.reset(seed=seed)[0].tobytes() for seed in range(8)}) == 8
    assert len({env.reset()[0].tobytes() for _ in range(8)}) == 8


@pytest.mark.parametrize("name", names())
def test_observations_stay_inside_the_bounds_and_move(name: str) -> None:
    short = {"episode.n_block": 4} if "episode.n_block" in small(name) else {}  # a call keeps its half hours
    env = DERGroupEnv(name, small(name, {"fleet.n_device": 400, **short}))
    seen = np.array([obs for seed in range(5) for obs in play(env, seed, env.worlds.scenario.n_step - 1)])
    space = env.observation_space
    assert seen.dtype == space.dtype == np.float32
    assert (seen >= space.low).all() and (seen <= space.high).all()
    assert np.isfinite(space.low).all() and np.isfinite(space.high).all()
    still = {field for field in env.layout.fields if (np.ptp(env.layout.raw(seen, field), axis=0) == 0).any()}
    assert still <= FIXED | FIXED_IN.get(name, set()), still


def test_nothing_returned_is_used_again(env: DERGroupEnv) -> None:
    obs, info = env.reset(seed=1)
    kept, infos = [obs], [info]
    copies, info_copies = [obs.copy()], [dict(info)]
    for action in actions(1, 5, env.layout.action.size):
        obs, _, _, _, info = env.step(action)
        assert not any(np.shares_memory(obs, old) for old in kept) and all(info is not old for old in infos)
        kept.append(obs), infos.append(info), copies.append(obs.copy()), info_copies.append(dict(info))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(kept, copies, strict=True)) and infos == info_copies
    kept[-1][:] = 99.0  # what the caller does to it changes nothing
    infos[-1].clear()
    again = play(env, 1, 5)[-1]
    assert again.tobytes() == copies[-1].tobytes()


def test_actions_are_not_changed(env: DERGroupEnv) -> None:
    env.reset(seed=1)
    action = np.full(env.layout.action.size, 2.0, dtype=np.float32)
    env.step(action)
    assert (action == 2.0).all()


def test_decode_gives_units_back(env: DERGroupEnv) -> None:
    env.reset(seed=2)
    obs, *_ = env.step(np.full(env.layout.action.size, 0.5, dtype=np.float32))
    table = env.worlds.simulator.view
    services = table.service[0] if len(table.service[0]) > 1 else table.service[0, 0]
    known = {
        "world": (aggregator_view.WORLD, table.world[0]),
        "service": (aggregator_view.SERVICE, services.T),
        "block": (aggregator_view.BLOCK, table.block[0].reshape(-1, aggregator_view.BLOCK.N).T),
        "leaf": (aggregator_view.LEAF, table.leaf[0].T),
    }
    own = [f"{view.id}.{field.name}" for view in env.layout.services for field in view.own]
    for name, (field, _, _) in env.layout.fields.items():
        if field in offer_fields():
            continue  # tests/simulation/test_offers.py
        columns, values = known[field.scope]
        raw, got = env.layout.raw(obs, name), env.layout.decode(obs, name)
        inside = (raw > field.low) & (raw < field.high)
        true = table.own[0, own.index(name)] if name in own else values[columns.number(field.name)]
        assert np.shape(got) == np.shape(true)
        np.testing.assert_allclose(np.extract(inside, got), np.extract(inside, true), rtol=1e-5, atol=1e-4)

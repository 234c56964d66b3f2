"""The ways to count a reward: when a penalty is credited, and what is counted."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from worlds import MIX, generators, small

from der_gym.controllers import bound, make
from der_gym.core.errors import InputError
from der_gym.env.reward.reward import IDLE_TWIN, LAST, TERMS
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.env.worlds import Worlds

Array = np.ndarray
SEEDS = (1, 2, 3, 4)
OWN: dict[str, Any] = {"fleet.mix": MIX, "services.tertiary-1.award_share": 1.0}


def worlds_of(**reward: Any) -> Worlds:
    changes = OWN | {f"reward.{name}": value for name, value in reward.items()}
    made = Worlds("tertiary-1", small("tertiary-1", changes), len(SEEDS))
    made.reset(np.ones(len(SEEDS), dtype=bool), generators(SEEDS), None)
    return made


def rewards(worlds: Worlds, controller: str) -> Array:
    """Return the rewards of an episode, (n_step, n_world)."""
    every, player, state, start = np.ones(len(SEEDS), dtype=bool), bound(make(controller), worlds), None, True
    found = []
    for _ in range(worlds.scenario.n_step):
        action, state = player.predict(worlds.observe(), state, np.full(len(SEEDS), start))
        worlds.step(action, every)
        start = False
        found.append(worlds.reward.reward.copy())
    return np.array(found)


@pytest.mark.parametrize("controller", ["idle", "closed_loop", "merit_order"])
def test_advancing_the_penalty_changes_no_sum_of_an_episode(controller: str) -> None:
    block, window = worlds_of(), worlds_of(credit="window")
    one, other = rewards(block, controller), rewards(window, controller)
    assert np.abs(one.sum(axis=0) - other.sum(axis=0)).max() < 1e-9
    assert block.simulator.market.ledger.yen.tobytes() == window.simulator.market.ledger.yen.tobytes()


def test_the_penalty_is_advanced_by_the_worst_window_so_far_and_taken_back_when_it_is_booked() -> None:
    block, window = worlds_of(), worlds_of(credit="window")
    session, minutes = window.simulator.market.primary, list[Array]()
    window.simulator.on_minute.append(lambda: minutes.append(session.sample.plan_kw - session.sample.metered_kw))
    difference = (rewards(block, "idle") - rewards(window, "idle")).cumsum(axis=0)
    ahead = difference * window.reward.unit[:, 0] / window.scenario.reward.money  # yen
    per_window = 300 // window.scenario.decision_s
    slow = np.array([slow_fines(session.service, w, np.array(minutes)[:, w]) for w in range(len(SEEDS))])
    assert (slow > 0).any(axis=1).all()  # an idle group fails
    assert np.abs(ahead[per_window - 1 :: per_window].T - slow).max() < 1e-6
    assert not np.allclose(slow, slow.max(axis=1, keepdims=True))


def slow_fines(service: Any, w: int, response: Array) -> Array:
    """Return the penalty of the open block, yen, at the end of each 5-minute window of world ``w``; 0 once booked."""
    config, found, worst = service.config, list[float](), 0.0
    for k, mean in enumerate(response.reshape(-1, 5).mean(axis=1)):
        award = service.award_kw[w, k // 6]
        low, high = service.window_kw[w, :, k]
        off = max(mean - high, low - mean, 0.0)
        worst = max(worst if k % 6 else 0.0, off if award > 0 else 0.0)
        fined = config.penalty_factor * config.bid_price_yen_kw * min(worst, award)
        found.append(0.0 if k % 6 == 5 or worst <= config.band_share * award else fined)
    return np.array(found)


def test_relative_is_shared_less_the_idle_twins_reward_in_every_step() -> None:
    """So no action changes what is subtracted, and the best policy is the same."""
    shared, idle = rewards(worlds_of(), "closed_loop"), rewards(worlds_of(), "idle")
    relative = worlds_of(variant="relative")
    assert np.array_equal(rewards(relative, "closed_loop"), shared - idle)
    assert not rewards(worlds_of(variant="relative"), "idle").any()
    assert np.array_equal(relative.infos()[f"reward_{IDLE_TWIN}"], -idle[-1])


def test_the_twin_leaves_no_trace() -> None:
    plain, relative = worlds_of(), worlds_of(variant="relative")
    assert plain.observe().tobytes() == relative.observe().tobytes()
    arrays = plain.simulator.arrays()
    assert [k for k, v in relative.simulator.arrays().items() if v.tobytes() != arrays[k].tobytes()] == []
    assert not relative.reward.reward.any() and not relative.reward.last.any() and relative.reward.twin.any()


def test_a_reset_of_some_worlds_plays_no_other_worlds_twin() -> None:
    relative = worlds_of(variant="relative")
    some = np.array([True, False, False, True])
    for _ in range(20):
        relative.step(np.full((4, relative.layout.action.size), 0.5, dtype=np.float32), np.ones(4, dtype=bool))
    before, twin, reward = relative.observe(), relative.reward.twin.copy(), relative.reward.reward.copy()
    relative.reset(some, {w: np.random.default_rng(9 + w) for w in (0, 3)}, None)
    assert np.array_equal(relative.observe()[~some], before[~some])
    assert np.array_equal(relative.reward.twin[~some], twin[~some]) and (relative.reward.twin[some] != twin[some]).any()
    assert np.array_equal(relative.reward.reward[~some], reward[~some])


def test_a_copy_of_a_relative_environment_goes_on_alike_over_a_reset() -> None:
    env = DERGroupVectorEnv(2, "tertiary-1", small("tertiary-1", OWN | {"reward.variant": "relative"}))
    env.reset(seed=3)
    action = np.full(env.action_space.shape, 0.3, dtype=np.float32)
    for _ in range(env.worlds.scenario.n_step - 3):
        env.step(action)
    twin = copy.deepcopy(env)
    for _ in range(8):
        assert env.step(action)[1].tobytes() == twin.step(action)[1].tobytes()


@pytest.mark.parametrize("controller", ["idle", "closed_loop"])
def test_ledger_is_the_whole_statement_and_the_homes_over_the_yardstick(controller: str) -> None:
    worlds = worlds_of(variant="ledger")
    total = rewards(worlds, controller).sum(axis=0)
    ledger, reward = worlds.simulator.market.ledger, worlds.reward
    locked = ledger.yen[:, ledger.deferred].sum(axis=1)
    assert (locked < 0.0).any() == (controller == "idle")  # its bids are locked, and all of that counts
    homes = reward.last[:, LAST.HARM_YEN] + reward.last[:, LAST.DEBT_YEN]
    assert total == pytest.approx((ledger.yen[:, -1] - homes) / reward.unit[:, 0], abs=1e-9)
    assert not reward.terms[:, TERMS.ACCURACY].any()


@pytest.mark.parametrize("variant", ["ledger", "shared", "relative"])
def test_every_variant_tells_the_sums_of_the_others(variant: str) -> None:
    sums = {name: rewards(worlds_of(variant=name), "merit_order").sum(axis=0) for name in ("ledger", "shared")}
    played = worlds_of(variant=variant, credit="window")
    rewards(played, "merit_order")
    for name, total in played.reward.so_far().items():
        assert total == pytest.approx(sums[name], abs=1e-9), name


def test_a_weight_that_changes_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"accuracy 0\.2 changes nothing in variant ledger"):
        worlds_of(variant="ledger", accuracy=0.2)
    with pytest.raises(InputError, match=r"lockout_share 0\.5 changes nothing in variant ledger"):
        worlds_of(variant="ledger", lockout_share=0.5)

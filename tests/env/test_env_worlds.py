"""One world is the same bits alone and among others: in every autoreset mode, at any place, after any copy."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from worlds import SMALL_STEPS, actions, same, small

from der_gym.core.errors import InputError
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv

Array = np.ndarray
SEEDS = [7, 8, 9]
TIRED = 13  # the step at which world 1 is reset before its end, so that the worlds no longer end together


@pytest.fixture(scope="module")
def singles() -> list[DERGroupEnv]:
    return [DERGroupEnv("tertiary-1", small()) for _ in SEEDS]


def vector(mode: str, n: int = len(SEEDS), **kwargs: Any) -> DERGroupVectorEnv:
    return DERGroupVectorEnv(n, "tertiary-1", small(), autoreset_mode=mode, **kwargs)


def info_of(infos: dict[str, Any], w: int) -> dict[str, float]:
    """Return one world's info; its flags must be set."""
    plain = [name for name in infos if not name.startswith(("_", "final_"))]
    assert all(infos[f"_{name}"][w] for name in plain)
    return {name: float(infos[name][w]) for name in plain}


def agree(obs: Array, info: dict[str, float], obs_2: Array, info_2: dict[str, float]) -> None:
    assert obs.tobytes() == obs_2.tobytes()
    assert info == info_2


def reset_all(singles: list[DERGroupEnv], many: DERGroupVectorEnv) -> None:
    obs, infos = many.reset(seed=SEEDS[0])
    for w, env in enumerate(singles):
        agree(obs[w], info_of(infos, w), *env.reset(seed=SEEDS[w]))


def restart_one(singles: list[DERGroupEnv], many: DERGroupVectorEnv, w: int) -> None:
    """Reset world ``w`` alone; the others' observations stay."""
    before = many.reset(options={"reset_mask": np.arange(len(SEEDS)) == w})
    agree(before[0][w], info_of(before[1], w), *singles[w].reset())
    assert not any(before[1][f"_{name}"][k] for k in range(len(SEEDS)) if k != w for name in ("yen_total",))


def test_next_step_equals_single_worlds(singles: list[DERGroupEnv]) -> None:
    many = vector("NextStep")
    reset_all(singles, many)
    waiting, ends = [False] * len(SEEDS), [0] * len(SEEDS)
    for k, action in enumerate(actions(1, 2 * SMALL_STEPS + 20, many.layout.n_leaf)):
        if k == TIRED:
            restart_one(singles, many, 1)
        sent = np.stack([action, -action, 0.5 * action])
        obs, reward, terminated, truncated, infos = many.step(sent)
        assert not terminated.any()
        for w, env in enumerate(singles):
            if waiting[w]:
                agree(obs[w], info_of(infos, w), *env.reset())
                assert reward[w] == 0.0 and not truncated[w]
                waiting[w] = False
                continue
            one = env.step(sent[w])
            agree(obs[w], info_of(infos, w), one[0], one[4])
            assert reward[w] == one[1] and truncated[w] == one[3]
            waiting[w], ends[w] = one[3], ends[w] + one[3]
    assert ends == [2, 2, 2]


def test_same_step_equals_single_worlds(singles: list[DERGroupEnv]) -> None:
    many = vector("SameStep")
    reset_all(singles, many)
    ends = [0] * len(SEEDS)
    for k, action in enumerate(actions(2, 2 * SMALL_STEPS + 20, many.layout.n_leaf)):
        if k == TIRED:
            restart_one(singles, many, 1)
        sent = np.stack([action, -action, 0.5 * action])
        obs, reward, _, truncated, infos = many.step(sent)
        for w, env in enumerate(singles):
            one = env.step(sent[w])
            assert reward[w] == one[1] and truncated[w] == one[3]
            if not one[3]:
                agree(obs[w], info_of(infos, w), one[0], one[4])
                continue
            ends[w] += 1
            assert infos["_final_obs"][w] and infos["_final_info"][w]
            agree(infos["final_obs"][w], info_of(infos["final_info"], w), one[0], one[4])
            agree(obs[w], info_of(infos, w), *env.reset())
        if truncated.any() and not truncated.all():
            assert infos["_final_obs"].tolist() == truncated.tolist()
            assert all(infos["final_obs"][w] is None for w in np.flatnonzero(~truncated))
    assert ends == [2, 2, 2]


def test_disabled_equals_single_worlds(singles: list[DERGroupEnv]) -> None:
    many = vector("Disabled")
    reset_all(singles, many)
    ends = [0] * len(SEEDS)
    for k, action in enumerate(actions(3, 2 * SMALL_STEPS + 20, many.layout.n_leaf)):
        if k == TIRED:
            restart_one(singles, many, 1)
        sent = np.stack([action, -action, 0.5 * action])
        obs, reward, _, truncated, infos = many.step(sent)
        for w, env in enumerate(singles):
            one = env.step(sent[w])
            agree(obs[w], info_of(infos, w), one[0], one[4])
            assert reward[w] == one[1] and truncated[w] == one[3]
        if truncated.any():
            with pytest.raises(InputError, match="has ended"):
                many.step(sent)
            for w in np.flatnonzero(truncated):
                ends[w] += 1
                restart_one(singles, many, int(w))
    assert ends == [2, 2, 2]


def test_make_vec_knows_the_three_modes() -> None:
    for mode in AutoresetMode:
        kwargs = {"scenario": "tertiary-1", "overrides": small(), "autoreset_mode": mode}
        many = gym.make_vec("DERGroup-v0", num_envs=2, vectorization_mode="vector_entry_point", **kwargs)
        assert isinstance(many.unwrapped, DERGroupVectorEnv) and many.metadata["autoreset_mode"] == mode
        obs, _ = many.reset(seed=1)
        assert many.observation_space.contains(obs) and many.num_envs == 2
        obs, reward, terminated, truncated, _ = many.step(many.action_space.sample())
        assert many.observation_space.contains(obs)
        assert reward.shape == terminated.shape == truncated.shape == (2,)
        many.close()
    with pytest.raises(InputError, match="NextStep, SameStep, Disabled"):
        vector("next")


def test_make_by_module_name_and_overrides() -> None:
    env = gym.make("der_gym:DERGroup-v0", scenario="tertiary-1-tiny", overrides=small("tertiary-1-tiny"))
    assert env.unwrapped.worlds.scenario.fleet.n_device == 60  # type: ignore[attr-defined]
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    assert gym.make("DERGroup-v0", overrides=small()).unwrapped.worlds.scenario.name == "tertiary-1"  # type: ignore[attr-defined]


def test_an_inactive_world_changes_no_bit() -> None:
    many = vector("Disabled")
    many.reset(seed=1)
    sim = many.worlds.simulator
    for _ in range(3):
        many.step(np.full((3, many.layout.n_leaf), 0.4, dtype=np.float32))
    before = sim.snapshot([1]).arrays
    books = many.worlds.snapshot([1])[1]
    other = np.array([True, False, True])
    for _ in range(31):
        many.worlds.step(np.full((3, many.layout.n_leaf), -0.7, dtype=np.float32), other)
    many.reset(options={"reset_mask": other})
    assert same(before, sim.snapshot([1]).arrays) == []
    assert same(books, many.worlds.snapshot([1])[1]) == []
    sim.run_on(other, 1800)
    sim.debt_kwh(other)
    assert same(before, sim.snapshot([1]).arrays) == []


# -- copies ----------------------------------------------------------------------------------------------------------


def play(env: DERGroupEnv, n: int, seed: int = 5) -> list[Any]:
    """Return what ``n`` steps give, resets included."""
    seen: list[Any] = []
    for action in actions(seed, n, env.layout.n_leaf):
        obs, reward, _, truncated, info = env.step(action)
        seen.append((obs.tobytes(), reward, truncated, info))
        if truncated:
            obs, info = env.reset()
            seen.append((obs.tobytes(), info))
    return seen


@pytest.mark.parametrize("at", [0, 17, 44, SMALL_STEPS - 1])
def test_a_snapshot_replays_over_the_end(singles: list[DERGroupEnv], at: int) -> None:
    one, other = singles[0], singles[1]
    one.reset(seed=21)
    play(one, at, seed=6)
    kept, twin = one.snapshot(), one.fork()
    future = play(one, SMALL_STEPS + 5)
    assert play(twin, SMALL_STEPS + 5) == future
    one.restore(kept)
    assert play(one, SMALL_STEPS + 5) == future
    other.reset(seed=99)
    play(other, 3, seed=7)
    other.restore(kept)
    assert play(other, SMALL_STEPS + 5) == future


def test_a_world_moves_from_a_single_environment_to_any_place(singles: list[DERGroupEnv]) -> None:
    one, many = singles[0], vector("NextStep")
    one.reset(seed=31)
    play(one, 20, seed=6)
    kept, last = one.snapshot(), one._observation()
    future = play(one, 10)
    many.reset(seed=1)
    many.restore(kept, worlds=[2])
    shown = many.reset(options={"reset_mask": [True, False, False]})[0]
    assert shown[2].tobytes() == last.tobytes()  # what stands there now, not what stood there before
    sent = np.zeros((3, many.layout.n_leaf), dtype=np.float32)
    for k, action in enumerate(actions(5, 10, many.layout.n_leaf)):
        sent[2], sent[0] = action, -action
        obs, reward, *_ = many.step(sent)
        assert (obs[2].tobytes(), reward[2]) == future[k][:2]
    one.restore(many.snapshot([2]))
    many.restore(many.snapshot([2, 0, 1]), worlds=[0, 1, 2])  # and on to other places
    for action in actions(9, 10, many.layout.n_leaf):
        sent[:] = 0.0
        sent[0] = action
        alone = one.step(action)
        obs, reward, *_ = many.step(sent)
        assert obs[0].tobytes() == alone[0].tobytes() and reward[0] == alone[1]


def test_a_restored_world_goes_on_over_its_reset_in_a_vector(singles: list[DERGroupEnv]) -> None:
    many = vector("NextStep")
    many.reset(seed=4)
    sent = np.full((3, many.layout.n_leaf), 0.3, dtype=np.float32)
    for _ in range(SMALL_STEPS - 2):
        many.step(sent)
    kept = many.snapshot()
    first = [many.step(sent) for _ in range(6)]
    many.restore(kept)
    for obs, reward, _, truncated, _ in first:
        again = many.step(sent)
        assert again[0].tobytes() == obs.tobytes() and again[1].tobytes() == reward.tobytes()
        assert again[3].tobytes() == truncated.tobytes()


def test_a_snapshot_of_another_scenario_is_refused(singles: list[DERGroupEnv]) -> None:
    singles[0].reset(seed=1)
    other = DERGroupEnv("tertiary-1", small(changes={"episode.n_block": 3}))
    with pytest.raises(InputError, match="another scenario"):
        other.restore(singles[0].snapshot())
    many = vector("NextStep")
    with pytest.raises(InputError, match="1 worlds; 2 places"):
        many.restore(singles[0].snapshot(), worlds=[0, 1])


# -- bad input -------------------------------------------------------------------------------------------------------


def test_a_step_before_reset_is_refused() -> None:
    for env in (DERGroupEnv("tertiary-1", small()), vector("NextStep")):
        with pytest.raises(InputError, match="before reset"):
            env.step(np.zeros(env.action_space.shape, dtype=np.float32))  # type: ignore[arg-type]


def test_wrong_actions_are_named(singles: list[DERGroupEnv]) -> None:
    env, many = singles[0], vector("NextStep")
    env.reset(seed=1), many.reset(seed=1)
    n, first = env.layout.n_leaf, env.layout.leaf_names[0]
    before = env.snapshot()
    for wrong in (np.zeros(n + 1), np.zeros((1, n)), 0.0, [], None, "full", [0.0, [1.0]]):
        with pytest.raises(InputError, match="action"):
            env.step(wrong)  # type: ignore[arg-type]
    for value in (np.nan, np.inf, -np.inf):
        action = np.zeros(n)
        action[3] = value
        with pytest.raises(
            InputError, match=rf"action: -?{abs(value)} in world 0, entry 3 \(dispatch\[{env.layout.leaf_names[3]}\]\)"
        ):
            env.step(action)
        both = np.zeros((3, n))
        both[2, 0] = value
        with pytest.raises(InputError, match=rf"in world 2, entry 0 \(dispatch\[{first}\]\)"):
            many.step(both)
    with pytest.raises(InputError, match=rf"allowed: \(3, {n}\)"):
        many.step(np.zeros((2, n)))
    masked = np.ma.masked_array(np.zeros(n), mask=[True] + [False] * (n - 1))
    text, huge = ["0.5"] * n, [10**400] + [0.0] * (n - 1)
    for wrong in (masked, text, np.array(text), np.zeros(n, complex), [1j] * n, huge, [None] * n, np.zeros(n, object)):
        with pytest.raises(InputError, match=r"action: .*; allowed: |action: .* is no array of numbers"):
            env.step(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a masked array"):
        many.step([masked] * 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="action: inf in world 0"):
        env.step(np.full(n, 1e300))
    assert same(before[0].arrays, env.snapshot()[0].arrays) == []  # a refused action changes nothing


def test_the_single_environment_takes_no_step_past_its_end(singles: list[DERGroupEnv]) -> None:
    env, rest = singles[0], np.zeros(singles[0].layout.n_leaf, dtype=np.float32)
    env.reset(seed=1)
    kept = env.snapshot()
    ends = [env.step(rest)[3] for _ in range(SMALL_STEPS)]
    assert ends == [False] * (SMALL_STEPS - 1) + [True]
    last = env.snapshot()
    for _ in range(2):
        with pytest.raises(InputError, match=r"step: the episode has ended; call reset\(\) first"):
            env.step(rest)
    assert same(last[0].arrays, env.snapshot()[0].arrays) == []
    env.restore(kept)
    assert env.step(rest)[3] is False
    with pytest.raises(InputError, match="has ended"):
        env.restore(last), env.step(rest)
    env.reset()
    env.step(rest)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "2"])
def test_workers_and_worlds_are_counted_from_one(wrong: Any) -> None:
    with pytest.raises(InputError, match=rf"workers: {wrong!r}; allowed: 1 or more"):
        DERGroupEnv("tertiary-1", small(), workers=wrong)
    with pytest.raises(InputError, match=rf"n_world: {wrong!r}; allowed: 1 or more"):
        vector("NextStep", wrong)


def test_actions_out_of_range_are_cut_and_counted(singles: list[DERGroupEnv]) -> None:
    env, other = singles[:2]
    n = env.layout.n_leaf
    for made in (env, other):
        made.reset(seed=1)
    action = np.linspace(-2, 2, n)
    one = env.step(action)
    two = other.step(np.clip(action, -1, 1))
    assert one[0].tobytes() == two[0].tobytes() and one[1] == two[1]
    assert one[4]["actions_clipped"] == (np.abs(action) > 1).sum() and two[4]["actions_clipped"] == 0.0
    assert env.step(action)[4]["actions_clipped"] == 2 * one[4]["actions_clipped"]
    assert env.reset()[1]["actions_clipped"] == 0.0


def test_reset_options(singles: list[DERGroupEnv]) -> None:
    one = singles[0]
    obs, _ = one.reset(seed=3, options={"date": "2026-08-03", "start_h": 17})
    hour = np.arctan2(one.layout.raw(obs, "hour_sin"), one.layout.raw(obs, "hour_cos")) * 12 / np.pi % 24
    assert hour == pytest.approx(17.0)
    again, _ = one.reset(seed=3, options={"date": "2026-08-03", "start_h": 17})
    assert again.tobytes() == obs.tobytes()
    before = one.snapshot()
    for options, words in (
        ({"dates": "2026-08-03"}, "did you mean 'date'"),
        ({"start_h": 3}, r"start_h 3; allowed: \[5, 14, 17\]"),
        ({"start_h": "late"}, "start_h 'late'"),
        ({"date": "2026-08-04"}, "2026-08-03 to 2026-08-03"),
        ({"date": "someday"}, "someday"),
        ({"date": 3.5}, "3.5"),
    ):
        with pytest.raises(InputError, match=words):
            one.reset(options=options)
    after = one.snapshot()  # a refused reset changes nothing, not even what the next one draws
    assert same(before[0].arrays, after[0].arrays) == [] and before[0].generators == after[0].generators


def test_reset_masks_and_seeds() -> None:
    many = vector("NextStep")
    for mask in (np.zeros(3, dtype=bool), np.ones(2, dtype=bool)):
        with pytest.raises(InputError, match="reset_mask"):
            many.reset(options={"reset_mask": mask})
    with pytest.raises(InputError, match="2 seeds for 3 worlds"):
        many.reset(seed=[1, 2])
    one, _ = many.reset(seed=5)
    two, _ = many.reset(seed=[5, 6, 7])
    assert one.tobytes() == two.tobytes()
    three, _ = many.reset(seed=[7, 5, 6])
    assert [row.tobytes() for row in three[[1, 2, 0]]] == [row.tobytes() for row in one]


def test_vector_arrays_are_fresh_every_step() -> None:
    many = vector("SameStep", n=2)
    obs, infos = many.reset(seed=1)
    kept, kept_infos = [obs], [infos]
    copies = [obs.copy()]
    for _ in range(SMALL_STEPS + 1):
        obs, reward, terminated, truncated, infos = many.step(np.zeros((2, many.layout.n_leaf), dtype=np.float32))
        kept += [obs, reward, terminated, truncated]
        copies += [a.copy() for a in (obs, reward, terminated, truncated)]
        kept_infos.append(infos)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(kept, copies, strict=True))
    arrays = [v for info in kept_infos for k, v in info.items() if isinstance(v, np.ndarray) and k[0] != "_"]
    assert len({array.__array_interface__["data"][0] for array in arrays}) == len(arrays)
    masks = [info["_reward_money"] for info in kept_infos]  # one for all names, and a fresh one every step
    assert len({mask.__array_interface__["data"][0] for mask in masks}) == len(masks)

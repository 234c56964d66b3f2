"""``action.unit``: an entry of 1 asks a leaf for its rated swing, or for one award in kW; rules play both alike."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from plain import plain
from worlds import small

from der_gym.controllers import bound, make
from der_gym.core.errors import InputError
from der_gym.core.heads import HEADS, Head
from der_gym.env.action import take
from der_gym.env.action.layout import ActionLayout
from der_gym.env.single import DERGroupEnv
from der_gym.env.worlds import Worlds
from der_gym.evaluation.scoreboard import evaluate
from der_gym.network.tables import SENDER
from der_gym.scenario.load import load

AWARD = {"action.unit": "award"}
N = 4


def started(**changes: str) -> Worlds:
    worlds = Worlds("tertiary-1", small("tertiary-1", {key.replace("__", "."): v for key, v in changes.items()}), N)
    worlds.reset(np.ones(N, dtype=bool), {w: np.random.default_rng(w) for w in range(N)}, None)
    return worlds


def test_one_is_an_award_in_kw_and_never_more_than_the_leaf() -> None:
    worlds = started(action__unit="award")
    worlds.step(np.ones((N, worlds.layout.n_leaf), dtype=np.float32), np.ones(N, dtype=bool))
    award = worlds.simulator.market.primary.service.award_kw.max(axis=1)
    wanted = np.minimum(award[:, None] / worlds.layout.nominal_kw, 1.0)
    assert (wanted < 1.0).any()
    assert worlds.action.message[:, :, 1] == pytest.approx(wanted)
    worlds.step(np.full((N, worlds.layout.n_leaf), -0.5, dtype=np.float32), np.ones(N, dtype=bool))
    assert worlds.action.message[:, :, 1] == pytest.approx(
        -np.minimum(0.5 * award[:, None] / worlds.layout.nominal_kw, 1)
    )


def test_plain_loops_give_the_bits_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def played() -> bytes:
        worlds = started(action__unit="award")
        worlds.step(np.linspace(-1.2, 1.2, N * worlds.layout.n_leaf).reshape(N, -1), np.ones(N, dtype=bool))
        return worlds.action.message.tobytes()

    fast = played()
    monkeypatch.setattr(take, "take_action", plain(take)["take_action"])
    assert played() == fast


def test_values_are_encoded_and_decoded_by_the_award() -> None:
    heads = (HEADS["dispatch"], Head("offer", "leaf", "incentive", 0.0, 50.0, "offer"))
    layout = ActionLayout.make(("A", "B"), heads, np.array([100.0, 400.0]))
    action = layout.encode({"dispatch": [0.5, 0.25], "offer": 25.0}, 200.0)
    assert action.tolist() == [0.25, 0.5, 0.0, 0.0]
    assert layout.decode(action, "dispatch", 200.0).tolist() == [0.5, 0.25]
    assert layout.decode(np.ones(4), "dispatch", 200.0).tolist() == [1.0, 0.5]  # never beyond the leaf
    rows = layout.encode({"dispatch": [[0.5, 0.25], [0.5, 0.25]]}, np.array([200.0, 100.0]))
    assert rows[:, :2].tolist() == [[0.25, 0.5], [0.5, 1.0]]
    with pytest.raises(InputError, match="dispatch: award_kw is missing"):
        layout.encode({"dispatch": 0.5})


def sent(worlds: Worlds, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what a rule had in force after each decision, (n_step, N, n_leaf), and the rewards, (N,)."""
    rule, state, start = bound(make(name), worlds), None, np.ones(N, dtype=bool)
    kept, total = [], np.zeros(N)
    for _ in range(worlds.scenario.n_step):
        action, state = rule.predict(worlds.observe(), state, start)
        worlds.step(action, ~np.zeros(N, dtype=bool))
        kept.append(worlds.simulator.network.leaf[:, :, SENDER.SENT_A].copy())
        total, start = total + worlds.reward.reward, np.zeros(N, dtype=bool)
    return np.array(kept), total


@pytest.mark.parametrize("name", ["merit_order", "closed_loop", "open_loop"])
def test_a_rule_plays_the_same_commands_in_both_units(name: str) -> None:
    """The award of these worlds is so large that no command is cut."""
    large = {"services__tertiary-1__award_share": "1.5"}
    nominal, award = (sent(started(**large, action__unit=unit), name) for unit in ("nominal", "award"))
    assert np.abs(nominal[0]).max() > 0.1
    assert award[0] == pytest.approx(nominal[0], abs=2e-5) and award[1] == pytest.approx(nominal[1], abs=1e-3)


def test_less_than_is_sent_is_exactly_the_own_schedule() -> None:
    worlds, still = started(action__unit="award"), started(action__unit="award")
    award = worlds.simulator.market.primary.service.unit_kw
    share = worlds.scenario.network.change_share
    most = (share * worlds.layout.nominal_kw / award[:, None]).min(axis=1, keepdims=True)
    for _ in range(40):
        worlds.step(np.repeat(0.99 * most, worlds.layout.n_leaf, axis=1), np.ones(N, dtype=bool))
        still.step(np.zeros((N, worlds.layout.n_leaf)), np.ones(N, dtype=bool))
        assert (worlds.reward.reward == still.reward.reward).all()
    assert (worlds.simulator.fleet.fleet == still.simulator.fleet.fleet).all()


def test_snapshots_and_the_gymnasium_environment_keep_the_unit() -> None:
    env = DERGroupEnv("tertiary-1", small("tertiary-1", AWARD))
    obs, _ = env.reset(seed=3)
    kept, action = env.snapshot(), env.layout.encode({"dispatch": 0.3}, obs)
    first = env.step(action)[0].tobytes()
    other = DERGroupEnv("tertiary-1", small("tertiary-1", AWARD))
    other.reset(seed=4)
    other.restore(kept)
    assert other.step(action)[0].tobytes() == first
    assert env.worlds.action.message[0, :, 1] == pytest.approx(0.3) and env.action_space == gym.spaces.Box(
        -1.0, 1.0, (env.layout.n_leaf,), np.float32
    )


def test_the_unit_is_a_setting_that_changes_no_hash_by_its_default() -> None:
    assert load("tertiary-1").hash() == load("tertiary-1", {"action.unit": "nominal"}).hash()
    assert load("tertiary-1").hash() != load("tertiary-1", AWARD).hash()
    with pytest.raises(InputError, match="unit"):
        load("tertiary-1", {"action.unit": "awards"})


def test_rules_and_the_oracle_are_evaluated_in_awards() -> None:
    board = evaluate("tertiary-1", ["open_loop"], 2, overrides=small("tertiary-1", AWARD), bound=3)
    rewards = {name: score.columns["reward"] for name, score in board.scores.items()}
    assert (rewards["oracle"] >= rewards["open_loop"]).all() and np.abs(
        board.scores["open_loop"].played.trace.action
    ).max() > 0

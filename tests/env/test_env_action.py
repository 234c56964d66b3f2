"""The action: several heads in one Box, each with its own messages; encoding, gates, luck, costs, faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from plain import plain
from plugins import droop_and_offer
from worlds import MIX, SMALL_STEPS, actions, small

from der_gym.core.errors import InputError
from der_gym.core.heads import HEADS, Head
from der_gym.devices.behaviours import BEHAVIOURS
from der_gym.engine.tables import FLEET
from der_gym.env.action import take
from der_gym.env.action.layout import ActionLayout
from der_gym.env.action.take import ActionTaker
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.network import tables as net
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.scenario.load import load

Array = np.ndarray
MESSAGE_YEN = 0.01  # of one message to one device, whatever its kind
ALL = ("dispatch", "coupon", "droop", "dead_band_hz")


@pytest.fixture
def registered() -> Iterator[None]:
    with droop_and_offer():
        yield


def heads(*names: str, **changes: Any) -> dict[str, Any]:
    """Return the overrides of a small scenario with these heads and a frequency."""
    own = {"fleet.mix": MIX, "action.heads": names, "signals.frequency": "synthetic"}
    return small("tertiary-1", {**own, **{key.replace("__", "."): value for key, value in changes.items()}})


LEAVES = ("A", "B", "C")
THREE = (
    HEADS["dispatch"],
    Head("coupon", "leaf", "coupon", 0.0, 50.0, "coupon", unit="yen/kWh", gate_s=600),
    Head("band", "world", "rule", 0.01, 0.05, "dead band", unit="Hz", slot="b"),
)


# --- the layout


def test_dispatch_alone_is_the_default() -> None:
    layout = ActionLayout.make(LEAVES)
    assert layout.size == 3 and layout.names() == ["dispatch[A]", "dispatch[B]", "dispatch[C]"]
    assert load("tertiary-1").streams() == (MessageStream("dispatch", change_a=0.02),)
    env = DERGroupEnv("tertiary-1", small())
    assert env.action_space == gym.spaces.Box(-1.0, 1.0, (env.layout.n_leaf,), np.float32)
    assert env.layout.action.places["dispatch"][1:] == (0, env.layout.n_leaf)


def test_values_are_encoded_and_decoded_in_their_units() -> None:
    layout = ActionLayout.make(LEAVES, THREE)
    assert layout.names()[2:] == ["dispatch[C]", "coupon[A]", "coupon[B]", "coupon[C]", "band"]
    action = layout.encode({"dispatch": [0.5, -0.25, 0.0], "coupon": 12.5, "band": 0.05})
    assert action.dtype == np.float32 and action.tolist() == [0.5, -0.25, 0.0, -0.5, -0.5, -0.5, 1.0]
    assert layout.decode(action, "coupon").tolist() == [12.5] * 3 and layout.decode(action, "band") == 0.05
    assert layout.encode({}).tolist() == [0.0] * 3 + [-1.0] * 3 + [-1.0]  # nothing is said: no offer
    many = layout.encode({"coupon": np.array([[0.0, 25.0, 50.0], [50.0, 50.0, 75.0]]), "band": np.array([0.01, 0.03])})
    assert many.shape == (2, 7) and many[:, 3:].tolist() == [[-1.0, 0.0, 1.0, -1.0], [1.0, 1.0, 2.0, pytest.approx(0)]]
    assert layout.decode(many, "coupon")[1].tolist() == [50.0, 50.0, 50.0]  # cut, as the environment cuts it
    for fault, values in (("coupon: shape \\(2,\\)", {"coupon": [1, 2]}), ("did you mean 'coupon'", {"coupn": 1.0})):
        with pytest.raises(InputError, match=fault):
            layout.encode(values)
    with pytest.raises(InputError, match="did you mean 'band'"):
        layout.decode(action, "bands")


def test_the_layout_describes_the_action(registered: None) -> None:
    env = DERGroupEnv("tertiary-1", heads(*ALL))
    n = env.layout.n_leaf
    text = env.layout.describe()
    assert f"| {n}-{2 * n - 1} | coupon | coupon.a | yen/kWh | 0 .. 50 | 300 s | coupon |" in text
    assert f"| {3 * n} | dead_band_hz | rule.b | Hz | 0.01 .. 0.05 | 1800 s | dead band |" in text
    action = env.layout.encode({"dispatch": 0.5, "coupon": 20.0})
    assert env.action_space.shape == action.shape == (3 * n + 1,) and env.action_space.contains(action)


# --- from actions to messages


def taker(n_world: int = 2) -> ActionTaker:
    layout = ActionLayout.make(LEAVES, THREE)
    message = np.zeros((n_world, 3 * len(layout.leaf_names), 3), dtype=np.float32)
    streams = (DISPATCH, MessageStream("coupon"), MessageStream("rule"))
    return ActionTaker(layout, streams, message, np.zeros(n_world, dtype=bool), 30, 60)


def test_every_head_fills_its_lane_in_its_unit() -> None:
    own = taker()
    action = np.tile([0.5, -2.0, 0.0, -1.0, 0.0, 1.0, 3.0], (2, 1))
    assert not own.take(action, np.array([True, False])) and not own.ended.any()
    assert own.message[0, :, 0].tolist() == [0.0] * 3 + [1.0] * 3 + [2.0] * 3
    assert own.message[0, :3, 1].tolist() == [0.5, -1.0, 0.0] and own.message[0, 3:6, 1].tolist() == [0.0, 25.0, 50.0]
    assert own.message[0, 6:, 2] == pytest.approx([0.05] * 3) and not own.message[0, 6:, 1].any()
    assert own.clipped.tolist() == [2.0, 0.0]  # an entry of the world counts once
    assert not own.message[1, :, 1:].any() and own.step_no.tolist() == [1, 0]


def test_a_slow_head_is_held_between_its_gates() -> None:
    own = taker(1)
    offers = []
    for k in range(30):
        action = np.full((1, 7), -1.0 + k / 15, np.float32)
        last = own.take(action, np.ones(1, dtype=bool))
        offers.append(float(own.message[0, 3, 1]))
        assert own.message[0, 0, 1] == pytest.approx(-1.0 + k / 15)
    assert last and offers == pytest.approx([0.0] * 10 + [50 / 3] * 10 + [100 / 3] * 10)


def test_plain_loops_give_the_bits_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def played() -> list[bytes]:
        own, draw = taker(), np.random.default_rng(2)
        for _ in range(12):
            own.take(draw.normal(0, 1, (2, 7)).astype(np.float32), draw.random(2) < 0.8)
        return [array.tobytes() for array in own.arrays().values()]

    fast = played()
    monkeypatch.setattr(take, "take_action", plain(take)["take_action"])
    assert played() == fast


# --- in the environment


def test_the_environments_carry_all_heads_together(registered: None) -> None:
    one = DERGroupEnv("tertiary-1", heads(*ALL))
    check_env(one, skip_render_check=True)
    many = DERGroupVectorEnv(2, "tertiary-1", heads(*ALL))
    singles = [DERGroupEnv("tertiary-1", heads(*ALL)) for _ in range(2)]
    obs, _ = many.reset(seed=5)
    for w, single in enumerate(singles):
        assert single.reset(seed=5 + w)[0].tobytes() == obs[w].tobytes()
    for action in actions(4, SMALL_STEPS, many.single_action_space.shape[0]):
        both = np.stack([action, -action])
        got = many.step(both)
        for w, single in enumerate(singles):
            obs, reward, _, ended, info = single.step(both[w])
            assert obs.tobytes() == got[0][w].tobytes() and reward == got[1][w] and ended == got[3][w]
            assert info["messages_sent"] == got[4]["messages_sent"][w]
    assert got[3].all()


def play(env: DERGroupEnv, n: int = SMALL_STEPS, **values: Any) -> tuple[Array, list[float], dict[str, Any]]:
    """Play these values throughout; return the last observation, the rewards and the last info."""
    obs, _ = env.reset(seed=3)
    rewards = []
    for _ in range(n):
        obs, reward, _, _, info = env.step(env.layout.encode(values))
        rewards.append(reward)
    return obs, rewards, info


def test_messages_of_all_streams_are_counted_and_paid(registered: None) -> None:
    env = DERGroupEnv("tertiary-1", heads(*ALL, network__ideal=True, network__standby="preloaded"))
    sent = {}
    for name, values in {
        "none": {},
        "dispatch": {"dispatch": 0.3},
        "coupon": {"coupon": 30.0},
        "droop": {"droop": 1.0, "dead_band_hz": 0.02},
        "all": {"dispatch": 0.3, "coupon": 30.0, "droop": 1.0, "dead_band_hz": 0.02},
    }.items():
        _, _, info = play(env, **values)
        network, n_leaf = env.worlds.simulator.network, env.layout.n_leaf
        lanes = network.leaf[0, :, net.SENDER.N_SENT].reshape(3, n_leaf)
        assert info["messages_sent"] == lanes.sum()
        units = (lanes * network.gate[:, net.GATE.N_UNIT].reshape(3, n_leaf)).sum()
        assert info["yen_message"] == pytest.approx(-MESSAGE_YEN * units, abs=1e-6)
        sent[name] = lanes.sum(axis=1).tolist()
    assert sent["none"] == [0.0, 0.0, 0.0]
    assert sent["dispatch"][1:] == [0.0, 0.0] and sent["coupon"][::2] == [0.0, 0.0] and sent["droop"][:2] == [0.0, 0.0]
    assert sent["all"] == [sent["dispatch"][0], sent["coupon"][1], sent["droop"][2]] and all(sent["all"])


def test_messages_of_standby_are_paid_and_not_counted(registered: None) -> None:
    for standby, paid in (("sent", True), ("preloaded", False)):
        _, _, info = play(DERGroupEnv("tertiary-1", heads("dispatch", network__standby=standby)))
        assert info["messages_sent"] == 0.0 and (info["yen_message"] < 0.0) == paid


def test_the_order_of_the_heads_changes_no_luck(registered: None) -> None:
    values = {"dispatch": 0.4, "coupon": 30.0, "droop": 1.0, "dead_band_hz": 0.02}
    ends = [play(DERGroupEnv("tertiary-1", heads(*names)), **values) for names in (ALL, ALL[::-1])]
    assert ends[0][0].tobytes() == ends[1][0].tobytes() and ends[0][1] == ends[1][1] and ends[0][2] == ends[1][2]
    other = play(DERGroupEnv("tertiary-1", heads(*ALL)), **{**values, "coupon": 10.0})
    assert other[1] != ends[0][1]


def test_heads_that_say_nothing_change_no_bit(registered: None) -> None:
    alone = play(DERGroupEnv("tertiary-1", heads("dispatch")), dispatch=0.4)
    beside = play(DERGroupEnv("tertiary-1", heads(*ALL)), dispatch=0.4, coupon=0.0)
    assert alone[0].tobytes() == beside[0].tobytes() and alone[1] == beside[1] and alone[2] == beside[2]


def test_an_offer_without_dispatch_moves_the_owners(registered: None) -> None:
    env = DERGroupEnv("tertiary-1", heads("coupon"))
    assert env.action_space.shape == (env.layout.n_leaf,)
    play(env, 30, coupon=45.0)
    fleet = env.worlds.simulator.fleet
    took = fleet.fleet[0, FLEET.CMD_END] == np.float32(0.5)
    assert took.mean() > 0.5 and fleet.total("answered_kwh")[0] > 1.0
    gaps = env.worlds.simulator.network.gate[env.layout.n_leaf :, net.GATE.INTERVAL_S]
    assert (gaps == 60.0).all()  # P5, the head's channel, whatever the leaves' own paths are


def test_a_copied_world_keeps_the_values_in_force_between_gates(registered: None) -> None:
    env = DERGroupEnv("tertiary-1", heads(*ALL))
    env.reset(seed=1)
    n = env.action_space.shape[0]
    for action in actions(7, 13, n):
        env.step(action)
    kept = env.snapshot()
    ends = []
    for _ in range(2):
        ends.append([env.step(action)[0].tobytes() for action in actions(8, 20, n)])
        env.restore(kept)
    assert ends[0] == ends[1]


# --- faults


def offer(**changes: Any) -> dict[str, Any]:
    """Return the overrides of a scenario with the offer alone, changed."""
    return {"action.heads": ["coupon"], "action.settings": {"coupon": changes}}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"action.heads": ["dispach"]}, "heads: unknown name 'dispach'; did you mean 'dispatch'"),
        ({"action.heads": []}, "action.heads: .*at least 1"),
        ({"action.heads": ["dispatch", "dispatch"]}, "heads: dispatch: fills a of 'dispatch' as dispatch does"),
        ({"action.heads": ["dispatch", "dead_band_hz"]}, "dead_band_hz: fills b of 'rule'; allowed: beside a head"),
        ({"action.settings": {"coupn": {"high": 3}}}, "settings: unknown name 'coupn'"),
        ({**offer(), "action.settings": {"coupn": {"high": 3}}}, "unknown name 'coupn'; did you mean 'coupon'"),
        (offer(hgh=3), "hgh: unknown key; did you mean 'high'"),
        (offer(high=-3), "coupon: low 0, high -3; allowed: low < high"),
        (offer(gate_s=90), "coupon: gate_s 90; allowed: a multiple of decision_s 60"),
        (offer(channel="P44"), "coupon: channel: unknown name 'P44'; did you mean 'P4'"),
        ({"action.settings": {"dispatch": {"channel": "P4"}}}, "dispatch: channel 'P4'; allowed: none"),
    ],
)
def test_heads_that_cannot_be_are_refused(registered: None, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as error:
        load("tertiary-1-tiny", changes)
    assert "\n" not in str(error.value)


def test_a_head_that_no_behaviour_answers_is_refused(registered: None) -> None:
    HEADS.register("volt", Head("volt", "leaf", "rul", -1.0, 1.0, "volt-watt"))
    try:
        with pytest.raises(InputError, match="heads: volt: kind: unknown name 'rul'; did you mean 'rule'"):
            load("tertiary-1-tiny", {"action.heads": ["volt"]})
    finally:
        del HEADS._items["volt"]
    assert "rul" not in BEHAVIOURS


def test_an_action_of_another_shape_names_heads_and_entries(registered: None) -> None:
    env = DERGroupEnv("tertiary-1", heads(*ALL))
    env.reset(seed=1)
    n = env.layout.n_leaf
    with pytest.raises(
        InputError, match=rf"allowed: \(1, {3 * n + 1}\).*dispatch 0-{n - 1}, coupon {n}-.*dead_band_hz {3 * n}"
    ):
        env.step(np.zeros(n, dtype=np.float32))
    wrong = env.layout.encode({})
    wrong[n + 1] = np.nan
    with pytest.raises(InputError, match=rf"nan in world 0, entry {n + 1} \(coupon\["):
        env.step(wrong)


def test_settings_of_a_head_change_its_bounds(registered: None) -> None:
    env = DERGroupEnv(
        "tertiary-1", heads("coupon", action__settings={"coupon": {"high": 20.0, "gate_s": 0, "change": 2.0}})
    )
    env.reset(seed=1)
    env.step(np.ones(env.layout.n_leaf, dtype=np.float32))
    n = env.layout.n_leaf
    assert (env.worlds.action.message[0, n:, 1] == 20.0).all()
    assert (env.worlds.simulator.network.gate[n:, net.GATE.CHANGE] == 2.0).all()

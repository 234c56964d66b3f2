"""Controllers: the contract that all of them keep, and what each is for, against a toy group and a small world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cheaters import CHEATERS
from pydantic import ValidationError

from der_gym.controllers import CONTROLLERS, PublicInfo, base, load_settings, loop, make, store
from der_gym.core.errors import InputError
from der_gym.env.observation.layout import Layout

Array = np.ndarray

NAMES = ("battery-slow", "battery-fast", "ecocute-slow")
NOMINAL_KW = np.array([1000.0, 200.0, 300.0])
LAYOUT = Layout.make(NAMES, NOMINAL_KW)
AWARD_KW = 400.0
FACTS = PublicInfo(
    decision_s=60.0,
    band_share=0.1,
    n_block=12,
    keeps_plan=False,
    leaf_class=("battery", "battery", "ecocute"),
    way_p95_s=np.array([120.0, 5.0, 120.0]),
    interval_s=np.array([60.0, 30.0, 300.0]),
    hold_s=np.array([1800.0, 300.0, 3600.0]),
    change_share=0.02,
    arrived=np.array([[0.0, 0.5, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.5, 1.0, 1.0]]),
    shown=np.array([[0.0, 0.0, 0.5, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0]]),
    report_s=np.array([60.0, 10.0, 150.0]),
    obeys=np.ones(3, dtype=bool),
)
CALM: dict[str, Any] = {
    "unit_kw": AWARD_KW,
    "award_kw": AWARD_KW,
    "block.award_kw": [AWARD_KW] * 3,
    "bin_left": 1.0,
    "block_left": 0.5,
    "leaf.up_kw": [600.0, 150.0, 100.0],
    "leaf.down_kw": [300.0, 60.0, 0.0],
    "leaf.stored_kwh": [2000.0, 400.0, 300.0],
    "leaf.age_mean_s": FACTS.report_s,
}
RULES = tuple(name for name in CONTROLLERS if "dispatch" in CONTROLLERS[name].plays)  # others: test_offer_rules
LOOPS = ("closed_loop", "merit_order")


def encode(layout: Layout, values: dict[str, Any]) -> Array:
    """Return one observation, float32 (size,), that reads ``values`` in their own units."""
    obs = np.zeros(layout.size, dtype=np.float32)
    for name, value in values.items():
        field, at, n = layout.fields[name]
        units = {"award": values["unit_kw"], "nominal": layout.nominal_kw, "fleet": layout.nominal_kw.sum()}
        scale = units[field.scale] if isinstance(field.scale, str) else field.scale
        obs[at : at + n] = np.asarray(value, dtype=float) / scale
    return obs


def noise(n: int, seed: int = 0) -> Array:
    """Return ``n`` observations drawn from the whole box."""
    low, high = LAYOUT.bounds()
    return np.random.default_rng(seed).uniform(low, high, (n, LAYOUT.size)).astype(np.float32)


def bound(name: str, public: PublicInfo = FACTS, **values: Any) -> base.Rule:
    made = CONTROLLERS[name](base.settings(name, values))
    made.bind(LAYOUT, public)
    return made


class Toy:
    """A group of one world that answers as the facts say: gain times a * up_kw, late, seen later, plus a bias."""

    def __init__(self, gain: tuple[float, float, float] = (1.0, 1.0, 1.0), bias_kw: float = 0.0) -> None:
        self.gain, self.bias_kw = np.array(gain), bias_kw
        self.up_kw, self.sent = np.array(CALM["leaf.up_kw"]), np.zeros((4, 3))  # newest first
        self.last_s = np.full(3, -1e9)

    def response_kw(self, share: Array) -> Array:
        """Return each leaf's response when a message of ``k`` steps ago is answered by ``share[:, k]``."""
        weight = np.diff(share, axis=1, prepend=0.0).T
        return (self.sent * weight).sum(axis=0) * self.gain * self.up_kw

    def step(self, t: int, action: Array) -> float:
        """Send what is due; return the list's mean response over the coming minute, kW."""
        goes = (np.abs(action - self.sent[0]) > FACTS.change_share) | ((action == 0) & (self.sent[0] != 0))
        goes &= t * 60.0 - self.last_s >= FACTS.interval_s
        self.last_s[goes] = t * 60.0
        self.sent = np.vstack([np.where(goes, action, self.sent[0]), self.sent[:-1]])
        return float(self.response_kw(FACTS.arrived).sum()) + self.bias_kw

    def observation(self, t: int, target_kw: float) -> Array:
        seen = self.response_kw(FACTS.shown)
        wait = np.maximum(self.last_s + FACTS.interval_s - t * 60.0, 0.0)
        values = {"target_kw": target_kw, "target_bin_end_kw": target_kw, "response_kw": seen.sum() + self.bias_kw}
        leaf = {"leaf.seen_kw": -seen, "leaf.sent_a": self.sent[0], "leaf.wait_s": wait, "leaf.plan_kw": np.zeros(3)}
        return encode(LAYOUT, CALM | values | leaf)


def play(rule: base.Rule, toy: Toy, target_kw: Array) -> tuple[Array, Array]:
    """Return the response and the actions of each minute."""
    state, start, response, actions = None, np.array([True]), [], []
    for t, target in enumerate(target_kw):
        action, state = rule.predict(toy.observation(t, float(target))[None], state, start)
        response.append(toy.step(t, action[0]))
        actions.append(action[0])
        start = np.array([False])
    return np.array(response), np.array(actions)


# -- the contract ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
def test_actions_are_fractions_of_every_leaf(name: str) -> None:
    rule, obs = bound(name), noise(7)
    action, state = rule.predict(obs, None, np.ones(7, dtype=bool))
    for _ in range(5):
        assert action.shape == (7, 3) and action.dtype == np.float32
        assert np.isfinite(action).all() and (np.abs(action) <= 1).all()
        action, state = rule.predict(obs, state, np.zeros(7, dtype=bool))
    assert rule.needs == "observation" and rule.name == name and rule.title
    assert all(isinstance(array, np.ndarray) and len(array) == 7 for array in state.values())


@pytest.mark.parametrize("name", [*RULES, *(cheater.name for cheater in CHEATERS)])
def test_a_row_depends_on_no_other_row(name: str) -> None:
    made = {cheater.name: cheater for cheater in CHEATERS}
    rule = made[name]() if name in made else CONTROLLERS[name]()
    rule.bind(LAYOUT, FACTS)
    seen = [noise(9, seed) for seed in range(6)]
    order = np.random.default_rng(1).permutation(9)
    whole, shuffled = None, None
    alone: list[Any] = [None] * 9
    for k, obs in enumerate(seen):
        start = np.full(9, k == 0)
        start[4] |= k == 3
        a, whole = rule.predict(obs, whole, start)
        b, shuffled = rule.predict(obs[order], shuffled, start[order])
        assert a[order].tobytes() == b.tobytes()
        for i in range(9):
            c, alone[i] = rule.predict(obs[i : i + 1], alone[i], start[i : i + 1])
            assert c[0].tobytes() == a[i].tobytes()


@pytest.mark.parametrize("name", RULES)
def test_memory_is_in_the_state_and_is_not_changed_in_place(name: str) -> None:
    rule, seen, no = bound(name), [noise(4, seed) for seed in range(4)], np.zeros(4, dtype=bool)
    _, state = rule.predict(seen[0], None, ~no)
    kept = {key: array.copy() for key, array in state.items()}
    first, _ = rule.predict(seen[1], state, no)
    rule.predict(seen[2], state, no)
    again, _ = rule.predict(seen[1], state, no)
    assert first.tobytes() == again.tobytes()
    assert all(state[key].tobytes() == array.tobytes() for key, array in kept.items())


@pytest.mark.parametrize("name", RULES)
def test_an_episode_start_forgets(name: str) -> None:
    rule, yes = bound(name), np.ones(3, dtype=bool)
    _, state = rule.predict(noise(3, 1), None, yes)
    _, state = rule.predict(noise(3, 2), state, ~yes)
    fresh, _ = rule.predict(noise(3, 3), None, yes)
    again, _ = rule.predict(noise(3, 3), state, yes)
    assert fresh.tobytes() == again.tobytes()


@pytest.mark.parametrize("name", RULES)
def test_settings_have_units_ranges_and_words(name: str) -> None:
    model = CONTROLLERS[name].config_class
    with pytest.raises(ValidationError):
        model.model_validate({"no_such_key": 1})
    for key, field in model.model_fields.items():
        assert field.description and field.metadata, key
    for key, (low, high) in model.search.items():
        model.model_validate({key: low})
        model.model_validate({key: high})
        assert low < high


@pytest.mark.parametrize("name", RULES)
def test_the_shipped_settings_load(name: str) -> None:
    config = load_settings(name)
    assert type(config) is CONTROLLERS[name].config_class
    path = store.settings_path(name)
    assert path.exists() == bool(type(config).search)
    if path.exists():
        origin = store.read_settings(name, path)["provenance"]
        assert origin["split"] == "train" and origin["reward"] >= origin["default_reward"]


def test_every_tuned_controller_had_the_same_budget() -> None:
    tuned = [store.read_settings(name, store.settings_path(name)) for name in RULES if load_settings(name).search]
    assert len(tuned) == 3
    keys = ("scenario", "scenario_hash", "n_trial", "n_seed", "first_seed", "rng_seed")
    assert len({tuple(each["provenance"][key] for key in keys) for each in tuned}) == 1


def test_make_changes_single_settings() -> None:
    assert make("closed_loop", {"lag_s": 77.0}).config.lag_s == 77.0
    assert make("closed_loop", {"lag_s": 77.0}).config.integral_s == load_settings("closed_loop").integral_s
    with pytest.raises(InputError, match=r"closed_loop: .*unknown key.*did you mean 'lag_s'"):
        make("closed_loop", {"lags": 1})
    with pytest.raises(InputError, match="did you mean 'closed_loop'"):
        make("closed-loop")


def test_a_settings_file_of_another_controller_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("controller: idle\nvalues: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match="allowed: 'open_loop'"):
        store.read_settings("open_loop", path)


# -- small parts -------------------------------------------------------------------------------------------------------


def test_idle_asks_for_nothing_and_random_for_anything() -> None:
    obs, yes = noise(50), np.ones(50, dtype=bool)
    assert not bound("idle").predict(obs, None, yes)[0].any()
    one, state = bound("random").predict(obs, None, yes)
    two, _ = bound("random").predict(obs, state, ~yes)
    assert one.tobytes() == bound("random").predict(obs, None, yes)[0].tobytes()
    assert one.tobytes() != bound("random", seed=1).predict(obs, None, yes)[0].tobytes()
    assert one.tobytes() != two.tobytes() and len(np.unique(one)) == one.size
    assert one.min() < -0.9 and one.max() > 0.9 and abs(one.mean()) < 0.15


def test_the_open_loop_shares_the_target_and_never_looks() -> None:
    rule = bound("open_loop", lag_s=0)
    obs = np.stack([encode(LAYOUT, CALM | {"target_kw": 170.0, "response_kw": r}) for r in (0.0, 300.0)])
    action, _ = rule.predict(obs, None, np.ones(2, dtype=bool))
    assert action == pytest.approx(np.full((2, 3), 0.2), abs=1e-6)
    full, _ = rule.predict(
        encode(LAYOUT, CALM | {"target_kw": 400.0, "leaf.up_kw": [1, 1, 1]})[None], None, np.ones(1, bool)
    )
    assert (full == 1).all()


# -- the loops against the toy group -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize(
    "toy", [Toy(bias_kw=60.0), Toy(bias_kw=-60.0), Toy(gain=(0.7, 0.7, 0.7)), Toy(gain=(1.4, 1, 1))]
)
def test_a_constant_error_is_removed(name: str, toy: Toy) -> None:
    response, _ = play(bound(name, lag_s=0, integral_s=300), toy, np.full(120, 200.0))
    least_kw = FACTS.change_share * toy.up_kw.sum() if name == "closed_loop" else 0.0  # a smaller change is not sent
    assert response[-20:] == pytest.approx(np.full(20, 200.0), abs=0.03 * AWARD_KW + least_kw)
    open_response, _ = play(bound("open_loop", lag_s=0), Toy(tuple(toy.gain), toy.bias_kw), np.full(120, 200.0))
    assert np.abs(open_response[-20:] - 200.0).min() > 0.1 * AWARD_KW


@pytest.mark.parametrize("name", LOOPS)
def test_what_is_on_its_way_is_not_commanded_twice(name: str) -> None:
    response, _ = play(bound(name, lag_s=0, integral_s=120), Toy(), np.r_[np.zeros(5), np.full(60, 240.0)])
    assert response.max() <= 240.0 + 0.02 * AWARD_KW
    assert response[-1] == pytest.approx(240.0, abs=0.02 * AWARD_KW)


@pytest.mark.parametrize("name", LOOPS)
def test_a_limit_does_not_wind_up(name: str) -> None:
    toy = Toy()
    response, _ = play(bound(name, lag_s=0), toy, np.r_[np.full(90, 2000.0), np.full(10, 200.0)])
    assert response[80] == pytest.approx(toy.up_kw.sum(), rel=0.02)
    assert response[-3:] == pytest.approx(np.full(3, 200.0), abs=0.05 * AWARD_KW)


@pytest.mark.parametrize("name", LOOPS)
def test_too_much_at_rest_is_charged_into_batteries(name: str) -> None:
    response, actions = play(bound(name, lag_s=0, integral_s=120), Toy(bias_kw=50.0), np.zeros(60))
    assert (actions[-1, :2] < 0).all() and actions[-1, 2] == 0
    assert abs(response[-1]) < 50.0


@pytest.mark.parametrize("name", LOOPS)
def test_after_the_award_everything_is_released(name: str) -> None:
    rule, toy = bound(name, lag_s=120), Toy(bias_kw=30.0)
    state: Any = None
    for k in range(3):
        _, state = rule.predict(toy.observation(k, 100.0)[None], state, np.array([k == 0]))
    over = encode(LAYOUT, CALM | {"award_kw": 0.0, "target_kw": 40.0, "response_kw": 30.0})[None]
    for _ in range(5):
        action, state = rule.predict(over, state, np.array([False]))
        assert not action.any()


@pytest.mark.parametrize("name", LOOPS)
def test_a_step_of_the_plan_is_answered_at_once(name: str) -> None:
    rule, steady = bound(name, lag_s=0, slope_part=0), {"leaf.seen_kw": [0.0, 0.0, 200.0]}
    state: Any = None
    for k in range(20):
        before = CALM | steady | {"target_kw": 50.0, "response_kw": 0.0}
        action, state = rule.predict(encode(LAYOUT, before)[None], state, np.array([k == 0]))
    after = before | {"response_kw": -40.0}  # the plan is 40 kW lower, the water heaters draw what they drew
    stepped, _ = rule.predict(encode(LAYOUT, after)[None], state, np.array([False]))
    assert np.dot(stepped[0] - action[0], CALM["leaf.up_kw"]) >= 0.9 * 40.0


# -- merit order -------------------------------------------------------------------------------------------------------


def test_batteries_carry_what_moves_and_water_heaters_a_slow_base() -> None:
    wave = 200.0 + 80.0 * np.sin(np.arange(240) / 8.0)
    _, actions = play(bound("merit_order", lag_s=0), Toy(), wave)
    moved = np.abs(np.diff(actions, axis=0))
    assert 0 < (moved[:, 2] > 0).sum() <= 4
    assert (moved[:, 1] > 0.02).sum() > 50


def test_the_fast_leaf_makes_up_what_the_slow_one_has_not_given_yet() -> None:
    rule = bound("merit_order", lag_s=0, base_share=0)
    action, _ = rule.predict(Toy().observation(0, 150.0)[None], None, np.array([True]))
    assert action[0, 0] == pytest.approx(150.0 / 750.0, rel=1e-3)  # its share, which arrives only later
    assert action[0, 1] == 1.0  # all of the coming minute


def test_a_change_too_small_to_be_sent_goes_to_a_smaller_leaf() -> None:
    before, after = Toy(), Toy()
    settled, _ = play(bound("merit_order", lag_s=0, base_share=0), before, np.full(60, 300.0))
    moved, _ = play(bound("merit_order", lag_s=0, base_share=0), after, np.r_[np.full(60, 300.0), np.full(10, 308.0)])
    assert after.sent[0, 0] == before.sent[0, 0]
    assert moved[-1] - settled[-1] == pytest.approx(8.0, abs=3.0)  # the small leaf's own least change is 3 kW


def test_a_leaf_that_gives_more_is_learned_and_asked_less() -> None:
    rule = bound("merit_order", lag_s=0, learning=0.05)
    state, toy, start = None, Toy(gain=(1.5, 1.0, 1.0)), np.array([True])
    for t in range(200):
        action, state = rule.predict(toy.observation(t, 250.0)[None], state, start)
        toy.step(t, action[0])
        start = np.array([False])
    assert state is not None
    assert state["leaf"][0, :, loop.MEMORY.GAIN] == pytest.approx([1.5, 1.0, 1.0], abs=0.05)


def test_without_batteries_all_leaves_follow() -> None:
    heaters = replace(FACTS, leaf_class=("ecocute", "ecocute", "ev"))
    rule = bound("merit_order", heaters, lag_s=0)
    action, _ = rule.predict(Toy().observation(0, 200.0)[None], None, np.array([True]))
    assert (action > 0).all()


def test_loads_alone_are_never_asked_to_take_more() -> None:
    heaters = replace(FACTS, leaf_class=("ecocute", "ecocute", "ev"))
    for name in LOOPS:
        rule, state = bound(name, heaters, lag_s=0), None
        for k in range(10):  # they give more than is asked for
            seen = encode(LAYOUT, CALM | {"target_kw": 0.0, "response_kw": 300.0, "leaf.seen_kw": [200.0, 50.0, 90.0]})
            action, state = rule.predict(seen[None], state, np.array([k == 0]))
            assert (action >= 0).all(), (name, k)

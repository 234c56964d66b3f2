"""The formulas that the loops are made of, one by one: the aim, the delays, the homes' own power."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_controllers import CALM, FACTS, LAYOUT, bound, encode

from der_gym.controllers import CONTROLLERS, base, loop, make, merit_order, own_power, reading

Array = np.ndarray


def table(obs: Array) -> tuple[Array, Array]:
    """Return what an observation says of the group and of each leaf, as the kernels have it."""
    at, unit = reading.entries(LAYOUT, loop.NOW_FIELDS, loop.EACH_FIELDS)
    seen = np.empty(at.size)
    reading.read(at, unit, obs, seen)
    return seen[: loop.NOW.N], seen[loop.NOW.N :].reshape(3, loop.EACH.N)


@pytest.mark.parametrize(("lag_s", "steps", "expected"), [(0, 5, 50.0), (60, 5, 40.0), (90, 5, 35.0), (300, 9, 40.0)])
def test_the_aim_looks_back(lag_s: float, steps: int, expected: float) -> None:
    past = np.zeros(loop.n_past(60.0))
    for t in range(steps + 1):
        loop.push(past, 10.0 * t)
    assert loop.aim_kw(past, 0.0, 1.0, lag_s / 60.0, 60.0) == pytest.approx(expected)


@pytest.mark.parametrize(("ahead_s", "bin_left", "expected"), [(60, 1.0, 20.0), (240, 1.0, 50.0), (300, 0.6, 50.0)])
def test_the_aim_looks_ahead_to_the_end_of_the_bin(ahead_s: float, bin_left: float, expected: float) -> None:
    assert loop.aim_kw(np.full(7, 10.0), 50.0, bin_left, -ahead_s / 60.0, 60.0) == pytest.approx(expected)


def test_delays_weigh_messages_as_a_plain_loop_does() -> None:
    delays, sent = loop.Delays(FACTS), np.random.default_rng(0).uniform(-1, 1, (3, 4))
    for j in range(3):
        shown = sum(sent[j, k] * (FACTS.shown[j, k] - (FACTS.shown[j, k - 1] if k else 0)) for k in range(4))
        moving = sum(sent[j, k] * (FACTS.arrived[j, k + 1] - FACTS.arrived[j, k]) for k in range(3))
        assert loop.weigh(sent[j], delays.showing[j]) == pytest.approx(shown)
        assert loop.weigh(sent[j], delays.acting[j, 1:]) == pytest.approx(moving)
        now = 0.5 * FACTS.arrived[j, 0]  # of a message sent now
        assert merit_order.coming(0.5, delays.acting[j], np.r_[0.0, 1.0, sent[j]]) == pytest.approx(moving + now)


def test_silent_homes_and_frost_are_reckoned_with() -> None:
    seen = {"leaf.seen_kw": [50.0, 0.0, 90.0], "leaf.silent_share": [0.1] * 3}
    for temp_c, heater_kw in ((20.0, 100.0), (0.0, 130.0)):
        obs = encode(LAYOUT, CALM | seen | {"temp_c": temp_c})
        config = base.settings("closed_loop", {"heater_gain": 1.0, "frost_gain": 0.3})
        fixed, c = np.stack(own_power.columns(FACTS, config), axis=1), np.array(own_power.constants(FACTS, config))
        now, each = table(obs)
        drawn = [own_power.drawn_kw(each[j], fixed[j], now[loop.NOW.TEMP_C], c) for j in range(3)]
        assert drawn == pytest.approx([50.0, 0.0, heater_kw], rel=1e-3)


def test_the_plan_says_how_loads_grow_since_they_reported() -> None:
    config = base.settings("closed_loop", {"slope_part": 1.0})
    fixed, c = np.stack(own_power.columns(FACTS, config), axis=1), np.array(own_power.constants(FACTS, config))
    group, leaf = np.zeros(loop.GROUP.PAST + 7), np.zeros((3, loop.MEMORY.SENT + 4))
    leaf[:, loop.MEMORY.OWN_KW] = 0.0, 0.0, 200.0
    for step, (left, grown_kw) in enumerate(((0.6, 0.0), (0.4, 60.0 * (150.0 + 30.0) / 1800.0))):
        group[loop.GROUP.STEP] = step + 1.0
        seen = {"leaf.seen_kw": [0.0, 0.0, 200.0], "block.plan_kw": [200.0, 260.0, 260.0], "block_left": left}
        now, each = table(encode(LAYOUT, CALM | seen | {"response_kw": 40.0}))
        bias_kw = own_power.bias_kw(now, each, fixed, c, group, leaf)
        assert bias_kw == pytest.approx(40.0 - grown_kw, rel=1e-3)


@pytest.mark.parametrize("name", ["closed_loop", "merit_order"])
def test_stores_that_obey_nobody_are_not_taken_to_stand_by_at_first(name: str) -> None:
    """The slow batteries discharge as planned. Those that obey are taken to stop, so their power is asked for."""
    seen = {"leaf.seen_kw": [-90.0, 0.0, 0.0], "target_kw": 0.0, "target_bin_end_kw": 0.0, "response_kw": 0.0}
    asked = []
    for obeys in (True, False):
        public = dataclasses.replace(FACTS, obeys=np.array([obeys, True, True]))
        rule = bound(name, public, lag_s=0.0)
        asked.append(rule.predict(encode(LAYOUT, CALM | seen)[None], None, np.array([True]))[0][0, 1])
    assert asked[0] > 0.05 and asked[1] == 0.0


def test_a_constant_on_loads_is_a_setting_that_tuning_finds() -> None:
    config = CONTROLLERS["merit_order"].config_class
    assert {"heater_offset", "car_offset"} <= set(config.search)
    facts = dataclasses.replace(FACTS, leaf_class=("battery", "ecocute", "ev"))
    rule = make("merit_order", {"heater_offset": -0.1, "car_offset": 0.07})
    rule.public = facts
    assert rule.offsets.tolist() == [0.0, -0.1, 0.07]

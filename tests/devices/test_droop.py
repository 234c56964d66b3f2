"""The shipped rule: devices follow the frequency by themselves, on top of dispatch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from plain import plain_kernel
from worlds import generators, scenario, small

from der_gym.controllers import make
from der_gym.controllers.per_service import bound
from der_gym.core.errors import InputError
from der_gym.devices import droop
from der_gym.devices.behaviours import BEHAVIOURS, MESSAGE
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load

Array = np.ndarray
IDEAL = {"network.ideal": True}


def asked(a: float, hz: float, full: float = 0.2, band: float = 0.01, upward_only: float = 1.0) -> float:
    given = (np.float32(x) for x in (a, hz, full, band, upward_only))
    return float(droop.asked.py_func(*given))


@pytest.mark.parametrize(
    ("a", "hz", "both_ways", "upward"),
    [(1, -0.11, 0.5, 0.5), (0.5, -0.21, 0.5, 0.5), (1, 0.11, -0.5, 0), (1, 0.009, 0, 0), (1, -0.01, 0, 0)],
)
def test_the_law_by_hand(a: float, hz: float, both_ways: float, upward: float) -> None:
    assert asked(a, hz, upward_only=0.0) == pytest.approx(both_ways, abs=1e-6)
    assert asked(a, hz) == pytest.approx(upward, abs=1e-6)


def follow(kernel: Any, hz: float, a: Array, sent: Array) -> Array:
    """Return what the kernel decides for the devices of one shard, float32 (n,)."""
    n = len(a)
    message, fleet = np.full((1, MESSAGE.N, n), np.nan, np.float32), np.zeros((1, FLEET.N, n), np.float32)
    message[0, MESSAGE.A], fleet[0, FLEET.CMD_END] = a, sent
    ctx = np.zeros((1, EXOGENOUS.N), np.float32)
    ctx[0, EXOGENOUS.FREQ_HZ] = hz
    cfg = BEHAVIOURS["rule"].constants(droop.DroopConfig())
    nothing, some = np.zeros((1, 0, n), np.float32), np.zeros((1, n), np.uint32)
    given = (np.zeros((1, 4), np.uint32), some, np.zeros(1, np.int64), np.float32(10.0), ctx, cfg, nothing, nothing)
    kernel(0, 1, 1, np.ones(1, dtype=bool), *given, fleet, message, np.zeros((1, 2, 1)))
    return message[0, MESSAGE.FRACTION]


def test_it_stands_on_top_of_dispatch_within_the_swing_and_leaves_it_in_the_dead_band() -> None:
    a, sent = np.array([1.0, 1.0, 1.0, 0.0], np.float32), np.array([0.25, -0.5, 0.9, 0.3], np.float32)
    low = follow(droop.follow, -0.11, a, sent)
    np.testing.assert_allclose(low[:3], [0.75, 0.0, 1.0], atol=1e-6)
    assert np.isnan(low[3]) and np.isnan(follow(droop.follow, 0.005, a, sent)).all()
    slow = follow(plain_kernel(droop.follow), -0.11, a, sent)
    assert slow.tobytes() == low.tobytes()


def test_devices_of_the_scenario_follow_the_frequency_of_every_tick() -> None:
    worlds = Worlds(load("tertiary-1-droop", small(changes=IDEAL | {"behaviours.rule.upward_only": False})), None, 1)
    every, sim = np.ones(1, dtype=bool), worlds.simulator
    worlds.reset(every, generators([3]), None)
    idle, nothing = bound(make("idle"), worlds), worlds.layout.encode({"droop": 0.0})[None]
    prompt = (sim.structure.present[0] > 0) & (sim.fleet.fleet[0, FLEET.DEAD_S] < 60.0)
    assert prompt.mean() > 0.5
    seen = []
    for _ in range(20):
        action, _ = idle.predict(worlds.observe(), None, every)
        worlds.step(action, every)
        hz = sim.fleet.ctx[0, EXOGENOUS.FREQ_HZ]
        got = sim.fleet.fleet[0, FLEET.CMD_END][prompt]
        seen.append((hz, got))
    for hz, got in seen[3:]:  # the message has arrived everywhere
        np.testing.assert_allclose(got, asked(0.5, hz, upward_only=0.0), atol=1e-6)
    assert np.ptp([hz for hz, _ in seen]) > 0.01 and sim.fleet.total("droop_up_kwh")[0] > 0
    worlds.reset(every, generators([3]), None)
    for _ in range(20):
        worlds.step(nothing, every)
    assert not sim.fleet.fleet[0, FLEET.CMD_END].any() and sim.fleet.total("droop_up_kwh")[0] == 0


def test_a_rule_that_knows_dispatch_alone_leaves_the_droop_at_its_preset() -> None:
    worlds = Worlds(load("tertiary-1-droop", small()), None, 1)
    worlds.reset(np.ones(1, dtype=bool), generators([3]), None)
    rule = bound(make("merit_order"), worlds)
    action, _ = rule.predict(worlds.observe(), None, np.ones(1, dtype=bool))
    assert action.shape == (1, worlds.layout.action.size)
    assert (worlds.layout.action.decode(action, "droop") == 0.5).all()


def test_a_preset_beyond_the_bounds_is_refused() -> None:
    with pytest.raises(InputError, match="droop: preset 2; allowed: 0 to 1"):
        load("tertiary-1-droop", {"action.settings.droop.preset": 2.0})


def test_a_frequency_at_its_nominal_value_gives_the_bits_of_dispatch() -> None:
    plain = scenario(tick_s=10)
    ruled = scenario(tick_s=10, action__heads=["dispatch", "droop"])
    rows = []
    for one in (plain, ruled):
        worlds = Worlds(one, None, 1)
        worlds.reset(np.ones(1, dtype=bool), generators([3]), None)
        for k in range(10):
            worlds.step(worlds.layout.encode({"dispatch": 0.1 * k})[None], np.ones(1, dtype=bool))
        rows.append(worlds.simulator.fleet.fleet[:, FLEET.POWER_KW].copy())
    np.testing.assert_array_equal(*rows)

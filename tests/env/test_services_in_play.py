"""Capacity call and imbalance in whole episodes, alone and beside tertiary-1 on other leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import MONDAY, generators, small, started, take

from der_gym.controllers import bound, make
from der_gym.core.errors import InputError
from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load
from der_gym.services.baselines.high_4_of_5 import high_4_of_5
from der_gym.services.capacity_call.settlement import CALL, OUTCOME
from der_gym.services.imbalance.service import Imbalance
from der_gym.signals import calendar
from der_gym.simulation.assets import read_signals
from der_gym.simulation.episode import Episode

LOADS = ("function/ecocute", "function/ev")
HOUR = 60  # decisions


class Played:
    """What a controller, or one fraction for all leaves, made of an episode in every world."""

    def __init__(self, worlds: Worlds, rule: str | float, options: dict[str, Any] | None = None) -> None:
        n, everyone = worlds.n_world, np.ones(worlds.n_world, dtype=bool)
        worlds.reset(everyone, generators(range(n)), options)
        acts = bound(make(rule), worlds) if isinstance(rule, str) else None
        memory, first, self.reward = None, everyone, np.zeros(n)
        self.seen, self.outside_kwh = [worlds.observe().copy()], np.zeros(n)
        for _ in range(worlds.scenario.n_step):
            if acts is None:
                action = np.full((n, worlds.layout.n_leaf), rule, dtype=np.float32)
            else:
                action, memory = acts.predict(worlds.observe(), memory, first)
            worlds.step(action, everyone)
            first = ~everyone
            self.reward += worlds.reward.reward
            self.seen.append(worlds.observe().copy())
        ledger = worlds.simulator.market.ledger
        self.yen = dict(zip(ledger.lines, ledger.yen.T.copy(), strict=True))
        self.services = {s.id: s.service for s in worlds.simulator.market.sessions}
        self.skill = {name: service.skill() for name, service in self.services.items()}
        self.bias_kw = {n: s.bias_kw() for n, s in self.services.items() if isinstance(s, Imbalance)}

    def shown(self, worlds: Worlds, name: str) -> np.ndarray:
        """Return a field at each decision, (n_step + 1, n_world)."""
        return np.stack([worlds.layout.decode(obs, name) for obs in self.seen])


@pytest.fixture(scope="module")
def calls() -> Worlds:
    return Worlds("capacity-call", small("capacity-call", {"fleet.n_device": 300}), 8)


@pytest.fixture(scope="module")
def keeping() -> Worlds:
    return Worlds("imbalance", small("imbalance", {"fleet.n_device": 300, "episode.n_block": 8}), 8)


@pytest.fixture(scope="module")
def idle_calls(calls: Worlds) -> Played:
    return Played(calls, "idle")


def test_the_notice_is_seen_three_hours_ahead_and_not_before(calls: Worlds, idle_calls: Played) -> None:
    kw, wait_s, left_s = (
        idle_calls.shown(calls, f"capacity-call.{name}") for name in ("call_kw", "call_starts_in_s", "call_left_s")
    )
    award = idle_calls.services["capacity-call"].award_kw
    for w in range(calls.n_world):
        start = int(np.flatnonzero(award[w])[0]) * 30
        known = np.flatnonzero(kw[:, w])
        assert known[0] == start - 3 * HOUR and known[-1] == start + 3 * HOUR - 1
        assert kw[known, w] == pytest.approx(np.full(len(known), 36.0))  # 120 kW per 1,000 devices
        assert wait_s[known[0], w] == pytest.approx(10_800) and wait_s[start, w] == 0
        assert left_s[start - 1, w] == pytest.approx(10_800) and left_s[known[-1], w] == pytest.approx(60)
    assert len(set(np.argmax(award > 0, axis=1).tolist())) > 1


def test_before_the_notice_nothing_that_is_shown_tells_of_the_call(calls: Worlds) -> None:
    every = np.ones(calls.n_world, dtype=bool)
    calls.reset(every, {w: np.random.default_rng(5) for w in range(calls.n_world)}, None)  # worlds alike to the bit
    service = calls.simulator.market.sessions[0].service
    contract = service._calls[:, CALL.CONTRACT_KW]
    for w, start in enumerate((10, 11, 12, 10, 11, 12, 10, 11)):  # but for the call
        for name in ("award_kw", "request_kw", "target_kw"):
            array = getattr(service, name)
            array[w] = np.roll(array[0], (start - int(np.flatnonzero(service.award_kw[0])[0])) * array.shape[1] // 20)
        service._calls[w, : CALL.FEEDS] = (contract[w], start - 6, start, start + 6)
    action = np.zeros((calls.n_world, calls.layout.n_leaf), dtype=np.float32)
    for _ in range(2 * HOUR - 1):  # the first notice comes at 2 h
        calls.step(action, every)
        assert len({row.tobytes() for row in calls.observe()}) == 1
    calls.step(action, every)
    assert len({row.tobytes() for row in calls.observe()}) > 1


def test_the_baseline_is_high_4_of_5_of_the_days_before(calls: Worlds) -> None:
    sim = calls.simulator
    calls.reset(np.ones(calls.n_world, dtype=bool), generators(range(calls.n_world)), None)
    session, planner = sim.market.sessions[0], sim.market.planner
    power, _, weekend = planner.history(np.arange(calls.n_world))
    for w in range(calls.n_world):
        node = power[w, :, :, : sim.structure.n_cell].astype(float) @ planner.sample.scale[: sim.structure.n_cell]
        slot = (2 * int(sim.market.episode.start_h[w]) + np.arange(20)) % 48
        event = slot[session.service.award_kw[w] > 0]
        expected = high_4_of_5(node, weekend[w], False, event)[slot]
        np.testing.assert_allclose(session.service._event_kw[w], expected, rtol=1e-12)
        before = high_4_of_5(node, weekend[w], False, np.arange(18, 40))[slot]
        np.testing.assert_allclose(session.plan_kw[w], before, rtol=1e-12)


def test_at_the_receiving_point_the_baseline_holds_the_homes_load_less_their_pv() -> None:
    kept = {}
    for metering in ("device", "receiving"):
        made = load("capacity-call", small("capacity-call", {"services.capacity-call.metering": metering}))
        sim = started(made, [1])
        kept[metering] = sim.market._history(sim.market.sessions[0], np.ones(1, dtype=bool), np.array([0]))[0][0]
        power = sim.market.planner.history(np.array([0]))[0][0].astype(float)
        scale = sim.market.planner.sample.scale
    homes = power[..., -2] * scale[-2] - power[..., -1] * scale[-1]
    np.testing.assert_allclose(kept["receiving"] - kept["device"], homes, rtol=1e-9, atol=1e-9)
    assert homes.std() > 1.0


def test_a_call_pays_who_follows_it_and_its_books_add_up(calls: Worlds, idle_calls: Played) -> None:
    played = Played(calls, "closed_loop")
    assert (played.reward > idle_calls.reward).all()
    assert (played.skill["capacity-call"] > 0.9).all() and idle_calls.skill["capacity-call"].mean() < 0.5
    for each in (played, idle_calls):
        lines = np.sum([yen for line, yen in each.yen.items() if line != "total"], axis=0)
        np.testing.assert_allclose(each.yen["total"], lines, rtol=1e-12)
    service = played.services["capacity-call"]
    penalty, unmet = (service.outcome[:, :, column] for column in (OUTCOME.PENALTY_YEN, OUTCOME.UNMET_KWH))
    assert (penalty > 0).any() and np.allclose(penalty, unmet * service.config.yen_kwh_unmet)
    np.testing.assert_allclose(played.yen["capacity_call_penalty"], -penalty.sum(axis=1), rtol=1e-12)
    judged = ~np.isnan(service.outcome[:, :, OUTCOME.PASSED])
    assert (judged.sum(axis=1) == 6).all() and (judged == (service.award_kw > 0)).all()


def test_a_saturday_brings_no_call() -> None:
    own = {"signals.start": "2026-08-08", "episode.days": "all"}
    played = Played(Worlds("capacity-call", small("capacity-call", own), 2), 0.5)
    assert not played.services["capacity-call"].award_kw.any()
    assert not any(yen.any() for line, yen in played.yen.items() if line.startswith("capacity_call"))
    assert np.isfinite(played.reward).all()


def test_the_deviation_is_settled_at_the_single_price(keeping: Worlds) -> None:
    idle, keeper = Played(keeping, "idle"), Played(keeping, "closed_loop")
    service = keeper.services["imbalance"]
    kwh, price = (service.outcome[:, :, service.OUTCOME.number(row)] for row in ("delivered_kwh", "price_yen_kwh"))
    assert (price > 0).all()
    np.testing.assert_allclose(keeper.yen["imbalance_deviation"], (kwh * price).sum(axis=1), rtol=1e-9)
    assert (keeper.skill["imbalance"] > idle.skill["imbalance"]).mean() > 0.8  # the rule keeps the plan
    assert keeper.reward.mean() > idle.reward.mean()
    prices = keeper.shown(keeping, "imbalance.published_yen_kwh")
    for b in range(1, 6):  # two half hours after its end
        np.testing.assert_allclose(prices[(b + 3) * 30], price[:, b], rtol=1e-5)


@pytest.mark.parametrize("node", ["all", LOADS], ids=["all", "loads"])
def test_holding_load_back_does_not_earn_the_imbalance_price(node: Any) -> None:
    own = {"fleet.n_device": 300, "episode.n_block": 8, "services.imbalance.node": node, "fleet.mix": MIX}
    worlds = Worlds("imbalance", small("imbalance", own), 16)
    idle, cheated = Played(worlds, "idle"), Played(worlds, 1.0)
    gained = cheated.yen["imbalance_deviation"] - idle.yen["imbalance_deviation"]
    assert gained.mean() > 0  # it sells what it holds back
    assert (cheated.yen["total"] - idle.yen["total"]).mean() < 0  # and repays it at retail
    assert (cheated.reward - idle.reward).mean() < 0  # beside the plan that it misses
    assert cheated.bias_kw["imbalance"].mean() > idle.bias_kw["imbalance"].mean()  # improper conduct


MIX = [
    {"device": "battery", "path": "P1", "cloud": "direct", "share": 200},
    {"device": "ecocute", "path": "P2", "cloud": "router", "share": 300},
    {"device": "ev", "path": "P6", "cloud": "csms", "share": 500},
]


@pytest.mark.parametrize("name", ["stacked-capacity", "stacked-imbalance"])
def test_stacked_services_settle_their_own_leaves(name: str) -> None:
    worlds = Worlds(name, small(name, {"fleet.n_device": 300}), 4)
    market = worlds.simulator.market
    first, second = (session.leaf_weight for session in market.sessions)
    assert (first + second == 1.0).all() and (first * second == 0.0).all()
    idle, played = Played(worlds, "idle"), Played(worlds, "closed_loop")
    assert played.reward.mean() > idle.reward.mean()
    totals = sum(yen for line, yen in played.yen.items() if line != "total")
    np.testing.assert_allclose(played.yen["total"], totals, rtol=1e-12)
    for session in market.sessions:
        key = session.id.replace("-", "_")
        booked = np.sum([yen for line, yen in played.yen.items() if line.startswith(f"{key}_")], axis=0)
        np.testing.assert_allclose(booked, session.service.ledger_yen.sum(axis=1), rtol=1e-12)


def test_a_second_service_leaves_the_firsts_luck_and_settlement_alone() -> None:
    tertiary = {"name": "tertiary-1", "node": "function/battery", "award_kw": 5.0, "limits": "off"}
    node, limits = list(LOADS), "off"
    call = {"name": "capacity-call", "node": node, "contract_kw": 5.0, "limits": limits}
    keep = {"name": "imbalance", "node": node, "limits": limits}
    episode = {"n_block": 16, "n_block_after": 2, "starts_h": [10], "days": "working"}
    kept = []
    for more in ([], [call], [keep]):
        own = {"signals.start": MONDAY, "pool.n_fleet": 1, "fleet.n_device": 60, "fleet.mix": MIX}
        sim = started(load("tertiary-1", {**own, "episode": episode, "services": [tertiary, *more]}), [1, 2])
        take(sim, 0.3, 90)
        service = sim.market.sessions[0].service
        kept.append([service.request_kw.copy(), service.outcome.copy(), service.ledger_yen.copy()])
    for other in kept[1:]:
        for a, b in zip(kept[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_stores_stand_by_only_for_services_that_hold_some() -> None:
    episode = {"n_block": 2, "n_block_after": 2}
    own = {"signals.start": MONDAY, "pool.n_fleet": 1, "fleet.n_device": 60, "fleet.mix": MIX, "episode": episode}
    for node, standing in (("all", [1, 1, 1, 1]), (list(LOADS), [0, 0, 0, 0])):
        sim = started(load("tertiary-1", {**own, "services": [{"name": "imbalance", "node": node}]}), [1])
        assert sim.market.planner.standing[0].any(axis=1).tolist() == standing
        assert (sim.market.standby_yen[0] > 0) == any(standing)


def test_working_days_leave_out_weekends_and_holidays() -> None:
    made = load("capacity-call")
    signals = read_signals(made)
    all_days = Episode(load("capacity-call", {"episode.days": "all"}), signals, 1, 1).days
    days = Episode(made, signals, 1, 1).days
    assert set(days.tolist()) == set(all_days[~calendar.is_holiday(all_days)].tolist()) and len(days) < len(all_days)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"episode.starts_h": [14]}, r"starts_h 14: no call of 'capacity-call' fits"),
        ({"services.capacity-call.contract_kw": 0}, r"^services\.capacity-call\.contract_kw: .*greater than 0"),
        ({"services.capacity-call.notice_h": 2}, r"^services\.capacity-call\.notice_h: "),
        ({"services.capacity-call.contrct_kw": 5}, r"contrct_kw: unknown .*did you mean 'contract_kw'"),
    ],
)
def test_bad_scenarios_are_refused_in_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load("capacity-call", changes)
    assert "\n" not in str(caught.value)


def test_a_simple_command_is_seen_15_minutes_before_the_target_begins_to_move() -> None:
    worlds = Worlds("tertiary-1-simple", None, 1)
    worlds.reset(np.ones(1, bool), {0: np.random.default_rng(0)}, {})
    seen = []
    for _ in range(120):
        obs = worlds.observe()
        seen.append([float(worlds.layout.decode(obs, name)[0]) for name in ("request_kw", "target_kw")])
        worlds.step(np.zeros((1, worlds.layout.action.size), np.float32), np.ones(1, bool))
    request, target = np.array(seen).T
    told = 1 + np.flatnonzero(np.abs(np.diff(request)) > 1.0)
    assert len(told) >= 3 and (told % 30 == 15).all(), "only 15 minutes before a block"
    for k in told[told < 100]:
        assert abs(target[k + 14] - target[k]) < 1.0 < abs(target[k + 17] - target[k])

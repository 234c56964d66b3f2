"""Offers of pay in whole worlds: what nothing does, physics, luck, money, what is seen, and what cannot be."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from lamps import lamp
from worlds import actions, copied, generators, same, small

from der_gym.controllers import public_info
from der_gym.controllers.store import make
from der_gym.core.errors import InputError
from der_gym.core.heads import HEADS
from der_gym.devices import DEVICES
from der_gym.devices.behaviours import BEHAVIOURS
from der_gym.devices.owners.behaviour import INCENTIVE_ANSWER, STATE
from der_gym.devices.owners.draws import PARAMS
from der_gym.engine.tables import FLEET
from der_gym.env.single import DERGroupEnv
from der_gym.env.vector import DERGroupVectorEnv
from der_gym.env.worlds import Worlds
from der_gym.network import tables as net
from der_gym.scenario.load import load
from der_gym.simulation.fleet_ledger import LINES, ROLES
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
EVENING = "incentive-evening"
CALM = {"behaviours.incentive": {"tired_weight": 0.0, "stake_weight": 0.0, "quit_share": 0.0}}


def worlds(n: int = 1, name: str = EVENING, **changes: Any) -> Worlds:
    """Return small worlds of offers that have begun an episode."""
    made = Worlds(name, small(name, {key.replace("__", "."): value for key, value in changes.items()}), n)
    made.reset(np.ones(n, dtype=bool), generators(range(3, 3 + n)), {})
    return made


def play(made: Worlds, steps: int, **values: Any) -> Worlds:
    """Take steps with these values of the heads."""
    every = np.ones(made.n_world, dtype=bool)
    action = np.repeat(made.layout.encode(values)[None], made.n_world, axis=0)
    for _ in range(steps):
        made.step(action, every)
    return made


def owners(made: Worlds) -> Array:
    """Return the owners' state, (S, STATE.N, n_place)."""
    state: Array = made.simulator.fleet.behaviours.all[0].state
    return state


# --- nothing, physics, luck


def test_an_offer_of_nothing_gives_the_bits_of_no_message() -> None:
    silent, nothing = worlds(2), worlds(2)
    alone = worlds(2, control="dispatch")
    for k in range(130):
        play(silent, 1)
        play(nothing, 1, offer=0.0 if k % 2 else 1e-3)  # below what the sender calls a change
        play(alone, 1)
    assert not same(copied(silent.simulator), copied(nothing.simulator))
    power = [made.simulator.fleet.fleet[:, FLEET.POWER_KW] for made in (silent, alone)]
    np.testing.assert_array_equal(*power)
    assert not owners(silent)[:, STATE.ANSWER].any() and not silent.simulator.market.fleet_ledger.paid_yen.any()


@pytest.mark.parametrize("control", ["incentive", "both"])
def test_owners_keep_their_commands_with_the_bits_of_telling_them_anew(
    monkeypatch: pytest.MonkeyPatch, control: str
) -> None:
    kept = worlds(3, control=control)
    monkeypatch.setitem(BEHAVIOURS._items, "incentive", replace(INCENTIVE_ANSWER, decide_alone=None))
    told = worlds(3, control=control)
    random = np.random.default_rng(2)
    offers = random.choice([0.0, 0.0, 20.0, 60.0, 90.0], 16)
    fractions = random.choice([0.0, 0.0, 0.6, -0.4], 240 // 7 + 1)
    for k in range(240):
        values = {"offer": offers[k // 15]} | ({"dispatch": fractions[k // 7]} if control == "both" else {})
        play(kept, 1, **values)
        play(told, 1, **values)
        if k == 120:
            kept = _forgetful(kept)
        assert not same(copied(kept.simulator), copied(told.simulator))
    assert owners(kept)[:, STATE.CALLS].max() >= 1 and kept.simulator.market.fleet_ledger.paid_yen.all()


def _forgetful(made: Worlds) -> Worlds:
    """Return the worlds with what a fork does not carry spoilt."""
    made.simulator.fleet.behaviours.all[0].message[:] = np.nan
    made.simulator.fleet.behaviours.news[:] = 7
    return made


def test_what_a_battery_gives_for_pay_leaves_its_store() -> None:
    made = worlds(network__ideal=True)
    idle = play(worlds(network__ideal=True), 120)
    held = [m.simulator.fleet.classes["battery"] for m in (play(made, 120, offer=90.0), idle)]
    gave = [own.register("discharged_kwh")[0].sum() - own.register("charged_kwh")[0].sum() for own in held]
    kwh = [own.energy[0, 0].sum() for own in held]
    assert gave[0] - gave[1] > 5.0
    assert 1.0 <= (kwh[1] - kwh[0]) / (gave[0] - gave[1]) < 1.15  # what was given and what was lost giving it
    own = held[0]
    capacity, reserve = own.params[0, 0], own.params[0, 1]
    assert (own.energy[0, 0] <= capacity + 1e-4).all() and (own.energy[0, 0] >= reserve - 0.3).all()


def test_no_offer_moves_what_is_not_there() -> None:
    """At 14 h most cars are away: whatever is offered, they draw what they drew."""
    paid, idle = play(worlds(network__ideal=True), 150, offer=100.0), play(worlds(network__ideal=True), 150)
    own = idle.simulator.fleet.classes["ev"]
    t_s = idle.simulator.fleet.t_s[0]
    arrive, depart = (own.state[0, own.device.state.number(name)] for name in ("arrive_s", "depart_s"))
    away = (arrive > t_s) | (depart <= 0.0)
    power = [m.simulator.fleet.fleet[0, FLEET.POWER_KW, own.lo : own.hi][away] for m in (paid, idle)]
    np.testing.assert_array_equal(*power)
    assert away.any()


def test_a_home_has_the_same_luck_under_another_controller() -> None:
    low, high = (play(worlds(network__ideal=True, **_dotted(CALM)), 40, offer=x) for x in (12.0, 70.0))
    for row in (STATE.PRICE_YEN_KWH, STATE.LOOK_S, STATE.CALLS):
        np.testing.assert_array_equal(owners(low)[:, row], owners(high)[:, row])
    people = low.simulator.fleet.behaviours.all[0].params[0, PARAMS.AUTOMATED] == 0
    joined = [(owners(m)[0, STATE.ANSWER, people] > 0) for m in (low, high)]
    assert joined[1].sum() > joined[0].sum() and not (joined[0] & ~joined[1]).any()


def _dotted(changes: dict[str, Any]) -> dict[str, Any]:
    return {key.replace(".", "__"): value for key, value in changes.items()}


def test_offers_of_less_than_nothing_pay_for_drawing_more() -> None:
    head = {"action__settings": {"offer": {"low": -60.0, "high": 60.0}}, "network__ideal": True}
    more, idle = play(worlds(**head), 60, offer=-60.0), play(worlds(**head), 60)
    drawn = [m.simulator.fleet.fleet[0, FLEET.POWER_KW].sum() for m in (more, idle)]
    assert drawn[0] > drawn[1] + 5.0 and more.simulator.market.fleet_ledger.paid_yen[0] > 0.0


def test_snapshots_and_forks_carry_owners() -> None:
    made = play(worlds(2), 70, offer=40.0)
    kept = made.simulator.fork([1])
    sent = np.zeros_like(made.simulator.step_plan.message)
    sent[:, made.simulator.offers.lane :, 0], sent[:, made.simulator.offers.lane :, 1] = 1, 25.0  # type: ignore[union-attr]
    for _ in range(40):
        made.simulator.step(sent, np.ones(2, dtype=bool))
        kept.step(sent[1:], np.ones(1, dtype=bool))
    for name, array in kept.arrays().items():
        assert array.tobytes() == made.simulator.arrays()[name][-len(array) :].tobytes(), name


# --- notice


def test_offers_act_at_the_start_that_a_service_has_announced_and_late_mail_leaves_less_notice() -> None:
    made = worlds(4, behaviours__incentive={"notice": "given", "notice_min": 0})
    told = made.layout.decode(made.observe(), "capacity-call.call_starts_in_s")
    for _ in range(200):  # until each call is announced
        play(made, 1)
        told = np.maximum(told, made.layout.decode(made.observe(), "capacity-call.call_starts_in_s"))
        if (made.layout.decode(made.observe(), "capacity-call.call_starts_in_s") > 0).all():
            break
    starts = made.layout.decode(made.observe(), "capacity-call.call_starts_in_s") + made.simulator.fleet.t_s
    assert (starts > made.simulator.fleet.t_s + 1800).all()
    sent_s = made.simulator.fleet.t_s.copy()
    play(made, 25, offer=60.0)
    state = owners(made)
    for w in range(4):
        asked = state[w, STATE.CALLS] > 0
        assert asked.any() and (state[w, STATE.ACTS_S, asked] == np.float32(starts[w])).all()
        assert (state[w, STATE.SENT_S, asked] >= np.float32(sent_s[w])).all()
        assert not state[w, STATE.SOLD].any() and not state[w, STATE.PAYS_YEN_KWH].any()
    play(made, int((starts.max() - made.simulator.fleet.t_s.min()) // 60) + 10, offer=60.0)
    assert (owners(made)[:, STATE.SOLD] > 0).any(axis=1).all()


def test_offers_are_dated_by_their_sending() -> None:
    """However late a message comes, it acts 30 min after a decision at which its lane sent one."""
    later = {
        "services.capacity-call.first_notice_h": 2.0,
        "episode.starts_h": [11],
        "episode.n_block": 18,
    }  # no start is announced yet
    made = worlds(2, behaviours__incentive={"notice": "given", "notice_min": 30}, **later)
    play(made, 8)
    sim, sent_s = made.simulator, set()
    for _ in range(21):
        play(made, 1, offer=50.0)
        lanes = sim.network.leaf[:, sim.offers.lane :]  # type: ignore[union-attr]
        sent_s |= {float(t) for t in lanes[..., net.SENDER.SENT_S].ravel()}
    state, real = owners(made), sim.structure.present[0] > 0
    asked = (state[:, STATE.CALLS] > 0) & real
    acts_s = state[:, STATE.ACTS_S][asked] - 1800.0
    assert set(acts_s.tolist()) <= sent_s and asked.mean() > 0.5
    assert (acts_s == 900.0).mean() > 0.8  # the others have lost the first: offers go at multiples of 15 minutes


# --- money


def test_the_ledger_books_what_homes_are_paid() -> None:
    made = play(worlds(), 150, offer=60.0)
    sim = made.simulator
    paid = sim.fleet.total("offer_paid_yen")
    assert paid[0] > 10.0
    assert made.infos()["yen_incentive"] == pytest.approx(-paid, rel=1e-12)
    lines = [made.infos()[f"yen_{line}"] for line in sim.market.ledger.lines]
    assert sum(lines[:-1])[0] == pytest.approx(lines[-1][0])
    assert not made.infos()["yen_owners_bill"].any() and not made.infos()["yen_wear"].any()  # they are the owners'
    kwh = sim.fleet.total("offer_paid_kwh")[0]
    assert paid[0] / kwh <= 60.0 + 1e-6


def test_dispatch_alone_has_no_line_for_offers() -> None:
    made = worlds(control="dispatch")
    assert "yen_incentive" not in made.infos() and made.simulator.offers is None
    assert not any("offer" in name or "owners." in name for name in made.simulator.arrays())


@pytest.mark.parametrize("baseline", ["previous", "same_hour"])
def test_pay_is_the_offer_times_what_is_below_the_own_baseline(baseline: str) -> None:
    made = worlds(network__ideal=True, behaviours__incentive={"baseline": baseline, "notice_min": 0})
    made.simulator.by_device = True
    play(made, 60)  # two whole half hours
    before = owners(made)[0, STATE.BEFORE_KW].copy()
    sim = made.simulator
    metered = np.zeros((30, before.size))
    for k in range(30):
        play(made, 1, offer=50.0)
        metered[k] = sim.fleet.fleet[0, FLEET.POWER_KW] * sim.fleet.fleet[0, FLEET.METER_GAIN]
        if k == 0:
            usual = owners(made)[0, STATE.USUAL_KW].copy()
    yard = before if baseline == "previous" else usual
    takes = (owners(made)[0, STATE.ANSWER] > 0) & (sim.fleet.fleet[0, FLEET.ACCEPTS_COMMANDS] > 0)
    since = np.clip(30 - np.ceil(np.maximum(owners(made)[0, STATE.LOOK_S] - 3600.0, 0) / 60.0), 0, 30) / 30
    kwh = np.maximum(yard - metered.mean(axis=0), 0.0) * 0.5 * takes * (sim.fleet.fleet[0, FLEET.METER_GAIN] > 0)
    most, least = (50.0 * kwh * since).sum(), (50.0 * kwh * np.maximum(since - 1 / 15, 0.0)).sum()
    assert least * 0.9 - 1.0 <= sim.market.fleet_ledger.paid_yen[0] <= most * 1.01 + 1.0 and most > 10.0


def test_paid_by_the_twin_homes_get_the_offer_times_what_they_draw_less_than_without_offers() -> None:
    own = {"network__ideal": True, "behaviours__incentive": {"baseline": "twin", "notice_min": 0}}
    made, idle = worlds(2, **own), worlds(2, **own)
    assert not same(copied(made.simulator), copied(idle.simulator))  # the twin that was played left nothing behind
    mean, paid = np.zeros((3, *owners(made)[:, 0].shape)), np.zeros(2)  # of the twin, of the homes, of their offers
    for k in range(90):
        play(made, 1, offer=40.0 if k >= 30 else 0.0)
        play(idle, 1)
        mean += np.stack([_metered(idle), _metered(made), owners(made)[:, STATE.PAYS_YEN_KWH]]) / 30
        if k % 30 == 29:
            paid += (mean[2] * np.maximum(mean[0] - mean[1], 0.0) * 0.5).sum(axis=1)
            mean[:] = 0.0
    assert (paid > 10.0).all()
    np.testing.assert_allclose(made.simulator.market.fleet_ledger.paid_yen, paid, rtol=1e-3)


def _metered(made: Worlds) -> Array:
    fleet = made.simulator.fleet.fleet
    power: Array = fleet[:, FLEET.POWER_KW].astype(float) * fleet[:, FLEET.METER_GAIN]
    return power


def test_a_spent_budget_ends_the_offers() -> None:
    free, held = (worlds(network__ideal=True, behaviours__incentive={"budget_yen": yen}) for yen in (None, 30.0))
    for made in (free, held):
        play(made, 200, offer=80.0)
    paid = [m.simulator.market.fleet_ledger.paid_yen[0] for m in (free, held)]
    assert paid[0] > paid[1] >= 30.0
    obs = held.observe()
    assert (
        held.layout.decode(obs, "budget_left")[0] == 0.0 and free.layout.decode(free.observe(), "budget_left")[0] == 1.0
    )
    assert not held.layout.decode(obs, "leaf.offer_yen_kwh").any() and not owners(held)[0, STATE.LAST_S].max() > 10_900


def test_the_budget_counts_what_the_open_half_hour_has_cost_so_far() -> None:
    """By hand, every 5 minutes: pay if all stopped now; where the half hour ends it is what is paid."""
    made = worlds(2, network__ideal=True, behaviours__incentive={"budget_yen": 1e6})
    sim = made.simulator
    kw_s, yen_s = (np.zeros((2, sim.structure.n_place)) for _ in range(2))
    rose = False
    for k in range(120):
        play(made, 1, offer=45.0)
        state, now = owners(made), _metered(made)
        kw_s, yen_s = kw_s + 60.0 * now, yen_s + 60.0 * state[:, STATE.PAYS_YEN_KWH]
        past_s = 60.0 * (k % 30 + 1)
        if past_s % 300 == 0 and past_s < 1800:
            less_kwh = (state[:, STATE.USUAL_KW] * past_s - kw_s) / 3600.0
            enrolled = sim.fleet.fleet[:, FLEET.METER_GAIN] > 0
            by_hand = (np.maximum(less_kwh, 0.0) * yen_s / 1800.0 * enrolled).sum(axis=1)
            np.testing.assert_allclose(state[:, STATE.OWED_YEN, 0], by_hand, rtol=1e-3)
            rose = rose or bool((by_hand > 100.0).all())
        if past_s == 1800:
            kw_s, yen_s = 0.0 * kw_s, 0.0 * yen_s
            assert not state[:, STATE.OWED_YEN, 0].any()
    spent = 1.0 - made.layout.decode(made.observe(), "budget_left")
    np.testing.assert_allclose(spent, sim.market.fleet_ledger.paid_yen / 1e6, rtol=1e-3)
    assert rose


def test_a_budget_is_exceeded_by_little() -> None:
    budget = 2000.0
    held = worlds(4, behaviours__incentive={"budget_yen": budget}, fleet__n_device=1000, network__ideal=True)
    play(held, 360, offer=25.0)
    paid = held.simulator.market.fleet_ledger.paid_yen
    assert (budget < paid).all() and (paid < 1.2 * budget).all(), paid


# --- leaves that hear offers alone, and leaves with owners of their own

BOTH = "tertiary-1-both"


def test_a_leaf_that_hears_offers_alone_gets_no_command_and_never_stands_by() -> None:
    made = worlds(name=BOTH, network__ideal=True)
    sim, st = made.simulator, made.simulator.structure
    alone = ~np.array(sim.scenario.obeying(st.leaf_names))[st.cell_leaf]
    assert 0 < alone.sum() < st.n_cell
    by_cell = [slice(lo, hi) for lo, hi in zip(st.cell_lo, st.cell_hi, strict=True)]
    stood = np.zeros(st.n_cell, dtype=bool)
    for _ in range(60):
        play(made, 1, dispatch=1.0)
        rows = sim.fleet.fleet[0]
        stood |= [rows[FLEET.STANDBY, own].any() for own in by_cell]
        assert not any(rows[FLEET.CMD_END, own].any() for own, silent in zip(by_cell, alone, strict=True) if silent)
    commanded = np.array([rows[FLEET.CMD_END, own].any() for own in by_cell])
    assert commanded[~alone].all() and stood[~alone].any() and not stood[alone].any()
    sold = owners(play(made, 60, offer=80.0))[0, STATE.SOLD]
    assert any((sold[own] != 0).any() for own, silent in zip(by_cell, alone, strict=True) if silent)


def test_rules_of_dispatch_expect_nothing_of_a_leaf_that_obeys_no_command() -> None:
    made = worlds(name=BOTH)
    public = public_info(made)
    assert 0 < public.obeys.sum() < len(public.obeys)
    for rule in (make("merit_order"), make("closed_loop"), make("open_loop")):
        rule.bind(made.layout, public)
        at, unit = rule.known[0], rule.known[1]
        reach = np.isin(at, made.layout.places("leaf.up_kw"))
        np.testing.assert_array_equal(unit[reach] != 0, public.obeys)


def test_owners_of_a_leaf_may_differ_from_those_of_its_class() -> None:
    def automated(**leaves: Any) -> dict[str, float]:
        made = worlds(fleet__n_device=400, behaviours__incentive={"leaves": leaves})
        st, share = made.simulator.structure, made.simulator.fleet.behaviours.all[0].params[0, PARAMS.AUTOMATED]
        return {
            st.leaf_names[j]: float(share[lo:hi].mean())
            for j, lo, hi in zip(st.cell_leaf, st.cell_lo, st.cell_hi, strict=True)
        }

    none, all_ = (
        automated(**{"ev-P6-csms": {"automated_share": 0}}),
        automated(**{"ev-P6-csms": {"automated_share": 1}}),
    )
    assert none["ev-P6-csms"] == 0.0 and all_["ev-P6-csms"] > 0.9
    assert {name: share for name, share in none.items() if name != "ev-P6-csms"} == {
        name: share for name, share in all_.items() if name != "ev-P6-csms"
    }


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        (BOTH, {"offers_only": ["battery-P3-B0"]}, "offers_only: unknown name 'battery-P3-B0'; did you mean"),
        (BOTH, {"offers_only": ["battery-P3-A", "battery-P3-A"]}, "'battery-P3-A' stands twice; allowed: once"),
        (EVENING, {"offers_only": ["battery-P3-A"]}, "control is 'incentive'; allowed: with control 'both'"),
        (EVENING, {"leaves": {"ev-P3": {}}}, "leaves: unknown name 'ev-P3'; did you mean"),
        (EVENING, {"leaves": {"ev-P3-A": {"automated": 1}}}, "leaves.ev-P3-A.automated: .*settings: automated_share"),
        (EVENING, {"leaves": {"ev-P3-A": {"automated_share": 2}}}, "leaves.ev-P3-A.automated_share: .*less than or"),
    ],
)
def test_leaves_that_cannot_be_are_refused_in_one_line(name: str, settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as error:
        worlds(name=name, behaviours__incentive=settings)
    assert "\n" not in str(error.value)


def test_a_fleet_of_which_nobody_obeys_is_refused() -> None:
    names = worlds(name=BOTH).simulator.structure.leaf_names
    with pytest.raises(InputError, match=f"offers_only: all {len(names)} leaves; allowed: fewer, or control incentive"):
        worlds(name=BOTH, behaviours__incentive={"offers_only": list(names)})


# --- what is seen


def test_the_observation_tells_of_offers_and_answers_and_not_of_types() -> None:
    made = play(worlds(2), 3, offer=44.0)
    obs = made.observe()
    assert made.layout.decode(obs, "leaf.offer_yen_kwh") == pytest.approx(44.0, abs=0.01)
    play(made, 40, offer=44.0)
    told = made.layout.decode(made.observe(), "leaf.answered_share")
    sim = made.simulator
    takes = owners(made)[:, STATE.ANSWER] > 0
    for w in range(2):
        for j in range(made.layout.n_leaf):
            cells = np.flatnonzero(sim.structure.cell_leaf == j)
            places = np.concatenate([np.arange(sim.structure.cell_lo[c], sim.structure.cell_hi[c]) for c in cells])
            rated = sim.fleet.fleet[w, FLEET.RATED_KW, places]
            assert 0.0 <= told[w, j] <= (rated * takes[w, places]).sum() / rated.sum() + 1e-6
    assert told.max() > 0.2
    shown = [name for name in made.layout.fields if "offer" in name or "answer" in name or "budget" in name]
    assert shown == ["leaf.offer_yen_kwh", "leaf.offer_on_way", "leaf.answered_share", "budget_left"]


@pytest.mark.parametrize("control", ["incentive", "both"])
def test_environments_of_offers_pass_the_checks_and_single_equals_vector(control: str) -> None:
    own = small(EVENING, {"control": control})
    check_env(DERGroupEnv(EVENING, own), skip_render_check=True)
    many, singles = DERGroupVectorEnv(2, EVENING, own), [DERGroupEnv(EVENING, own) for _ in range(2)]
    obs, _ = many.reset(seed=5)
    assert [env.reset(seed=5 + w)[0].tobytes() for w, env in enumerate(singles)] == [each.tobytes() for each in obs]
    for action in actions(4, 100, many.single_action_space.shape[0]):
        both = np.stack([action, -action])
        obs, reward, *_, info = many.step(both)
        for w, env in enumerate(singles):
            one, r, *_, i = env.step(both[w])
            assert (
                one.tobytes() == obs[w].tobytes() and r == reward[w] and i["yen_incentive"] == info["yen_incentive"][w]
            )


@pytest.mark.parametrize("offer", [1.5, 60.0])
def test_a_device_obeys_its_command_unless_its_owner_is_in_an_event(offer: float) -> None:
    """An offer that no device is worth leaves the devices of those who take part to their own schedule."""
    dear = {name: {"hassle_yen_kwh": 3} for name in ("battery-P2-router", "ev-P6-csms")}
    free = worlds(control="both", network__ideal=True, behaviours__incentive={"leaves": dear})
    made = play(free, 45, dispatch=-0.4, offer=offer)
    sim = made.simulator
    command, real = sim.fleet.fleet[0, FLEET.CMD_END], sim.structure.present[0] > 0
    inside = owners(made)[0, STATE.PAYS_YEN_KWH] != 0
    assert 0.2 < inside[real].mean() < 0.95
    assert (command[inside] > 0).any() if offer == 60.0 else not command[inside].any()
    assert (command[inside] >= 0).all()
    hears = (sim.fleet.fleet[0, FLEET.DEAD_S] < 60) & real & ~inside
    np.testing.assert_allclose(command[hears], -0.4, atol=1e-6)


def test_who_sells_bears_her_own_bill_until_it_has_come_back_and_who_is_commanded_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By hand: the growth of every device's registers between two looks, at the ledger's own prices."""
    monkeypatch.setattr("der_gym.env.worlds.Simulator", functools.partial(Simulator, by_device=True))
    made = worlds(2, control="both", network__ideal=True)
    sim, books = made.simulator, made.simulator.market.fleet_ledger
    bill, most = np.zeros(2), np.zeros(2)
    before = mark = closed = _booked(sim)
    mark, balance, closed_own = mark.copy(), np.zeros_like(mark), np.zeros_like(mark)
    sold = owners(made)[:, STATE.SOLD].copy()
    for k in range(210):
        play(made, 1, dispatch=-0.3 if k < 130 else 0.0, offer=60.0 if 40 <= k < 100 else 0.0)
        now, sells = _booked(sim), owners(made)[:, STATE.SOLD].copy()
        for own in sim.fleet.classes.values():  # they are looked at class by class, before the tick and at half hours
            at = slice(own.lo, own.hi)
            for w in range(2):
                looks = [(before, sold)] if (sells[w, at] != sold[w, at]).any() else []
                for values, was in looks + ([(now, sells)] if (k + 1) % 30 == 0 else []):
                    growth = values[:, w, at] - mark[:, w, at]
                    back = -balance[:, w, at]
                    returns = np.where(growth * back > 0, np.sign(back) * np.minimum(abs(growth), abs(back)), 0.0)
                    own_kwh = np.where(was[w, at] != 0, growth, returns)
                    mark[:, w, at], balance[:, w, at] = values[:, w, at], balance[:, w, at] + own_kwh
        before, sold = now, sells
        if (k + 1) % 30 == 0:
            for j, each in enumerate(books.registers):
                price = books.retail_yen[:, k // 30] if each.role == ROLES.index("import") else books._price[j]
                of_bill = each.role < ROLES.index("wear")
                bill += of_bill * price * ((now[j] - balance[j]) - (closed[j] - closed_own[j])).sum(axis=1)
            closed, closed_own = now, balance.copy()
            np.testing.assert_allclose(books.bill_yen, bill, rtol=1e-9, atol=1e-6)
        most = np.maximum(most, abs(balance).sum(axis=(0, 2)))
    assert (most > 20.0).all() and (bill > 50.0).all()
    assert (abs(balance).sum(axis=(0, 2)) < most).all()  # some has come back


def test_without_offers_both_books_what_dispatch_does() -> None:
    silent = worlds(2, control="both", network__ideal=True), worlds(2, control="dispatch", network__ideal=True)
    for k in range(120):
        play(silent[0], 1, dispatch=-0.3 if k < 60 else 0.0, offer=0.0)
        play(silent[1], 1, dispatch=-0.3 if k < 60 else 0.0)
    ledgers = [made.simulator.market.fleet_ledger.ledger_yen[:, : LINES.N] for made in silent]
    assert (ledgers[0][:, LINES.OWNERS_BILL] < -50.0).all()
    np.testing.assert_allclose(*ledgers, rtol=1e-9, atol=1e-6)


def _booked(sim: Any) -> Array:
    """Return the booked registers of every device, (n_register, n_world, n_place)."""
    out = np.zeros((len(sim.market.fleet_ledger.registers), sim.n_world, sim.structure.n_place))
    for j, each in enumerate(sim.market.fleet_ledger.registers):
        for own in sim.fleet.classes.values():
            if each.name in own.device.registers:
                out[j, :, own.lo : own.hi] = own.register(each.name)
    return out


# --- what cannot be


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"action.heads": ["dispatch", "offer"]}, "heads: offer: control is 'dispatch'; allowed: .*'incentive'"),
        ({"control": "incentive", "action.heads": ["dispatch"]}, "heads: dispatch: control is 'incentive'"),
        ({"control": "both", "action.heads": ["offer"]}, "control 'both': no head of the action sends 'dispatch'"),
        ({"control": "incentives"}, "control: .*'incentive'"),
        ({"control": "incentive", "behaviours.incentive": {"budget_yen": -1}}, "budget_yen: .*greater than or equal"),
        ({"control": "incentive", "behaviours.incentive": {"never_share": 1.2}}, "never_share: .*less than or equal"),
        ({"control": "both", "behaviours.incentive": {"never_share": 1, "opted_out_share": 1}}, "nobody could answer"),
        ({"control": "incentive", "behaviours.incentive": {"baseline": "prev"}}, "baseline: .*'previous'"),
        ({"control": "incentive", "behaviours.incentive": {"notice": "given_"}}, "notice: .*'given'"),
        (
            {"control": "incentive", "behaviours.incentive": {"classes": {"batery": {}}}},
            "unknown name 'batery'; did you mean 'battery'",
        ),
        (
            {"control": "incentive", "behaviours.incentive": {"classes": {"ev": {"automated_share": 3}}}},
            "classes.ev.automated_share: .*less than or equal to 1.*got 3",
        ),
        ({"costs.owners": "offers"}, "costs.owners 'offers': control is 'dispatch'; allowed: .*'incentive'"),
        ({"control": "both", "action.settings": {"offer": {"gate_s": 90}}}, "offer: gate_s 90; allowed: a mult"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as error:
        load("tertiary-1-tiny", changes)
    assert "\n" not in str(error.value)


def test_a_class_without_owners_cannot_be_offered_pay() -> None:
    DEVICES.register("lamp", lamp())
    try:
        with pytest.raises(InputError, match=r"fleet: class 'lamp' declares no owners.*allowed: .*battery"):
            load(EVENING, {"fleet.mix": [{"device": "lamp", "path": "P3", "cloud": "A", "share": 1}]})
    finally:
        del DEVICES._items["lamp"]


def test_offers_above_the_cap_and_no_numbers_are_refused() -> None:
    made = worlds()
    cap = HEADS["offer"].high
    with pytest.raises(InputError, match=f"action head offer: 150 yen/kWh; allowed: 0 to {cap:g}"):
        made.layout.encode({"offer": 150.0})
    with pytest.raises(InputError, match="action head offer: nan yen/kWh; allowed: 0 to"):
        made.layout.encode({"offer": np.nan})
    action = made.layout.encode({"offer": 10.0})[None]
    action[0, 1] = np.nan
    with pytest.raises(InputError, match=r"action: nan in world 0, entry 1 \(offer\["):
        made.step(action, np.ones(1, dtype=bool))

"""Behaviours: a rule that follows the frequency and an owner who answers offers, beside dispatch and in this order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from plain import plain
from plugins import DROOP, OFFER, OfferConfig, droop_and_offer
from worlds import copied, generators, same, scenario

from der_gym.core.errors import InputError
from der_gym.devices import behaviours
from der_gym.devices.behaviours import BEHAVIOURS, MESSAGE, Behaviour
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.network import tables as net
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
IDEAL = {"network.ideal": True}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with droop_and_offer():
        yield


def worlds(n: int = 1, by_device: bool = False, seed: int = 3, **changes: Any) -> Simulator:
    """Return worlds whose devices understand rules and offers; keys of ``changes`` are dotted with ``__``."""
    kinds = ("dispatch", "coupon", "rule")
    sim = Simulator(scenario(devices__behaviour__kinds=kinds, **changes), n, 1, by_device)
    sim.reset(np.ones(n, dtype=bool), generators([seed + w for w in range(n)]))
    return sim


def say(sim: Simulator, **values: float | tuple[float, float]) -> Array:
    """Return a message of a (or a, b) to every leaf for each named kind; the others say nothing."""
    n_leaf = sim.structure.n_leaf
    message = np.zeros((sim.n_world, len(sim.network.streams) * n_leaf, 3), dtype=np.float32)
    for k, stream in enumerate(sim.network.streams):
        span = slice(k * n_leaf, (k + 1) * n_leaf)
        message[:, span, 0], message[:, span, 1:] = k, np.resize([*np.atleast_1d(values.get(stream.kind, 0.0)), 0.0], 2)
    return message


def run(sim: Simulator, message: Array, minutes: int = 4) -> Array:
    """Take steps; return each device's fraction at the end of the last tick, where it takes commands (n_world, N)."""
    for _ in range(minutes):
        sim.step(message, np.ones(sim.n_world, dtype=bool))
    return sim.fleet.fleet[:, FLEET.CMD_END] * sim.structure.present


def prompt(sim: Simulator) -> Array:
    """Return which devices act within a minute of a message's arrival, bool (N,): slow firmware aside."""
    found: Array = (sim.structure.present[0] > 0) & (sim.fleet.fleet[0, FLEET.DEAD_S] < 60.0)
    assert found.mean() > 0.5
    return found


def test_they_are_entries_of_one_registry_and_asked_rule_incentive_dispatch() -> None:
    assert next(iter(BEHAVIOURS)) == "dispatch"
    names = [each.name for each in behaviours.in_order(["dispatch", "coupon", "rule"])]
    assert names == ["rule", "coupon", "dispatch"]
    sim = worlds()
    assert [own.behaviour.name for own in sim.fleet.behaviours.all] == ["rule", "coupon"]
    assert [stream.kind for stream in sim.network.streams] == ["dispatch", "coupon", "rule"]


def test_a_droop_rule_follows_the_frequency_beyond_its_dead_band() -> None:
    sim = worlds(network__ideal=True)
    for hz, fraction in ((-0.12, 0.5), (0.12, -0.5), (-0.42, 1.0), (0.019, 0.0)):
        sim.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = hz
        assert run(sim, say(sim, rule=(1.0, 0.02)))[0, prompt(sim)] == pytest.approx(fraction, abs=1e-6)
    sim.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = -0.12
    assert run(sim, say(sim, rule=(0.4, 0.02)))[0, prompt(sim)] == pytest.approx(0.2, abs=1e-6)  # a share of the droop


def test_a_rule_gives_the_power_of_the_dispatch_that_it_works_out() -> None:
    by_rule, by_hand = worlds(network__ideal=True), worlds(network__ideal=True)
    by_rule.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = -0.12
    run(by_rule, say(by_rule, rule=(1.0, 0.02)), 15)
    run(by_hand, say(by_hand, dispatch=0.5), 15)
    power = [sim.fleet.fleet[0, FLEET.POWER_KW] for sim in (by_rule, by_hand)]
    np.testing.assert_allclose(*power, atol=1e-4)


def test_an_owner_accepts_where_the_offer_exceeds_her_price_and_more_pay_never_loses_one() -> None:
    sim = worlds(network__ideal=True, fleet__n_device=300)
    price = sim.fleet.behaviours.all[1].params[:, 0]
    here = prompt(sim)[None]
    assert price[here].min() >= 5.0 and price[here].max() <= 45.0 and price[here].std() == pytest.approx(11.5, rel=0.15)
    before = np.zeros_like(price, dtype=bool)
    for offer in (4.0, 12.0, 30.0, 50.0):
        answered = run(sim, say(sim, coupon=offer)) > 0
        np.testing.assert_array_equal(answered[here], price[here] < offer)
        assert not (before & ~answered).any()
        before = answered


def test_params_belong_to_the_device_and_its_fleet_not_to_the_worlds_luck() -> None:
    two = worlds(2, pool__n_fleet=1)
    price = two.fleet.behaviours.all[1].params[:, 0]
    assert (two.fleet.keys[0, 2:] != two.fleet.keys[1, 2:]).any()
    np.testing.assert_array_equal(price[0], price[1])
    again = worlds(1, seed=77, pool__n_fleet=1)
    np.testing.assert_array_equal(again.fleet.behaviours.all[1].params[0, 0], price[0])


def test_each_later_one_decides_where_no_earlier_one_did() -> None:
    sim = worlds(network__ideal=True, fleet__n_device=300)
    price, here = sim.fleet.behaviours.all[1].params[0, 0], prompt(sim)
    sim.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = 0.12
    run(sim, say(sim, dispatch=-0.8, coupon=20.0))
    two = run(sim, say(sim, dispatch=-0.8, coupon=20.0))[0]
    np.testing.assert_allclose(two[here], np.where(price[here] < 20.0, 0.5, -0.8), atol=1e-6)
    three = run(sim, say(sim, dispatch=-0.8, coupon=20.0, rule=(1.0, 0.02)))[0]
    np.testing.assert_allclose(three[here], -0.5, atol=1e-6)  # in force everywhere: nobody is asked for an answer
    back = run(sim, say(sim, dispatch=-0.8))[0]  # both are ended; what dispatch said is still in force
    np.testing.assert_allclose(back[here], -0.8, atol=1e-6)


def test_a_rule_ends_with_its_message_and_dispatch_goes_on() -> None:
    sim = worlds(network__ideal=True)
    sim.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = -0.12
    assert run(sim, say(sim, dispatch=-0.3, rule=(1.0, 0.02)), 5)[0, prompt(sim)] == pytest.approx(0.5, abs=1e-6)
    n_leaf = sim.structure.n_leaf
    sim.network.leaf[:, 2 * n_leaf :, net.SENDER.QUOTA] = 0.0  # no quota is left for rules: not even a refresh goes out
    gone = run(sim, say(sim, dispatch=-0.3, rule=(1.0, 0.02)), 31)[0]
    np.testing.assert_allclose(gone[prompt(sim)], -0.3, atol=1e-6)


def test_a_zero_offer_gives_the_bits_of_no_message() -> None:
    silent, zero, alone = worlds(2), worlds(2), Simulator(scenario(), 2, 1)
    alone.reset(np.ones(2, dtype=bool), generators([3, 4]))
    n_leaf = silent.structure.n_leaf
    for minute in range(20):
        a = 0.6 * (-1) ** (minute // 6)
        silent.step(say(silent, dispatch=a), np.ones(2, dtype=bool))
        zero.step(say(zero, dispatch=a, coupon=(0.0, 7.0), rule=(0.0, 3.0)), np.ones(2, dtype=bool))
        alone.step(say(alone, dispatch=a), np.ones(2, dtype=bool))
    assert not same(copied(silent), copied(zero))
    for table in ("world", "leaf"):  # nor does the mere presence of other kinds change a bit
        np.testing.assert_array_equal(getattr(silent.view, table), getattr(alone.view, table))
    np.testing.assert_array_equal(silent.fleet.fleet, _valid_of(alone, silent))
    assert silent.network.leaf[:, :n_leaf, net.SENDER.N_SENT].sum() > 0
    assert not silent.network.leaf[:, n_leaf:, net.SENDER.N_SENT].any()


def _valid_of(one: Simulator, other: Simulator) -> Array:
    """Return the fleet's rows of ``one``, with VALID_S as ``other`` has it: it stands in HOLD there."""
    rows = one.fleet.fleet.copy()
    rows[:, FLEET.VALID_S] = other.fleet.fleet[:, FLEET.VALID_S]
    return rows


def test_registers_sum_what_was_answered_and_begin_anew() -> None:
    summed, each = (worlds(network__ideal=True, by_device=kept) for kept in (False, True))
    for sim in (summed, each):
        run(sim, say(sim, coupon=30.0), 30)
    kwh, yen = (summed.fleet.total(name)[0] for name in ("answered_kwh", "offered_yen"))
    fleet, price = summed.fleet.fleet[0], summed.fleet.behaviours.all[1].params[0, 0]
    accepts = (price < 30.0) * fleet[FLEET.ACCEPTS_COMMANDS] * fleet[FLEET.RATED_KW] * 0.5
    assert kwh == pytest.approx(accepts.sum() * 29 / 60, rel=0.05) and yen == pytest.approx(30.0 * kwh, rel=1e-5)
    assert each.fleet.total("answered_kwh")[0] == pytest.approx(kwh, rel=1e-6)
    assert each.fleet.behaviours.all[1].registers.shape == (1, 2, each.structure.n_place)
    summed.reset(np.ones(1, dtype=bool), generators([3]))
    assert summed.fleet.total("answered_kwh")[0] == 0.0


def test_opted_out_owners_answer_no_message_of_any_kind() -> None:
    everyone = dict.fromkeys(("battery", "ecocute", "ev"), 1.0)
    out, idle = (worlds(network__ideal=True, devices__behaviour__opt_out_share=everyone) for _ in range(2))
    out.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = -0.3
    run(out, say(out, coupon=50.0, rule=(1.0, 0.02), dispatch=1.0), 10)
    run(idle, say(idle), 10)
    np.testing.assert_array_equal(*(sim.fleet.fleet[:, FLEET.POWER_KW] for sim in (out, idle)))


def test_snapshots_carry_what_devices_hold() -> None:
    sim = worlds(2)
    run(sim, say(sim, coupon=30.0, dispatch=0.3, rule=(1.0, 0.02)), 7)
    twin = sim.fork([1])
    message = say(sim, coupon=30.0, dispatch=-0.3)
    run(sim, message, 12)
    run(twin, message[1:], 12)
    for name, array in twin.arrays().items():
        per_world = array.shape[0]
        assert array.tobytes() == sim.arrays()[name][-per_world:].tobytes(), name


def test_plain_loops_give_the_bits_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def played() -> dict[str, Array]:
        sim = worlds(2, fleet__n_device=20, episode__n_block=1)
        for minute in range(8):
            sim.fleet.ctx[:, EXOGENOUS.FREQ_HZ] = 0.05 * (minute - 4)
            values = {"dispatch": 0.4, "coupon": 10.0 * (minute // 2), "rule": (1.0 * (minute > 5), 0.02)}
            run(sim, say(sim, **values), 1)
        return copied(sim) | {f"message.{own.behaviour.name}": own.message for own in sim.fleet.behaviours.all}

    compiled = played()
    assert compiled["behaviours.coupon.registers"].any()
    assert np.isfinite(compiled["message.rule"][:, MESSAGE.FRACTION]).any()
    import plugins

    for name, loop in plain(behaviours).items():
        if name in ("begin_deciding", "show_messages", "command"):
            monkeypatch.setattr(behaviours, name, loop)
    own = plain(plugins)
    slow = {
        "rule": Behaviour("rule", DROOP.order, decide=own["droop"], config=DROOP.config),
        "coupon": Behaviour(
            "coupon",
            OFFER.order,
            decide=own["accept"],
            account=own["count"],
            draw=own["draw_prices"],
            params=OFFER.params,
            registers=OFFER.registers,
            config=OFFER.config,
        ),
    }
    for name, behaviour in slow.items():
        monkeypatch.setitem(BEHAVIOURS._items, name, behaviour)
    plainly = played()
    for name, array in compiled.items():
        assert array.tobytes() == plainly[name].tobytes(), name


def test_worlds_of_dispatch_alone_hold_nothing_more() -> None:
    sim = Simulator(load("tertiary-1-tiny"), 1)
    assert sim.fleet.behaviours.all == [] and sim.fleet.behaviours.free.size == 0 and sim.network.hold.size == 0
    assert not [name for name in sim.arrays() if name.startswith("behaviours")]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"devices.behaviour.kinds": ("dispatch", "rul")}, "unknown name 'rul'; did you mean 'rule'"),
        ({"behaviours.coupn.low_yen_kwh": 3}, "behaviours: unknown name 'coupn'; did you mean 'coupon'"),
        (
            {"behaviours.coupon": {"low_yen": 3}},
            r"behaviours\.coupon\.low_yen: unknown key; did you mean 'low_yen_kwh'",
        ),
        (
            {"behaviours.coupon": {"low_yen_kwh": -1}},
            r"behaviours\.coupon\.low_yen_kwh: .*greater than or equal to 0",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as error:
        load("tertiary-1-tiny", changes)
    assert "\n" not in str(error.value)


def test_settings_of_a_behaviour_reach_its_kernel() -> None:
    dear = worlds(network__ideal=True, behaviours__coupon={"low_yen_kwh": 60.0})
    assert dear.fleet.behaviours.all[1].params[0, 0][dear.structure.present[0] > 0].min() >= 60.0
    assert behaviours.numbers(OfferConfig()).tolist() == [5.0, 40.0, 0.5]
    assert not run(dear, say(dear, coupon=50.0)).any()


def test_the_short_way_of_one_behaviour_gives_the_bits_of_the_general_one() -> None:
    """`show_one` and `command_one` against begin_deciding, show_messages and command, on random messages."""
    rng = np.random.default_rng(3)
    n_all, n = 3, 37
    hold = rng.uniform(-1.5, 1.5, (n_all, 12, n)).astype(np.float32)
    hold[:, 4][rng.random((n_all, n)) < 0.4] = 0.0  # no message
    decided = rng.uniform(-2, 2, (n_all, n)).astype(np.float32)
    decided[rng.random((n_all, n)) < 0.3] = np.nan
    active, free = np.array([True, False, True]), np.zeros((n_all, n), np.float32)
    found = []
    for short in (False, True):
        fleet, message = np.full((n_all, FLEET.N, n), 7, np.float32), np.full((n_all, 3, n), 9, np.float32)
        if short:
            behaviours.show_one(0, n_all, 1, active, 4, 8, hold, message)
        else:
            behaviours.begin_deciding(0, n_all, 1, active, 0, hold, fleet, free)
            behaviours.show_messages(0, n_all, 1, active, 4, 8, hold, free, message)
        shown = message.copy()
        message[active, MESSAGE.FRACTION] = decided[active]
        if short:
            behaviours.command_one(0, n_all, 1, active, 0, hold, message, fleet)
        else:
            behaviours.command(0, n_all, 1, active, message, fleet, free)
        found.append((shown, fleet))
    for general, one in zip(*found, strict=True):
        np.testing.assert_array_equal(general, one)
    assert (found[0][1][1] == 7).all() and (found[0][1][0] != 7).any()

"""Owners who are offered pay: the choice, the kernels against a slow owner and plain Python, and what cannot be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import plain
from slow_owner import SlowOwner

from der_gym.devices import DEVICES
from der_gym.devices.behaviours import MESSAGE
from der_gym.devices.owners import behaviour, choice, draws
from der_gym.devices.owners.appeals import worth_of_appeal
from der_gym.devices.owners.behaviour import STATE
from der_gym.devices.owners.config import IncentiveConfig, constants, own_constants
from der_gym.devices.owners.draws import PARAMS
from der_gym.devices.owners.terms import OwnerTerms
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import rng

Array = np.ndarray
F4 = np.float32
MONDAY_S = 8997 * 86_400
N, MINUTES = 60, 150
positive = st.floats(0.01, 2000.0)
share = st.floats(0.0, 1.0)


# --- the choice


@given(u=st.floats(1e-5, 0.9999), mind=st.floats(-4, 4), stake=share, calls=share, slope=st.floats(0.05, 3), more=share)
def test_nobody_is_bought_for_nothing_and_comfort_and_calls_only_raise_the_price(
    u: float, mind: float, stake: float, calls: float, slope: float, more: float
) -> None:
    def price(stake: float, calls: float) -> float:
        return float(
            choice.least_pay(F4(u), F4(mind), F4(stake), F4(calls), F4(slope), F4(5), F4(0.2), F4(1), F4(0.15))
        )

    least = price(stake, calls)
    assert least > 0.0
    assert price(min(stake + more, 1.0), calls) >= least and price(stake, calls + more) >= least


@given(offers=st.lists(positive, min_size=2, max_size=6), ask=st.floats(0, 60), factor=positive, span=positive)
def test_more_pay_never_sells_less(offers: list[float], ask: float, factor: float, span: float) -> None:
    sold = [float(choice.sold(F4(x), F4(ask), F4(factor), F4(1.0), F4(span))) for x in sorted(offers)]
    assert sold == sorted(sold) and min(sold) >= 0.0 and max(sold) <= 1.0
    assert choice.sold(F4(0.0), F4(ask), F4(factor), F4(1.0), F4(span)) == 0.0


def test_the_price_is_that_of_the_logit() -> None:
    """The share of many uniforms whose price is at most the pay is the logit's."""
    u = ((np.arange(20_000) + 0.5) / 20_000).astype(F4)
    prices = np.array([choice.least_pay(x, F4(0.3), F4(0.4), F4(2), F4(0.5), F4(math.log(80)), F4(0.1), F4(1), F4(0.2))
                       for x in u])  # fmt: skip
    for pay in (5.0, 80.0, 900.0):
        x = 0.3 + 0.1 - 0.4 - 0.4 + 0.5 * math.log(pay / 80.0)
        assert (prices <= pay).mean() == pytest.approx(1.0 / (1.0 + math.exp(-x)), abs=2e-4)


@pytest.mark.parametrize(("sod_h", "look_h"), [(12.0, 12.0), (22.5, 22.5), (23.5, 30.0), (2.0, 6.0), (6.0, 6.0)])
def test_who_sleeps_looks_after_waking(sod_h: float, look_h: float) -> None:
    look_s = choice.looks_at(F4(100), F4(sod_h * 3600), F4(240), F4(23 * 3600), F4(6 * 3600))
    assert look_s - 100 == pytest.approx((look_h - sod_h) * 3600 + 240)


# --- kernels


class Homes:
    """Some homes of one class in one world under an offer for each minute, by the kernels or in plain Python."""

    def __init__(self, seed: int = 5, plainly: bool = False, **settings: Any) -> None:
        self.config = IncentiveConfig(**{"tired_weight": 0.3, "quit_share": 0.05, "half_yen_kwh": 60.0, **settings})
        self.random = random = np.random.default_rng(seed)
        module = plain(behaviour) if plainly else vars(behaviour)
        self.decide, self.pay = module["decide"], module["pay"]
        draw = plain(draws)["draw_owners"] if plainly else draws.draw_owners
        self.active, self.keys = np.ones(1, bool), random.integers(2**32, size=(1, 4), dtype=np.uint32)
        self.uid = np.arange(7, 7 + N, dtype=np.uint32)[None]
        self.params, self.state = np.zeros((1, PARAMS.N, N), F4), np.zeros((1, STATE.N, N), F4)
        own = own_constants(self.config, OwnerTerms(automated_share=0.4))
        draw(0, 1, 1, self.active, self.keys, self.uid, own, 0, N, self.params)
        self.cfg = constants(self.config)
        self.fleet, self.message = np.ones((1, FLEET.N, N), F4), np.zeros((1, len(MESSAGE), N), F4)
        self.fleet[:, FLEET.METER_GAIN] = random.choice([0.98, 1.02], N)
        self.registers, self.ctx, self.fractions = (
            np.zeros((1, len(behaviour.REGISTERS), N)),
            np.zeros((1, EXOGENOUS.N), F4),
            [],
        )
        self.usual = random.uniform(0, 2, N).astype(F4)

    def play(self, offers: Array, start_h: float = 15.0) -> Homes:
        """Play one offer a minute; row k of ``fractions`` is what homes command then."""
        for minute, offer in enumerate(offers):
            t_s = 60 * minute
            abs_s = np.array([MONDAY_S + round(start_h * 3600) + t_s])
            self.ctx[0, EXOGENOUS.T_S], self.ctx[0, EXOGENOUS.SOD_S] = t_s, abs_s[0] % 86_400
            luck = np.random.default_rng(minute)
            if minute % 5 == 0:
                self.state[0, STATE.ASK_UP_YEN_KWH] = luck.uniform(0, 30, N)
                self.state[0, STATE.ASK_DOWN_YEN_KWH] = luck.uniform(0, 30, N)
                self.state[0, STATE.STAKE] = luck.uniform(0, 1, N)
            self.state[0, STATE.USUAL_KW] = self.usual
            self.state[0, STATE.SENT_S] = [self.sent(minute, i)[0] for i in range(N)]
            self.state[0, STATE.STARTS_S, 0] = self.sent(minute, 0)[1]
            self.message[0, MESSAGE.A], self.message[0, MESSAGE.FRACTION] = offer, np.nan
            given = (self.ctx, self.cfg, self.params, self.state, self.fleet, self.message, self.registers)
            who = (0, 1, 1, self.active, self.keys, self.uid, abs_s, F4(60))
            self.decide(*who, *given)
            self.fleet[0, FLEET.POWER_KW] = luck.uniform(-9, 9, N)
            self.pay(*who, *given)
            self.fractions.append(self.message[0, MESSAGE.FRACTION].copy())
        return self

    def sent(self, minute: int, i: int) -> tuple[float, float]:
        """Return when the offer that home ``i`` holds was sent, and the start that is announced, s."""
        return 60.0 * (minute - i % 25), 3600.0 if 30 <= minute < 60 else 0.0

    def bits(self) -> list[bytes]:
        return [x.tobytes() for x in (self.params, self.state, self.registers, np.array(self.fractions))]


APPEAL = {"below_yen_kwh": 3.0, "worth_yen_kwh": 30.0, "effort_yen_kwh": 25.0, "tired_weight": 0.5}


def some_offers(seed: int = 1, signs: tuple[float, ...] = (1.0,), least: float = 20.0) -> Array:
    """Return offers of MINUTES minutes: pauses short and long, moves, one for each home, some direction."""
    random = np.random.default_rng(seed)
    level = random.choice([0.0, least, 45.0, 90.0], (MINUTES // 10, 1), p=[0.3, 0.2, 0.3, 0.2])
    late = random.random((MINUTES // 10, N)) < 0.9  # some messages are lost
    return np.repeat(level * late * random.choice(signs, (MINUTES // 10, 1)), 10, axis=0).astype(F4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"notice_min": 20},
        {"baseline": "same_hour", "gap_min": 5.0},
        {"notice": "given", "notice_min": 20, "notice_full_min": 30.0, "notice_weight": 2.0},
        {"appeal": APPEAL, "gap_min": 5.0, "baseline": "same_hour"},
    ],
)
def test_kernels_are_the_slow_owner(changes: dict[str, Any]) -> None:
    offers = some_offers(2, (1.0, -1.0), 2.0 if "appeal" in changes else 20.0)
    homes = Homes(**changes)
    kept = homes.params[0].astype(float)
    owners = [
        SlowOwner(
            homes.config, kept[PARAMS.AUTOMATED, i] > 0, mind if (mind := kept[PARAMS.MIND, i]) > -1e5 else -math.inf,
            kept[PARAMS.FACTOR, i], kept[PARAMS.HASSLE_YEN_KWH, i], kept[PARAMS.SPAN_YEN_KWH, i],
            kept[PARAMS.CALLS_BEFORE, i], float(homes.usual[i]),
        )
        for i in range(N)
    ]  # fmt: skip
    homes.play(offers)
    k0, k1 = homes.keys[0, 2:]
    yen, given, differ = np.zeros(N), 0, 0
    for minute, offer in enumerate(offers):
        luck, now = np.random.default_rng(minute), MONDAY_S + 15 * 3600 + 60 * minute
        if minute % 5 == 0:
            up, down, stake = luck.uniform(0, 30, N), luck.uniform(0, 30, N), luck.uniform(0, 1, N)
        power = luck.uniform(-9, 9, N)
        for i, owner in enumerate(owners):
            slot, half = np.uint32(now // 10_800), np.uint32(now // 1800)
            u = float(rng.quick_uniform(k0, k1, homes.uid[0, i], rng.stream("owner.mind"), slot))
            z = _delay(k0, k1, homes.uid[0, i], slot)
            v = rng.quick_uniform(k0, k1, homes.uid[0, i], rng.stream("owner.quit"), half) if now % 1800 == 0 else None
            v = v if (offer != 0).any() or (minute and (offers[minute - 1] != 0).any()) else None
            sod = (15 * 3600 + 60 * minute) % 86_400
            told = float(offer[i]), 60.0 * minute, sod, (up[i], down[i]), stake[i], (u, z), v
            x = owner.minute(*told, *homes.sent(minute, i))
            found = homes.fractions[minute][i]
            given += x is not None
            same = math.isnan(found) if x is None else found == pytest.approx(x, abs=2e-5)
            differ += not same
            owner.meter(float(offer[i]), 60.0 * minute, power[i] * float(homes.fleet[0, FLEET.METER_GAIN, i]))
            yen[i] += owner.half_hour() if (minute + 1) % 30 == 0 else 0.0
    assert given > 500 and differ == 0
    np.testing.assert_allclose(homes.registers[0, 0], yen, rtol=1e-4, atol=1e-3)
    assert yen.sum() > 50.0


def _delay(k0: Any, k1: Any, uid: Any, slot: Any) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(float(rng.quick_uniform(k0, k1, uid, rng.stream("owner.delay"), slot)))


def test_kernels_give_the_bits_of_plain_python() -> None:
    offers = some_offers(4, (1.0, -1.0))
    assert Homes().play(offers).bits() == Homes(plainly=True).play(offers).bits()


def test_kernels_give_the_bits_of_plain_python_with_appeals_too() -> None:
    offers = some_offers(4, (1.0, -1.0), 2.0)
    assert Homes(appeal=APPEAL).play(offers).bits() == Homes(appeal=APPEAL, plainly=True).play(offers).bits()


def test_an_appeal_wins_people_without_pay_and_no_agent() -> None:
    homes = Homes(appeal=APPEAL, calls_per_week=0.0).play(np.full(90, 2.0))
    agents, last = homes.params[0, PARAMS.AUTOMATED] > 0, np.nan_to_num(homes.fractions[-1])
    assert (last[~agents] > 0).sum() >= 5 and not (homes.state[0, STATE.ANSWER, agents] > 0).any()
    assert homes.registers[0, 0].sum() < 1e-5 and homes.registers[0, 1].sum() > 1.0, "they give, and are paid nothing"
    assert homes.registers[0, 2].sum() == (~agents).sum(), "an appeal is a call as an offer of pay is"


def test_without_the_setting_a_small_offer_is_pay_as_any_other() -> None:
    tired = dict(APPEAL, tired_weight=0.3)
    small, none = (Homes(appeal=each).play(np.full(60, 2.0)) for each in (tired, None))
    assert none.registers[0, 0].sum() > 0.0 and small.bits() != none.bits()
    paid = [Homes(appeal=each).play(np.full(60, 45.0)).bits() for each in (tired, None)]
    assert paid[0] == paid[1], "what names a pay is answered as without the setting"


@given(calls=st.floats(0, 8), more=st.floats(0.01, 4), fades=st.floats(0, 3))
def test_an_appeal_is_worth_less_with_each_recent_call(calls: float, more: float, fades: float) -> None:
    fresh, tired = (float(worth_of_appeal(F4(5), F4(fades), F4(k))) for k in (calls, calls + more))
    assert 0.0 <= tired <= fresh <= 5.0 * (1 + 1e-6)


@given(acts=st.floats(0, 30_000), t=st.floats(0, 30_000), later=st.floats(0, 9000), weight=st.floats(0, 3))
def test_more_notice_never_adds_less_and_late_mail_none(acts: float, t: float, later: float, weight: float) -> None:
    def adds(acts: float) -> float:
        return float(choice.notice_given(F4(acts), F4(t), F4(weight), F4(10_800.0)))

    assert 0.0 <= adds(acts) <= adds(acts + later) <= weight * (1 + 1e-6)
    assert adds(t) == 0.0 == adds(t - later)


def test_each_event_has_the_notice_that_it_gives() -> None:
    """Of homes whose mail takes up to 24 min of the notice of 20, the late ones are asked for more."""
    prompt, late = (Homes(notice="given", notice_min=20, notice_weight=3.0, notice_full_min=20.0) for _ in range(2))
    prompt.sent = lambda minute, i: (60.0 * minute, 0.0)  # type: ignore[method-assign]
    for homes in (prompt, late):
        homes.play(np.full(40, 50.0))
    people = prompt.params[0, PARAMS.AUTOMATED] == 0
    asks = [homes.state[0, STATE.PRICE_YEN_KWH] for homes in (prompt, late)]
    way = np.arange(N) % 25
    assert (asks[1] >= asks[0])[people].all() and (asks[1] > asks[0] * 1.01)[people & (way > 0) & (asks[0] < 1e6)].all()
    np.testing.assert_array_equal(late.state[0, STATE.ACTS_S], 60.0 * np.maximum(20 - way, 0))


def test_an_offer_of_nothing_is_no_message() -> None:
    homes = Homes().play(np.zeros(MINUTES))
    assert np.isnan(homes.fractions).all() and not homes.registers.any()
    for row in (STATE.ANSWER, STATE.LAST_S, STATE.CALLS, STATE.PRICE_YEN_KWH):
        assert not homes.state[0, row].any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), times=st.floats(1.0, 3.0), notice=st.sampled_from([0, 15]))
def test_more_pay_never_loses_an_owner(seed: int, times: float, notice: int) -> None:
    offers = some_offers(seed)
    less = Homes(seed, notice_min=notice).play(offers)
    more = Homes(seed, notice_min=notice).play(offers * F4(times))
    gave, gives = (np.nan_to_num(np.array(homes.fractions)) for homes in (less, more))
    assert (gives >= gave - 1e-6).all()


def test_a_home_has_one_mind_for_three_hours_however_often_it_is_asked() -> None:
    """Offers that go and come again do not draw again."""
    often = np.full(MINUTES, 40.0)
    often[::7] = 0.0
    plain_ = {"gap_min": 0.0, "tired_weight": 0.0, "quit_share": 0.0, "stake_weight": 0.0}
    once, asked = (Homes(**plain_).play(offers) for offers in (np.full(MINUTES, 40.0), often))
    assert (asked.state[0, STATE.CALLS] > 20).all() and (once.state[0, STATE.CALLS] == 1).all()
    np.testing.assert_array_equal(*(homes.state[0, STATE.PRICE_YEN_KWH] for homes in (once, asked)))


def test_a_call_is_counted_once_for_a_person_and_not_for_an_agent_or_one_who_takes_no_messages() -> None:
    homes = Homes(gap_min=60.0)
    homes.fleet[0, FLEET.ACCEPTS_COMMANDS, ::5] = 0.0
    homes.play(some_offers(3) * 0 + 30.0)
    people, hears = homes.params[0, PARAMS.AUTOMATED] == 0, homes.fleet[0, FLEET.ACCEPTS_COMMANDS] > 0
    np.testing.assert_array_equal(homes.registers[0, 2], people & hears)


def test_devices_of_one_home_have_one_owner() -> None:
    homes = Homes()
    homes.uid[:] = np.arange(N, dtype=np.uint32) // 2 + 7
    own = own_constants(homes.config, OwnerTerms(automated_share=0.4))
    draws.draw_owners(0, 1, 1, homes.active, homes.keys, homes.uid, own, 0, N, homes.params)
    homes.play(np.full(40, 60.0))
    assert (homes.params[0, :, ::2] == homes.params[0, :, 1::2]).all()
    people = homes.params[0, PARAMS.AUTOMATED, ::2] == 0
    look = homes.state[0, STATE.LOOK_S]
    assert (look[::2] == look[1::2]).all() and people.any()


def test_people_tire_and_the_calls_of_the_days_before_count() -> None:
    fresh, tired = (Homes(seed=9, calls_per_week=calls, tired_weight=0.5) for calls in (0.0, 7.0))
    for homes in (fresh, tired):
        homes.play(np.full(60, 50.0))
    people = fresh.params[0, PARAMS.AUTOMATED] == 0
    joined = [(homes.state[0, STATE.ANSWER, people] > 0).sum() for homes in (fresh, tired)]
    assert joined[0] > joined[1]


def test_every_shipped_class_declares_its_owners() -> None:
    for name in ("battery", "ev", "ecocute", "v2h"):
        assert DEVICES[name].owner is not None and DEVICES[name].kernels.owner is not None

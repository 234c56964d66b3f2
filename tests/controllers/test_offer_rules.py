"""Rules that offer pay: their contract, when and which way they offer, and what each is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_controllers import CALM, FACTS, NAMES, NOMINAL_KW, encode
from worlds import generators, small

from der_gym.controllers import CONTROLLERS, base, bound, make, public_info
from der_gym.controllers.offer_rules import OfferRule
from der_gym.controllers.per_service import InBox
from der_gym.core.errors import InputError
from der_gym.core.heads import HEADS
from der_gym.env.observation.layout import Layout
from der_gym.env.worlds import Worlds

Array = np.ndarray
HEADS_OF = {"incentive": ("offer",), "both": ("dispatch", "offer")}
LAYOUTS = {
    control: Layout.make(NAMES, NOMINAL_KW, heads=[HEADS[name] for name in names])
    for control, names in HEADS_OF.items()
}
RULES = [(name, control) for name in CONTROLLERS for control in HEADS_OF if control in CONTROLLERS[name].plays]
OFFERS = [(name, control) for name, control in RULES if issubclass(CONTROLLERS[name], OfferRule)]


def ready(name: str, control: str = "incentive", **values: Any) -> Any:
    """Return a rule that is bound to three leaves; of commands alone as the environment would use it."""
    rule = CONTROLLERS[name](base.settings(name, values))
    rule.bind(LAYOUTS[control], FACTS)
    return InBox(rule, LAYOUTS[control]) if CONTROLLERS[name].plays == base.Rule.plays else rule


def seen(control: str = "incentive", n: int = 1, **values: Any) -> Array:
    """Return observations of a calm group under a commitment, with some values changed."""
    given = {**CALM, "target_kw": 300.0, **{key.replace("__", "."): value for key, value in values.items()}}
    given = {"request_kw": given["target_kw"], **given}
    return np.repeat(encode(LAYOUTS[control], given)[None], n, axis=0)


def offers(rule: Any, obs: Array, control: str = "incentive") -> Array:
    """Return what a rule that has just begun offers, yen/kWh, (n, n_leaf)."""
    action, _ = rule.predict(obs, None, np.ones(len(obs), dtype=bool))
    offered: Array = LAYOUTS[control].action.decode(action, "offer")
    return offered


@pytest.mark.parametrize(("name", "control"), RULES)
def test_actions_fill_all_heads_and_no_row_depends_on_another(name: str, control: str) -> None:
    layout, rule = LAYOUTS[control], ready(name, control)
    low, high = layout.bounds()
    draws = [np.random.default_rng(k).uniform(low, high, (7, layout.size)).astype(np.float32) for k in range(6)]
    whole, alone = None, [None] * 7
    for k, obs in enumerate(draws):
        start = np.full(7, k == 0)
        action, whole = rule.predict(obs, whole, start)
        assert action.shape == (7, layout.action.size) and action.dtype == np.float32 and (np.abs(action) <= 1).all()
        for i in range(7):
            one, alone[i] = rule.predict(obs[i : i + 1], alone[i], start[i : i + 1])
            assert one.tobytes() == action[i : i + 1].tobytes()


@pytest.mark.parametrize(("name", "control"), OFFERS)
def test_nothing_is_offered_without_a_commitment_and_something_with_one(name: str, control: str) -> None:
    quiet = {"award_kw": 0.0, "target_kw": 0.0, "block__award_kw": [0.0] * 3}
    assert not offers(ready(name, control), seen(control, **quiet), control).any()
    assert (offers(ready(name, control), seen(control), control) > 0).any()


@pytest.mark.parametrize(("name", "control"), OFFERS)
def test_the_offer_goes_out_its_lead_before_the_commitment(name: str, control: str) -> None:
    ahead = {"award_kw": 0.0, "target_kw": 0.0, "block__award_kw": [0.0, 400.0, 400.0]}
    for left, goes in ((0.9, False), (0.3, True)):
        obs = seen(control, **ahead, block_left=left)
        assert (offers(ready(name, control, lead_s=900), obs, control) > 0).any() == goes


def test_an_offer_looks_at_a_new_request_its_lead_before_it() -> None:
    """A simple command is announced 15 minutes ahead: the present target is met, 300 kW more are asked for then."""
    coming = {"target_kw": 100.0, "response_kw": 100.0, "request_kw": 400.0, "block_left": 0.3}
    late, early = (offers(ready("needs_offer", lead_s=lead_s), seen(**coming))[0, 0] for lead_s in (0.0, 900.0))
    assert early > late + 5.0


def test_each_rule_does_what_it_is_for() -> None:
    flat = offers(ready("flat_offer", store_yen_kwh=21.0, heater_yen_kwh=9.0), seen())
    assert flat[0] == pytest.approx([21.0, 21.0, 9.0], abs=1e-4)
    ladder = {"base_yen_kwh": 10.0, "times_2": 2.0, "times_3": 4.0, "share_2": 0.3, "share_3": 0.6}
    steps = [offers(ready("peak_offer", **ladder), seen(target_kw=kw))[0, 0] for kw in (100.0, 390.0, 560.0)]
    assert steps == pytest.approx([10.0, 20.0, 40.0], abs=1e-4)
    scarce = offers(ready("peak_offer", **ladder), seen(target_kw=390.0, leaf__up_kw=[300.0, 60.0, 40.0]))
    assert scarce[0, 0] == pytest.approx(40.0, abs=1e-4)
    gaps = [offers(ready("needs_offer"), seen(response_kw=kw))[0, 0] for kw in (0.0, 150.0, 300.0, 600.0)]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > gaps[2] + 5


@pytest.mark.parametrize(("name", "control"), OFFERS)
def test_a_leaf_is_offered_its_part_of_the_price(name: str, control: str) -> None:
    obs = seen(control)
    whole = offers(ready(name, control), obs, control)[0]
    parts = {NAMES[0]: 0.0, NAMES[1]: 0.5}
    assert whole[1] > 0
    np.testing.assert_allclose(
        offers(ready(name, control, leaf_part=parts), obs, control)[0], whole * [0.0, 0.5, 1.0], atol=1e-4
    )


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({NAMES[0] + "x": 1.0}, f"controller flat_offer: leaf_part: unknown name '{NAMES[0]}x'; did you mean"),
        ({NAMES[0]: -0.1}, f"leaf_part.{NAMES[0]}: .*greater than or equal to 0.*given: -0.1"),
        ({NAMES[0]: float("nan")}, f"leaf_part.{NAMES[0]}: .*finite number.*nan"),
    ],
)
def test_a_part_of_no_leaf_or_below_nothing_is_refused(parts: dict[str, float], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        ready("flat_offer", leaf_part=parts)


def test_the_gap_that_stays_raises_the_offer() -> None:
    rule, state, prices = ready("needs_offer"), None, []
    for k in range(90):
        action, state = rule.predict(seen(response_kw=100.0), state, np.array([k == 0]))
        prices.append(LAYOUTS["incentive"].action.decode(action, "offer")[0, 0])
    assert prices == sorted(prices) and prices[-1] > prices[0] + 3.0


def test_the_learner_offers_more_where_people_give_less() -> None:
    """Two groups, one that answers as first guessed and one that gives a quarter of it."""
    ends = []
    for part in (1.0, 0.25):
        rule, state, price = ready("threshold_learner", rate=0.5, slope_per_yen=0.02, begin_yen_kwh=5.0), None, 0.0
        up = np.array(CALM["leaf.up_kw"])
        for k in range(150):
            gives = part * 0.02 * up * max(price - 5.0, 0.0)
            obs = seen(leaf__seen_kw=-gives, leaf__plan_kw=np.zeros(3), response_kw=gives.sum())
            action, state = rule.predict(obs, state, np.array([k == 0]))
            price = float(LAYOUTS["incentive"].action.decode(action, "offer")[0, 0])
        ends.append((price, part * 0.02 * up.sum() * (price - 5.0)))
    assert ends[1][0] > 1.5 * ends[0][0]
    assert all(kw == pytest.approx(330.0, rel=0.2) for _, kw in ends)


def test_commands_follow_the_merit_order_beside_offers() -> None:
    rule, alone = ready("offers_and_commands", "both"), make("merit_order")
    layout = LAYOUTS["both"]
    alone.bind(layout, FACTS)
    action, _ = rule.predict(seen("both"), None, np.ones(1, dtype=bool))
    fractions, _ = alone.predict(seen("both"), None, np.ones(1, dtype=bool))
    np.testing.assert_array_equal(action[:, :3], fractions)
    assert (layout.action.decode(action, "offer") > 0).any()


@pytest.mark.parametrize(
    ("name", "control", "fault"),
    [
        ("flat_offer", "dispatch", "controller flat_offer: control is 'dispatch'; allowed: incentive, both"),
        ("merit_order", "incentive", "controller merit_order: control is 'incentive'; allowed: dispatch, both"),
        ("offers_and_commands", "incentive", "control is 'incentive'; allowed: both"),
    ],
)
def test_a_rule_of_another_kind_of_control_is_refused(name: str, control: str, fault: str) -> None:
    worlds = Worlds("incentive-evening", small("incentive-evening", {"control": control, "fleet.n_device": 40}), 1)
    with pytest.raises(InputError, match=fault):
        bound(make(name), worlds)


def test_an_action_without_offers_is_refused() -> None:
    with pytest.raises(InputError, match="the action has no head 'offer'"):
        CONTROLLERS["needs_offer"]().bind(Layout.make(NAMES, NOMINAL_KW), FACTS)


def test_offers_and_commands_offers_to_those_alone_who_obey_no_command() -> None:
    worlds = Worlds("tertiary-1-both", small("tertiary-1-both", {"fleet.n_device": 60}), 1)
    worlds.reset(np.ones(1, dtype=bool), generators([1]), {})
    rule, public = make("offers_and_commands"), public_info(worlds)
    rule.bind(worlds.layout, public)
    memory, start, offers = None, np.ones(1, dtype=bool), np.zeros(worlds.layout.n_leaf)
    for _ in range(40):
        action, memory = rule.predict(worlds.observe(), memory, start)
        offers = np.maximum(offers, worlds.layout.action.decode(action, "offer", worlds.action.award_kw)[0])
        worlds.step(action, np.ones(1, dtype=bool))
        start = np.zeros(1, dtype=bool)
    assert offers[~public.obeys].max() > 0.0 and not offers[public.obeys].any()


def test_cars_may_carry_a_target_that_commands_reach_and_stores_only_what_is_beyond() -> None:
    rule = ready("offers_and_commands", "both", reach_share=1.0, car_reach_share=0.0)
    rule.bind(LAYOUTS["both"], replace(FACTS, leaf_class=("battery", "battery", "ev")))
    for target, who in ((100.0, [False, False, True]), (350.0, [True, True, True])):
        offered = offers(rule, seen("both", target_kw=target, leaf__up_kw=[100.0] * 3), "both")[0]
        np.testing.assert_array_equal(offered > 0, who)


def test_the_merit_order_that_commands_has_settings_of_its_own() -> None:
    rule = make("offers_and_commands", {"commands": {"lag_s": -5.0}})
    changed = {**make("merit_order").config.model_dump(), "lag_s": -5.0}
    assert rule.inner.config.model_dump() == changed
    with pytest.raises(InputError, match="lag: unknown key; did you mean 'lag_s'"):
        make("offers_and_commands", {"commands": {"lag": 3.0}})

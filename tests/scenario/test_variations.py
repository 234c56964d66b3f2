"""Owners at the ends of their ranges."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import small

from der_gym.core.errors import InputError
from der_gym.devices.owners.behaviour import STATE
from der_gym.env.worlds import Worlds
from der_gym.scenario.load import load
from der_gym.scenario.variations import varied

EVENING = "incentive-evening"


def answered(name: str) -> float:
    """Return the share of homes that take part after 40 minutes of a constant offer, in small worlds."""
    scenario = load(EVENING, small(EVENING))
    made = Worlds(varied(scenario, name) if name else scenario, {}, 6)
    made.reset(np.ones(6, dtype=bool), {i: np.random.default_rng(i) for i in range(6)}, {})
    action = np.repeat(made.layout.encode({"offer": 40.0})[None], 6, axis=0)
    for _ in range(80):
        made.step(action, np.ones(6, dtype=bool))
    state, real = made.simulator.fleet.behaviours.all[0].state, made.simulator.structure.present[0] > 0
    return float((state[:, STATE.SOLD] > 0)[:, real].mean())


def test_fewer_answer_at_the_low_end_and_more_at_the_high() -> None:
    low, usual, high = answered("owners-low"), answered(""), answered("owners-high")
    assert low < usual - 0.03 and high > usual + 0.03


def test_ranges_ends_are_set_for_who_is_offered_pay_and_for_who_is_commanded() -> None:
    made = varied(load(EVENING, {"behaviours.incentive.classes.ev.automated_share": 0.2}), "owners-low")
    assert made.behaviours["incentive"]["never_share"] == 0.5 and made.behaviours["incentive"]["notice_min"] == 30
    assert made.offers.classes["ev"] == {"automated_share": 0.2, "hassle_yen_kwh": 5.0, "span_yen_kwh": 20.0}
    assert made.title.endswith("[owners-low]") and made.hash() != load(EVENING).hash()
    commanded = varied(load("tertiary-1", {"behaviours.dispatch": {"opting_out": "owner"}}), "owners-high")
    assert commanded.dispatch.override_share == 0.1 and commanded.offers is None


def test_what_cannot_be_varied_is_refused_in_one_line() -> None:
    for scenario, name, named, fault in (
        ("tertiary-1", "owners-low", (), "variation owners-low: scenario 'tertiary-1' has control 'dispatch'.*allowed"),
        (EVENING, "owner-low", (), "unknown name 'owner-low'; did you mean 'owners-low'"),
        (EVENING, "owners-low", ["behaviours.incentive.never_share"], "--set .*never_share: both set the same"),
        (EVENING, "owners-high", ["behaviours.incentive"], "--set behaviours.incentive: both set the same"),
    ):
        with pytest.raises(InputError, match=fault) as error:
            varied(load(scenario), name, named)
        assert "\n" not in str(error.value)
    assert varied(load(EVENING), "owners-low", ["fleet.n_device"])

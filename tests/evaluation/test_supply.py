"""The supply curve: more pay answers more, against the same worlds without offers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from worlds import small

from der_gym.core.errors import InputError
from der_gym.evaluation.supply import supply
from der_gym.scenario.load import load

EVENING = load("incentive-evening", small("incentive-evening"))


def test_more_pay_answers_more_and_the_worlds_are_put_back() -> None:
    made = supply(EVENING, (5.0, 30.0, 90.0), n_seed=2, every_h=3)
    assert made.hours == (13, 16, 19)
    battery = made.classes.index("battery")
    assert (np.diff(made.kw[:, battery], axis=1) > 0).all() and made.kw[0, battery, 0] < 1.0 < made.kw[0, battery, 2]
    assert (np.diff(made.opted_in, axis=2) >= 0).all() and made.opted_in.max() < 1.0
    alone = supply(EVENING, (90.0,), n_seed=2, every_h=3)
    np.testing.assert_array_equal(alone.kw[:, :, 0], made.kw[:, :, 2])  # what was tried before leaves no trace


def test_the_csv_holds_every_point() -> None:
    made = supply(EVENING, (40.0,), n_seed=1, every_h=12)
    rows = list(csv.DictReader(io.StringIO(made.csv())))
    assert len(rows) == len(made.hours) * len(made.classes)
    assert float(rows[-1]["kw"]) == pytest.approx(made.kw[-1, -1, -1], abs=1e-3)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="supply: control is 'dispatch'; allowed: a scenario with control incentive"):
        supply(load("tertiary-1-tiny"))
    with pytest.raises(InputError, match="action head offer: 500 yen/kWh; allowed: 0 to 100"):
        supply(EVENING, (500.0,), n_seed=1)
    with pytest.raises(InputError, match="supply: minutes 5; allowed: 16 to 240"):
        supply(EVENING, minutes=5)

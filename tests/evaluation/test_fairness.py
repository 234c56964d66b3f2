"""Fair pay: the sums of the rules, the Shapley value by hand, and the paradox of those who trim."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from worlds import MONDAY, small

from der_gym.core.errors import InputError
from der_gym.evaluation import fairness as f
from der_gym.scenario.load import load

Array = np.ndarray
BATTERIES = load("tertiary-1-battery", small("tertiary-1-battery", {"fleet.n_device": 300}))

WHOLE = load("tertiary-1-battery", {"signals.start": MONDAY, "plan.method": "like_days", "pool.n_fleet": 1})


def worth(rated: Array, right: Array, members: tuple[int, ...], target: float, whole: float) -> float:
    """Return what a coalition is worth, yen, by the words of the module."""
    if not members:
        return -f.ERROR_YEN * target
    kw = rated[list(members)]
    given = min(1.5 * target * kw.sum() / whole, target)
    good = given * (kw @ right[list(members)]) / kw.sum()
    return f.ENERGY_YEN * good - f.ERROR_YEN * (target - good)


def test_the_sampled_value_is_that_of_all_permutations() -> None:
    rated, right, target = np.array([3.0, 1.0, 2.0, 4.0]), np.array([0.9, 0.5, 0.8, 0.99]), 12.0
    exact = np.zeros(4)
    for order in permutations(range(4)):
        for k, i in enumerate(order):
            exact[i] += worth(rated, right, order[: k + 1], target, 10.0) - worth(rated, right, order[:k], target, 10.0)
    exact /= 24
    found = f.shapley(rated, right, target, 10.0, 20_000)
    np.testing.assert_allclose(found, exact, rtol=0.02)
    assert found.sum() == pytest.approx(exact.sum(), rel=1e-9)  # every order adds up to the whole


def test_gini_is_zero_where_all_are_equal_and_grows_with_difference() -> None:
    assert f.gini(np.ones(5), np.arange(1.0, 6.0)) == pytest.approx(0.0)
    assert f.gini(np.array([0.0, 1.0]), np.ones(2)) == pytest.approx(0.5)
    assert f.gini(np.array([0.0, 1.0]), np.ones(2)) > f.gini(np.array([0.5, 1.0]), np.ones(2))


def test_who_trims_earns_less_by_response_and_accuracy_mends_it() -> None:
    found = f.fairness(WHOLE, "poor_first", n_permutation=50)
    for rule in f.RULES:
        assert found.pay[rule].sum() == pytest.approx(1.0) and (found.pay[rule] >= 0).all()
    slow, fast = found.halves["response"]
    assert fast < 0.8 < slow
    deserved = found.halves["contribution"][1]
    assert fast < deserved - 0.3  # they contribute more than they are paid for
    assert abs(found.halves["accuracy"][1] - deserved) < 0.5 * abs(fast - deserved)
    assert found.gini("marginal") == pytest.approx(0.0, abs=1e-9) and found.jain("marginal") == pytest.approx(1.0)
    assert found.gini("accuracy") < found.gini("response")


def test_the_csv_holds_both_orders() -> None:
    both = [f.fairness(BATTERIES, order, n_permutation=5) for order in f.ORDERS]
    lines = f.as_csv(both).splitlines()
    assert len(lines) == 1 + sum(len(each.group) for each in both) and lines[0].startswith(
        "order,class,accuracy_decile"
    )


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="fairness: order 'best'; allowed: poor_first, good_first"):
        f.fairness(BATTERIES, "best")
    with pytest.raises(InputError, match="fairness: control is 'incentive'; allowed: a scenario with commands"):
        f.fairness(load("incentive-evening"))

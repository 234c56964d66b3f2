"""Fair pay: what owners of devices contribute, and what four rules of payment give them.

One episode is played in two orders: the leaves with the slowest paths carry the base and the fast ones trim, or the
other way round. Each device's response is the difference of its power to the same world without commands; its
*accuracy* is 1 - mean |response - asked| over its rated power while it is asked.

**Contribution** is the Shapley value over groups (class and accuracy decile), sampled over permutations. A coalition is
worth what it could earn if the target were spread over its members by rated power and each answered with its accuracy:
energy up to its capability, less a penalty on what is missing or wrong. So it does not depend on who was asked.

Known error: accuracy is that of this episode, at the requests that a device happened to get.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers import public_info
from der_gym.core.errors import InputError
from der_gym.engine.tables import FLEET
from der_gym.env.worlds import Worlds
from der_gym.scenario.model import Scenario

Array = np.ndarray
RULES = ("response", "availability", "accuracy", "marginal")
ORDERS = ("poor_first", "good_first")
ENERGY_YEN, ERROR_YEN = 40.0, 60.0  # of a delivered kWh; of a kWh that is missing or wrong [A]
BASE_S = 900.0  # time constant of the base
N_DECILE = 10


@dataclass(frozen=True)
class Homes:
    """What each device did in an episode: arrays (n_device,).

    Attributes
    ----------
    kind : int64
        Number of its class in ``classes``.
    rated_kw, response_kwh, asked_kwh, accuracy : float64
        ``accuracy`` 0..1; NaN where nothing was asked.
    fast : bool
        Whether it stands behind one of the faster half of the leaves: a good performer.
    target_kwh : float
        Of the whole group.
    classes : tuple of str
    """

    kind: Array
    rated_kw: Array
    response_kwh: Array
    asked_kwh: Array
    accuracy: Array
    fast: Array
    target_kwh: float
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Fairness:
    """Shares of contribution and pay by group, for one order.

    Attributes
    ----------
    order : str
    group : tuple of (str, int)
        Class and accuracy decile, 0 the least accurate.
    rated_kw, contribution : float64 (n_group,)
        The shares of ``contribution`` add up to 1.
    pay : mapping
        Rule -> shares of the pot, float64 (n_group,).
    halves : mapping
        Rule, and ``contribution`` -> what a rated kW of the slow and of the fast devices gets, over the mean of all.
    """

    order: str
    group: tuple[tuple[str, int], ...]
    rated_kw: Array
    contribution: Array
    pay: Mapping[str, Array]
    halves: Mapping[str, tuple[float, float]]

    def ratio(self, rule: str) -> Array:
        """Return pay over contribution of each group: 1 is fair; NaN where nothing is contributed."""
        out: Array = np.divide(self.pay[rule], self.contribution, out=np.full(len(self.group), np.nan),
                               where=self.contribution > 1e-9)  # fmt: skip
        return out

    def gini(self, rule: str) -> float:
        """Return the Gini coefficient of pay over contribution, weighted by rated power: 0 is fair."""
        known = ~np.isnan(self.ratio(rule))
        return gini(self.ratio(rule)[known], self.rated_kw[known])

    def jain(self, rule: str) -> float:
        """Return Jain's index of pay over contribution, 1/n..1: 1 is fair."""
        x = self.ratio(rule)[~np.isnan(self.ratio(rule))]
        return float(x.sum() ** 2 / max(len(x) * (x**2).sum(), 1e-12))


def gini(values: Array, weight: Array) -> float:
    """Return the Gini coefficient: 0 where all are equal.

    Parameters
    ----------
    values : float64 (n,)
        >= 0.
    weight : float64 (n,)
        How many each value stands for.
    """
    share = weight / weight.sum()
    spread = float(share @ np.abs(values[:, None] - values[None, :]) @ share)
    return spread / max(2.0 * float(share @ values), 1e-12)


def fairness(scenario: Scenario, order: str = "poor_first", seed: int = 1, n_permutation: int = 200) -> Fairness:
    """Play an episode and weigh contribution against pay.

    Parameters
    ----------
    scenario : Scenario
        With commands and a target, such as tertiary-1.
    order : str
        ``"poor_first"`` or ``"good_first"``.
    seed, n_permutation : int
        Of the world; permutations that the Shapley value is sampled over, >= 1.

    Raises
    ------
    InputError
        For another order, or a scenario without commands.
    """
    if order not in ORDERS:
        raise InputError(f"fairness: order {order!r}; allowed: {', '.join(ORDERS)}")
    if scenario.control == "incentive":
        raise InputError("fairness: control is 'incentive'; allowed: a scenario with commands")
    homes = play(scenario, order, seed)
    return weigh(homes, order, n_permutation)


def weigh(homes: Homes, order: str, n_permutation: int) -> Fairness:
    """Return contribution and pay of the groups of some homes that were asked for something.

    Parameters
    ----------
    homes : Homes
    order : str
        In which leaves were asked.
    n_permutation : int
        Of the sampled Shapley value.
    """
    asked = (homes.asked_kwh > 0) & ~np.isnan(homes.accuracy)
    number = np.full(len(homes.kind), -1)
    names: list[tuple[str, int]] = []
    for k, name in enumerate(homes.classes):
        own = np.flatnonzero(asked & (homes.kind == k))
        ranks = np.argsort(np.argsort(homes.accuracy[own], kind="stable"), kind="stable")
        decile = ranks * N_DECILE // max(len(own), 1)
        for d in np.unique(decile):
            number[own[decile == d]] = len(names)
            names.append((name, int(d)))
    member = number[None, :] == np.arange(len(names))[:, None]
    rated, response = member @ homes.rated_kw, member @ np.maximum(homes.response_kwh, 0.0)
    right = (member @ np.where(asked, homes.rated_kw * np.nan_to_num(homes.accuracy), 0.0)) / np.maximum(rated, 1e-9)
    value = shapley(rated, right, homes.target_kwh, float(rated.sum()), n_permutation)
    contribution = np.maximum(value, 0.0) / max(np.maximum(value, 0.0).sum(), 1e-12)
    raw = {"response": response, "availability": rated, "accuracy": rated * right, "marginal": contribution}
    pay = {rule: each / max(each.sum(), 1e-12) for rule, each in raw.items()}
    halves = {
        rule: _halves(homes, asked, each) for rule, each in _by_device(homes, asked, number, contribution).items()
    }
    return Fairness(order, tuple(names), rated, contribution, pay, halves)


def _by_device(homes: Homes, asked: Array, number: Array, contribution: Array) -> dict[str, Array]:
    """Return what each device gets by each rule, each in a unit of its own; a group's contribution goes by right kW."""
    right = np.where(asked, homes.rated_kw * np.nan_to_num(homes.accuracy), 0.0)
    of_group = np.bincount(number[asked], weights=right[asked], minlength=len(contribution))
    worth = np.where(asked, contribution[number] * right / np.maximum(of_group[number], 1e-9), 0.0)
    response = np.where(asked, np.maximum(homes.response_kwh, 0.0), 0.0)
    rated = np.where(asked, homes.rated_kw, 0.0)
    rules = {"response": response, "availability": rated, "accuracy": right, "marginal": worth}
    return {**rules, "contribution": worth}


def _halves(homes: Homes, asked: Array, each: Array) -> tuple[float, float]:
    """Return what a rated kW of the slow and of the fast devices gets, over the mean."""
    mean = each.sum() / max(homes.rated_kw[asked].sum(), 1e-9)
    slow, fast = asked & ~homes.fast, asked & homes.fast
    both = [each[mask].sum() / max(homes.rated_kw[mask].sum(), 1e-9) / max(mean, 1e-12) for mask in (slow, fast)]
    return float(both[0]), float(both[1])


def shapley(rated_kw: Array, accuracy: Array, target_kwh: float, whole_kw: float, n: int, seed: int = 0) -> Array:
    """Return the sampled Shapley value of each group, yen, (n_group,); see the module.

    The capability of a coalition is its part of the rated power times the energy that all together could give, taken
    as 1.5 times the target.

    Parameters
    ----------
    rated_kw, accuracy : float64 (n_group,)
        Of each group.
    target_kwh, whole_kw : float
        Energy asked for; rated power of all.
    n : int
        Permutations.
    seed : int
        Of the permutations.
    """
    value, random = np.zeros(len(rated_kw)), np.random.default_rng(seed)
    for _ in range(n):
        order = random.permutation(len(rated_kw))
        size, good = np.cumsum(rated_kw[order]), np.cumsum((rated_kw * accuracy)[order])
        given = np.minimum(1.5 * target_kwh * size / whole_kw, target_kwh)
        right = given * good / np.maximum(size, 1e-9)
        worth = ENERGY_YEN * right - ERROR_YEN * ((target_kwh - given) + (given - right))
        value[order] += np.diff(worth, prepend=-ERROR_YEN * target_kwh)
    return value / n


def play(scenario: Scenario, order: str, seed: int) -> Homes:
    """Play an episode in an order beside its twin; return what each real device did.

    Parameters
    ----------
    scenario : Scenario
    order : str
        Leaves that are asked first.
    seed : int
        Of the episode.
    """
    pair = [Worlds(scenario, None, 1) for _ in range(2)]
    every = np.ones(1, dtype=bool)
    for worlds in pair:
        worlds.reset(every, {0: seeding.np_random(seed)[0]}, {})
    led, twin = pair
    st, layout = led.simulator.structure, led.layout
    real = st.present[0] > 0
    leaf_of = np.zeros(st.n_place, dtype=np.int64)
    kind = np.zeros(st.n_place, dtype=np.int64)
    for c in range(st.n_cell):
        leaf_of[st.cell_lo[c] : st.cell_hi[c]] = st.cell_leaf[c]
        kind[st.cell_lo[c] : st.cell_hi[c]] = st.cell_class[c]
    slow = np.argsort(-public_info(led).way_p95_s, kind="stable")
    base_kw, hours = 0.0, scenario.decision_s / 3600.0
    (kwh, wanted, error, called_h), target_kwh = np.zeros((4, st.n_place)), 0.0
    for _ in range(scenario.n_step):
        obs = led.observe()
        target = float(layout.decode(obs, "target_kw")[0])
        base_kw += (target - base_kw) * (1.0 - np.exp(-scenario.decision_s / BASE_S))
        up = layout.decode(obs, "leaf.up_kw")[0]
        a = _fractions(up, slow if order == "poor_first" else slow[::-1], base_kw, target)
        led.step(layout.encode({"dispatch": a})[None], every)
        twin.step(layout.encode({})[None], every)
        sent = layout.decode(led.observe(), "leaf.sent_a")[0]
        rated = led.simulator.fleet.fleet[0, FLEET.RATED_KW].astype(np.float64)
        moved = (twin.simulator.fleet.fleet[0, FLEET.POWER_KW] - led.simulator.fleet.fleet[0, FLEET.POWER_KW]) * hours
        due = np.maximum(sent[leaf_of], 0.0) * rated * hours
        kwh += moved
        wanted += due
        called_h += (due > 0) * hours
        error += np.abs(moved - due) * (due > 0)
        target_kwh += target * hours
    rated = led.simulator.fleet.fleet[0, FLEET.RATED_KW].astype(np.float64)
    wrong = np.divide(error, rated * called_h, out=np.full(st.n_place, np.nan), where=rated * called_h > 0)
    accuracy = np.clip(1.0 - wrong, 0.0, 1.0)
    fast = np.isin(leaf_of, slow[max(len(slow) // 2, 1) :])
    fleet = (kind[real], rated[real], kwh[real], wanted[real], accuracy[real], fast[real])
    return Homes(*fleet, target_kwh, tuple(st.class_names))


def _fractions(up: Array, order: Array, base_kw: float, target_kw: float) -> Array:
    """Return each leaf's fraction: the first half of the order carries the base, the others the rest of the target."""
    a, half = np.zeros(len(up)), max(len(order) // 2, 1)
    first, then = order[:half], order[half:]
    a[first] = np.clip(base_kw / max(up[first].sum(), 1e-6), 0.0, 1.0)
    left = target_kw - float((a[first] * up[first]).sum())
    if len(then):
        a[then] = np.clip(left / max(up[then].sum(), 1e-6), 0.0, 1.0)
    return a


def as_csv(found: list[Fairness]) -> str:
    """Return one line for each order and group: contribution and pay by rule, shares."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["order", "class", "accuracy_decile", "rated_kw", "contribution", *RULES])
    for each in found:
        for g, (name, decile) in enumerate(each.group):
            shares = [f"{each.pay[rule][g]:.5f}" for rule in RULES]
            writer.writerow(
                [each.order, name, decile, f"{each.rated_kw[g]:.2f}", f"{each.contribution[g]:.5f}", *shares]
            )
    return out.getvalue()

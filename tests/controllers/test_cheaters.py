"""No trick that a learner finds pays more than the honest rule that it is played on, under every reward variant.

A trick may not gain more than a standard error of the paired difference over the worlds. Whether a failure locks bids
depends on the month before, which is drawn. So ``ledger`` is also read with the mean over all such months: less luck.
"""

from __future__ import annotations

import numpy as np
import pytest
from cheaters import CHEATERS, PLANNING

from der_gym.controllers import bound, make
from der_gym.controllers.base import Rule
from der_gym.env.worlds import Worlds
from der_gym.services.base import OUTCOME

N_WORLD = 64
HONEST = "merit_order"
MONTHS = "ledger, the mean over months before"
VARIANTS = ("ledger", MONTHS, "shared", "relative")  # relative: shared less idle's, the same for all on the same worlds
YEAR = {"split": "validation", "pool.n_fleet": 1}  # days of a whole year: what pays on one day alone is no trick
Scores = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    return Worlds("tertiary-1", YEAR, N_WORLD)


@pytest.fixture(scope="module")
def planning() -> Worlds:
    """Return worlds whose plan may be corrected."""
    return Worlds("tertiary-1", {**YEAR, "action.heads": ["dispatch", "plan"]}, N_WORLD)


def scores(worlds: Worlds, rule: Rule) -> Scores:
    """Return each world's reward over an episode under each variant, (N_WORLD,)."""
    everyone = np.ones(N_WORLD, dtype=bool)
    worlds.reset(everyone, {w: np.random.default_rng(500 + w) for w in range(N_WORLD)}, None)
    played, memory, first = bound(rule, worlds), None, everyone.copy()
    while True:
        action, memory = played.predict(worlds.observe(), memory, first)
        first = np.zeros(N_WORLD, dtype=bool)
        if worlds.step(action, everyone).all():
            found = worlds.reward.so_far()
            return {**found, MONTHS: found["ledger"] + less_luck(worlds), "relative": found["shared"]}


def less_luck(worlds: Worlds) -> np.ndarray:
    """Return what the mean lock-out over all months before adds to the drawn one, in the reward's unit, (N_WORLD,)."""
    market = worlds.simulator.market
    service, drawn = market.primary.service, market.ledger.yen[:, market.ledger.number("tertiary_1_lockout")]
    c, failed = service.config, (service.outcome[:, :, OUTCOME.PASSED] == 0.0).sum(axis=1)
    before = np.arange(c.failed_before_max + 1)
    locked = (failed[:, None] + before >= c.lockout_failures).mean(axis=1)
    margin_yen = service.award_kw.sum(axis=1) * (c.bid_price_yen_kw * (1.0 - c.owners_share) - c.fee_yen_kw)
    gained: np.ndarray = (-locked * c.lockout_days * margin_yen - drawn) / worlds.reward.unit[:, 0]
    return gained


@pytest.fixture(scope="module")
def honest(worlds: Worlds) -> Scores:
    return scores(worlds, make(HONEST))


def below(cheated: Scores, honest: Scores, name: str) -> None:
    gains = {variant: cheated[variant] - honest[variant] for variant in VARIANTS}
    errors = {variant: gain.std() / np.sqrt(N_WORLD) for variant, gain in gains.items()}
    said = {variant: f"{gains[variant].mean():.4f} +- {errors[variant]:.4f}" for variant in VARIANTS}
    assert all(gains[variant].mean() < errors[variant] for variant in VARIANTS), f"{name} gains a world {said}"


@pytest.mark.parametrize("cheater", CHEATERS, ids=lambda c: c.name)
def test_cheating_does_not_pay(cheater: type[Rule], worlds: Worlds, honest: Scores) -> None:
    below(scores(worlds, cheater()), honest, cheater.name)


@pytest.mark.parametrize("cheater", PLANNING, ids=lambda c: c.name)
def test_moving_the_plan_does_not_pay(cheater: type[Rule], planning: Worlds, honest: Scores) -> None:
    below(scores(planning, cheater()), honest, cheater.name)


def test_the_rule_plays_the_same_beside_the_head_of_the_plan(planning: Worlds, honest: Scores) -> None:
    beside = scores(planning, make(HONEST))
    assert all((beside[variant] == honest[variant]).all() for variant in VARIANTS)

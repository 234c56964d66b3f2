"""Each trick that a learner finds scores below the honest rule that it is played on: the guards take it back."""

import numpy as np
import pytest
from cheaters import CHEATERS

from der_gym.controllers import make
from der_gym.controllers.base import Rule, public_info
from der_gym.env.worlds import Worlds

N_WORLD = 64


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    """Return worlds on days of a whole year: what pays on one day alone is no trick."""
    return Worlds("tertiary-1", {"split": "validation", "pool.n_fleet": 1}, N_WORLD)


def score(worlds: Worlds, rule: Rule) -> np.ndarray:
    """Return each world's reward over an episode, (N_WORLD,)."""
    everyone = np.ones(N_WORLD, dtype=bool)
    worlds.reset(everyone, {w: np.random.default_rng(500 + w) for w in range(N_WORLD)}, None)
    rule.bind(worlds.layout, public_info(worlds))
    total, memory, first = np.zeros(N_WORLD), None, everyone.copy()
    while True:
        action, memory = rule.predict(worlds.observe(), memory, first)
        first = np.zeros(N_WORLD, dtype=bool)
        ended = worlds.step(action, everyone)
        total += worlds.reward.reward
        if ended.all():
            return total


@pytest.fixture(scope="module")
def honest(worlds: Worlds) -> np.ndarray:
    return score(worlds, make("merit_order"))


@pytest.mark.parametrize("cheater", CHEATERS, ids=lambda c: c.name)
def test_cheating_does_not_pay(cheater: type[Rule], worlds: Worlds, honest: np.ndarray) -> None:
    cheated = score(worlds, cheater())
    assert cheated.mean() < honest.mean(), f"{cheater.name} gains {(cheated - honest).mean():.3f} a world"

"""Each trick that a learner finds scores below the honest rule that it is played on: the guards take it back."""

import numpy as np
import pytest

from der_gym.controllers import make
from der_gym.controllers.base import Rule, facts
from der_gym.envs.core import Worlds
from tests.cheaters import CHEATERS

N_WORLD = 16
# Energy is paid up to what was asked for, so aiming a little below it under noise is sound, not a trick: it may break
# even, within the noise of 32 worlds.
SLACK = {"cheat_under_deliver": 0.02}
DATES = ("2026-08-04", "2027-01-19")  # a summer and a winter day, each with a pool of its own fortnight


@pytest.fixture(scope="module")
def stages() -> list[Worlds]:
    return [Worlds("tertiary-1", {"signals.start": date, "pool.n_fleet": 1}, N_WORLD) for date in DATES]


def score(worlds: Worlds, rule: Rule) -> np.ndarray:
    """Return each world's reward over an episode, (N_WORLD,)."""
    everyone = np.ones(N_WORLD, dtype=bool)
    worlds.reset(everyone, {w: np.random.default_rng(500 + w) for w in range(N_WORLD)}, None)
    rule.bind(worlds.layout, facts(worlds))
    obs = np.zeros((N_WORLD, worlds.layout.size), dtype=np.float32)
    total, memory, first = np.zeros(N_WORLD), None, everyone.copy()
    while True:
        action, memory = rule.predict(worlds.observe(obs, everyone), memory, first)
        first = np.zeros(N_WORLD, dtype=bool)
        ended = worlds.step(action, everyone)
        total += worlds.reward.reward
        if ended.all():
            return total


@pytest.fixture(scope="module")
def honest(stages: list[Worlds]) -> np.ndarray:
    return np.concatenate([score(w, make("merit_order")) for w in stages])


@pytest.mark.parametrize("cheater", CHEATERS, ids=lambda c: c.name)
def test_cheating_does_not_pay(cheater: type[Rule], stages: list[Worlds], honest: np.ndarray) -> None:
    cheated = np.concatenate([score(w, cheater()) for w in stages])
    allowed = SLACK.get(cheater.name, 0.0)
    assert cheated.mean() < honest.mean() + allowed, f"{cheater.name} gains {(cheated - honest).mean():.3f} a world"

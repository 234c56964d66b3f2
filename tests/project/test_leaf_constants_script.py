"""``scripts/leaf_constants.py``: its plays are the evaluation's, and its search goes where the reward rises."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from script_files import load_script

from der_gym.controllers.store import make
from der_gym.evaluation.play import EpisodeRunner
from der_gym.scenario.load import load


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("leaf_constants")


def test_a_leaf_is_left_out_and_may_come_back(script: ModuleType) -> None:
    found = script.candidates(np.array([0.0, 2.0])).tolist()
    assert found[0] == [0.0, 2.0] and found[1:5] == [[0.0, 2.0 * each] for each in script.ALL]
    assert found[5:] == [[0.0, 2.0], [0.7, 2.0], [1.3, 2.0], [0.0, 0.0], [0.0, 1.4], [0.0, 2.6]]


def test_constants_of_one_are_the_rule_and_of_zero_no_offers(script: ModuleType) -> None:
    rule = make("flat_offer", {})
    times = np.stack([np.ones(1), np.zeros(1)])
    got = script.play("incentive-0", rule, times, [1, 2], "train", 1)
    stage = EpisodeRunner(load("incentive-0", {"split": "train"}), 1)
    played = [stage.play(make(name, {}), [1, 2], run_on=False).reward for name in ("flat_offer", "idle")]
    np.testing.assert_allclose(got, np.stack(played), rtol=1e-6)


def test_it_takes_the_change_that_pays(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    best = np.array([0.0, 1.4])

    def reward(scenario: str, rule: object, times: np.ndarray, seeds: range, split: str, workers: int) -> np.ndarray:
        near: np.ndarray = -abs(times - best).sum(axis=1, keepdims=True) + 1e-6 * np.arange(len(seeds))
        return near

    monkeypatch.setattr(script, "play", reward)
    assert abs(script.searched("any", None, 2, 6, 8, 1) - best).max() < 0.1

"""A small part of ``scripts/causes.py``, and a look at whether it finds a cause that does not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import ModuleType

import pytest
from script_files import load_script

from der_gym.evaluation.causes import NO_CAUSE, Failure
from der_gym.evaluation.scoreboard import evaluate


@pytest.fixture(scope="module")
def causes() -> ModuleType:
    return load_script("causes")


def test_the_causes_of_eight_seeds_hold(causes: ModuleType) -> None:
    board = evaluate("tertiary-1-tiny", ["open_loop", "random"], 8)
    found = [one for score in board.scores.values() for one in score.failures]
    assert len(found) > 8
    assert Counter(fault for one in found for fault in causes.faults(one)) == {}


def test_each_fault_is_found(causes: ModuleType) -> None:
    parts = {"delay": -8.0, "control": -1.0, "meter": -1.0}
    sound = Failure(1, 0, "2026-08-03 14:00", -10.0, 40.0, "delay", "", parts)
    assert causes.faults(sound) == []
    assert causes.faults(replace(sound, worst_kw=-9.0)) == ["parts do not add up"]
    assert causes.faults(replace(sound, cause="control")) == ["less than a fifth"]
    assert causes.faults(replace(sound, parts={**parts, "delay": -13.0, "control": 4.0}, cause="control")) == [
        "opposite sign"
    ]
    left = {"delay": -5.0, "control": 0.0, "meter": -5.0}
    assert causes.faults(replace(sound, parts=left)) == ["much is left to the meter"]
    assert causes.faults(replace(sound, cause="control", parts={**parts, "control": 0.0, "meter": -2.0})) == [
        "opposite sign",
        "less than a fifth",
    ]
    assert causes.faults(replace(sound, cause=NO_CAUSE)) == []

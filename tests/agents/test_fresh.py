"""What a policy may correct: one rule."""

from __future__ import annotations

import pytest

pytest.importorskip("stable_baselines3")

from agents.fresh import rule_of
from der_gym.core.errors import InputError


def test_a_policy_corrects_one_rule_and_no_policy(project_root: object) -> None:
    assert rule_of("open_loop").name == "open_loop"
    zoo = f"{project_root}/agents/zoo"
    with pytest.raises(InputError, match="--rule all: allowed: one rule"):
        rule_of("all")
    with pytest.raises(InputError, match=r"--rule policy:.*: allowed: one rule"):
        rule_of(f"policy:{zoo}/tertiary-1")

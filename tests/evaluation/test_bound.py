"""The clairvoyant bound never lies below a controller that it knows, and it finds what they leave open."""

from __future__ import annotations

import numpy as np
from worlds import small

from der_gym.evaluation.scoreboard import evaluate


def test_the_oracle_is_above_every_controller_on_every_seed() -> None:
    board = evaluate("tertiary-1", ["open_loop", "closed_loop"], 3, overrides=small(), bound=8, chunk=2)
    rewards = {name: score.columns["reward"] for name, score in board.scores.items()}
    known = np.max([rewards[name] for name in ("idle", "open_loop", "closed_loop")], axis=0)
    assert (rewards["oracle"] >= known - 1e-9).all()
    assert rewards["oracle"].sum() > known.sum() + 1e-6  # eight replays find something
    rows = {row["controller"]: row for row in board.summary()}
    assert rows["oracle"]["headroom"] == 0.0 and rows["oracle"]["bound_share"] == 1.0
    assert rows["idle"]["bound_share"] == 0.0 and rows["idle"]["headroom"] > 0.0


def test_without_a_bound_there_is_no_headroom() -> None:
    board = evaluate("tertiary-1", ["open_loop"], 2, overrides=small())
    assert "oracle" not in board.scores and np.isnan(board.summary()[0]["headroom"])


def test_the_reward_is_told_in_parts_and_against_idle() -> None:
    board = evaluate("tertiary-1", ["open_loop"], 2, overrides=small())
    own, idle = (board.scores[name].columns for name in ("open_loop", "idle"))
    parts = own["reward_money"] + own["reward_accuracy"] + own["reward_comfort"]
    assert np.allclose(parts, own["reward"], atol=1e-9)
    assert np.allclose(own["reward_relative"], own["reward"] - idle["reward"]) and (idle["reward_relative"] == 0).all()

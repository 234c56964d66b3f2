"""Oracle and bound: no controller lies above them, and the oracle finds what controllers leave open."""

from __future__ import annotations

import numpy as np
from worlds import small

from der_gym.evaluation.scoreboard import evaluate


def test_the_oracle_is_above_every_controller_and_below_the_bound_on_every_seed() -> None:
    board = evaluate("tertiary-1", ["open_loop", "closed_loop"], 3, overrides=small(), bound=12, chunk=2)
    rewards = {name: score.columns["reward"] for name, score in board.scores.items()}
    known = np.max([rewards[name] for name in ("idle", "open_loop", "closed_loop")], axis=0)
    assert (rewards["oracle"] >= known - 1e-9).all()
    assert rewards["oracle"].sum() > known.sum() + 0.02  # twelve replays find something
    most = board.scores["oracle"].columns["bound"]
    assert (most >= rewards["oracle"]).all() and (most < rewards["oracle"] + 5.0).all()
    rows = {row["controller"]: row for row in board.summary()}
    assert rows["oracle"]["headroom"] == 0.0 and rows["oracle"]["oracle_share"] == 1.0
    assert rows["idle"]["oracle_share"] == 0.0 and rows["idle"]["headroom"] > 0.0
    assert 0.0 < rows["oracle"]["bound_share"] <= 1.0 and rows["idle"]["bound"] == most.mean()


def test_without_a_bound_there_is_no_headroom() -> None:
    board = evaluate("tertiary-1", ["open_loop"], 2, overrides=small())
    row = board.summary()[0]
    assert "oracle" not in board.scores and np.isnan([row["headroom"], row["bound"], row["bound_share"]]).all()


def test_the_reward_is_told_in_parts_and_against_idle() -> None:
    board = evaluate("tertiary-1", ["open_loop"], 2, overrides=small())
    own, idle = (board.scores[name].columns for name in ("open_loop", "idle"))
    parts = own["reward_money"] + own["reward_accuracy"] + own["reward_comfort"]
    assert np.allclose(parts, own["reward"], atol=1e-9)
    assert np.allclose(own["reward_relative"], own["reward"] - idle["reward"]) and (idle["reward_relative"] == 0).all()

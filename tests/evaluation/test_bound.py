"""Oracle and bound: no controller lies above them, and the oracle finds what controllers leave open."""

from __future__ import annotations

import numpy as np
from worlds import small

from der_gym.env.worlds import Worlds
from der_gym.evaluation.schedule_changes import SPREAD, Fleet, _priced, changed
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


def test_the_oracle_searches_offers_too() -> None:
    """Without a head of commands the search moves prices, and a rest offers nothing."""
    asked = {"services.capacity-call.asked_share": [1.0, 1.0], "services.capacity-call.contract_kw": 20.0}
    own = small("incentive-evening", asked)
    board = evaluate("incentive-evening", ["threshold_learner"], 2, overrides=own, bound=24)
    rewards = {name: score.columns["reward"] for name, score in board.scores.items()}
    known = np.maximum(rewards["idle"], rewards["threshold_learner"])
    assert (rewards["oracle"] >= known - 1e-9).all() and rewards["oracle"].sum() > known.sum() + 0.002


def test_a_change_of_a_half_hour_lets_offers_rest_at_nothing_and_raises_them_where_too_little_came() -> None:
    worlds = Worlds("incentive-evening", small("incentive-evening"), 1)
    fleet, draw = Fleet.of(worlds), np.random.default_rng(0)
    assert (fleet.rest == -1.0).all() and not fleet.fine.any() and (fleet.spread > SPREAD).all()
    short = np.array([_priced(fleet, np.full(30, -5.0), draw) for _ in range(50)])
    assert (short >= 0.0).all() and short.max() > 0.1
    n_step = worlds.scenario.n_step
    given = np.full((n_step, fleet.rest.size), 0.2, np.float32)
    tried = np.stack([changed(fleet, 0, given, np.full(n_step, -5.0), draw) for _ in range(20)])
    assert np.isfinite(tried).all() and (tried == -1.0).any() and (tried > 0.2).any()

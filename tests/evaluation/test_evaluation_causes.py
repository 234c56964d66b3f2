"""Each rule on a made-up block: one fault at a time, and the right name for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from der_gym.evaluation.causes import CAUSES, Block, Failure, cause, clock

N, LEAF = 30, 2
TARGET = 50.0


def good() -> Block:
    """Return a block of 100 kW award that passes: two leaves at half, a response that is exactly the target."""
    flat = np.full(N, TARGET)
    return Block(
        band_kw=10.0,
        low_kw=np.full(6, TARGET),
        high_kw=np.full(6, TARGET),
        target_kw=flat,
        response_kw=flat.copy(),
        plan_kw=np.zeros(N),
        twin_kw=np.zeros(N),
        later_kw=np.full(N + 15, TARGET),
        power_kw=-flat,
        action=np.full((N, LEAF), 0.5),
        extra_kw=np.full((N, LEAF), -TARGET / LEAF),
        up_kw=np.full((N, LEAF), 100.0),
        lost_kw=np.zeros((N, LEAF)),
    )


def answer(response_kw: float | np.ndarray, **changes: object) -> Block:
    """Return the good block with another response (and power, unless told otherwise)."""
    response = np.broadcast_to(np.asarray(response_kw, dtype=float), (N,)).copy()
    late = np.append(response, np.full(15, response[-1]))
    told = {"response_kw": response, "power_kw": -response, "later_kw": late} | changes
    return replace(good(), **told)  # type: ignore[arg-type]


def test_the_good_block_has_no_excess() -> None:
    block = good()
    assert block.excess_kw(block.response_kw) == 0.0
    assert block.excess_kw(block.response_kw - 12.0) == pytest.approx(6 * 2.0, abs=1e-3)
    assert block.errors(block.response_kw + 7.0).tolist() == [7.0] * 6


def test_a_lag_is_allowed_between_the_bounds() -> None:
    block = replace(good(), low_kw=np.full(6, 30.0), high_kw=np.full(6, 50.0))
    assert block.errors(np.full(N, 40.0)).tolist() == [0.0] * 6
    assert block.errors(np.full(N, 25.0)).tolist() == [-5.0] * 6
    assert block.errors(np.full(N, 55.0)).tolist() == [5.0] * 6


def test_no_command() -> None:
    assert cause(answer(0.0, action=np.full((N, LEAF), 0.01)))[0] == "no command"


def test_no_command_is_no_excuse_where_nothing_was_asked() -> None:
    still = answer(30.0, target_kw=np.zeros(N), low_kw=np.zeros(6), high_kw=np.zeros(6), action=np.zeros((N, LEAF)))
    assert cause(still)[0] == "control"


def test_plan_error() -> None:
    name, text = cause(answer(30.0, plan_kw=np.full(N, -20.0), power_kw=np.full(N, -50.0)))
    assert name == "plan error"
    assert "-20 kW" in text


def test_rebound_of_leaves_at_rest() -> None:
    action = np.tile([0.5, 0.0], (N, 1))
    extra = np.tile([-75.0, 25.0], (N, 1))
    name, text = cause(answer(25.0, action=action, extra_kw=extra))
    assert name == "rebound"
    assert "25 kW" in text


def test_a_commanded_leaf_does_not_rebound() -> None:
    assert cause(answer(25.0, extra_kw=np.tile([-75.0, 25.0], (N, 1))))[0] == "control"


def test_energy_empty() -> None:
    name, text = cause(answer(30.0, up_kw=np.full((N, LEAF), 15.0)))
    assert name == "energy empty"
    assert "30 kW were available for 50 kW" in text


def test_saturation_needs_every_leaf_that_has_something() -> None:
    full = np.ones((N, LEAF))
    assert cause(answer(30.0, action=full))[0] == "saturation"
    half = np.tile([1.0, 0.5], (N, 1))
    assert cause(answer(30.0, action=half))[0] == "control"
    assert cause(answer(30.0, action=half, up_kw=np.tile([100.0, 0.0], (N, 1))))[0] == "saturation"


def test_unreachable() -> None:
    name, text = cause(answer(30.0, lost_kw=np.full((N, LEAF), 20.0)))
    assert name == "unreachable"
    assert "20 kW" in text


def test_delay_names_the_shift() -> None:
    target = np.repeat([20.0, 20.0, 60.0, 60.0, 60.0, 60.0], 5)
    late = np.concatenate([np.full(10, 20.0), target])  # ten minutes behind
    block = replace(
        good(),
        target_kw=target,
        low_kw=target[::5],
        high_kw=target[::5],
        response_kw=late[:N],
        power_kw=-late[:N],
        later_kw=np.append(late, np.full(5, 60.0)),
    )
    name, text = cause(block)
    assert name == "delay"
    assert "10 minutes" in text


def test_control_tells_which_way() -> None:
    assert cause(answer(80.0)) == ("control", "control: too much was asked for")
    assert cause(answer(20.0)) == ("control", "control: too little was asked for")


def test_a_cause_that_explains_most_of_it_is_named_mainly() -> None:
    name, text = cause(answer(10.0, lost_kw=np.full((N, LEAF), 25.0)))
    assert name == "unreachable"
    assert text.startswith("mainly")
    assert cause(answer(10.0, lost_kw=np.full((N, LEAF), 5.0)))[0] == "control"


def test_a_full_explanation_comes_before_a_partial_one_of_higher_rank() -> None:
    block = answer(30.0, plan_kw=np.full(N, -9.0), power_kw=np.full(N, -39.0), lost_kw=np.full((N, LEAF), 20.0))
    assert cause(block)[0] == "unreachable"


def test_a_failure_is_one_line() -> None:
    line = Failure(7, 3, clock(0), -82.4, 800.0, "delay", "delay: 5 minutes earlier it would have fitted").line
    assert line == "2000-01-01 00:00 block 3: 82 kW short (10% of award): delay: 5 minutes earlier it would have fitted"
    assert "no command" in CAUSES


def test_the_clock_runs_over_midnight() -> None:
    assert clock(86_400 + 23 * 3600 + 1800) == "2000-01-02 23:30"
    assert clock(2 * 86_400) == "2000-01-03 00:00"


def test_a_small_list_s_failure_shows_its_kw() -> None:
    made = Failure(1, 0, "2026-08-03 14:00", -0.045, 0.3, "control", "control: too little was asked for")
    assert made.line == "2026-08-03 14:00 block 0: 0.045 kW short (15% of award): control: too little was asked for"

"""The parts of a made-up block's error, one fault at a time; and of every failed block of real plays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from worlds import small

from der_gym.core.figures import figure
from der_gym.evaluation.causes import CAUSES, LEAST, PARTS, Block, Failure, cause, clock, failures, parts
from der_gym.evaluation.controller_factory import players
from der_gym.evaluation.play import EpisodeRunner
from der_gym.scenario.load import load

N, LEAF = 30, 2
TARGET = 50.0


def leaves(*values: float) -> np.ndarray:
    """Return the same values of each leaf in every minute."""
    return np.tile(np.array(values, dtype=float), (N, 1))


def block(given: float | tuple[float, ...] = TARGET / LEAF, off: float = 0.0, **changes: object) -> Block:
    """Return a block of 100 kW award, a target of 50 kW and two leaves of 50 kW asked for half; ``off``: plan error."""
    given_kw = leaves(*(given if isinstance(given, tuple) else (given,) * LEAF))
    own: dict[str, object] = {
        "band_kw": 10.0,
        "low_kw": np.full(6, TARGET),
        "high_kw": np.full(6, TARGET),
        "target_kw": np.full(N, TARGET),
        "response_kw": given_kw.sum(axis=1) + off,
        "plan_kw": np.full(N, off),
        "twin_kw": np.zeros(N),
        "action": leaves(0.5, 0.5),
        "given_kw": given_kw,
        "up_kw": leaves(50.0, 50.0),
        "down_kw": leaves(40.0, 40.0),
        "lost_kw": leaves(0.0, 0.0),
    } | changes
    own = {"sent": own["action"]} | own
    return Block(**({"sent_low": own["sent"], "sent_high": own["sent"]} | own))  # type: ignore[arg-type]


def shown(made: Block) -> dict[str, float]:
    """Return the parts that are not nothing; all of them must add up to the error."""
    found = parts(made)
    assert sum(found.values()) == pytest.approx(made.worst_kw())
    return {name: pytest.approx(kw) for name, kw in found.items() if abs(kw) > 1e-9}


def test_a_block_on_its_target_has_no_parts() -> None:
    assert shown(block()) == {}
    assert block().errors().tolist() == [0.0] * 6


def test_a_lag_is_allowed_between_the_bounds() -> None:
    wide = replace(block(), low_kw=np.full(6, 30.0), high_kw=np.full(6, 50.0))
    for kw, error in ((40.0, 0.0), (25.0, -5.0), (55.0, 5.0)):
        assert replace(wide, response_kw=np.full(N, kw)).errors().tolist() == [error] * 6


def test_only_the_worst_window_counts() -> None:
    response = np.repeat([50.0, 80.0, 50.0, 10.0, 50.0, 50.0], 5)
    made = replace(block(), response_kw=response)
    assert (made.worst(), made.worst_kw(), made.minutes()) == (3, -40.0, slice(15, 20))


def test_no_command() -> None:
    made = block(0.0, action=leaves(0.0, 0.0))
    assert shown(made) == {"control": -50.0}
    assert cause(made) == ("no command", "no command: nothing was asked of any leaf (no command -50 kW)")


def test_control_tells_which_way() -> None:
    assert cause(block(10.0, action=leaves(0.2, 0.2)))[1] == "control: too little was asked for (control -30 kW)"
    assert cause(block(40.0, action=leaves(0.8, 0.8)))[1] == "control: too much was asked for (control +30 kW)"


def test_plan_error_is_what_the_commands_did_not_make_up_for() -> None:
    assert shown(block(off=-20.0)) == {"plan error": -20.0}
    assert shown(block(30.0, off=-20.0, action=leaves(0.6, 0.6))) == {"plan error": -10.0}
    assert shown(block(35.0, off=-20.0, action=leaves(0.7, 0.7))) == {}
    assert shown(block(45.0, off=-20.0, action=leaves(0.9, 0.9))) == {"control": 20.0}
    assert shown(block(20.0, off=-20.0, action=leaves(0.4, 0.4))) == {"plan error": -20.0, "control": -10.0}


def test_not_available() -> None:
    made = block(15.0, action=leaves(1.0, 1.0), up_kw=leaves(15.0, 15.0))
    assert shown(made) == {"not available": -20.0}
    assert cause(made)[0] == "not available"
    half = block(7.5, up_kw=leaves(15.0, 15.0))
    assert shown(half) == {"not available": -20.0, "control": -15.0}


def test_not_sent_below_the_threshold() -> None:
    made = block(
        0.0, action=leaves(0.015, 0.015), sent=leaves(0.0, 0.0), low_kw=np.full(6, 1.5), high_kw=np.full(6, 1.5)
    )
    assert shown(made) == {"not sent": -1.5}
    assert cause(made)[1] == "not sent: below the threshold of messages (not sent -1.5 kW)"


def test_an_earlier_command_that_holds_is_no_want_of_a_command() -> None:
    made = block(40.0, action=leaves(0.0, 0.0), sent=leaves(0.8, 0.8), low_kw=np.zeros(6), high_kw=np.zeros(6))
    assert shown(made) == {"held command": 80.0}
    assert cause(made)[0] == "held command"


def test_unreachable_is_no_more_than_what_failed_to_come() -> None:
    assert shown(block(15.0, lost_kw=leaves(20.0, 20.0))) == {"unreachable": -20.0}
    assert shown(block(15.0, lost_kw=leaves(10.0, 10.0))) == {"unreachable": -10.0, "devices": -10.0}
    assert shown(block(25.0, lost_kw=leaves(20.0, 20.0))) == {}


def test_delay_is_what_the_commands_before_gave() -> None:
    late = {"sent_low": leaves(0.1, 0.1)}
    assert shown(block(10.0, **late)) == {"delay": -30.0}
    assert shown(block(0.0, **late)) == {"delay": -40.0, "devices": -10.0}
    assert shown(block(40.0, sent_high=leaves(0.8, 0.8))) == {"delay": 30.0}


def test_leaves_that_obey_no_command_answer_offers() -> None:
    """Beside commanded leaves their answer is a part of the target; where nobody obeys, it is to meet it."""
    made = block(given=(25.0, 10.0), action=leaves(0.5, 0.0), obeys=np.array([True, False]))
    assert shown(made) == {"control": -15.0}  # 50 less 10 are left, 25 are asked
    silent = block(given=(25.0, 10.0), action=leaves(0.5, 1.0), obeys=np.array([True, False]))
    assert shown(silent) == {"control": -15.0}, "a rule may say something to leaves that it sends nothing"
    nobody = block(0.0, action=leaves(0.0, 1.0), sent=leaves(0.0, 0.0), obeys=np.array([True, False]))
    assert cause(nobody)[0] == "no command"
    empty = block(given=(25.0, 10.0), action=leaves(1.0, 1.0), up_kw=leaves(25.0, 500.0), obeys=np.array([True, False]))
    assert shown(empty) == {"not available": -15.0}, "only what obeys is within reach"
    short = block(given=(20.0, 10.0), action=leaves(0.0, 0.0), obeys=np.zeros(2, dtype=bool))
    assert shown(short) == {"answers": -20.0}
    assert cause(short) == ("answers", "answers: owners who are offered pay gave too little (answers -20 kW)")
    over = block(given=(60.0, 10.0), action=leaves(0.0, 0.0), obeys=np.zeros(2, dtype=bool))
    assert shown(over) == {"answers": 20.0} and "gave too much" in cause(over)[1]


def test_offers_of_a_play_are_no_commands() -> None:
    made = load("incentive-evening", small("incentive-evening"))
    stage, (rule,) = EpisodeRunner(made, 1), players(["flat_offer"]).values()
    found = failures(stage.play(rule, range(8)), stage.play(players(["idle"])["idle"], range(8)))
    assert found and {each.cause for each in found} <= {
        "answers",
        "plan error",
        "not available",
        "meter",
        "no single cause",
    }
    assert all(each.parts["rebound"] == each.parts["control"] == 0.0 for each in found)


def test_leaves_at_rest_rebound_and_leaves_under_command_do_not() -> None:
    made = block((50.0, -25.0), action=leaves(1.0, 0.0))
    assert shown(made) == {"rebound": -25.0}
    assert cause(made)[0] == "rebound"
    assert shown(block((0.0, 25.0))) == {"devices": -25.0}


def test_a_downward_command_takes_of_what_can_be_taken() -> None:
    down = np.full(6, -40.0)
    assert shown(block(-20.0, action=leaves(-0.5, -0.5), low_kw=down, high_kw=down)) == {}
    assert shown(block(-10.0, action=leaves(-0.25, -0.25), low_kw=down, high_kw=down)) == {"control": 20.0}


def test_what_the_meter_adds_is_told() -> None:
    assert shown(block(response_kw=np.full(N, 30.0))) == {"meter": -20.0}


def test_a_cause_has_the_sign_of_the_error_however_large_the_others_are() -> None:
    made = block(35.0, action=leaves(1.0, 1.0), low_kw=np.full(6, 80.0), high_kw=np.full(6, 80.0))
    assert shown(made) == {"control": 20.0, "devices": -30.0}
    assert cause(made) == (
        "devices",
        "devices: devices gave less than they were asked for (devices -30, control +20 kW)",
    )


def test_no_single_cause_where_the_largest_is_less_than_a_fifth() -> None:
    found = dict.fromkeys(PARTS, -9.9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("der_gym.evaluation.causes.parts", lambda _: found)
        assert cause(block(0.0))[0] == "no single cause"
        found["delay"] = -10.1
        assert cause(block(0.0))[0] == "delay"


# -- real plays --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tertiary-1", "tertiary-1-hard"])
@pytest.mark.parametrize("controller", ["closed_loop", "open_loop"])
def test_the_parts_of_every_failed_block_add_up_and_name_the_cause(name: str, controller: str) -> None:
    stage = EpisodeRunner(load(name, small(name)), 1)
    seeds = list(range(16))
    made = players(["idle"]) | players([controller])
    twin = stage.play(made["idle"], seeds)
    found = failures(stage.play(made[controller], seeds), twin) + failures(twin, twin)
    assert len(found) > 20
    for one in found:
        assert sum(one.parts.values()) == pytest.approx(one.worst_kw, abs=1e-6)
        kw = one.parts["control" if one.cause == "no command" else one.cause]
        assert kw * one.worst_kw > 0.0
        assert abs(kw) >= LEAST * abs(one.worst_kw)
        assert abs(one.parts["meter"]) < 0.1 * one.award_kw  # devices explain what the group did
        assert figure(kw, max(map(abs, one.parts.values())), "+") in one.text
        assert "-0 " not in one.text
    for one in failures(twin, twin):
        of_idle = {"plan error", "control", "not available", "meter"}
        assert {name: kw for name, kw in one.parts.items() if name not in of_idle and kw} == {}


# -- the line ----------------------------------------------------------------------------------------------------------


def test_a_failure_is_one_line() -> None:
    line = Failure(7, 3, clock(0), -82.4, 800.0, "delay", "delay: too late (delay -82 kW)").line
    assert line == "2000-01-01 00:00 block 3: 82 kW short (10% of award): delay: too late (delay -82 kW)"
    assert len(set(CAUSES)) == len(CAUSES)


def test_the_clock_runs_over_midnight() -> None:
    assert clock(86_400 + 23 * 3600 + 1800) == "2000-01-02 23:30"
    assert clock(2 * 86_400) == "2000-01-03 00:00"


def test_a_small_list_s_failure_shows_its_kw() -> None:
    made = Failure(1, 0, "2026-08-03 14:00", -0.045, 0.3, "control", "control: too little was asked for")
    assert made.line == "2026-08-03 14:00 block 0: 0.045 kW short (15% of award): control: too little was asked for"

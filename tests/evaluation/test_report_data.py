"""What stands behind each chart adds up: leaves, messages, ledger, the way of a command, and nothing is changed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from reports import episode
from worlds import bits, small

from der_gym.env.worlds import Worlds
from der_gym.evaluation.causes import cut
from der_gym.evaluation.controller_factory import players
from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.report.detail import DetailRecorder
from der_gym.evaluation.report.run_page import OTHERS, fewer, run_data
from der_gym.evaluation.report.timeline import decided_s, in_force, largest, requested_s, way
from der_gym.scenario.load import load

WORLDS: list[dict[str, Any]] = [
    {},
    {"controller": "closed_loop", "name": "tertiary-1-hard"},
    {"tick_s": 10},
    {"tick_s": 20, "decision_s": 300},
]


@pytest.mark.parametrize("given", WORLDS, ids=str)
def test_leaves_sum_to_the_power_of_the_fleet(given: dict[str, Any]) -> None:
    board, detail = episode(**given)
    true_kw = board.scores[given.get("controller", "open_loop")].played.trace.true_kw[0]
    assert np.abs(true_kw).max() > 1.0
    np.testing.assert_allclose(detail.leaf_kw.sum(axis=1), true_kw, atol=1e-3)


@pytest.mark.parametrize("given", WORLDS, ids=str)
def test_messages_sent_are_arrived_lost_or_under_way(given: dict[str, Any]) -> None:
    board, detail = episode(**given)
    name = given.get("controller", "open_loop")
    data = run_data(board, name, detail)["messages"]
    for sent, arrived, lost, on_way in zip(*(data[k] for k in ("sent", "arrived", "lost", "under_way")), strict=True):
        assert sent == arrived + lost + on_way
        assert min(arrived, lost, on_way) >= 0
    for counted in ("sent", "arrived", "lost"):
        assert all(a <= b for a, b in pairwise(data[counted]))
    assert data["sent"][-1] == board.scores[name].played.messages[0] > 0
    for key in ("sent", "arrived", "lost", "under_way"):
        assert sum(row[key] for row in data["leaves"]) == data[key][-1]


@pytest.mark.parametrize(
    ("name", "other"), [("tertiary-1-both", "incentive"), ("tertiary-1-droop", "rule")], ids=["offers", "rules"]
)
def test_messages_of_every_stream_are_counted(name: str, other: str) -> None:
    board, detail = episode("random", name)
    data = run_data(board, "random", detail)["messages"]
    rows = {row["stream"]: row for row in data["streams"]}
    assert list(rows) == ["dispatch", other]
    assert sum(row["sent"] for row in rows.values()) == board.scores["random"].played.messages[0]
    assert min(row["arrived"] for row in rows.values()) > 0
    for row in rows.values():
        assert row["sent"] == row["arrived"] + row["lost"] + row["under_way"]
    assert {key: rows["dispatch"][key] for key in ("sent", "arrived", "lost")} == {
        key: data[key][-1] for key in ("sent", "arrived", "lost")
    }
    alone, its = episode()
    assert run_data(alone, "open_loop", its)["messages"]["streams"] == []


def test_where_homes_are_metered_they_are_part_of_the_stack() -> None:
    board, detail = episode("idle", "tertiary-1-receiving")
    data, true_kw = run_data(board, "idle", detail)["leaves"], board.scores["idle"].played.trace.true_kw[0]
    total = np.sum(data["kw"], axis=0) + np.array(data["homes_kw"])
    np.testing.assert_allclose(total, true_kw, atol=0.05 * (len(data["kw"]) + 2))
    assert np.abs(data["homes_kw"]).max() > 1.0
    board, detail = episode()
    assert run_data(board, "open_loop", detail)["leaves"]["homes_kw"] is None


def test_what_was_seen_sums_to_what_the_trace_saw() -> None:
    board, detail = episode(network__reach_share=1.0, network__link_up_days=1000.0)  # else the silent are as planned
    np.testing.assert_allclose(detail.seen_kw.sum(axis=1), board.scores["open_loop"].played.trace.seen_kw[0], atol=0.02)
    board, detail = episode()
    assert (detail.age_s >= 0).all()
    assert ((detail.silent_share >= 0) & (detail.silent_share <= 1)).all()
    assert detail.age_s.max() > 60.0  # reports are late
    assert 0.0 < detail.silent_share.max() < 0.5  # and some homes are silent, which does not make the others' older
    assert detail.age_s.max() < 600.0


def test_stored_energy_is_there_by_class_and_changes_every_five_minutes() -> None:
    _, detail = episode()
    assert detail.class_names == ("ecocute", "ev", "battery")
    held = detail.stored_kwh[:, detail.class_names.index("battery")]
    assert held.min() > 0
    changes = np.flatnonzero(np.diff(held)) + 1
    assert len(changes) > 3
    assert set(changes % 5) == {0}


def test_the_ledger_sums_to_its_total() -> None:
    board, detail = episode()
    rows = run_data(board, "open_loop", detail)["ledger"]
    assert [row["line"] for row in rows] == list(board.scores["open_loop"].played.lines)
    for key in ("yen", "idle_yen"):
        assert sum(row[key] for row in rows[:-1]) == pytest.approx(rows[-1][key], abs=1e-6)
    own = run_data(board, "idle", detail)["ledger"]
    assert {row["idle_yen"] for row in own} == {None}


def test_a_page_knows_the_request_and_what_each_window_allowed() -> None:
    board, detail = episode()
    data, played = run_data(board, "open_loop", detail)["market"], board.scores["open_loop"].played
    assert data["request"][::5] == np.round(detail.request_kw, 1).tolist()
    award = played.award_kw[0]
    n = int((award > 0).sum()) * 6
    np.testing.assert_allclose(data["high"][:n], played.window_kw[0, 1, :n] + 0.1 * award[0], atol=0.06)
    assert all(value is None or np.isnan(value) for value in data["high"][n:])
    np.testing.assert_allclose(data["mean"], np.reshape(data["response"], (-1, 5)).mean(axis=1), atol=0.11)


def test_a_window_that_never_judges_too_much_is_open_above() -> None:
    board, detail = episode("idle", "capacity-call")
    data = run_data(board, "idle", detail)
    market, award = data["market"], max(data["market"]["award"])
    known = [high for high in market["high"] if not np.isnan(high)]
    assert known
    assert max(known) < 2.0 * max(award, *np.abs(market["response"]))  # else it would dwarf the response
    assert data["failures"]
    assert all(np.isinf(failure["allowed_kw"][1]) for failure in data["failures"])  # null on the page
    assert all(failure["allowed_kw"][0] > 0 for failure in data["failures"])
    board, detail = episode()
    assert all(np.isfinite(failure["allowed_kw"]).all() for failure in run_data(board, "open_loop", detail)["failures"])


def test_where_more_is_bought_the_plan_is_the_groups_own_and_the_target_the_purchase() -> None:
    """Else response and target would be told on two yardsticks: an idle group would seem to respond by the purchase."""
    board, _ = episode("idle", "incentive-solar")
    trace = board.scores["idle"].played.trace
    bought = trace.target_kw[0] < 0
    assert bought.any()
    response = (trace.plan_kw - trace.metered_kw)[0][bought]
    assert abs(response.mean()) < 0.5 * abs(trace.target_kw[0][bought].mean())


def test_the_record_changes_nothing() -> None:
    scenario = load("tertiary-1", small())

    def play(watch: Any) -> list[str]:
        (controller,) = players(["closed_loop"]).values()
        played = EpisodeRunner(scenario, 1).play(controller, [3], **watch)
        values = [played.reward, played.ledger_yen, played.outcome, played.messages, *played.trace.arrays().values()]
        return [bits(value) for value in values]

    assert play({}) == play({"watch": DetailRecorder})


def test_the_record_is_of_one_world() -> None:
    with pytest.raises(ValueError, match="2 worlds; allowed: 1"):
        DetailRecorder(Worlds(load("tertiary-1", small()), None, 2, 1))


# -- failed blocks -----------------------------------------------------------------------------------------------------

FAILING = [{"controller": "open_loop", "name": "tertiary-1-hard"}, {"controller": "closed_loop", "seed": 10}, {}]


def failed(given: dict[str, Any]) -> list[dict[str, Any]]:
    board, detail = episode(**given)
    return list(run_data(board, given.get("controller", "open_loop"), detail)["failures"])


def test_there_are_failed_blocks_to_test_with() -> None:
    assert sum(bool(failure["leaves"]) for given in FAILING for failure in failed(given)) >= 2


@pytest.mark.parametrize("given", FAILING, ids=str)
def test_the_chain_is_in_order(given: dict[str, Any]) -> None:
    for failure in failed(given):
        chain = [(one["step"], one["at_s"]) for one in failure["chain"]]
        times = [at for _, at in chain if at is not None]
        assert times == sorted(times)
        assert None not in [at for _, at in chain[: len(times)]]  # steps never taken stand at the end
        order = [step for step, _ in chain]
        ways = ("requested", "sent", "cloud", "reach_10", "reach_50", "reach_90")
        way_of = [step for step in order if step in ways]
        assert way_of == [step for step in ways if step in order]
        if failure["leaves"]:  # a first window may fail before anything was sent
            assert order.index("acts_50") > order.index("reach_50")
        else:
            assert way_of == ["requested"]
            assert all(one["sent"] > failure["window_s"][0] for one in failure["messages"])
        assert order.index("window_starts") < order.index("window_ends")
        at = dict(chain)
        assert at["judged"] == 1800 * (failure["block"] + 1) >= at["window_ends"]


@pytest.mark.parametrize("given", FAILING, ids=str)
def test_each_message_goes_its_way_in_order(given: dict[str, Any]) -> None:
    for failure in failed(given):
        for one in [*failure["messages"], *failure["leaves"]]:
            told = [one[key] for key in ("sent", "cloud", "reach_10", "reach_50", "reach_90")]
            known = [at for at in told if at is not None]
            assert known == sorted(known)
            assert told[: len(known)] == known
            assert one["acts_50"] is None or one["acts_50"] >= one["reach_50"]


def test_the_worst_window_is_the_one_that_failed_most() -> None:
    given = FAILING[0]
    board, detail = episode(**given)
    twin, score = board.scores["idle"].played, board.scores["open_loop"]
    for failure in score.failures:
        told = way(score.played, twin, detail, board.scenario.services[0].band_share, failure.block)
        low, high = told["allowed_kw"]
        over = told["mean_kw"] - high if told["mean_kw"] > high else low - told["mean_kw"]
        block = cut(score.played, twin, 0.1, 0, failure.block)
        assert over == pytest.approx(abs(failure.worst_kw) - block.band_kw, abs=0.02)
        assert told["figures"]["response"] == pytest.approx(block.response_kw[block.minutes()].mean(), abs=0.01)


def test_idle_has_a_chain_without_commands() -> None:
    board, detail = episode("idle")
    (failure, *_) = run_data(board, "idle", detail)["failures"]
    assert failure["cause"] == "no command"
    assert [one["step"] for one in failure["chain"]] == ["requested", "window_starts", "window_ends", "judged"]
    assert failure["leaves"] == failure["messages"] == []


def test_a_command_counts_until_the_window_begins_or_a_little_later_in_a_long_one() -> None:
    assert (decided_s(600.0, 300.0), decided_s(1800.0, 1800.0)) == (600.0, 2100.0)


def test_a_page_draws_the_messages_of_the_largest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    _, detail = episode()
    monkeypatch.setattr("der_gym.evaluation.report.timeline.MOST_ROWS", 3)
    newest = in_force(detail.messages, 1800.0)
    kept = [m.leaf for m in largest(detail, newest)]
    assert kept == sorted(kept)
    assert set(kept) == {m.leaf for m in sorted(newest, key=lambda m: -detail.nominal_kw[m.leaf])[:3]}


def test_a_request_stands_since_its_last_change() -> None:
    request = np.array([0.0, 50.0, 50.5, 20.0])
    told = [requested_s(request, 100.0, at) for at in (0, 299, 300, 900, 950, 5000)]
    assert told == [0.0, 0.0, 300.0, 900.0, 900.0, 900.0]
    assert requested_s(request, 100.0, 899) == 300.0


def test_the_newest_message_of_each_leaf_is_in_force() -> None:
    _, detail = episode()
    for now in (0.0, 600.0, 1750.0):
        for message in in_force(detail.messages, now):
            later = [m for m in detail.messages if m.leaf == message.leaf and message.sent_s < m.sent_s <= now]
            assert message.sent_s <= now
            assert [m for m in later if not m.replaced] == []


# -- many leaves -------------------------------------------------------------------------------------------------------


def test_many_leaves_are_shown_as_the_largest_and_the_rest() -> None:
    _, detail = episode()
    few = fewer(detail, 4)
    assert len(few.leaf_names) == 4
    assert few.leaf_names[-1] == OTHERS
    assert few.unit.sum() == detail.unit.sum()
    np.testing.assert_allclose(few.leaf_kw.sum(axis=1), detail.leaf_kw.sum(axis=1))
    np.testing.assert_allclose(few.seen_kw.sum(axis=1), detail.seen_kw.sum(axis=1))
    np.testing.assert_allclose(few.age_s @ few.nominal_kw, detail.age_s @ detail.nominal_kw)
    np.testing.assert_allclose(few.silent_share @ few.nominal_kw, detail.silent_share @ detail.nominal_kw)
    assert set(few.leaf_names[:-1]) == {detail.leaf_names[j] for j in np.argsort(-detail.nominal_kw)[:3]}
    assert fewer(detail, 99) is detail

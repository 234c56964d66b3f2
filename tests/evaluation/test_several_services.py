"""Several services of one world: each is told of as if it had been asked for alone."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from reports import episode
from worlds import small

from der_gym.evaluation import results
from der_gym.evaluation.recorder import Trace
from der_gym.evaluation.report.board_page import board_data
from der_gym.evaluation.report.run_page import run_data
from der_gym.evaluation.scoreboard import evaluate

STACKED = {"stacked-capacity": ["tertiary-1", "capacity-call"], "stacked-imbalance": ["tertiary-1", "imbalance"]}
CASES = [(name, service) for name, services in STACKED.items() for service in services]


@pytest.mark.parametrize(("name", "service"), CASES)
def test_a_service_of_several_has_the_bits_it_has_alone(name: str, service: str) -> None:
    board, _ = episode(name=name)
    alone, _ = episode(name=name, service=service)
    assert board.told == STACKED[name] and alone.told == [service]
    for controller, score in board.scores.items():
        told, asked = score.played.told(service), alone.scores[controller].played
        assert told.told_of == asked.told_of == service
        for field in fields(Trace):
            assert getattr(told.trace, field.name).tobytes() == getattr(asked.trace, field.name).tobytes(), field.name
        assert np.array_equal(told.passed, asked.passed, equal_nan=True)
        own = [failure for failure in score.failures if failure.service == service]
        assert own == alone.scores[controller].failures
    assert np.abs(told.trace.true_kw).max() > 1.0


@pytest.mark.parametrize("name", STACKED)
def test_the_page_of_an_episode_has_each_service_as_its_own_page_has_it(name: str) -> None:
    board, detail = episode(name=name)
    data = run_data(board, "open_loop", detail)
    assert [each["id"] for each in data["services"]] == STACKED[name]
    assert STACKED[name][0] not in data["head"]["title"]
    for each in data["services"]:
        alone, own = episode(name=name, service=each["id"])
        page = run_data(alone, "open_loop", own)
        assert page["services"] == [] and page["head"]["title"].endswith(each["id"])
        for key in ("market", "power", "failures"):
            assert str(each[key]) == str(page[key]), key  # NaN is not equal to itself
        assert each["passed"] == page["head"]["passed"] and each["seen_kw"] == page["seen"]["kw"]
        assert each["award_kw"] == page["head"]["award_kw"]
        assert each["accuracy"] == page["head"]["values"]["accuracy"]
    powers = [each["power"]["true"] for each in data["services"]]
    assert powers[0] != powers[1]  # each has its own node or share
    lines = {row["service"] for row in data["ledger"]}
    assert {each.replace("-", "_") for each in STACKED[name]} <= lines


def test_a_scenario_of_one_service_keeps_its_page() -> None:
    board, detail = episode()
    data = run_data(board, "open_loop", detail)
    assert data["services"] == [] and board.told == ["tertiary-1"]
    assert all(failure.service == "" for score in board.scores.values() for failure in score.failures)


def test_the_scoreboard_tells_of_each_service_and_its_traces(tmp_path: Path) -> None:
    name = "stacked-capacity"
    board = evaluate(name, ["open_loop"], 2, overrides=small(name))
    data = board_data(board)["services"]
    assert [each["id"] for each in data] == STACKED[name]
    for each in data:
        key = each["id"].replace("-", "_")
        for row in each["rows"]:
            score = board.scores[row["controller"]]
            assert row["yen"] == score.columns[f"{key}_yen"].mean()
            assert row["failed"] == sum(failure.service == each["id"] for failure in score.failures)
            assert row["failed"] == (score.played.told(each["id"]).passed == 0.0).sum()
            assert bool(row["main_cause"]) == (row["failed"] > 0)
    assert sum(row["failed"] for each in data for row in each["rows"]) > 0
    results.save(board, tmp_path)
    kept = np.load(tmp_path / "traces-open_loop.npz")
    assert kept["tertiary-1/target_kw"].tobytes() == kept["target_kw"].tobytes()
    own = board.scores["open_loop"].played.services["capacity-call"]
    assert kept["capacity-call/metered_kw"].tobytes() == own.metered_kw.tobytes()
    assert "service" in (tmp_path / "failures.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    row = board.summary()[0]
    assert row["failed_blocks"] == len(board.scores[row["controller"]].of_first)


def test_narrowed_to_a_service_the_scoreboard_has_no_others() -> None:
    name = "stacked-capacity"
    board = evaluate(name, ["open_loop"], 1, overrides=small(name), service="capacity-call")
    assert board_data(board)["services"] == [] and board.told == ["capacity-call"]
    assert {f.service for score in board.scores.values() for f in score.failures} <= {"capacity-call"}

"""Mean yen by controller, start and line, against sums over the seeds' own ledgers."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import small

from der_gym.evaluation.ledger_means import ALL, block_rows, ledger_rows, ledger_table, line_names
from der_gym.evaluation.scoreboard import Scoreboard, evaluate


@pytest.fixture(scope="module")
def board() -> Scoreboard:
    return evaluate("stacked-imbalance", ["open_loop"], 6, overrides=small("stacked-imbalance"))


def test_rows_are_the_means_of_the_seeds(board: Scoreboard) -> None:
    rows = list(ledger_rows(board))
    for name, score in board.scores.items():
        own = [row for row in rows if row["controller"] == name]
        starts = {int(h) for h in score.played.start_abs_s // 3600 % 24}
        assert {row["start_h"] for row in own} == starts
        assert len(own) == len(starts) * len(score.played.lines)
        assert sum(row["n"] for row in own if row["line"] == "total") == 6
        for k, line in enumerate(score.played.lines):
            summed = sum(row["yen"] * row["n"] for row in own if row["line"] == line)
            assert summed == pytest.approx(score.played.ledger_yen[:, k].sum())
    assert any(row["yen"] for row in rows)


def test_half_hours_add_up_to_the_episode(board: Scoreboard) -> None:
    by_block, whole = list(block_rows(board)), {}
    for row in ledger_rows(board):
        whole[row["controller"], row["start_h"], row["line"]] = row["yen"]
    for (name, start, line), yen in whole.items():
        own = [r for r in by_block if (r["controller"], r["start_h"], r["line"]) == (name, start, line)]
        assert [r["block"] for r in own] == list(range(len(own)))
        assert sum(r["yen"] for r in own) == pytest.approx(yen, abs=1e-6)
    assert {row["committed_share"] for row in by_block} == {0.0, 1.0}
    paid = [row for row in by_block if row["line"] == "tertiary_1_energy" and row["yen"]]
    assert paid and all(row["committed_share"] for row in paid), "energy is paid for in committed half hours alone"


def test_the_table_of_a_page_holds_every_start_and_all(board: Scoreboard) -> None:
    table, rows = ledger_table(board), list(ledger_rows(board))
    assert table["starts"][0] == ALL
    assert table["n"][ALL] == 6
    for row in rows:
        k = [line["line"] for line in table["lines"]].index(row["line"])
        assert table["yen"][str(row["start_h"])][row["controller"]][k] == pytest.approx(row["yen"], abs=0.006)
    for name, score in board.scores.items():
        assert np.abs(np.subtract(table["yen"][ALL][name], score.played.ledger_yen.mean(axis=0))).max() < 0.006


def test_a_lines_service_is_told_apart_from_its_own_name(board: Scoreboard) -> None:
    found = {row["line"]: (row["service"], row["kind"]) for row in line_names(board.scores["idle"].played)}
    assert found["tertiary_1_owners"] == ("tertiary_1", "owners")
    assert found["imbalance_deviation"] == ("imbalance", "deviation")
    assert found["owners_bill"] == ("", "owners_bill")
    assert found["total"] == ("", "total")

"""``scripts/tables.py`` on the results of a small comparison, against the scoreboard's own figures."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from script_files import load_script
from worlds import small

from der_gym.evaluation import results
from der_gym.evaluation.scoreboard import Scoreboard, evaluate


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    return load_script("tables")


@pytest.fixture(scope="module")
def board() -> Scoreboard:
    return evaluate("tertiary-1", ["open_loop", "merit_order"], 4, overrides=small(), base="merit_order", bound=2)


@pytest.fixture(scope="module")
def folder(board: Scoreboard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("results")
    results.save(board, made, traces=False)
    return made


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_means_stand_under_their_controllers(tables: ModuleType, folder: Path, board: Scoreboard) -> None:
    table = {cells(line)[1]: cells(line)[2:] for line in tables.means(folder)}
    for title, column, form in (("reward", "reward", ".3f"), ("with lock-out, yen", "profit_with_lockout_yen", ",.0f")):
        told = dict(zip([*tables.HEADS, "bound"], table[title], strict=True))
        for name, score in board.scores.items():
            assert told[name] == f"{score.columns[column].mean():{form}}"
        assert told["closed_loop"] == told["policy"] == ""  # they were not played
    assert table["reward"][-1] == f"{board.scores['idle'].columns['bound'].mean():.3f}"
    assert table["idle to oracle, %"][0] == "0" and table["idle to oracle, %"][-2:] == ["100", ""]
    assert table["idle to bound, %"][-1] == "100"


@pytest.mark.parametrize(
    ("controller", "column"),
    [("policy-tertiary-1", "policy"), ("merit_order@ladder-5", "merit_order"), ("oracle", "oracle")],
)
def test_settings_and_folders_are_no_column(tables: ModuleType, controller: str, column: str) -> None:
    assert tables.kind(controller) == column and column in tables.HEADS


def test_differences_have_their_base_and_interval(tables: ModuleType, folder: Path, board: Scoreboard) -> None:
    gain = (board.scores["open_loop"].columns["reward"] - board.scores["merit_order"].columns["reward"]).mean()
    head, *lines = tables.gains(folder)
    assert head == "tertiary-1, 4 seeds of test, against merit_order:"
    assert any(line.startswith(f"  open_loop: {gain:+.3f} [") for line in lines)
    assert not any("  merit_order:" in line for line in lines)


def test_money_of_all_blocks_is_that_of_the_episodes(tables: ModuleType, folder: Path, board: Scoreboard) -> None:
    played = board.scores["idle"].played
    hours = played.start_abs_s // 3600 % 24
    start = int(hours[0])
    head, _, *lines = tables.money(folder, start, n_part=2)
    assert cells(head) == [f"mean yen of an episode from {start} h", "blocks 1-1", "blocks 2-2", "after the award"]
    (own, lockout, *_), own_hours = [line for line in lines if line.startswith(("| idle", "| of it"))], hours == start
    total = sum(float(cell.replace(",", "")) for cell in cells(own)[1:])
    assert total == pytest.approx(played.yen("total")[own_hours].mean(), abs=2.0)
    taken = sum(float(cell.replace(",", "")) for cell in cells(lockout)[1:])
    assert taken == pytest.approx(played.yen("lockout")[own_hours].mean(), abs=2.0)
    assert np.isfinite(total) and taken <= 0.0


def test_lines_are_means_over_all_starts(tables: ModuleType, folder: Path, board: Scoreboard) -> None:
    head, _, *lines = tables.ledger(folder)
    told = {cells(line)[0].strip("`"): cells(line)[1:] for line in lines}
    assert cells(head)[1:] == [tables.HEADS[name] for name in board.scores]
    for line in ("tertiary_1_penalty", "owners_bill", "total"):
        means = [score.played.ledger_yen[:, score.played.lines.index(line)].mean() for score in board.scores.values()]
        assert [float(cell.replace(",", "")) for cell in told[line]] == pytest.approx(means, abs=0.51)
    assert "tertiary_1_retailer" not in told  # nothing is booked there


def test_the_command_prints_all(tables: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables.main([str(folder), "--money", "14", "--lines"])
    said = capsys.readouterr().out
    assert said.startswith("| level |  | idle |") and "| `tertiary-1` | reward |" in said
    assert "against merit_order" in said and "mean yen of an episode from 14 h" in said
    assert "\n| `total` |" in said


def test_a_folder_without_results_is_refused(
    tables: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        tables.main([str(tmp_path)])
    assert left.value.code == 2 and "no finished results" in capsys.readouterr().err

"""``scripts/runs.py`` with rules in the place of runs, against the scoreboard's own figures, and with a policy."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from script_files import load_script
from worlds import small

from der_gym.evaluation import statistics as st
from der_gym.evaluation.scoreboard import evaluate

RUNS = ["open_loop", "closed_loop"]


@pytest.fixture(scope="module")
def runs() -> ModuleType:
    return load_script("runs")


def test_runs_and_all_of_them_are_compared_with_the_base(runs: ModuleType) -> None:
    board = evaluate("tertiary-1", ["idle", *RUNS], 6, overrides=small(), base="idle")
    *each, (label, reward, gain, above, ledger) = runs.lines(board, RUNS)
    assert [name for name, *_ in each] == RUNS
    rewards = np.stack([board.scores[name].columns["reward"] for name in RUNS])
    base = board.scores["idle"].columns["reward"]
    for own, (_, iqm, difference, wins, _) in zip(rewards, each, strict=True):
        assert iqm.value == pytest.approx(float(st.iqm(own[:, None])))
        assert difference.value == pytest.approx((own - base).mean())
        assert difference.low <= difference.value <= difference.high
        assert wins == pytest.approx((own > base).mean())
    assert label == "all 2 runs"
    assert reward.value == pytest.approx(float(st.iqm(rewards)))
    assert gain.value == pytest.approx(np.mean([difference.value for _, _, difference, _, _ in each]))
    books = np.stack([board.scores[name].columns["reward_ledger"] for name in RUNS])
    assert ledger.value == pytest.approx((books - board.scores["idle"].columns["reward_ledger"]).mean())
    assert ledger.value != gain.value
    assert above == pytest.approx(np.mean([wins for _, _, _, wins, _ in each]))


@pytest.mark.parametrize(
    ("words", "said"),
    [(["results/one"], "1 runs; allowed: 2 or more"), (["results/none-1", "results/none-2"], "results/none-1")],
    ids=["one", "missing"],
)
def test_what_is_no_runs_is_refused(
    runs: ModuleType, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        runs.main(words)
    assert left.value.code == 2
    assert said in capsys.readouterr().err

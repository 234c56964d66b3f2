"""What a search for settings has played comes back to the bit, or is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from der_gym.controllers.base import settings
from der_gym.controllers.tune import Trial
from der_gym.core.errors import InputError
from der_gym.evaluation import unfinished_tune
from der_gym.evaluation.unfinished_tune import UnfinishedTune

NAME = "closed_loop"
TRIAL = Trial(settings(NAME, {}), 1 / 3, -0.1)


def test_trials_come_back_to_the_bit(tmp_path: Path) -> None:
    target = tmp_path / "t.yaml"
    first = UnfinishedTune(target, NAME, {"n": 1}, anew=True)
    assert not first.waits
    first.keep(TRIAL)
    first.keep(Trial(TRIAL.config, 1.0, 0.3))
    kept = UnfinishedTune(target, NAME, {"n": 1})
    assert kept.waits and kept.get(0) == TRIAL and kept.get(1) == Trial(TRIAL.config, 1.0, 0.3)
    assert kept.get(2) is None and UnfinishedTune(target, NAME, {"n": 2}, anew=True).get(0) is None
    kept.clear()
    assert list(tmp_path.iterdir()) == []


def test_another_search_begins_anew_with_its_first_trial(tmp_path: Path) -> None:
    target = tmp_path / "t.yaml"
    UnfinishedTune(target, NAME, {"n": 1}, anew=True).keep(TRIAL)
    other = UnfinishedTune(target, NAME, {"n": 2}, anew=True)
    assert UnfinishedTune(target, NAME, {}).get(0) == TRIAL
    other.keep(Trial(TRIAL.config, 1.0, 0.3))
    kept = UnfinishedTune(target, NAME, {})
    assert kept.get(0) == Trial(TRIAL.config, 1.0, 0.3) and kept.get(1) is None
    assert '"n": 2' in (kept.folder / "plan.json").read_text(encoding="utf-8")


def test_one_search_at_a_time_writes_a_file(tmp_path: Path) -> None:
    target = tmp_path / "t.yaml"
    with (
        UnfinishedTune(target, NAME, {}).held(),
        pytest.raises(InputError, match="is being written by another run"),
        UnfinishedTune(target, NAME, {}).held(),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


VALUES = '{"values": 1}'


@pytest.mark.parametrize(
    "text",
    ["{", "3", "[[1]]", f"[[{VALUES}, 0.5, 0.1]]", "[[{}, 2.0, 0.1]]", "[[{}, 0.5, NaN]]", "[[{}, 0.5]]", "[" * 9999],
)
def test_a_file_that_cannot_be_used_is_refused(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "t.yaml.unfinished"
    folder.mkdir()
    (folder / "trials.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be used: .*; remove it to play all trials again"):
        UnfinishedTune(tmp_path / "t.yaml", NAME, {})


def test_a_full_disk_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    kept = UnfinishedTune(tmp_path / "t.yaml", NAME, {}, anew=True)
    monkeypatch.setattr(unfinished_tune, "write_text", full)
    with pytest.warns(UserWarning, match="No space left on device; --resume will play some trials again"):
        kept.keep(TRIAL)
    assert kept.get(0) == TRIAL

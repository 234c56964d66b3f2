"""What a search for firm power has played comes back to the bit, or is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.evaluation import unfinished_firm
from der_gym.evaluation.unfinished_firm import PlayedAward, UnfinishedFirm

WINDOWS = [("summer", 14)]
PLAYED = PlayedAward(np.array([1 / 3, 1.0]), np.array([0.1, 24.7]), 101.3, ["a line"])


def test_an_award_comes_back_to_the_bit(tmp_path: Path) -> None:
    UnfinishedFirm(tmp_path, {"n": 1}, anew=True).keep("rule", -8, WINDOWS, PLAYED)
    kept = UnfinishedFirm(tmp_path, {"n": 1})
    back = kept.get("rule", -8, WINDOWS, 2)
    assert back is not None and (back.nominal_kw, back.notes) == (101.3, ["a line"])
    assert back.rates.tobytes() == PLAYED.rates.tobytes() and back.kw.tobytes() == PLAYED.kw.tobytes()
    others = (("rule", 0, WINDOWS), ("other", -8, WINDOWS), ("rule", -8, [("winter", 14)]))
    assert all(kept.get(*each, 2) is None for each in others)
    with pytest.raises(InputError, match="2 episodes of rule, 3 are needed"):
        kept.get("rule", -8, WINDOWS, 3)
    assert UnfinishedFirm(tmp_path, {"n": 2}, anew=True).get("rule", -8, WINDOWS, 2) is None


@pytest.mark.parametrize(
    "text", ["{", "3", "[[1]]", '[["k", [2.0], [1.0], 1.0, []]]', '[["k", [1.0], [NaN], 1.0, []]]', "[" * 9999]
)
def test_a_file_that_cannot_be_used_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "awards.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be used: .*; remove it to play all awards again"):
        UnfinishedFirm(tmp_path, {})


def test_a_full_disk_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    kept = UnfinishedFirm(tmp_path, json.loads("{}"), anew=True)
    monkeypatch.setattr(unfinished_firm, "write_text", full)
    with pytest.warns(UserWarning, match="No space left on device; --resume will play some awards again"):
        kept.keep("rule", 0, WINDOWS, PLAYED)
    assert kept.get("rule", 0, WINDOWS, 2) is not None

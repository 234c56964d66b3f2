"""A comparison that was stopped goes on where it was, to the bit."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.evaluation import controller_factory, results
from der_gym.evaluation.play import EpisodeRunner, Played
from der_gym.evaluation.scoreboard import evaluate
from der_gym.evaluation.unfinished import Finished, Unfinished, read_plan

SHORT = {"signals.start": "2026-08-03", "services.tertiary-1.limits": "off"}
SHORT |= {"episode.n_block": 2, "episode.n_block_after": 1}  # type: ignore[dict-item]
RULES = ["open_loop", "closed_loop"]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return bool(a == b)


@pytest.mark.parametrize("scenario", ["tertiary-1-tiny", "stacked-capacity"])
def test_a_play_comes_back_to_the_bit(scenario: str, tmp_path: Path) -> None:
    own = {"fleet.n_device": 60, "signals.start": "2026-08-03"}
    own |= {f"services.{name}.limits": "off" for name in ("tertiary-1", "capacity-call")}  # too few devices for both
    stage = EpisodeRunner(evaluate(scenario, [], 1, overrides=own if "stacked" in scenario else SHORT).scenario)
    played = stage.play(controller_factory.players(["open_loop"])["open_loop"], [1, 2])
    kept = Unfinished(tmp_path, {})
    kept.keep("open_loop", Finished(played, ["a line"], 1.5))
    back = kept.get("open_loop")
    assert back is not None and (back.notes, back.seconds) == (["a line"], 1.5)
    for field in fields(Played):
        assert same(getattr(played, field.name), getattr(back.played, field.name)), field.name
    assert kept.get("closed_loop") is None


def test_a_stopped_comparison_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate("tertiary-1-tiny", RULES, 2, overrides=SHORT)
    play, n_played = EpisodeRunner.play, []

    def stop_after_two(self: EpisodeRunner, *given: Any, **more: Any) -> Played:
        if len(n_played) == 2:
            raise KeyboardInterrupt
        n_played.append(1)
        return play(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(EpisodeRunner, "play", stop_after_two)
        stopped = evaluate("tertiary-1-tiny", RULES, 2, overrides=SHORT, unfinished=Unfinished(tmp_path, {}, True))
    assert stopped.stopped == 130 and list(stopped.scores) == ["idle", "open_loop"]
    n_played.clear()
    again = evaluate("tertiary-1-tiny", RULES, 2, overrides=SHORT, unfinished=Unfinished(tmp_path, {}))
    assert results.table_text(again.summary()) == results.table_text(whole.summary())
    assert results.table_text(list(results.seed_rows(again))) == results.table_text(list(results.seed_rows(whole)))
    assert "seconds" not in whole.summary()[0]


def test_another_comparison_begins_anew_with_its_first_controller(tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "idle.npz").write_bytes(b"of another")
    anew = Unfinished(tmp_path, {"n": 2}, anew=True)
    assert anew.get("idle") is None and (tmp_path / "unfinished" / "idle.npz").exists()
    with pytest.raises(InputError, match="cannot be read"):
        Unfinished(tmp_path, {}).get("idle")


def test_a_full_disk_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    kept = Unfinished(tmp_path, {})
    stage = EpisodeRunner(evaluate("tertiary-1-tiny", [], 1, overrides=SHORT).scenario)
    played = stage.play(controller_factory.players(["idle"])["idle"], [1])
    with pytest.warns(UserWarning, match="No space left on device; --resume will play idle again"):
        kept.keep("idle", Finished(played, [], 0.0))
    assert [path.name for path in kept.folder.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (None, "holds no unfinished comparison"),
        ("[]", "cannot be used"),
        ('{"versions": 3}', "cannot be used"),
        (json.dumps({"versions": {"numpy": "0"}}), "other versions: numpy 0 then, 1 now"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused(plan: str | None, said: str, tmp_path: Path) -> None:
    if plan is not None:
        (tmp_path / "unfinished").mkdir()
        (tmp_path / "unfinished" / "plan.json").write_text(plan, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_plan(tmp_path, {"numpy": "1"})

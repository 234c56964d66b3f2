"""Commands that are stopped: by a signal, a full disk, a folder that is gone. What is finished is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from der_gym.controllers import tune as tuning
from der_gym.controllers.store import load_settings, save_settings
from der_gym.evaluation.play import EpisodeRunner

SET = ["--set", "signals.start=2026-08-03", "--set", "services.tertiary-1.limits=off"]
SHORT = [*SET, "--set", "episode.n_block=2", "--set", "episode.n_block_after=1"]
PLAYED = ["--scenario", "tertiary-1-tiny", "--controller", "open_loop,closed_loop", "--seeds", "2", *SHORT]
FIRM = ["tertiary-1-tiny", "--controller", "open_loop", "--seeds", "1", "--season", "summer", "--start-h", "14", *SHORT]
Command = Callable[..., tuple[int, str, str]]
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals or devices")


def asked_at(call: int, number: int, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    """Let a signal come at the ``call``-th call of a function."""
    function, n_call = getattr(where, name), 0

    def asked(*given: Any, **more: Any) -> Any:
        nonlocal n_call
        n_call += 1
        if n_call == call:
            os.kill(os.getpid(), number)
        return function(*given, **more)

    monkeypatch.setattr(where, name, asked)


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_comparison_goes_on_to_the_same_bytes(
    number: int, code: int, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert command("evaluate", *PLAYED, "--out", whole)[0] == 0
    with monkeypatch.context() as patch:
        asked_at(3, number, patch, EpisodeRunner, "play")
        ended, out, err = command("evaluate", *PLAYED, "--out", cut)
    assert ended == code and "open_loop" in out
    assert err == f"der-gym: interrupted; finished: idle, open_loop; go on with: der-gym evaluate --resume {cut}\n"
    assert json.loads((cut / "run.json").read_text(encoding="utf-8"))["interrupted"] is True
    assert "holds an unfinished comparison" in command("evaluate", *PLAYED, "--out", cut)[2]
    assert "--seeds: --resume goes on with the options" in command("evaluate", "--resume", cut, "--seeds", 3)[2]
    assert command("evaluate", "--resume", cut)[0] == 0
    for name in ("scoreboard.csv", "seeds.csv", "failures.csv", "report.html"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}
    assert "holds no unfinished comparison" in command("evaluate", "--resume", cut)[2]
    before = (cut / "run.json").read_bytes()
    with monkeypatch.context() as patch:  # old results that are whole stay
        asked_at(3, number, patch, EpisodeRunner, "play")
        ended, out, _ = command("evaluate", *PLAYED, "--out", cut, "--overwrite")
    assert ended == code and "Results:" not in out and (cut / "run.json").read_bytes() == before
    assert command("evaluate", "--resume", cut)[0] == 0 and (cut / "run.json").read_bytes() != before


@posix
def test_a_signal_while_results_are_written_waits_until_they_are(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        asked_at(1, signal.SIGTERM, patch, np, "savez_compressed")
        code, _, err = command("run", "tertiary-1-tiny", *SHORT, "--out", tmp_path / "r")
    assert (code, err) == (143, "der-gym: interrupted; files written so far are whole\n")
    assert "run.json" in {path.name for path in (tmp_path / "r").iterdir()}


@posix
def test_a_stopped_search_for_firm_power_goes_on_to_the_same_bytes(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut, play, n_played = tmp_path / "whole", tmp_path / "cut", EpisodeRunner.play, []

    def counted(*given: Any, **more: Any) -> Any:
        n_played.append(1)
        return play(*given, **more)

    monkeypatch.setattr(EpisodeRunner, "play", counted)
    assert command("firm", *FIRM, "--budget", 4, "--out", whole)[0] == 0
    n_whole = len(n_played)
    n_played.clear()
    with monkeypatch.context() as patch:
        asked_at(3, signal.SIGTERM, patch, EpisodeRunner, "play")
        ended, _, err = command("firm", *FIRM, "--budget", 4, "--out", cut)
    assert ended == 143 and err.endswith(f"; go on with: der-gym firm --resume {cut}\n")
    assert "holds unfinished results" in command("firm", *FIRM, "--out", cut)[2]
    assert "--seeds: --resume goes on with the options" in command("firm", "--resume", cut, "--seeds", 3)[2]
    assert "--scenario: --resume goes on" in command("firm", "tertiary-1", "--resume", cut)[2]
    assert "was begun by der-gym firm" in command("evaluate", "--resume", cut)[2]
    assert len(n_played) == 2  # the signal came before the third
    assert command("firm", "--resume", cut)[0] == 0
    assert len(n_played) == n_whole
    for name in ("capability.csv", "firm.csv", "report.html"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}
    assert "holds no unfinished search" in command("firm", "--resume", cut)[2]
    assert "Missing argument 'SCENARIO'" in command("firm")[2]


@posix
def test_firm_keeps_what_is_finished(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        asked_at(2, signal.SIGTERM, patch, EpisodeRunner, "play")
        code, out, err = command("firm", *FIRM, "--out", tmp_path / "f")
    assert code == 143 and "Firm power" in out and "finished: awards x 0.5; go on with: der-gym firm --resume " in err
    assert json.loads((tmp_path / "f" / "run.json").read_text(encoding="utf-8"))["interrupted"] is True


@posix
def test_a_stopped_search_for_settings_goes_on_to_the_same_bytes(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["tune", "tertiary-1-tiny", "--trials", 4, "--seeds", 1, *SHORT]
    whole, cut, play, n_played = tmp_path / "whole.yaml", tmp_path / "cut.yaml", tuning._play, []

    def counted(*given: Any) -> Any:
        n_played.append(1)
        return play(*given)

    monkeypatch.setattr(tuning, "_play", counted)
    assert command(*words, "--out", whole)[0] == 0 and len(n_played) == 4
    n_played.clear()
    with monkeypatch.context() as patch:
        asked_at(3, signal.SIGTERM, patch, tuning, "_play")
        code, out, err = command(*words, "--out", cut)
    assert code == 143 and "2 trials" in out
    assert err == f"der-gym: interrupted; finished: 2 of 4 trials; go on with: der-gym tune --resume {cut}\n"
    assert cut.exists() and cut.read_bytes() != whole.read_bytes()  # the best so far
    assert "an unfinished search stands beside it" in command(*words, "--out", cut)[2]
    assert "--trials: --resume goes on with the options" in command("tune", "--resume", cut, "--trials", 9)[2]
    n_played.clear()
    shipped = tuning.load_settings("closed_loop")
    with monkeypatch.context() as patch:  # trial 0 is what was shipped when the search began
        patch.setattr(tuning, "load_settings", lambda _: shipped.model_copy(update={"ki_per_min": 0.123}))
        assert command("tune", "--resume", cut)[0] == 0
    assert len(n_played) == 2 and cut.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.yaml", "whole.yaml"]
    assert "holds no unfinished search for settings" in command("tune", "--resume", cut)[2]
    assert "Missing argument 'SCENARIO'" in command("tune")[2]
    assert "--overwrite: changes nothing" in command(*words, "--overwrite")[2]


@posix
def test_a_stopped_search_for_settings_begins_anew_where_asked(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["tune", "tertiary-1-tiny", "--seeds", 1, *SHORT, "--out", tmp_path / "t.yaml", "--trials"]
    with monkeypatch.context() as patch:
        asked_at(2, signal.SIGINT, patch, tuning, "_play")
        assert command(*words, 3)[0] == 130
    with monkeypatch.context() as patch:
        asked_at(1, signal.SIGINT, patch, tuning, "_play")  # nothing new is finished: the old trial stays
        assert command(*words, 2, "--overwrite")[0] == 130
    assert (tmp_path / "t.yaml.unfinished" / "trials.json").exists()
    assert command(*words, 1, "--overwrite")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["t.yaml"]


@posix
def test_a_file_that_a_controller_is_made_from_must_not_change_before_it_goes_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, cut = tmp_path / "mine.yaml", tmp_path / "cut"
    save_settings("closed_loop", load_settings("closed_loop"), {}, mine)
    own = ["--controller", f"open_loop,closed_loop@{mine}"]
    for words in (["evaluate", *PLAYED, *own], ["firm", *FIRM, *own, "--budget", 3]):
        before = mine.read_bytes()
        with monkeypatch.context() as patch:
            asked_at(2, signal.SIGTERM, patch, EpisodeRunner, "play")
            code, _, err = command(*words, "--out", cut, "--overwrite")
            assert code == 143, err
        mine.write_bytes(before + b"# changed\n")
        code, _, err = command(words[0], "--resume", cut)
        assert code == 2 and err == (
            f"der-gym: --resume: {str(mine)!r}, which a controller is made from, has changed since {str(cut)!r} began\n"
        )
        mine.unlink()
        code, _, err = command(words[0], "--resume", cut)
        assert code == 2 and f"{str(mine)!r}, which a controller is made from, is no longer there" in err
        mine.write_bytes(before)
        assert command(words[0], "--resume", cut)[0] == 0


@posix
@pytest.mark.parametrize("after_s", [0.3, 0.9, 1.5, 2.1])
def test_a_real_signal_at_any_moment_leaves_nothing_half(after_s: float, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "der_gym.cli", "evaluate", *PLAYED, "--out", str(tmp_path / "r")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        time.sleep(after_s)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate()
    assert running.returncode in (143, -signal.SIGTERM, 0) and "Traceback" not in err
    left = [path.name for path in tmp_path.rglob(".*")]
    assert left == []
    if (tmp_path / "r").exists() and running.returncode == 143:
        assert {path.name for path in (tmp_path / "r").iterdir()} & {"run.json", "unfinished"}


def test_a_full_disk_loses_no_table(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces do not fit: the table is printed, what is whole is kept, and it goes on when there is room."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    cut = tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        code, out, err = command("evaluate", *PLAYED, "--out", cut)
    assert code == 1 and "closed_loop" in out and "Results:" not in out
    assert err == (
        f"der-gym: results cannot be written: No space left on device; what is whole is kept in {str(cut)!r}; go on "
        f"with: der-gym evaluate --resume {cut}\n"
    )
    assert {"scoreboard.csv", "report.html", "unfinished"} <= {path.name for path in cut.iterdir()}
    assert not {path.name for path in cut.iterdir()} & {"run.json"}
    assert command("evaluate", "--resume", cut)[0] == 0
    assert "run.json" in {path.name for path in cut.iterdir()}
    before = {path.name: path.read_bytes() for path in cut.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        for words in (["run", "tertiary-1-tiny", *SHORT], ["evaluate", *PLAYED]):
            code, out, err = command(*words, "--out", cut, "--overwrite")
            assert code == 1 and out != "" and err.count("\n") == 1
    kept = {path.name: path.read_bytes() for path in cut.iterdir() if path.is_file()}
    assert kept == before


@posix
def test_an_output_that_is_full_is_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        words = [sys.executable, "-m", "der_gym.cli", "list", "scenarios"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "der-gym: the output cannot be written: No space left on device\n"

"""Reports as a user asks for them: pages where they were named, and bad names refused before anything is played."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from reports import find_browser, need_browser
from test_cli import SHORT, Command, refuse, succeed

from der_gym.evaluation.play import EpisodeRunner
from der_gym.evaluation.recorder import Trace

RUN = ["run", "tertiary-1-tiny", "--controller", "open_loop", *SHORT]
EVALUATE = ["evaluate", "--scenario", "tertiary-1-tiny", "--controller", "open_loop", "--seeds", 2, *SHORT]
FIRM = ["firm", "tertiary-1-tiny", "--controller", "open_loop", "--seeds", 1, "--season", "summer", "--start-h", 14]
FIRM = [*FIRM, "--budget", 3, "--level", 0.5, *SHORT]
COMMANDS = {"run": RUN, "evaluate": EVALUATE, "firm": FIRM}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_page_where_it_was_asked_for(command: Command, tmp_path: Path, name: str) -> None:
    target = tmp_path / "new" / "a.html"
    out = succeed(command(*COMMANDS[name], "--report", target))
    assert f"Report: {target}" in out
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.html"]
    text = target.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert len(text) < 2_000_000


@pytest.mark.parametrize("name", COMMANDS)
def test_results_hold_a_page(command: Command, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "r"
    succeed(command(*COMMANDS[name], "--out", folder))
    first = (folder / "report.html").read_bytes()
    succeed(command(*COMMANDS[name], "--out", folder, "--overwrite", "--report", folder / "report.html"))
    assert (folder / "report.html").read_bytes() == first  # the same seeds, the same page


def test_no_page_and_no_detail_unless_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("der_gym.cli.play.DetailRecorder", None)
    succeed(command(*RUN))
    succeed(command(*EVALUATE))
    assert list(tmp_path.iterdir()) == []


def test_the_traces_are_the_same_with_a_page(command: Command, tmp_path: Path) -> None:
    succeed(command(*RUN, "--out", tmp_path / "r"))
    succeed(command(*EVALUATE, "--out", tmp_path / "e"))
    for folder in ("r", "e"):
        with np.load(tmp_path / folder / "traces-open_loop.npz") as file:
            assert set(file.files) == {"seeds", *(field.name for field in fields(Trace))}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("target", "said"),
    [("", "is a folder"), ("file/a.html", "cannot be written"), ("a.pdf", "allowed: .html"), ("a", "allowed: .html")],
)
def test_a_bad_target_is_refused_before_playing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, target: str, said: str
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setattr(EpisodeRunner, "play", None)
    err = refuse(command(*COMMANDS[name], "--report", tmp_path / target, "--out", tmp_path / "out"))
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_evaluate_shows_the_curves_of_firm(command: Command, tmp_path: Path) -> None:
    succeed(command(*FIRM, "--out", tmp_path / "f"))
    succeed(command(*EVALUATE, "--firm", tmp_path / "f", "--report", tmp_path / "b.html"))
    assert '"firm":{"n_seed":1,' in (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "no results of der-gym firm there" in refuse(command(*EVALUATE, "--firm", tmp_path, "--out", tmp_path / "n"))
    other = ["evaluate", "--scenario", "tertiary-1", "--controller", "idle", "--seeds", 1, *SHORT]
    assert "is of scenario 'tertiary-1-tiny'" in refuse(
        command(*other, "--firm", tmp_path / "f", "--report", tmp_path / "o.html")
    )


def test_without_a_browser_tests_fail_in_ci_and_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("DER_GYM_CHROMIUM", "/some/chromium")
    assert find_browser() == "/some/chromium"
    monkeypatch.delenv("DER_GYM_CHROMIUM")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        need_browser()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        need_browser()

"""Commands that write one file: refused before they play, or written before anything is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from der_gym.cli import fairness as fairness_command
from der_gym.cli import supply as supply_command
from der_gym.core import files

Command = Callable[..., tuple[int, str, str]]
SMALL = """
base: {base}
fleet: {{n_device: 40}}
signals: {{start: 2026-08-03}}
"""
WORDS = {
    "supply": ["--seeds", "1", "--prices", "10,30", "--minutes", "16", "--every-h", "24"],
    "fairness": ["--permutations", "2"],
}
BASES = {"supply": "incentive-evening", "fairness": "tertiary-1-tiny"}
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def words(name: str, folder: Path) -> list[str]:
    path = folder / "東京.yaml"
    path.write_text(SMALL.format(base=BASES[name]), encoding="utf-8")
    return [name, str(path), *WORDS[name]]


@posix
@pytest.mark.parametrize("name", BASES)
def test_a_target_that_cannot_be_is_refused_before_the_play(
    name: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def played(*_: Any) -> None:
        raise AssertionError("played")

    monkeypatch.setattr(supply_command, "supply", played)
    monkeypatch.setattr(fairness_command, "fairness", played)
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    for target, said in (("file/x.csv", "is no folder"), ("pipe", "is a pipe"), (".", "is a folder")):
        code, out, err = command(*words(name, tmp_path), "--out", tmp_path / target)
        assert (code, out, err.count("\n")) == (2, "", 1) and said in err


@pytest.mark.parametrize("name", BASES)
def test_a_full_disk_loses_no_table(
    name: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "x.csv"))

    with monkeypatch.context() as patch:
        patch.setattr(files, "_new_beside", full)
        code, out, err = command(*words(name, tmp_path), "--out", tmp_path / "x.csv")
    assert code == 1 and {"supply": "event at", "fairness": "paid by"}[name] in out
    assert err == f"der-gym: {str(tmp_path / 'x.csv')!r} cannot be written: No space left on device\n"
    assert not (tmp_path / "x.csv").exists()


@posix
@pytest.mark.parametrize("name", BASES)
def test_a_reader_that_goes_away_loses_no_file(name: str, tmp_path: Path) -> None:
    """Also with a name in Japanese under ``LC_ALL=C``."""
    command = [sys.executable, "-m", "der_gym.cli", *words(name, tmp_path), "--out", str(tmp_path / "表.csv")]
    reading, writing = os.pipe()
    os.close(reading)
    own = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=own)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "表.csv").read_text(encoding="utf-8").count("\n") > 2

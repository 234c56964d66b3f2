"""What the command prints: names as they are, one line for a fault, in any terminal's encoding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from der_gym.fleet.columns import COLUMNS

SHORT = [
    *("--set", "signals.start=2026-08-03", "--set", "services.tertiary-1.limits=off"),
    *("--set", "episode.n_block=2", "--set", "episode.n_block_after=1"),
]
TITLE = "[/red] [bold]:smile: 日本語"


def command(*words: object, folder: Path, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    """Run the command; only bytes come back, for they may be in any encoding."""
    called = [sys.executable, "-m", "der_gym.cli", *(word if isinstance(word, bytes) else str(word) for word in words)]
    around = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "120"}
    return subprocess.run(called, cwd=folder, capture_output=True, check=False, env=around, timeout=300)


def refused(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the one line of a command that must end with 2."""
    line = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b"" and line.count("\n") == 1 and line[:-1].isprintable(), line
    return line


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    text = f"base: tertiary-1-tiny\nname: '[x]'\ntitle: '{TITLE}'\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "cp1252", "ascii"])
def test_titles_are_shown_as_they_are_in_any_terminal(mine: Path, encoding: str) -> None:
    done = command("run", "mine.yaml", "--controller", "idle", *SHORT, folder=mine, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert f"[x]: {TITLE}\n".encode(encoding, "backslashreplace") in done.stdout.replace(b"\r\n", b"\n")
    for what in ("services", "columns"):
        assert command("list", what, folder=mine, encoding=encoding).returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["validate", "a\nb\"'.yaml"], "a\\nb\"'.yaml: cannot be read"),
        (["validate", "a\x1b[31m.csv"], "a\\x1b[31m.csv: cannot be read"),
        (["run", "tert\x1b[31m"], "'tert\\x1b[31m'; did you mean"),
        (["run", "tertiary-1-tiny", "--fleet", "x\ny.csv"], "x\\ny.csv"),
        (["run", "tertiary-1-tiny", "--controller", 'a@b\n"c'], 'a@b\\n"c'),
        (["run", "tertiary-1-tiny", "--start", "99999999999999999999-01-01"], "is not a date"),
        (["run", "tertiary-1-tiny", "--set", "title=\x1b"], "--set 'title=\\x1b'"),
        (["run", "tertiary-1-tiny", "--set", "title=" + "[" * 2000], "nested more than 40 deep"),
        (["run", "x" * 5000], "unknown name 'xxx"),
        (["tune", "tertiary-1-tiny", "--out", "mine.yaml/x.yaml"], "'mine.yaml' is no folder"),
        (["run", "tertiary-1-tiny", "--report", "mine.yaml/x.html"], "'mine.yaml' is no folder"),
        (["schema", "--out", "mine.yaml/x"], "'mine.yaml' is no folder"),
        (["schema", "--out", "x" * 300], "File name too long"),
        (["tune", "--resume", ""], "allowed: a settings file"),
    ],
)
def test_a_fault_is_one_line_whatever_is_named(mine: Path, words: list[str], said: str) -> None:
    assert said in refused(command(*words, folder=mine))


def test_a_path_with_a_line_break_is_shown_on_one_line(mine: Path) -> None:
    words = ["run", "mine.yaml", "--controller", "idle", "--out", "o\x1b[31m\nx", *SHORT]
    done = command(*words, folder=mine)
    assert done.returncode == 0, done.stderr
    assert b"Results: o\\x1b[31m\\nx (" in done.stdout and b"\x1b" not in done.stdout
    assert (mine / "o\x1b[31m\nx" / "run.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize(
    "words",
    [
        ["run", "tertiary-1-tiny", "--fleet", "pipe.csv"],
        ["run", "tertiary-1-tiny", "--prices", "pipe.csv"],
        ["run", "tertiary-1-tiny", "--fleet", "/dev/zero"],
        ["evaluate", "--set", "signals.frequency=pipe.csv", *SHORT],
        ["run", "tertiary-1-tiny", "--request", "pipe.csv", *SHORT],
        ["run", "tertiary-1-tiny", "--controller", "open_loop@pipe.csv"],
        ["run", "tertiary-1-tiny", "--controller", "policy:pol"],
        ["tune", "--resume", "best.yaml"],
        ["validate", "pipe.csv"],
    ],
    ids=lambda words: " ".join(words[:4]),
)
def test_what_may_never_end_is_not_read(mine: Path, words: list[str]) -> None:
    for name in ("pipe.csv", "pol/policy.json", "best.yaml.unfinished/plan.json"):
        (mine / name).parent.mkdir(exist_ok=True)
        os.mkfifo(mine / name)
    assert "regular file" in refused(command(*words, folder=mine))


@pytest.mark.skipif(sys.platform != "linux", reason="only there may names be any bytes")
def test_names_that_are_no_utf8(mine: Path) -> None:
    name = "結果".encode("cp932")
    os.rename(mine / "mine.yaml", os.path.join(os.fsencode(mine), name + b".yaml"))
    (mine / "list.csv").write_text("id,class,path\n" + "".join(f"b{i},battery,P1\n" for i in range(4)))
    os.rename(mine / "list.csv", os.path.join(os.fsencode(mine), name + b".csv"))
    done = command("run", name + b".yaml", "--controller", "idle", "--out", name, *SHORT, folder=mine)
    assert done.returncode == 0, done.stderr
    assert b"Results: \\udc8c" in done.stdout
    assert "rename" in refused(command("run", "tertiary-1-tiny", "--fleet", name + b".csv", folder=mine))


def test_the_list_of_columns_names_all_of_them(tmp_path: Path) -> None:
    shown = command("list", "columns", folder=tmp_path).stdout.decode()
    assert all(column.word in shown and column.shown() in shown for column in COLUMNS)

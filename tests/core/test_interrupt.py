"""Signals: one exception, held back while files are put in their place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from der_gym.core.files import whole_file, write_text
from der_gym.core.interrupt import Interrupted, exit_code, heard, held_back

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def ask(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_is_raised_with_its_exit_code(number: int, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as raised, heard():
        ask(number)
    assert exit_code(raised.value) == code
    assert exit_code(KeyboardInterrupt()) == 130
    assert signal.getsignal(number) == before


def test_what_the_process_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heard():
            ask(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_for_the_block_and_a_second_one_does_not() -> None:
    done = []
    with heard():
        with pytest.raises(Interrupted), held_back():
            with held_back():
                ask()
                done.append("inner")
            done.append("outer")
        with pytest.raises(Interrupted), held_back():
            ask()
            ask(signal.SIGINT)
            done.append("never")
        with held_back():  # nothing waits any more
            done.append("last")
    assert done == ["inner", "outer", "last"]


def test_the_error_of_the_block_goes_on_alone() -> None:
    with heard():
        with pytest.raises(OSError, match="full"), held_back():
            ask()
            raise OSError("full")
        with held_back():
            pass


def test_a_file_is_whole_or_old_whenever_the_signal_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, replace = tmp_path / "a.txt", os.replace
    write_text(file, "old")

    def replace_later(*given: Path) -> None:
        ask()
        replace(*given)

    with heard():
        with pytest.raises(Interrupted), whole_file(file) as temporary:
            temporary.write_text("half", encoding="utf-8")
            ask()
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and file.read_text(encoding="utf-8") == "old"
        monkeypatch.setattr(os, "replace", replace_later)
        with pytest.raises(Interrupted):
            write_text(file, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and file.read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-m", "der_gym.cli", "list", "fields"], 130, "der-gym: interrupted\n"),
        (["-c", "import der_gym"], -signal.SIGINT, "KeyboardInterrupt"),  # a user's own process is left alone
    ],
)
def test_ctrl_c_while_a_command_is_importing_is_one_line(
    tmp_path: Path, project_root: Path, words: list[str], code: int, said: str
) -> None:
    (tmp_path / "gymnasium.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), str(project_root)])
    ended = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code
    assert ended.stderr == said if code > 0 else said in ended.stderr

"""Small parts of ``make kill`` and ``make soak``, and a look at whether both find what is wrong."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from script_files import load_script

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs process groups and /proc")
# A command that writes what says that all is whole before it is whole.
TORN = """
import sys, time, pathlib
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True, parents=True)
for name in ("run.json", "scoreboard.csv", "seeds.csv"):
    (out / name).write_text(name)
    time.sleep(0.5)
"""


def test_killed_commands_lose_nothing(project_root: Path) -> None:
    words = ["--kills", "3", "--seed", "5", "--case", "schema"]
    done = subprocess.run(
        [sys.executable, str(project_root / "scripts" / "kill.py"), *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"^3 killed while they ran, \d+ that had ended before: 0 wrong", done.stdout, re.MULTILINE)


def test_a_command_that_tears_its_files_is_found(project_root: Path, tmp_path: Path) -> None:
    kill = load_script("kill")
    torn = kill.Series(kill.Case("torn", ("-c", TORN, "{out}")), kill.Place(tmp_path), tmp_path / "case")
    killed, found, wrong = torn.kill(0.5)
    assert killed and found == "part" and wrong[0].startswith("neither old nor new")
    torn.lasts_s = 60.0  # more than it takes: it has ended by then, and its time is known
    killed, found, wrong = torn.kill(1.0)
    assert not killed and found == "new" and wrong == [] and torn.lasts_s < 60.0


def test_what_rises_is_found(project_root: Path) -> None:
    soak = load_script("soak")
    flat = [(200.0 + k % 3, 11) for k in range(40)]
    assert soak.judge(flat, 40, 1.0) == 0
    assert soak.judge([(200.0 + 0.5 * k, 11) for k in range(40)], 40, 1.0) == 1
    assert soak.judge([(200.0, 11 + k) for k in range(40)], 40, 1.0) == 1
    assert soak.judge(flat[:5], 5, 1.0) == 1


def test_a_turn_closes_what_it_opens(project_root: Path) -> None:
    soak = load_script("soak")
    rng = np.random.default_rng(0)
    for k in range(3):
        assert soak.turn(k, rng) > 1.0
    before = soak.n_open()
    for k in range(3):
        soak.turn(k, rng)
    assert soak.n_open() == before


def test_no_command_that_writes_files_is_missing(project_root: Path) -> None:
    """What takes ``--out``, the cache, and everything that goes on where it was stopped."""
    from der_gym.cli.app import app

    kill = load_script("kill")
    words = [" ".join((*case.words, *case.begun)) for case in kill.cases(learning=True)]
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        takes = set(inspect.signature(command.callback).parameters)
        if takes & {"out", "clear"}:
            assert any(f"der_gym.cli {name} " in each for each in words), name
        if "resume" in takes:
            assert any(f"der_gym.cli {name} --resume" in each for each in words), name
    for path in (project_root / "agents").glob("*.py"):
        if '"--out' in path.read_text(encoding="utf-8") or "out: Annotated" in path.read_text(encoding="utf-8"):
            assert any(f"agents/{path.name}" in each for each in words), path.name

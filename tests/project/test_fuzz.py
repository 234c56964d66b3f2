"""A small part of ``make fuzz``, and a look at whether the fuzzer finds what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from script_files import load_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of memory need a POSIX system")
FILE_KINDS = ("scenario", "overrides", "table", "spot", "demand", "weather", "frequency", "request", "settings")
INPUTS = dict.fromkeys(FILE_KINDS, 60) | {"action": 60, "snapshot": 40, "policy": 40, "making": 60}
N_CHILD = 15
UNHURRIED = ("--minutes", "60", "--hang", "120")  # what is counted must not depend on the machine's load


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    return load_script("fuzz")


@pytest.mark.parametrize("kind", INPUTS)
def test_mutated_inputs_are_taken_or_refused_in_one_line(fuzz: ModuleType, kind: str, tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", category=RuntimeWarning)
        target = fuzz.made(kind, tmp_path)
        for number in range(INPUTS[kind]):
            outcome, what = fuzz.outcome_of(target, kind, 0, number)
            assert outcome in fuzz.OUTCOMES, f"{kind} --seed 0 --only {number}: {outcome}: {what}"
            found[outcome] += 1
    assert len(found) == 2  # else the inputs say nothing


def run(project_root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project_root / "scripts" / "fuzz.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_kept_files_and_checkpoints_are_taken_or_refused(project_root: Path) -> None:
    done = run(project_root, "--kind", "cache", "--kind", "checkpoint", "--n", str(N_CHILD), *UNHURRIED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"all: {2 * N_CHILD} inputs, " in done.stdout


def test_the_fuzzer_finds_everything_that_is_wrong_and_goes_on(project_root: Path, fuzz: ModuleType) -> None:
    done = run(project_root, "--kind", "broken", "--n", "24", "--hang", "0.5")
    assert done.returncode == 1
    counts = dict((name, int(n)) for n, name in re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1]))
    assert counts["inputs"] >= 24 and all(counts[what] > 0 for what in (*fuzz.OUTCOMES, *fuzz.WRONG)), done.stdout
    assert re.search(r"broken --seed 1 --only \d+ \(\d+ such\): traceback: KeyError", done.stdout)

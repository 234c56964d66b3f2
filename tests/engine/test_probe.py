"""The way into kernels is tried before it is used; where it fails, Python calls every kernel with the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import golden
import numpy as np
import pytest

from der_gym.engine import compile, native, probe
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, Program

NUMBERS = native.words


def exchanged(one: int, other: int) -> Any:
    """Return `native.words` of a numba whose arrays have two of their seven words, and more, in each other's place."""

    def words(given: Any) -> tuple[str, list[int]]:
        kinds, laid = "", list[int]()
        for each in given:
            kind, mine = NUMBERS([each])
            if isinstance(each, np.ndarray):
                mine[one], mine[other] = mine[other], mine[one]
            kinds, laid = kinds + kind, [*laid, *mine]
        return kinds, laid

    return words


def raising(*_: Any) -> Any:
    raise RuntimeError("another convention")


def wrong_single(given: Any) -> tuple[str, list[int]]:
    """Return `native.words` with a float32 handed over as whole bits."""
    kinds, laid = NUMBERS(given)
    return kinds, [bits + 1 if kind == "f" else bits for kind, bits in zip(kinds, laid, strict=True)]


@pytest.fixture
def untried() -> Iterator[None]:
    """Let the trial be made anew within a test, and after it."""
    compile.has_bridge.cache_clear()
    yield
    compile.has_bridge.cache_clear()


def test_the_way_in_works_here(untried: None) -> None:
    assert probe.fault(kernel) is None
    start = time.process_time()
    assert compile.has_bridge()
    assert time.process_time() - start < 0.5  # it is asked at the first call in every process


def test_the_trial_sees_each_word_of_an_array() -> None:
    told = list(probe._TOLD[6:])
    line, sheet, block = probe._arrays()
    for array, words in ((line, told[:4]), (sheet, told[4:10]), (block, told[10:])):
        assert words == [array.size, array.itemsize, *array.shape, *array.strides]
    assert len(set(told[10:])) == 8  # of the block all differ, so that no two can be exchanged unseen


FAULTS = {
    "size and item size": ("words", exchanged(2, 3)),
    "shape and steps": ("words", exchanged(-1, 5)),
    "shape backwards": ("words", exchanged(5, 6)),
    "float32": ("words", wrong_single),
    "no bridge": ("bridge", raising),
    "no address": ("address", raising),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_changed_convention_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, *FAULTS[name])
    native._bridge_call.cache_clear()
    assert probe.fault(kernel) is not None
    native._bridge_call.cache_clear()


def test_a_changed_array_struct_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_FIELDS", ("parent", "meminfo", *probe._FIELDS[2:]))
    assert "stand at [1, 0, 2, 3, 4, 5, 6]" in str(probe.fault(kernel))


def test_programs_and_calls_work_without_the_bridge_after_one_warning(
    untried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @kernel
    def weigh(s0: Any, s1: Any, n: Any, by: Any, half: Any, sign: Any, out: Any) -> None:
        for s in range(s0, s1):
            for i in range(out.shape[1]):
                out[s, i] += by * i + half + (n if sign else -n)

    def call(out: np.ndarray) -> Call:
        return Call(weigh, 3, np.float32(0.1), 0.5, True, out)

    right, left, direct = (np.zeros((4, 5), np.float32) for _ in range(3))
    Program([call(right)], 4, 1, 1)()
    assert "opened" not in vars(weigh) and right.any()
    monkeypatch.setattr(native, "words", exchanged(2, 3))
    compile.has_bridge.cache_clear()
    with pytest.warns(
        UserWarning, match=r"numba .* takes arguments in a way .* other arguments than it was given"
    ) as w:
        broken = Program([call(left)], 4, 1, 2)
        broken.load()
        broken()
        weigh(0, 4, 3, np.float32(0.1), 0.5, True, direct)
    assert len(w) == 1
    assert left.tobytes() == right.tobytes() == direct.tobytes()


EPISODE = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
from der_gym.engine import native
words = native.words
native.words = lambda given: (words(given)[0], [0] * len(words(given)[1]))
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    import golden
    print(golden.current(sys.argv[2]), sum("numba" in str(w.message) for w in found))
"""


def test_an_episode_has_the_same_bits_without_the_bridge(project_root: Path) -> None:
    name, support = "tertiary-1-battery", Path(golden.FILE).parent
    env = {**os.environ, "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-c", EPISODE, str(support), name]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=600)
    bits, warned = done.stdout.split()
    assert (bits, warned) == (json.loads(golden.FILE.read_text(encoding="utf-8"))[name], "1")

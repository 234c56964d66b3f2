"""Kernels compiled by forks are loaded, not compiled again: `engine/test_compile_ahead.py` runs this alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from der_gym.engine import cache, compile_ahead, parallel
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, Program


def calls() -> tuple[list[Call], np.ndarray]:
    """Return calls of two kernels that no process has compiled."""

    @kernel
    def double(lo, hi, out):  # type: ignore[no-untyped-def]
        for i in range(lo, hi):
            out[i] *= 2.0

    @kernel
    def add_one(lo, hi, out):  # type: ignore[no-untyped-def]
        for i in range(lo, hi):
            out[i] += 1.0

    out = np.arange(5.0)
    return [Call(each, out) for each in (double, add_one, double)], out


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep kernels in a folder of this test, with two cores."""
    monkeypatch.setenv("DER_GYM_CACHE", str(tmp_path))
    monkeypatch.setenv("DER_GYM_WORKERS", "2")
    monkeypatch.setattr(compile_ahead, "MOST", 4)
    yield
    cache._folders.clear()


def in_forks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process leave all work to its forks."""
    here, work = os.getpid(), compile_ahead._work
    monkeypatch.setattr(compile_ahead, "_work", lambda *given: work(*given) if os.getpid() != here else None)


def test_what_forks_compile_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    in_forks_alone(monkeypatch)
    asked, out = calls()
    Program(asked, 5, 1, 1)()
    assert np.array_equal(out, 2 * (2 * np.arange(5.0) + 1))
    assert all(call.kernel.stats.cache_hits and not call.kernel.stats.cache_misses for call in asked)


@pytest.mark.parametrize("reason", ["one core", "threads", "kept"])
def test_nothing_is_forked_where_nothing_is_gained(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> int:
        raise AssertionError("forked")

    asked, _ = calls()
    if reason == "kept":
        for call in asked:
            call(0, 5)
    monkeypatch.setattr(os, "fork", forbidden)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    if reason == "one core":
        monkeypatch.setenv("DER_GYM_WORKERS", "1")
    if reason == "threads":
        thread.start()
    try:
        compile_ahead.compile_ahead(asked)
    finally:
        stop.set()
    if reason == "threads":
        thread.join()


def test_threads_that_wait_for_work_forbid_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    parallel.together(lambda: None, 2)
    in_forks_alone(monkeypatch)
    asked, _ = calls()
    compile_ahead.compile_ahead(asked)
    asked[0](0, 5)
    assert asked[0].kernel.stats.cache_hits


def test_a_fault_is_raised_here_and_no_fork_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    fork, forks = os.fork, list[int]()

    def noted() -> int:
        forks.append(fork())
        return forks[-1]

    monkeypatch.setattr(os, "fork", noted)

    @kernel
    def wrong(lo, hi, out):  # type: ignore[no-untyped-def]
        out[lo] = out.no_such_name

    asked, out = calls()
    with pytest.raises(TypingError, match="no_such_name"):
        Program([*asked, Call(wrong, out)], 5, 1, 1)()
    assert forks
    for each in forks:
        with pytest.raises(ChildProcessError):
            os.waitpid(each, os.WNOHANG)


def test_where_this_process_is_stopped_its_forks_begin_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    here, work = os.getpid(), compile_ahead._work

    def stopped_or_late(asked: list[Any], taken: Any) -> None:
        if os.getpid() == here:
            raise KeyboardInterrupt
        while not taken[0]:
            time.sleep(0.01)
        work(asked, taken)

    monkeypatch.setattr(compile_ahead, "_work", stopped_or_late)
    asked, _ = calls()
    with pytest.raises(KeyboardInterrupt):
        compile_ahead.compile_ahead(asked)
    asked[0](0, 5)
    assert asked[0].kernel.stats.cache_misses


def test_where_no_process_can_be_forked_this_one_compiles_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refused)
    asked, out = calls()
    Program(asked, 5, 1, 1)()
    assert np.array_equal(out, 2 * (2 * np.arange(5.0) + 1))

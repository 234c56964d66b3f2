"""Threads at one job: everything is done once, errors come through, forks and workers change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from der_gym.core.errors import InputError
from der_gym.engine import parallel


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_all_that_is_to_be_done_is_done_once(workers: int) -> None:
    for _ in range(20):
        rest, done = iter(range(100)), []
        parallel.together(lambda: done.extend(rest), workers)  # noqa: B023
        assert sorted(done) == list(range(100))


def test_one_worker_needs_no_thread_and_several_run_together() -> None:
    names: list[int] = []
    parallel.together(lambda: names.append(threading.get_ident()), 1)
    assert names == [threading.get_ident()]
    meet = threading.Barrier(3)
    parallel.together(lambda: (meet.wait(timeout=30), names.append(threading.get_ident()))[1], 3)
    assert len(set(names[1:])) == 3 and threading.get_ident() in names[1:]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_comes_through_when_all_have_ended(bad: int) -> None:
    ended, turns = [], iter(range(6))

    def work() -> None:
        turn = next(turns)
        if turn == bad:
            raise InputError(f"turn {turn}")
        time.sleep(0.05)
        ended.append(turn)

    with pytest.raises(InputError, match=f"turn {bad}"):
        parallel.together(work, 3)
    assert sorted(ended) == sorted({0, 1, 2} - {bad})  # nobody writes on behind the caller's back
    parallel.together(work, 3)  # and the threads still work
    assert len(ended) == 5


def test_who_comes_while_the_threads_are_busy_works_alone() -> None:
    names: list[int] = []
    inner, meet = [], threading.Barrier(2)

    def work() -> None:
        meet.wait(timeout=30)
        parallel.together(lambda: inner.append(threading.get_ident()), 2)
        names.append(threading.get_ident())

    parallel.together(work, 2)
    assert sorted(inner) == sorted(names) and len(set(names)) == 2


def test_an_interrupt_waits_for_the_others() -> None:
    done, main = [], threading.get_ident()

    def work() -> None:
        if threading.get_ident() == main:
            raise KeyboardInterrupt
        time.sleep(0.1)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        parallel.together(work, 2)
    assert done == [1]


def test_workers_are_named_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DER_GYM_WORKERS", "3")
    assert parallel.default_workers() == 3
    for bad in ("0", "-1", "many", "1.5"):
        monkeypatch.setenv("DER_GYM_WORKERS", bad)
        with pytest.raises(InputError, match=f"DER_GYM_WORKERS: '{bad}'; allowed: a whole number from 1"):
            parallel.default_workers()
    monkeypatch.delenv("DER_GYM_WORKERS")
    assert 1 <= parallel.default_workers() <= (os.cpu_count() or 1)


CHILD = """
import multiprocessing, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside threads, which is what is tried
from der_gym.engine import parallel

def total(n):
    rest, parts = iter(range(n)), []
    parallel.together(lambda: parts.append(sum(rest)), 3)
    return sum(parts), parallel.default_workers()

if __name__ == "__main__":
    how = sys.argv[1]
    assert total(100)[0] == 4950  # the parent's pool exists
    with multiprocessing.get_context(how).Pool(2) as pool:
        print(pool.map(total, [10, 20, 30]))
    assert total(100)[0] == 4950
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
@pytest.mark.parametrize("how", ["fork", "forkserver", "spawn"])
def test_children_have_their_own_pool_and_one_worker(how: str, tmp_path: object, project_root: object) -> None:
    script = f"{tmp_path}/child.py"
    with open(script, "w", encoding="utf-8") as file:
        file.write(CHILD)
    env = {k: v for k, v in os.environ.items() if k != "DER_GYM_WORKERS"} | {"PYTHONPATH": str(project_root)}
    done = subprocess.run(
        [sys.executable, script, how], env=env, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[(45, 1), (190, 1), (435, 1)]"

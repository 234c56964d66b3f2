"""Threads over ranges: they cover everything once, errors come through, forks and workers change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from der_gym.core import parallel
from der_gym.core.errors import InputError


@pytest.mark.parametrize("n", [0, 1, 2, 5, 16, 17, 1000])
@pytest.mark.parametrize("workers", [0, 1, 2, 3, 16, 64])
def test_ranges_cover_all_once_the_first_of_the_longest(n: int, workers: int) -> None:
    ranges = parallel.split(n, workers)
    assert [k for lo, hi in ranges for k in range(lo, hi)] == list(range(n))
    sizes = [hi - lo for lo, hi in ranges]
    assert 1 <= len(ranges) <= max(workers, 1) and max(sizes) - min(sizes) <= 1
    assert sizes[0] == max(sizes)


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_every_range_is_worked_once(workers: int) -> None:
    count = np.zeros(100, dtype=int)

    def work(lo: int, hi: int) -> None:
        count[lo:hi] += 1

    for _ in range(20):
        parallel.for_ranges(work, parallel.split(100, workers))
    assert (count == 20).all()


def test_one_range_needs_no_thread_and_several_run_together() -> None:
    names: list[int] = []
    parallel.for_ranges(lambda lo, hi: names.append(threading.get_ident()), [(0, 9)])
    assert names == [threading.get_ident()]
    meet = threading.Barrier(3)
    parallel.for_ranges(lambda lo, hi: (meet.wait(timeout=30), None)[1], parallel.split(3, 3))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_comes_through_when_all_have_ended(bad: int) -> None:
    ended = []

    def work(lo: int, hi: int) -> None:
        if lo == bad:
            raise InputError(f"range {lo}")
        time.sleep(0.05)
        ended.append(lo)

    with pytest.raises(InputError, match=f"range {bad}"):
        parallel.for_ranges(work, parallel.split(3, 3))
    assert sorted(ended) == sorted({0, 1, 2} - {bad})  # nobody writes on behind the caller's back
    parallel.for_ranges(lambda lo, hi: ended.append(hi), parallel.split(3, 3))  # and the pool still works
    assert len(ended) == 5


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
from der_gym.core import parallel

def total(n):
    parts = []
    parallel.for_ranges(lambda lo, hi: parts.append(sum(range(lo, hi))), parallel.split(n, 3))
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

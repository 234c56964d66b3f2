"""Threads over fixed ranges of shards. Sums are made per shard, so the number of workers never shows in a result."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

from der_gym.core.errors import InputError

WORTH_A_THREAD = 24_000  # devices per worker below which handing over costs more than it saves

_pool: ThreadPoolExecutor | None = None
_owner: int = 0


def default_workers() -> int:
    """Return ``DER_GYM_WORKERS``, else 1 in a child process and the usable cores in the first one.

    Raises
    ------
    InputError
        Where the variable is not a whole number from 1.
    """
    named = os.environ.get("DER_GYM_WORKERS")
    if named:
        if not (named.isdecimal() and int(named) >= 1):
            raise InputError(f"DER_GYM_WORKERS: {named!r}; allowed: a whole number from 1")
        return int(named)
    if multiprocessing.parent_process() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _executor() -> ThreadPoolExecutor:
    """Return this process's pool, made on first use and made anew after a fork."""
    global _pool, _owner
    if _pool is None or _owner != os.getpid():
        _pool, _owner = ThreadPoolExecutor(max_workers=max(default_workers(), 16)), os.getpid()
    return _pool


def split(n: int, workers: int) -> list[tuple[int, int]]:
    """Return at most ``workers`` ranges that cover 0..n, as equal as can be, the first of the longest."""
    workers = max(1, min(workers, n))
    edges = [-(-n * k // workers) for k in range(workers + 1)]
    return list(pairwise(edges))


def for_ranges(work: Callable[[int, int], None], ranges: list[tuple[int, int]]) -> None:
    """Call ``work(s0, s1)`` for every range, in threads when there are several.

    Raises what a call raised, the first range's error first, once every call has ended: none writes on afterwards.
    """
    if len(ranges) == 1:
        work(*ranges[0])
        return
    executor = _executor()
    waiting = [executor.submit(work, *r) for r in ranges[1:]]
    try:
        work(*ranges[0])
    finally:
        wait(waiting)
    for future in waiting:
        future.result()

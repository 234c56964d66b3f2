"""Kernels compiled side by side. The compiler holds one lock in a process, so other processes share the work.

A forked process knows the kernels and the types of their arguments. It keeps its machine code in the cache folder and
ends; this process then loads that code. A kernel that a fork could not compile is compiled here, with its error.

Only a process without other threads of Python forks, for a fork has no thread but one, and locks that others hold
stay closed in it. So notebooks, children of `multiprocessing`, macOS and Windows compile one after another.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import threading
import warnings
from collections.abc import Iterable
from typing import Any

from der_gym.engine import native, parallel
from der_gym.engine.compile import has_bridge

MOST = 4  # processes: the largest kernel takes an eighth of all the time

Asked = tuple[Any, tuple[Any, ...]]  # a kernel, the types of its arguments


def compile_ahead(calls: Iterable[Any]) -> None:
    """Compile what the kernels of `program.Call`s lack; nothing happens where nothing can be gained.

    Parameters
    ----------
    calls : iterable of program.Call
    """
    n_process = min(parallel.default_workers(), MOST)
    if n_process < 2 or not _may_fork() or not has_bridge():
        return
    lacking = [*dict.fromkeys((each.kernel, native.types(each.given)) for each in calls if _lacks(each))]
    if len(lacking) > 1:
        _share(lacking, min(n_process, len(lacking)))


def _may_fork() -> bool:
    """Return whether this process has no threads of Python but those that wait for work."""
    known = hasattr(os, "fork") and sys.platform != "darwin"  # Apple's libraries do not stand a fork
    return known and threading.active_count() == 1 + parallel.n_hand()


def _lacks(call: Any) -> bool:
    """Return whether a call's kernel is kept in files, and not there yet."""
    kernel = call.kernel
    kept: Any = getattr(kernel, "_cache", None)
    if not hasattr(kept, "lacks"):
        return False
    types = native.types(call.given)
    return types not in kernel.overloads and kept.lacks(types, kernel.targetctx.codegen())


def _share(lacking: list[Asked], n: int) -> None:
    """Compile the kernels in ``n`` processes; each takes the next one that none has taken."""
    from numba.core.compiler_lock import global_compiler_lock

    forks = list[int]()
    with mmap.mmap(-1, len(lacking)) as taken, global_compiler_lock:
        try:
            with contextlib.suppress(OSError):  # no more processes are allowed: this one compiles all
                for _ in range(n - 1):
                    forks.append(_fork(lacking, taken))
            _work(lacking, taken)
        except BaseException:
            taken[:] = b"\1" * len(taken)  # where this process is stopped, its forks begin nothing more
            raise
        finally:
            for fork in forks:
                os.waitpid(fork, 0)


def _fork(lacking: list[Asked], taken: mmap.mmap) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks beside threads: ours are at rest
        fork = os.fork()
    if fork == 0:
        try:
            _work(lacking, taken)
        finally:
            os._exit(0)  # whatever happened: the parent compiles what is lacking
    return fork


def _work(lacking: list[Asked], taken: mmap.mmap) -> None:
    """Compile what nobody has taken. Two that take the same one at once both compile it, and no more happens."""
    for k, (kernel, types) in enumerate(lacking):
        if not taken[k]:
            taken[k] = 1
            kernel.compile(types)

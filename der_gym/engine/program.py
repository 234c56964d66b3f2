"""Programs: many kernels, bound to their arrays, worked one after another in one call without Python in between.

A step of one world calls forty kernels and takes 25 us; each call from Python would take 1 us or more. So each call's
arguments are laid down once, and a small loop in machine code walks the list (`native`). It does not hold the
interpreter: threads work side by side, each through the whole step of a few worlds at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np

from der_gym.core.errors import DerGymError
from der_gym.engine import memory, native, parallel
from der_gym.engine.compile import has_bridge
from der_gym.engine.compile_ahead import compile_ahead

Array = np.ndarray
Heard = Callable[["Call", int], None]
_FAILED = "a kernel failed"  # ours raise nothing: no memory was left
NEAR = 8_000_000  # bytes that a thread takes at once: a part of its cache, and few hops between kernels

_heard: Heard | None = None


class Call:
    """A kernel and its standing arguments: ``call(lo, hi)`` is ``kernel(lo, hi, *given)``.

    Parameters
    ----------
    kernel : callable
        A compiled kernel (a plain function does as well, slowly) that returns nothing.
    given : arrays, int, float, bool, np.float32
        Arrays are held, not copied.
    by_world : bool
        Whether ``lo, hi`` are a range of worlds; else of shards.

    Attributes
    ----------
    due : bool (n_world,) or None
        Worlds without it have nothing to do in this call: see `where_due`.
    """

    def __init__(self, kernel: Callable[..., Any], *given: Any, by_world: bool = False) -> None:
        self.kernel, self.given, self.by_world = kernel, given, by_world
        self.due: Array | None = None

    def __call__(self, lo: int, hi: int) -> None:
        self.kernel(lo, hi, *self.given)


def where_due(due: Array, calls: Sequence[Call]) -> list[Call]:
    """Let a program leave out ``calls`` where no world is ``due``: their kernels would do nothing there.

    Parameters
    ----------
    due : bool (n_world,)
        Read when the program comes to each call.
    calls : sequence of Call
    """
    for call in calls:
        call.due = due
    return [*calls]


def share(calls: Sequence[Call], n: int, workers: int, first: int = 0) -> None:
    """Make calls by shard once, for the shards ``first`` .. ``n``: threads take them in turn."""
    Program(calls, n, 1, min(workers, n), first)()


class Program:
    """Calls to be made in order, for all worlds.

    Parameters
    ----------
    calls : sequence of Call
    n_world, n_shard : int
        Worlds; shards per world.
    workers : int
        Threads. Where there are worlds enough, each takes one after another through the whole program; else they
        share the shards, and meet between calls by shard and calls by world.
    first : int
        World to begin with.
    """

    def __init__(self, calls: Sequence[Call], n_world: int, n_shard: int, workers: int, first: int = 0) -> None:
        self.calls, self._n_world, self._n_shard, self._workers = tuple(calls), n_world, n_shard, workers
        self._first = first
        self._compiled = all(hasattr(call.kernel, "overloads") for call in calls)  # else plain functions: slowly
        self._parts: list[tuple[_Walk, int]] | None = None

    def __call__(self) -> None:
        if _heard is not None or not self._compiled or not has_bridge():
            self.plainly()
            return
        for work, workers in self._bound():
            if workers > 1:
                work.begin()
                parallel.together(work, workers)
                work.check()
            else:
                work.alone()

    def load(self) -> None:
        """Load or compile the machine code, so that the first call takes as long as any other."""
        if self._compiled and has_bridge():
            self._bound()

    def _bound(self) -> list[tuple[_Walk, int]]:
        if self._parts is None:
            with memory.not_looking():
                self._parts = self._make()
        return self._parts

    def plainly(self) -> None:
        """Make the calls from Python, each for all worlds at once: the same bits, and listeners are called."""
        for call in self.calls:
            width = 1 if call.by_world else self._n_shard
            if _heard is not None:
                _heard(call, self._n_world * width)
            call(self._first * width, self._n_world * width)

    def _make(self) -> list[tuple[_Walk, int]]:
        compile_ahead(self.calls)
        n_all = self._n_world * self._n_shard
        if self._workers <= self._n_world:
            return [(_Walk(self.calls, self._n_world, self._n_shard, self._workers, self._first), self._workers)]
        groups = groupby(self.calls, key=lambda call: call.by_world)
        made = []
        for by_world, calls in groups:
            n, workers = (self._n_world, 1) if by_world else (n_all, self._workers)
            made.append((_Walk(tuple(calls), n, 1, workers, self._first), workers))
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the addresses in this process's memory: a copy makes its own."""
        return {**self.__dict__, "_parts": None}


class _Walk:
    """Calls for the worlds (or shards) ``first`` .. ``n``, a few at a time, by ``n_thread`` threads after ``begin``."""

    def __init__(self, calls: tuple[Call, ...], n: int, n_shard: int, n_thread: int, first: int) -> None:
        kinds, words = zip(*(native.words(call.given) for call in calls), strict=True) if calls else ((), ())
        self._words = [np.array(each, dtype=np.uint64) for each in words]
        few = 1 if first else _few(calls, n, n_thread)
        self._first, self._n_thread = first, n_thread
        widths = [1 if call.by_world else n_shard for call in calls]
        rows = [
            (bridge, each.ctypes.data, _address(call), few * width, n * width, _due(call, n, width))
            for call, bridge, each, width in zip(calls, native.bridges(kinds), self._words, widths, strict=True)
        ]
        self._calls, self._table, self._next = calls, np.array(rows, dtype=np.uint64), np.zeros(3, dtype=np.int64)
        self._walk, self._wait = native.walker(), native.waiter()
        self._given = (self._table.ctypes.data, len(rows), self._next.ctypes.data, -(-n // few))
        self._all = np.array([*self._given, first], dtype=np.int64)
        self._run, self._place = native.runner(), self._all.ctypes.data

    def alone(self) -> None:
        """Make all calls in this thread, with the check."""
        if self._run(self._place):
            raise DerGymError(_FAILED)

    def begin(self) -> None:
        self._next[:] = self._first, 0, 0

    def ended(self) -> bool:
        """Poll for a while whether all threads have ended."""
        return bool(self._wait(self._next.ctypes.data, self._n_thread))

    def __call__(self) -> None:
        self._walk(*self._given)

    def check(self) -> None:
        if self._next[2]:
            raise DerGymError(_FAILED)


def _due(call: Call, n: int, width: int) -> int:
    """Return the address of a call's ``due``; 0 where it has none, or where its ranges are not of worlds."""
    return 0 if call.due is None or width > 1 or len(call.due) != n else int(call.due.ctypes.data)


def _few(calls: Sequence[Call], n: int, n_thread: int) -> int:
    """Return how many of ``n`` worlds (or shards) to take at once: as many as are small.

    Several threads take four turns or more each, so that none waits long for the last one.
    """
    arrays = {each.ctypes.data: each for call in calls for each in call.given if isinstance(each, np.ndarray)}
    size = sum(each.nbytes for each in arrays.values() if each.ndim and each.shape[0] % n == 0) / n
    return max(1, min(int(NEAR / max(size, 1)), n // (4 * n_thread) if n_thread > 1 else n))


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Call ``heard(call, hi)`` before every call of every program within the block."""
    global _heard
    _heard, before = heard, _heard
    try:
        yield
    finally:
        _heard = before


def _address(call: Call) -> int:
    """Return where the machine code of a call's kernel begins.

    Raises
    ------
    TypeError
        For a kernel that returns something.
    """
    found = native.address(call.kernel, call.given)
    if found is None:
        raise TypeError(f"{call.kernel.__name__} returns something: a program has no place for it")
    return found

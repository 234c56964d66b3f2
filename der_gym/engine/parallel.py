"""Threads that work one job together; the result does not depend on the part of each thread."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable

from der_gym.core.errors import InputError

WORTH_A_THREAD = 24_000  # devices per worker below which handing over costs more than it saves


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


class _Hand:
    """A thread that waits for work. Two locks pass the turn: a queue would take five times as long.

    Work that tells by itself when all threads have ended (``ended()``, `program`) needs no second lock.
    """

    def __init__(self) -> None:
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._work: Callable[[], None] = lambda: None
        self._error: BaseException | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._go.acquire()
            work = self._work  # once it has ended, the next one may stand there
            try:
                work()
            except BaseException as error:
                self._error = error
            if not hasattr(work, "ended"):
                self._done.release()

    def start(self, work: Callable[[], None]) -> None:
        self._work, self._error = work, None
        self._go.release()

    def end(self) -> BaseException | None:
        """Wait for the work's end and return its exception, if any; an interrupt waits as well and is returned then."""
        stop: BaseException | None = None
        while True:
            try:
                self._wait()
                return stop or self._error
            except KeyboardInterrupt as error:
                stop = error

    def _wait(self) -> None:
        ended = getattr(self._work, "ended", None)
        if ended is None:
            self._done.acquire()
        else:
            while not ended():
                time.sleep(0)


class _Crew:
    """This process's hands; ``free`` is held while they work."""

    def __init__(self) -> None:
        self.owner, self.free, self.hands = os.getpid(), threading.Lock(), list[_Hand]()

    def take(self, n: int) -> list[_Hand]:
        while len(self.hands) < n:
            self.hands.append(_Hand())
        return self.hands[:n]


_crew = _Crew()


def n_hand() -> int:
    """Return how many threads of this process wait for work."""
    return len(_crew.hands) if _crew.owner == os.getpid() else 0


def together(work: Callable[[], None], workers: int) -> None:
    """Call ``work()`` in as many threads at once: it takes its share until nothing is left.

    Where the threads are busy (another environment of this process steps just now) this thread does all of it.
    Raises the exception of a call, this thread's first, once every call has ended: none writes on afterwards.
    """
    global _crew
    if _crew.owner != os.getpid():  # threads do not live on in a fork
        _crew = _Crew()
    crew = _crew
    if workers == 1 or not crew.free.acquire(blocking=False):
        work()
        return
    try:
        errors = _share(work, crew.take(workers - 1))
    finally:
        crew.free.release()
    if errors:
        raise errors[0]


def _share(work: Callable[[], None], hands: list[_Hand]) -> list[BaseException]:
    for hand in hands:
        hand.start(work)
    errors: list[BaseException | None] = []
    try:
        work()
    except BaseException as error:
        errors.append(error)
    errors += [hand.end() for hand in hands]
    return [error for error in errors if error is not None]

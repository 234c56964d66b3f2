"""Ctrl-C, SIGTERM and a closed terminal: one exception, held back while files are put in their place."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP

_held = 0  # blocks within one another that hold signals back
_waiting: list[int] = []


class Interrupted(KeyboardInterrupt):
    """The process was asked to end by a signal, whose number is given."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def exit_code(error: BaseException) -> int:
    """Return what a command ends with: 143 after SIGTERM, 130 after Ctrl-C."""
    return 128 + getattr(error, "number", signal.SIGINT)


@contextmanager
def heard() -> Iterator[None]:
    """Raise `Interrupted` for a signal within the block; one that the process ignores stays ignored."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # others cannot set handlers
        numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, _hear)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hear(number: int, _frame: Any) -> None:
    if _held and not _waiting:  # who asks twice does not wait
        _waiting.append(number)
        return
    _waiting.clear()
    raise Interrupted(number)


@contextmanager
def held_back() -> Iterator[None]:
    """Let a signal that comes within the block be raised behind it; a second one is raised at once.

    For writing and renaming of files: short, and nothing in it waits for others. Where the block itself fails, its
    error goes on alone.
    """
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        asked = _waiting.copy() if not _held else []
        if asked:
            _waiting.clear()
    if asked:
        raise Interrupted(asked[0])

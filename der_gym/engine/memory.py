"""Freed memory: when Python looks for it, and when it goes back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def not_looking() -> Iterator[None]:
    """Keep Python from looking for freed cycles within the block: a compiler makes many objects and few cycles."""
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looks:
            gc.enable()


def trim() -> None:
    """Give freed memory back to the system. After large temporary tables that is most of the memory of the process.

    Does nothing where the C library has no ``malloc_trim`` (other than glibc).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # no such function; no library of that name (Windows)
        return

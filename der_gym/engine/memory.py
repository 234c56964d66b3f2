"""Freed memory: when Python looks for it, and when it goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from der_gym.core.errors import InputError


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


def check_room(what: str, needed: float) -> None:
    """Refuse what needs more memory than there is, before a part of it is taken.

    Parameters
    ----------
    what : str
        What needs it, for the error.
    needed : float
        Bytes.

    Raises
    ------
    InputError
        With both figures. Where the system does not tell what it has, nothing is refused.
    """
    most = _room()
    if needed > most:
        raise InputError(f"{what} need about {needed / 1e9:,.1f} GB of memory; there are {most / 1e9:,.1f} GB")


def _room() -> float:
    """Return the memory of this machine, or what this process may take of it, bytes."""
    try:
        most = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows has no such call
        return float("inf")
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return most if limit == resource.RLIM_INFINITY else min(most, float(limit))


def trim() -> None:
    """Give freed memory back to the system. After large temporary tables that is most of the memory of the process.

    Does nothing where the C library has no ``malloc_trim`` (other than glibc).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # no such function; no library of that name (Windows)
        return

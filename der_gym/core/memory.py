"""Memory that is free again goes back to the system."""

from __future__ import annotations

import ctypes


def trim() -> None:
    """Give back what has been freed but is kept for later: after tables larger than what stays, that is most of it.

    Does nothing where the C library has no ``malloc_trim`` (other than glibc).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # no such function; no library of that name (Windows)
        return

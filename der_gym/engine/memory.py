"""Memory: large blocks for arrays that are gone through together; freed memory, and when it goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from der_gym.core.errors import InputError

_LARGE = 4_194_304  # bytes from which numpy asks the system for large pages
_MOST, _LINE = 64 * 1024 * 1024, 64


class Arena:
    """Arrays of many worlds, cut from large blocks.

    A step goes through all of them. On pages of 4 kB that is more than the processor keeps addresses of; from
    blocks as large as these the system makes pages of 2 MB, where it has them.

    Parameters
    ----------
    n_byte : int
        About as much as will be asked for; below 4 MiB every array is one of its own.
    """

    def __init__(self, n_byte: int) -> None:
        self._size = min(n_byte, _MOST) if n_byte >= _LARGE else 0
        self._left = np.zeros(0, dtype=np.uint8)

    def zeros(self, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        """Return an array of zeros, as ``np.zeros``."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not 0 < size <= self._size:
            return np.zeros(shape, dtype)
        if size > len(self._left):
            block = np.zeros(self._size + _LINE, dtype=np.uint8)
            self._left = block[-block.ctypes.data % _LINE :]
        own, self._left = self._left[:size], self._left[-(-size // _LINE) * _LINE :]
        made: np.ndarray = own.view(dtype).reshape(shape)
        return made


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

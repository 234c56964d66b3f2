"""What counts as an action: an array of real numbers, and nothing that numpy would only take for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from der_gym.core.errors import InputError

Array = np.ndarray


def read_action(action: Any, shape: tuple[int, ...], names: Sequence[str]) -> Array:
    """Return an action as float32.

    Parameters
    ----------
    action : array_like
        Real numbers of ``shape``: (n_world, n_entry). Whether they are finite is not looked at.
    shape : tuple of int
    names : sequence of str
        What the entries of a world are called, for the error.

    Raises
    ------
    InputError
        For masked arrays, text, complex numbers, objects, and another shape.
    """
    given = action if type(action) is np.ndarray and action.dtype == np.float32 else _numbers(action)
    if given.shape != shape:
        raise InputError(f"action: shape {given.shape}; allowed: {shape}, one fraction per leaf ({', '.join(names)})")
    return given


def _numbers(action: Any) -> Array:
    parts = action if isinstance(action, list | tuple) else (action,)
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise InputError("action: a masked array; allowed: a plain array, for a masked entry has no value")
    try:
        given = np.asarray(action)
    except Exception as error:  # whatever an array-like object raises
        raise InputError(f"action: {type(action).__name__} is no array of numbers: {_line(error)}") from None
    if given.dtype.kind not in "fiub":
        raise InputError(f"action: {given.dtype} is no array of numbers; allowed: real numbers, float32")
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and that is refused
        return given.astype(np.float32)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

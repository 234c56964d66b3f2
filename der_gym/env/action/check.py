"""What counts as an action: an array of real numbers, and nothing that numpy would only take for one."""

from __future__ import annotations

from typing import Any

import numpy as np

from der_gym.core.errors import InputError

Array = np.ndarray


def read_numbers(action: Any) -> Array:
    """Return an action as float32; whether its values are finite is not looked at.

    Raises
    ------
    InputError
        For masked arrays, text, complex numbers and objects.
    """
    if type(action) is np.ndarray and action.dtype == np.float32:
        return action
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

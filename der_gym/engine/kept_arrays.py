"""Arrays in the cache folder under a name: each array in full, so a file that does not fit is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.engine import cache

Array = np.ndarray


def load(name: str, like: Mapping[str, Array]) -> dict[str, Array] | None:
    """Return the kept arrays, or None; a file that does not fit is made anew, with one warning.

    Parameters
    ----------
    name : str
    like : mapping
        Arrays that the file must hold: name -> array of the same shape and type.
    """
    path = _path(name)
    if path is None or not path.exists():
        return None
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {key: file[key] for key in like}
        for key, each in like.items():
            if arrays[key].shape != each.shape or arrays[key].dtype != each.dtype:
                raise ValueError(f"{key} has another shape or type")
    except Exception as error:  # a foreign file may raise anything
        cache.warn_unusable(path, error)
        return None
    cache.used(path)
    return arrays


def keep(name: str, arrays: Mapping[str, Array], what: str) -> None:
    """Keep arrays; where nothing can be written, ``what`` is made anew at every start, with one warning."""
    path = _path(name)
    if path is None:
        return
    save: Any = np.savez  # its stub takes every keyword for a flag
    try:
        with cache.new_file(path) as temporary, open(temporary, "wb") as file:
            save(file, **arrays)
    except OSError as error:
        cache.warn_once(f"cache folder {path.parent}: {error.strerror}; {what} at every start")


def _path(name: str) -> Path | None:
    folder = cache.folder("pools")
    return None if folder is None else folder / f"{name}.npz"

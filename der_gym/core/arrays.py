"""Arrays of numbers in an ``.npz`` file, read without trusting it: no objects, nothing packed, nothing too large."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from der_gym.core.errors import InputError

Array = np.ndarray


def read_arrays(path: Path, largest: int) -> dict[str, Array]:
    """Return the arrays of an uncompressed ``.npz`` file by name.

    Parameters
    ----------
    path : Path
    largest : int
        Bytes of the file, and of what it says that it holds.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    InputError
        For a file that is none, packed (a small one may hold endless zeros), too large, or one that holds objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        if any(each.compress_type != zipfile.ZIP_STORED for each in members):
            raise ValueError("it is packed; allowed: arrays as numpy.savez writes them")
        if max(path.stat().st_size, sum(each.file_size for each in members)) > largest:
            raise ValueError(f"more than {largest:,} bytes")
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise InputError(f"{path} cannot be read: {error}") from None

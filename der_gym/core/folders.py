"""A folder of results: one process writes it at a time, and what is new takes the old's place once it is whole."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from der_gym.core.errors import InputError
from der_gym.core.interrupt import held_back

LOCK, NEW = ".der-gym.lock", ".der-gym-new-"  # of a run that goes on
WHOLE, MOVING = ".der-gym-whole", ".der-gym-moving"  # new results that are whole, of a run that was killed since


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder that is there: another process that wants it meanwhile gets an InputError.

    The lock goes with its process, however that ends; the file of a process that was killed is no lock.
    """
    path = folder / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        if not (_take(handle) and _still_there(handle, path)):
            raise InputError(f"output folder {str(folder)!r} is being written by another run; name another one")
        try:
            yield
        finally:
            _remove(path)
    finally:
        os.close(handle)


def _still_there(handle: int, path: Path) -> bool:
    """Return whether an open file still has its name: the process that held it may have just removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def _remove(path: Path) -> None:
    with suppress(PermissionError):  # Windows removes no open file; the file alone locks nothing
        path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        """Lock an open file; return False where another process has it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(handle: int) -> bool:
        """Lock an open file; return False where another process has it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class NewResults:
    """The results of one run while they are made, in a folder of their own within the one that is asked for.

    Attributes
    ----------
    folder : Path
        Where the results will be.
    staging : Path
        Where they are written.
    """

    def __init__(self, folder: Path, ours: Sequence[str], last: str) -> None:
        self.folder, self._ours, self._last = folder, ours, last
        self.staging = Path(tempfile.mkdtemp(prefix=NEW, dir=folder))

    def publish(self) -> None:
        """Put the new files in the place of the old; those of an earlier run that are not made anew are removed.

        One renaming decides: a process that is killed before it leaves the old results, and what is left to do after it
        is done by `settle`.
        """
        with held_back():
            os.rename(self.staging, self.folder / WHOLE)
            settle(self.folder, self._ours, self._last)

    def add(self) -> None:
        """Put those new files that have no old ones in their place beside them, without a record that all is whole."""
        with held_back():
            for path in self.staging.iterdir():
                if path.name != self._last and not path.name.startswith(".") and not (self.folder / path.name).exists():
                    os.rename(path, self.folder / path.name)


def settle(folder: Path, ours: Sequence[str], last: str) -> None:
    """Finish what a process that was killed while it published has left; the folder must be held.

    Parameters
    ----------
    folder : Path
    ours : sequence of str
        Patterns of the names of results.
    last : str
        Name of the file that says that all others are whole: it goes first and comes last.
    """
    whole, moving = folder / WHOLE, folder / MOVING
    if whole.is_dir():
        (folder / last).unlink(missing_ok=True)
        made = {path.name for path in whole.iterdir()}
        for old in (path for pattern in ours for path in folder.glob(pattern)):
            if old.name not in made:
                old.unlink(missing_ok=True)
        os.rename(whole, moving)  # from here on there is nothing old any more
    if moving.is_dir():
        for path in sorted(moving.iterdir(), key=lambda path: path.name == last):
            os.replace(path, folder / path.name)
        moving.rmdir()


@contextmanager
def new_results(path: str | Path, overwrite: bool, ours: Sequence[str], last: str) -> Iterator[NewResults]:
    """Yield a place for new results of a folder, which is held meanwhile; the old ones stand until they are published.

    Parameters
    ----------
    path : str or Path
        The folder; it is made where it is not there, and removed again where nothing is published.
    overwrite : bool
        Whether there may be files in it.
    ours : sequence of str
        Patterns of the names of results.
    last : str
        Name of the file that says that all others are whole.

    Raises
    ------
    InputError
        Where the path is no folder or cannot be written, holds files without ``overwrite``, or another run writes it.
    """
    folder = Path(path)
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"output folder {str(folder)!r} is no folder; name a new one")
    there = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        with locked(folder):
            made = _opened(folder, overwrite, ours, last)
            try:
                yield made
            finally:
                shutil.rmtree(made.staging, ignore_errors=True)
    finally:
        if not there and not any(folder.iterdir()):
            folder.rmdir()


def _opened(folder: Path, overwrite: bool, ours: Sequence[str], last: str) -> NewResults:
    try:
        settle(folder, ours, last)
        for left in folder.glob(f"{NEW}*"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        if not overwrite and any(each.name != LOCK for each in folder.iterdir()):
            raise InputError(
                f"output folder {str(folder)!r} exists and is not empty; name a new one or add --overwrite"
            )
        return NewResults(folder, ours, last)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"output folder {str(folder)!r} cannot be written: {error.strerror}")

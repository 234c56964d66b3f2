"""Files are written whole: to a temporary name beside the target, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from der_gym.core.errors import InputError
from der_gym.core.interrupt import held_back
from der_gym.core.text import NoText, decoded

_SETTLED_NS = 2 * 10**9  # a file changed so lately may change again within what its times can tell apart


def read_file(path: str | Path, largest: int) -> bytes:
    """Return what a regular file holds.

    Raises
    ------
    InputError
        For one that cannot be read, of more than ``largest`` bytes, or that is no regular file: a device or a pipe may
        never end.
    """
    try:
        with open(path, "rb", opener=_no_wait) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InputError(f"{path}: is {_kind(found.st_mode)}; allowed: a regular file")
            if found.st_size > largest:
                raise InputError(f"{path}: {found.st_size:,} bytes; allowed: {largest:,}")
            return file.read(largest)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_text(path: str | Path, largest: int) -> str:
    """Return the text of a file in UTF-8 or CP932; InputError as `read_file`, and for what is no such text."""
    try:
        return decoded(read_file(path, largest))
    except NoText as error:
        raise InputError(f"{path}: {error}") from None


def _no_wait(path: str, flags: int) -> int:
    """Open a file, a pipe that nobody writes too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes ``path``'s name, on failure it is removed."""
    target = check_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary: Path | None = None
    try:
        with held_back():
            temporary = _new_beside(target)
        yield temporary
        with held_back():
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _new_beside(target: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=target.suffix[:20])
    os.close(handle)
    return Path(name)


def check_target(path: str | Path) -> Path:
    """Return the path of a file that may be written: a new name, or a regular file's, which is then replaced.

    Raises
    ------
    InputError
        Where a link, a device, a pipe, a socket or a folder has that name: to replace it would break something; and
        where no folder can hold it.
    """
    target = Path(path)
    try:
        mode = target.lstat().st_mode
    except (OSError, ValueError):
        return _check_place(target)
    if not stat.S_ISREG(mode):
        raise InputError(f"{str(target)!r} is {_kind(mode)}; allowed: a new name, or a regular file to replace")
    return target


def _check_place(target: Path) -> Path:
    """Return the path of a new file; InputError where no folder can hold it: its name is too long, a file is above."""
    try:
        above = next((each for each in target.parents if os.path.lexists(each)), Path())
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{str(above)!r} is no folder")
        if not os.access(above, os.W_OK):
            raise PermissionError(errno.EACCES, f"no permission to write in {str(above)!r}")
        with suppress(FileNotFoundError):
            os.stat(target)  # names that are too long, or hold a NUL
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise InputError(f"{str(target)!r} cannot be written: {told}; allowed: a file in a folder") from None
    return target


def _kind(mode: int) -> str:
    """Return what is no regular file in words."""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")


_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8; what is no text in a file's name as ``\\udc8c``) to ``path`` whole or not at all."""
    with held_back(), whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def writable(folder: Path) -> bool:
    """Return whether files can be made in ``folder``, making the folder if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except (OSError, RuntimeError):
        return False


def contents(paths: Iterable[str | Path]) -> tuple[str, ...]:
    """Return 64 hex digits for what each file holds now; '' for one that cannot be read, or is no regular file."""
    return tuple(_content(Path(path)) for path in paths)


_known: dict[Path, tuple[tuple[int, ...], str]] = {}


def _content(path: Path) -> str:
    try:
        now = time.time_ns()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return ""  # a pipe or a device may never end
        stamp = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        if path in _known and _known[path][0] == stamp:
            return _known[path][1]
        with open(path, "rb") as file:
            digits = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
    if now - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED_NS:
        _known[path] = stamp, digits
    return digits


def new_folder(path: str | Path) -> Path:
    """Make and return a folder for results; raise InputError where it exists and is not empty, or cannot be made."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"output folder {str(folder)!r} cannot be written: {error.strerror}") from None
    if any(folder.iterdir()):
        raise InputError(f"output folder {str(folder)!r} exists and is not empty; name a new one or add --overwrite")
    return folder


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

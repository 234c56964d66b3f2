"""The cache folder: its place, the files in it that are trusted, and the files that are removed.

``kernels`` holds machine code. It is loaded by ``pickle``, which may run code of the file, so only a folder that no
other user may write is used. ``generated`` holds the sources that are written of device classes, for people and
debuggers to read. ``pools`` holds reference days (arrays that are mapped, not copied), learned plans, made-up signals.

A file's modification time is the time of its last use. When a process has kept something new, files without use for a
month are removed, then the longest unused ones until the rest is small enough.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from der_gym.core.interrupt import held_back
from der_gym.core.units import DAY_S

KINDS = ("kernels", "generated", "pools")
UNUSED_S = 30 * DAY_S  # files without use for so long are removed
LARGEST_BYTES = 2_000_000_000  # of all files; above it the longest unused ones are removed
TIDY_BYTES = LARGEST_BYTES // 10
IN_USE_S = 3600  # a file used so lately may be in use; an unfinished file so young may still be written

_folders: dict[tuple[str, Path, Path], Path | None] = {}
_warned: set[str] = set()
_new_bytes: dict[Path, int] = {}  # home -> bytes that this process has kept since it tidied the folder


def cache_home() -> Path:
    """Return the cache folder: ``DER_GYM_CACHE``, else a folder in the user's cache."""
    named = os.environ.get("DER_GYM_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if base:
        return Path(base) / "der_gym"
    try:
        return Path.home() / ".cache" / "der_gym"
    except RuntimeError:  # a user without a home
        return temporary_home()


def temporary_home() -> Path:
    """Return the folder that serves where `cache_home` cannot be written or may be written by others."""
    return Path(tempfile.gettempdir()) / f"der_gym-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def folder(kind: str) -> Path | None:
    """Return the folder for one of `KINDS`, made if need be; None where none can be written.

    Warns once for each home that others may write, and once where no kernel can be kept.
    """
    asked = kind, cache_home(), temporary_home()
    if asked not in _folders:
        _folders[asked] = next((home / kind for home in dict.fromkeys(asked[1:]) if _usable(home, kind)), None)
        if _folders[asked] is None and kind == "kernels":
            warn_once("no folder for compiled kernels can be written; every start compiles anew")
    return _folders[asked]


def warn_once(text: str, about: str = "") -> None:
    """Warn, unless this process has warned of the same before: of what ``about`` says, else in the same words."""
    if (about or text) not in _warned:
        _warned.add(about or text)
        warnings.warn(text, stacklevel=3)


def warn_unusable(path: Path, error: Exception) -> None:
    """Warn, once for each folder, that a file is made anew."""
    text = f"cache folder {path.parent}: files that cannot be used are made anew (first {path.name}: {error})"
    warn_once(text, f"unusable {path.parent}")


def _usable(home: Path, kind: str) -> bool:
    """Return whether ``home/kind`` can be written, by this user alone."""
    temporary = home == temporary_home()
    try:
        home.mkdir(mode=0o700, parents=not temporary, exist_ok=True)
        if not private(home.lstat() if temporary else home.stat()):
            return _refused(home, temporary)
        (home / kind).mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=home / kind):
            pass
        return private((home / kind).stat()) or _refused(home, temporary)
    except (OSError, RuntimeError):
        return False


def _refused(home: Path, temporary: bool) -> bool:
    if not temporary:
        warn_once(
            f"cache folder {home}: others may write there, and what is kept there is run; {temporary_home()} serves "
            f"instead (chmod -R go-w makes it yours alone, DER_GYM_CACHE names another)"
        )
    return False


def private(found: os.stat_result) -> bool:
    """Return whether a folder or file belongs to this user, and nobody else may write it; True where none is owned."""
    if stat.S_ISLNK(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def used(path: Path) -> None:
    """Note that a file is used now."""
    with contextlib.suppress(OSError):  # another user's, or gone
        os.utime(path)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path``, for this user alone; on success it takes ``path``'s name.

    Files that were kept too long, or are too much, are removed afterwards: with the first file of a process, and each
    time that it has kept `TIDY_BYTES` more.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    temporary: Path | None = None
    try:
        with held_back():
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
            temporary = Path(name)
            os.close(handle)
        yield temporary
        n_byte = temporary.stat().st_size
        os.replace(temporary, path)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    home = path.parent.parent
    _new_bytes[home] = _new_bytes.get(home, TIDY_BYTES) + n_byte
    if _new_bytes[home] > TIDY_BYTES:
        _new_bytes[home] = 0
        prune(home)


@dataclass(frozen=True)
class Kept:
    """A file of the cache.

    Attributes
    ----------
    path : Path
    kind : str
        One of `KINDS`.
    n_byte : int
    unused_s : float
        Seconds since its last use.
    whole : bool
        False for a file that a killed process has left half written.
    """

    path: Path
    kind: str
    n_byte: int
    unused_s: float
    whole: bool


def contents(home: Path) -> list[Kept]:
    """Return the files of a cache folder, the longest unused one first. Links are not followed."""
    now, found = time.time(), list[Kept]()
    for kind in KINDS:
        for above, _, files in os.walk(home / kind):
            for name in files:
                with contextlib.suppress(OSError):  # another process has just thrown it away
                    state = os.lstat(os.path.join(above, name))
                    whole = not name.startswith(".") and ".tmp." not in name
                    age = max(now - state.st_mtime, 0.0)
                    found.append(Kept(Path(above, name), kind, state.st_size, age, whole))
    return sorted(found, key=lambda kept: -kept.unused_s)


def prune(home: Path, unused_s: float = UNUSED_S, largest_bytes: float = LARGEST_BYTES) -> list[Kept]:
    """Remove old files, then the longest unused ones while all are too large; return the removed files.

    No file goes that was used within the last hour. A process that has mapped a file keeps its content.

    Parameters
    ----------
    home : Path
        The cache folder.
    unused_s : float
        Files go that were not used for so long, s.
    largest_bytes : float
        Size that may stay.
    """
    found = contents(home)
    left = sum(kept.n_byte for kept in found)
    gone = []
    for kept in found:
        unwanted = not kept.whole or kept.unused_s > unused_s or left > largest_bytes
        if unwanted and kept.unused_s > IN_USE_S and _remove(kept):
            left -= kept.n_byte
            gone.append(kept)
    return gone


def clear(home: Path) -> list[Kept]:
    """Remove all files; return them. A process that has mapped a file keeps its content."""
    return [kept for kept in contents(home) if _remove(kept)]


def _remove(kept: Kept) -> bool:
    try:
        kept.path.unlink(missing_ok=True)
    except OSError:  # another user's; on Windows also a file that a process has mapped
        return False
    for above in kept.path.parents:  # folders of former versions
        if above.name in KINDS:
            break
        with contextlib.suppress(OSError):  # not empty
            above.rmdir()
    return True

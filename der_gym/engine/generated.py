"""Written sources: kept as files that people, debuggers and the kernel cache can read, and loaded as modules."""

from __future__ import annotations

import hashlib
import linecache
import sys
import warnings
from pathlib import Path
from types import ModuleType

from der_gym.core.files import write_text
from der_gym.engine.compile import cache_home, writable


def load(name: str, text: str) -> ModuleType:
    """Return the module of a written source.

    The file's name holds a hash of the text, so that it stays where it is until the text changes, and a second process
    finds the machine code of the first. A file that somebody has edited is written anew, with one warning. What runs
    is always ``text``. Where no file can be written the text is kept in memory.

    Parameters
    ----------
    name : str
        Dotted name that the module shall have, without the hash, such as ``der_gym.devices.battery.battery``.
    text : str
        Its source.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    full = f"{name}_{digest}"
    if full in sys.modules:
        return sys.modules[full]
    path = folder() / f"{full.rpartition('.')[2]}.py"
    module = ModuleType(full)
    module.__file__ = _kept(path, text)
    sys.modules[full] = module
    try:
        exec(compile(text, module.__file__, "exec"), vars(module))  # what stands on disk may have been edited
    except BaseException:
        del sys.modules[full]
        raise
    return module


def folder() -> Path:
    """Return the folder of written sources."""
    return cache_home() / "generated"


def _kept(path: Path, text: str) -> str:
    """Return the file that holds ``text``; a name of no file where it cannot be written."""
    try:
        found = path.read_text(encoding="utf-8") if path.exists() else None
        if found is not None and found != text:
            warnings.warn(f"{path}: was edited; it is written anew from its device class", stacklevel=2)
        if found != text and writable(path.parent):
            write_text(path, text)
        elif found != text:
            raise OSError
    except (OSError, UnicodeDecodeError):
        name = f"<{path.stem}>"
        linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
        return name
    return str(path)

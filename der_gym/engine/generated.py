"""Written sources: kept as files that people, debuggers and the kernel cache can read, and loaded as modules."""

from __future__ import annotations

import hashlib
import linecache
import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from der_gym.engine import cache


def load(name: str, text: str) -> ModuleType:
    """Return the module of a written source.

    The file's name holds a hash of the text, so that it stays where it is until the text changes, and a second process
    finds the machine code of the first. An edited file is written anew, with one warning. The code that runs
    is always ``text``. Where no file can be written the text is kept in memory.

    Parameters
    ----------
    name : str
        Dotted name that the module shall have, without the hash, such as ``der_gym.devices.CLASS.CLASS``.
    text : str
        Its source.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    full = f"{name}_{digest}"
    if full in sys.modules:
        return sys.modules[full]
    module = ModuleType(full)
    module.__file__ = keep(f"{full.rpartition('.')[2]}.py", text)
    module.__spec__ = ModuleSpec(full, None, origin=module.__file__)
    sys.modules[full] = module
    try:
        exec(compile(text, module.__file__, "exec"), vars(module))  # the file may have been edited
    except BaseException:
        del sys.modules[full]
        raise
    return module


def keep(name: str, text: str) -> str:
    """Return the path of the file ``name`` that holds ``text``, or the name of no file where it cannot be written."""
    home = cache.folder("generated")
    path = Path("") if home is None else home / name
    try:
        found = path.read_text(encoding="utf-8") if home is not None and path.exists() else None
        if found is not None and found != text:
            warnings.warn(f"{path}: was edited; it is written anew", stacklevel=2)
        if found == text:
            cache.used(path)
        elif home is not None:
            with cache.new_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        home = None
    return remember(name, text) if home is None else str(path)


def remember(name: str, text: str) -> str:
    """Return a name of no file under which tracebacks show ``text``."""
    linecache.cache[f"<{name}>"] = len(text), None, text.splitlines(keepends=True), f"<{name}>"
    return f"<{name}>"

"""Machine code of kernels on disk, in place of numba's own cache: one file for each kernel and types of arguments.

A file's name holds the key of the kernel's code (`closure.function_key`) and of the types. Its first bytes are a
checksum of the rest: a kernel whose file is empty, cut or foreign is compiled anew. Numba's cache would look at the
kernel's own file alone, write an index beside, and fail on damaged files.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from der_gym.engine import cache
from der_gym.engine.closure import function_key, see

__all__ = ["KernelCache", "see"]

_FORM = b"der_gym kernel 1\n"
_LONGEST = 120  # letters of a function's name in a file's name


class KernelCache(_Cache):  # type: ignore[misc]
    """The cache of one kernel.

    Parameters
    ----------
    function : callable
        The kernel in Python.
    inside : str
        Tells forms of the same function apart.
    """

    def __init__(self, function: Any, inside: str = "") -> None:
        self._function, self._inside = function, inside
        self._enabled = True
        see(function)

    @property
    def cache_path(self) -> str | None:
        """Folder of the files, None where nothing is kept."""
        folder = cache.folder("kernels")
        return None if folder is None else str(folder)

    @cached_property
    def _key(self) -> str | None:
        return function_key(self._function)

    @property
    def _name(self) -> str:
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        return re.sub(r"[^\w.-]", "", name)[-_LONGEST:].lstrip(".")

    def lacks(self, sig: Any, codegen: Any) -> bool:
        """Return whether the compiled form for types of arguments would be kept, and is not."""
        path = self._path(self._asked(sig, codegen))
        return path is not None and not path.exists()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled form for types of arguments, None where there is none that can be used."""
        target_context.refresh()
        asked = self._asked(sig, target_context.codegen())
        path = self._path(asked)
        if path is None or not path.exists():
            return None
        try:
            found, parts = pickle.loads(_read(path))
            made = CompileResult._rebuild(target_context, *parts) if found == asked else None
        except Exception as error:  # a foreign file may raise anything
            cache.warn_unusable(path, error)
            return None
        cache.used(path)
        return made

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled form; where it cannot be written it is compiled again next time."""
        if data.lifted or data.library.has_dynamic_globals:
            cache.warn_once(f"{self._name} cannot be kept: it holds large arrays, pointers or code of plain Python")
            return
        asked = self._asked(sig, data.codegen)
        path = self._path(asked)
        if path is None:
            return
        content = dumps((asked, data._reduce()))
        try:
            with cache.new_file(path) as temporary:
                temporary.write_bytes(_FORM + hashlib.sha256(content).digest() + content)
        except OSError as error:
            cache.warn_once(f"cache folder {path.parent}: {error.strerror}; kernels are compiled anew at every start")

    def _asked(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        """Return the index of a compiled form: types, processor, and the function itself."""
        code = self._function.__code__
        around = tuple(cell.cell_contents for cell in self._function.__closure__ or ())
        own = hashlib.sha256(code.co_code + dumps(around)).hexdigest()
        return sig, codegen.magic_tuple(), own, code.co_firstlineno, self._inside

    def _path(self, asked: tuple[Any, ...]) -> Path | None:
        folder = cache.folder("kernels") if self._enabled else None
        if folder is None or self._key is None:
            return None
        digits = hashlib.sha256(f"{self._key} {asked!r}".encode()).hexdigest()[:20]
        return folder / f"{self._name}.{digits}.nbc"

    def enable(self) -> None:
        """Load and keep from now on."""
        self._enabled = True

    def disable(self) -> None:
        """Neither load nor keep from now on."""
        self._enabled = False

    def flush(self) -> None:
        """Forget the compiled forms of this function."""
        folder = cache.folder("kernels")
        for path in folder.glob(f"{self._name}.*.nbc") if folder is not None else ():
            path.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    """Return the content of a file; ValueError where it is not whole, or others may have written it."""
    with open(path, "rb") as file:
        if not cache.private(os.fstat(file.fileno())):
            raise ValueError("others may write it")
        content = file.read()
    start = len(_FORM) + 32
    if content[:start] != _FORM + hashlib.sha256(content[start:]).digest():
        raise ValueError("it is empty, cut or foreign")
    return content[start:]

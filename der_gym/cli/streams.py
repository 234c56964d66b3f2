"""Output whose reader may go away: ``der-gym list fields | head`` ends as it would have, and says nothing."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class Patient:
    """A text stream that drops what is written once its reader has gone; all else is the stream's own.

    Attributes
    ----------
    error : OSError or None
        Why something was not written, but for a reader that has gone: a full disk.
    """

    error: OSError | None = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; return its length."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def _drop(self, error: OSError) -> None:
        """Lead the stream to nowhere, for what is still buffered is written when the interpreter ends."""
        if not isinstance(error, BrokenPipeError):
            self.error = self.error or error
        with suppress(OSError, ValueError):  # a stream without a file drops by itself
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def patient() -> Iterator[None]:
    """Let stdout and stderr take no offence at a reader that goes away, to the last byte.

    Raises
    ------
    SystemExit
        With 1 and one line behind the block where stdout could not be written otherwise: a full disk.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding lacks is written as \\u3042
            stream.reconfigure(errors="backslashreplace")
    made = tuple(Patient(stream) if stream is not None else None for stream in before)
    sys.stdout, sys.stderr = made
    try:
        yield
    finally:
        for stream in made:
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before
        if made[0] is not None and made[0].error is not None:
            print(f"der-gym: the output cannot be written: {made[0].error.strerror}", file=sys.stderr)
            raise SystemExit(1)

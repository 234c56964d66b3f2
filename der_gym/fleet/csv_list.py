"""A resource list as a file: CSV as spreadsheets write it, gone through more than once."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from der_gym.core.errors import InputError
from der_gym.core.text import NoText, encoding_of, shown
from der_gym.fleet.columns import find

LARGEST_BYTES = 2**31  # ten million rows of 200 bytes
_CHUNK = 65_536
_PART = 1 << 20  # bytes


class CsvList:
    """A resource list; an error's line number is looked up only when it is needed.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    columns : list of (attribute, kW of a 1) or None
        Of each cell of a row; None where the header is empty.

    Raises
    ------
    InputError
        For a file that cannot be read, no text or without a header, and a header that `find` refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._encoding = self._found_encoding()
        self._names = self._header()
        self.columns = [find(name) if name else None for name in self._names]
        self._check_columns()

    def _found_encoding(self) -> str:
        try:
            found = os.stat(self.path)
            if not stat.S_ISREG(found.st_mode):
                raise InputError("is no regular file; allowed: a CSV file")
            if found.st_size > LARGEST_BYTES:
                raise InputError(f"{found.st_size:,} bytes; allowed: {LARGEST_BYTES:,}")
            with open(self.path, "rb") as file:
                return encoding_of(iter(lambda: file.read(_PART), b""))
        except NoText as error:
            raise InputError(str(error)) from None
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}") from None

    def _header(self) -> list[str]:
        """Return the header without the empty columns at its end."""
        with self._reader() as reader:
            header = [name.strip() for name in next(reader, [])]
        while header and not header[-1]:
            header.pop()
        if not header:
            raise InputError("is empty; it needs a header and one row per device")
        if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
            raise InputError(f"line 1: {shown(header[0])} is one cell; allowed: commas between cells (save it as CSV)")
        return header

    def _check_columns(self) -> None:
        """Refuse a column twice, and a list without ids or classes."""
        found = [column[0] for column in self.columns if column]
        for name, column in zip(self._names, self.columns, strict=True):
            if column and found.count(column[0]) > 1:
                raise InputError(f"line 1: column {name!r} stands twice, by one name or another")
        for word, attribute in (("id", "id"), ("class", "device")):
            if attribute not in found:
                raise InputError(f"line 1: column {word!r} is missing; found: {', '.join(self._names)}")

    @contextmanager
    def _reader(self) -> Iterator[Any]:
        line = 0
        try:
            with self.path.open(encoding=self._encoding, newline="") as stream:
                reader = csv.reader(stream, strict=True)
                try:
                    yield reader
                finally:
                    line = reader.line_num
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}") from None
        except csv.Error as error:
            raise InputError(f"line {line}: is not CSV: {error}; is a quote left open?") from None

    def chunks(self) -> Iterator[list[list[str]]]:
        """Yield the rows below the header, without blank ones and without the empty cells behind the last column."""
        before = 0
        with self._reader() as reader:
            next(reader, None)
            while chunk := list(islice(reader, _CHUNK)):
                rows = [row for row in chunk if any(map(str.strip, row))]
                yield [self._checked(row, before + k) for k, row in enumerate(rows)]
                before += len(rows)

    def _checked(self, row: list[str], number: int) -> list[str]:
        width = len(self.columns)
        if len(row) != width:
            if len(row) < width or any(map(str.strip, row[width:])):
                raise InputError(f"{self.where(number)}: {len(row)} cells, the header has {width}")
            del row[width:]
        return row

    def check_unnamed(self, place: int, row: int, text: str) -> None:
        """Refuse a text in a column whose header is empty.

        Parameters
        ----------
        place : int
            Number of the column, from 0.
        row : int
            Line of the file, from 1.
        text : str
            Of the cell.
        """
        if text.strip():
            raise InputError(
                f"line 1: column {place + 1} has no name, but {self.where(row)} holds {shown(text)}; allowed: a name"
            )

    def where(self, row: int) -> str:
        """Return the words for a row in an error."""
        return f"line {self._lines[row]}"

    @cached_property
    def _lines(self) -> list[int]:
        """Return the line number of each row that is not blank, as an editor counts."""
        with self._reader() as reader:
            next(reader, None)
            return [reader.line_num for cells in reader if any(map(str.strip, cells))]

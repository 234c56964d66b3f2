"""CSV files as publishers make them: plain or gzip, UTF-8 or CP932, one file or a folder; and errors that say where."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from der_gym.core.errors import InputError, nearest
from der_gym.core.files import read_file
from der_gym.core.text import NoText, decoded, half_width, number_in, shown
from der_gym.core.units import DAY_S
from der_gym.signals.calendar import EPOCH, N_DAY

LARGEST_BYTES = 2**27  # of a file, unpacked; a month of seconds has 70 million
MOST_LINES = 3_000_000  # a month of seconds
WIDEST = 5_000  # cells of a line
LONGEST_WHOLE = 9  # digits
MISSING = ("", "×", "x", "///", "#", "--", "-", "NaN", "nan")  # JMA writes x for missing, # for doubtful


@dataclass(frozen=True)
class Line:
    """One line of a file: where it stands and its cells, stripped."""

    path: Path
    number: int
    cells: list[str]

    def error(self, column: str, value: str, allowed: str) -> InputError:
        """Return the error for a value of this line.

        Parameters
        ----------
        column, value : str
            Header and text of the cell.
        allowed : str
            What would have been right.
        """
        return InputError(f"{self.path}: line {self.number}, column {column!r}: {shown(value)}; allowed: {allowed}")

    def cell(self, index: int, column: str) -> str:
        """Return one cell; InputError where the line is too short.

        Parameters
        ----------
        index : int
            Place of the cell, from 0.
        column : str
            Its header, for errors.
        """
        if index >= len(self.cells):
            raise self.error(column, "", f"a line of at least {index + 1} cells, it has {len(self.cells)}")
        return self.cells[index]

    def number_of(self, index: int, column: str) -> float:
        """Return one cell as a number, NaN where it is missing; InputError where it is neither.

        Parameters
        ----------
        index : int
            Place of the cell, from 0.
        column : str
            Its header, for errors.
        """
        text = self.cell(index, column)
        if half_width(text) in MISSING:
            return float("nan")
        value = number_in(text)
        if value is None:
            raise self.error(column, text, "a number, or an empty cell where nothing was measured")
        if value != value or abs(value) == float("inf"):
            raise self.error(column, text, "a finite number")
        return value

    def whole_of(self, index: int, column: str, low: int, high: int) -> int:
        """Return one cell as a whole number in ``low`` .. ``high``; InputError where it is not.

        Parameters
        ----------
        index : int
            Place of the cell, from 0.
        column : str
            Its header, for errors.
        low, high : int
            Bounds, both allowed.
        """
        text = self.cell(index, column)
        if not text.isdecimal() or len(text) > LONGEST_WHOLE or not low <= int(text) <= high:
            raise self.error(column, text, f"a whole number {low}..{high}")
        return int(text)

    def day_of(self, index: int, column: str) -> int:
        """Return one cell (2024/1/31, 2024-01-31 or 20240131) as a day number; InputError where it is no date.

        Parameters
        ----------
        index : int
            Place of the cell, from 0.
        column : str
            Its header, for errors.
        """
        text = self.cell(index, column)
        day = day_of_text(text)
        if day is None:
            raise self.error(column, text, "a date of 2000-2099 such as 2024/1/31 or 2024-01-31")
        return day

    def second_of(self, index: int, column: str) -> int:
        """Return one cell (h:mm or h:mm:ss) as the second of the day; InputError where it is no time.

        Parameters
        ----------
        index : int
            Place of the cell, from 0.
        column : str
            Its header, for errors.
        """
        text = self.cell(index, column)
        second = second_of_text(text)
        if second is None:
            raise self.error(column, text, "a time such as 0:05 or 23:55")
        return second

    def moment_of(self, index: int, column: str) -> int:
        """Return one cell (date, blank or T, h:mm or h:mm:ss) as seconds from 2000-01-01; else InputError.

        Parameters
        ----------
        index : int
            Place of the cell, from 0.
        column : str
            Its header, for errors.
        """
        text = self.cell(index, column)
        head, _, tail = half_width(text).replace("T", " ", 1).partition(" ")
        day, second = day_of_text(head), second_of_text(tail.strip() or "0:00")
        if day is None or second is None:
            raise self.error(column, text, "a date and time in JST such as 2024/1/31 0:05, without a time zone")
        return day * DAY_S + second


@lru_cache(maxsize=4096)
def day_of_text(text: str) -> int | None:
    """Return the day number of 2024/1/31, 2024-01-31 or 20240131; None where it is no date of 2000-2099."""
    text = half_width(text).replace("/", "-")
    parts = [text[:4], text[4:6], text[6:]] if len(text) == 8 and text.isdecimal() else text.split("-")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) <= 4 for part in parts):
        return None
    try:
        day = (date(*map(int, parts)) - EPOCH).days
    except ValueError:
        return None
    return day if 0 <= day < N_DAY else None


@lru_cache(maxsize=4096)
def second_of_text(text: str) -> int | None:
    """Return the second of the day of h:mm or h:mm:ss, 0:00 .. 24:00; None where it is no time."""
    parts = half_width(text).split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() and len(part) <= 2 for part in parts):
        return None
    hour, minute, second = (int(part) for part in [*parts, "0"][:3])
    total = hour * 3600 + minute * 60 + second
    return total if minute < 60 and second < 60 and total <= DAY_S else None


def read_files(path: str | Path) -> Iterator[list[Line]]:
    """Yield the lines of a CSV file, or of each ``*.csv`` and ``*.csv.gz`` of a folder in the order of their names.

    Blank lines are kept; each file has one line at least that is not blank.
    """
    for file in _files(Path(path)):
        yield _lines(file)


def _lines(file: Path) -> list[Line]:
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    lines = []
    try:
        for cells in reader:
            if len(cells) > WIDEST:
                raise InputError(f"{file}: line {reader.line_num}: {len(cells):,} cells; allowed: {WIDEST:,}")
            lines.append(Line(file, reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise InputError(f"{file}: line {reader.line_num}: is not CSV: {error}; is a quote left open?") from None
    if not any(any(line.cells) for line in lines):
        raise InputError(f"{file}: is empty; allowed: a CSV file with a header and rows")
    return lines


def plain(name: str) -> str:
    """Return a column's name without width, case and blanks: so that full and half width compare equal."""
    return "".join(half_width(name).lower().split())


def find_column(line: Line, wanted: Sequence[str], what: str) -> int:
    """Return the index of the first of ``wanted`` in a header; InputError naming the nearest where none is."""
    names = [plain(cell) for cell in line.cells]
    for name in wanted:
        if plain(name) in names:
            return names.index(plain(name))
    close = nearest(plain(wanted[0]), names)
    hint = f"nearest: {line.cells[names.index(close)]!r}; " if close else ""
    found = ", ".join(cell for cell in line.cells if cell) or "nothing"
    raise InputError(f"{line.path}: line {line.number}: no column {wanted[0]!r} ({what}); {hint}found: {found}")


def _files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
    except (OSError, ValueError):  # no name of a file: reading it tells
        return [path]
    files = sorted(each for each in path.iterdir() if each.name.lower().endswith((".csv", ".csv.gz")))
    if not files:
        raise InputError(f"{path}: folder without files; allowed: a folder with *.csv or *.csv.gz")
    return files


def _text(path: Path) -> str:
    data = read_file(path, LARGEST_BYTES)
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(path, data)
    try:
        text = decoded(data)
    except NoText as error:
        raise InputError(f"{path}: {error}") from None
    if not text.replace(",", "").strip():
        raise InputError(f"{path}: is empty; allowed: a CSV file with a header and rows")
    if text.count("\n") > MOST_LINES:
        raise InputError(f"{path}: {text.count(chr(10)):,} lines; allowed: {MOST_LINES:,}")
    return text


def _unpacked(path: Path, data: bytes) -> bytes:
    """Return what a gzip file holds; a small file may hold endless zeros, so no more is unpacked than is allowed."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: broken gzip file: {error}") from None
    if len(text) > LARGEST_BYTES:
        raise InputError(f"{path}: more than {LARGEST_BYTES:,} bytes once unpacked; allowed: fewer")
    return text

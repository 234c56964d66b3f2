"""The resource table as a CSV file.

Columns (``id`` and ``class`` are required; an empty cell means the default):

``device`` and ``cloud`` may stand for ``class`` and ``maker_cloud``.

| column | default | allowed |
|---|---|---|
| id | - | distinct, up to 200 bytes |
| class | - | a device class |
| rated_kw | drawn | within the class's limits, or above 0 up to 50 kW |
| site | the device's own | any name; one area, feeder and pair of balancing groups per site |
| maker_cloud | A | any name |
| path | P3 | a path |
| area, feeder, demand_bg, generation_bg, market_list, leaf | none | any name |
| metering_point | the service's | device, receiving; as ``services.ID.metering`` says |
| reverse_flow_allowed | drawn | 1, 0, true, false, yes, no |
| site_import_max_kw, site_export_max_kw | the class's default | 0 to 10,000 kW |
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError, unknown
from der_gym.core.files import whole_file
from der_gym.fleet.labels import Coder, Labels, label_texts, labels
from der_gym.fleet.resources import (
    DEFAULTS,
    NUMBERS,
    TEXT_BYTES,
    TEXTS,
    WORDS,
    ResourceTable,
    assemble,
    attribute_of,
    check_names,
    checked_ids,
    make_table,
    word_of,
)

__all__ = ["COLUMNS", "ResourceTable", "make_table", "read_csv", "write_csv"]

# CSV column -> the table's
COLUMNS: dict[str, str] = {word_of(attribute): attribute for attribute in ("id", *TEXTS, *NUMBERS)}
_BOOLEANS = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0}
_ENCODINGS = ("utf-8-sig", "cp932")
_CHUNK = 65_536


def read_csv(
    path: str | Path,
    known_devices: Iterable[str],
    known_paths: Iterable[str],
    kw_limits: Mapping[str, tuple[float, float]] | None = None,
) -> ResourceTable:
    """Read a resource table.

    Parameters
    ----------
    path : str or Path
        UTF-8 with or without a byte order mark, else cp932 (Excel in Japan).
    known_devices, known_paths : iterable of str
        Registered device classes and paths.
    kw_limits : mapping, optional
        Class -> (low, high] of ``rated_kw``.

    Returns
    -------
    ResourceTable
        Rows in the file's order.

    Raises
    ------
    InputError
        Names line, column, value, what is allowed and the nearest name: unknown columns, classes, paths; an id that
        stands twice; numbers that are none or out of range; a site in two places; an empty table.
    """
    for encoding in _ENCODINGS:
        try:
            return _read(_File(Path(path), encoding), tuple(known_devices), tuple(known_paths), kw_limits)
        except UnicodeDecodeError:
            continue
    raise _no_text(Path(path))


def _no_text(path: Path) -> InputError:
    return InputError(f"resource table {str(path)!r} is neither UTF-8 nor cp932 text; save it as CSV UTF-8")


class _File:
    """A CSV file that can be gone through more than once: an error's line number is looked up only when needed."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path, self.encoding = path, encoding

    @contextmanager
    def reader(self) -> Iterator[Any]:
        try:
            with self.path.open(encoding=self.encoding, newline="") as stream:
                yield csv.reader(stream)
        except OSError as error:
            raise InputError(f"resource table {str(self.path)!r} cannot be read: {error.strerror}") from None
        except csv.Error as error:
            raise InputError(f"resource table {str(self.path)!r} is not a CSV file: {error}") from None

    def header(self) -> list[str]:
        with self.reader() as reader:
            return [name.strip() for name in next(reader, [])]

    def chunks(self) -> Iterator[list[list[str]]]:
        """Yield the rows below the header, without blank ones."""
        with self.reader() as reader:
            next(reader, None)
            while chunk := list(islice(reader, _CHUNK)):
                yield [row for row in chunk if any(row)]

    def where(self, row: int) -> str:
        with self.reader() as reader:
            next(reader, None)
            lines = (reader.line_num for cells in reader if any(cells))
            return f"line {next(islice(lines, row, None))}"


def _read(
    file: _File,
    known_devices: Sequence[str],
    known_paths: Sequence[str],
    kw_limits: Mapping[str, tuple[float, float]] | None,
) -> ResourceTable:
    header = _checked_header(file.header(), file.path)
    ids, raw = _columns(file, header)
    texts = {name: _filled(name, raw.pop(name), ids) for name in TEXTS if name in raw}
    numbers = {name: _numbers(name, column, file.where) for name, column in raw.items()}
    table = assemble(ids, texts, numbers, kw_limits, file.where)
    check_names("class", table.device, known_devices, file.where)
    check_names("path", table.path, known_paths, file.where)
    return table


def _checked_header(header: list[str], path: Path) -> list[str]:
    if not any(header):
        raise InputError(f"resource table {str(path)!r} is empty; it needs a header and one row per device")
    for k, name in enumerate(header):
        if "\0" in name:  # UTF-16
            raise _no_text(path)
        if attribute_of(name) not in COLUMNS.values():
            raise unknown("line 1, column", name, COLUMNS, WORDS)
        if attribute_of(name) in map(attribute_of, header[:k]):
            raise InputError(f"line 1: column {word_of(name)!r} stands twice")
    for name in ("id", "class"):
        if attribute_of(name) not in map(attribute_of, header):
            raise InputError(f"line 1: column {name!r} is missing; found: {', '.join(header)}")
    return [attribute_of(name) for name in header]


def _columns(file: _File, header: list[str]) -> tuple[NDArray[np.bytes_], dict[str, Labels]]:
    """Return the ids and every other column as it stands, texts stripped."""
    coders = {name: Coder() for name in header if name != "id"}
    codes: dict[str, list[Any]] = {name: [np.empty(0, np.uint32)] for name in coders}
    ids = [np.empty(0, "S1")]
    n = 0
    for chunk in file.chunks():
        _check_width(chunk, len(header), n, file.where)
        for name, cells in zip(header, zip(*chunk, strict=True), strict=False):
            if name == "id":
                ids.append(checked_ids([cell.strip() for cell in cells], file.where, n))
            else:
                codes[name].append(coders[name].codes(cells))
        n += len(chunk)
    return np.concatenate(ids), {name: _stripped(name, coders[name], np.concatenate(codes[name])) for name in coders}


def _check_width(chunk: list[list[str]], width: int, before: int, where: Callable[[int], str]) -> None:
    for k, row in enumerate(chunk):
        if len(row) != width:
            raise InputError(f"{where(before + k)}: {len(row)} cells, the header has {width}")


def _stripped(name: str, coder: Coder, codes: NDArray[Any]) -> Labels:
    """Return Labels without blanks around the texts; `` A`` and ``A`` become one."""
    clean = Coder()
    place = clean.codes([text.strip() for text in coder])
    for text in clean:
        if len(text.encode()) > TEXT_BYTES or "\0" in text:
            raise InputError(f"column {word_of(name)}: {text[:20]!r}; allowed: up to {TEXT_BYTES} bytes, no NUL")
    return labels(clean, place[codes] if len(place) else codes)


def _filled(name: str, column: Labels, ids: NDArray[np.bytes_]) -> Labels:
    """Return a column with its default in the empty cells; a device without a site is its own."""
    blank = column.codes_of([""])
    if not len(blank) or DEFAULTS.get(name) == "":
        return column
    if name == "site":
        sites = column.list_names()
        return label_texts([sites[code] or bytes(own).decode() for code, own in zip(column.codes, ids, strict=True)])
    names = Coder()
    place = names.codes([text or DEFAULTS.get(name, "") for text in column.list_names()])
    return labels(names, place[column.codes])


def _numbers(name: str, column: Labels, where: Callable[[int], str]) -> NDArray[np.float64]:
    """Return a column of numbers; NaN for an empty cell."""
    booleans = name == "reverse_flow_allowed"
    parsed = np.empty(len(column.names))
    for code, text in enumerate(column.list_names()):
        try:
            parsed[code] = np.nan if text == "" else _BOOLEANS[text.lower()] if booleans else float(text)
            good = text == "" or bool(np.isfinite(parsed[code]))
        except (KeyError, ValueError):
            good = False
        if not good:
            row = column.first_row(code)
            allowed = ", ".join(_BOOLEANS) if booleans else "a number of kW"
            raise InputError(f"{where(row)}, column {name}: {text!r}; allowed: {allowed}, or empty")
    return parsed[column.codes]


def write_csv(table: ResourceTable, path: str | Path) -> None:
    """Write a table, whole or not at all, as UTF-8 with a byte order mark; NaN becomes an empty cell."""
    names = [word_of(name) for name in ("id", *TEXTS, *NUMBERS)]
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        for start in range(0, len(table), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(table)))
            texts = [_part(table.labels(name), rows) for name in ("id", *TEXTS)]
            numbers = [_cells(getattr(table, name)[rows]) for name in NUMBERS]
            writer.writerows(zip(*texts, *numbers, strict=True))


def _part(column: Labels, rows: slice) -> list[str]:
    codes = column.codes[rows]
    used, inverse = np.unique(codes, return_inverse=True)
    names = [bytes(name).decode() for name in column.names[used]]
    return [names[k] for k in inverse.tolist()]


def _cells(values: NDArray[np.float64]) -> list[str]:
    return ["" if value != value else repr(value) if value % 1 else f"{value:.0f}" for value in values.tolist()]

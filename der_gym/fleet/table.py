"""The resource table as a CSV file: read as spreadsheets write it, written as UTF-8.

``der-gym list columns`` shows the columns, their names, defaults and what a cell may hold; see `columns`. ``id`` and
``class`` are required; an empty cell means the default.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.core.files import whole_file
from der_gym.core.text import half_width, hidden, number_in, shown
from der_gym.fleet.csv_list import CsvList
from der_gym.fleet.labels import Coder, Labels, label_texts, labels
from der_gym.fleet.resources import (
    DEFAULTS,
    NUMBERS,
    TEXT_BYTES,
    TEXTS,
    ResourceTable,
    assemble,
    check_names,
    checked_ids,
    listed_rows,
    make_table,
    word_of,
)

__all__ = ["ResourceTable", "make_table", "read_csv", "write_csv"]

_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "可", "有", "あり", "○"), 1.0),
    **dict.fromkeys(("0", "false", "no", "不可", "無", "なし", "×"), 0.0),
}
_METERING_POINTS = {"機器点": "device", "受電点": "receiving"}
_CHUNK = 65_536
Words = Mapping[str, str]  # other word -> the project's


def read_csv(
    path: str | Path,
    known_devices: Iterable[str],
    known_paths: Iterable[str],
    kw_limits: Mapping[str, tuple[float, float]] | None = None,
    words: Words | None = None,
) -> ResourceTable:
    """Read a resource table.

    Parameters
    ----------
    path : str or Path
        CSV in UTF-8 with or without a byte order mark, or CP932 (Excel in Japan). Empty columns and rows at the end
        are left out; digits may be full width, thousands marked, powers in kW or W as the header says.
    known_devices, known_paths : iterable of str
        Registered device classes and paths.
    kw_limits : mapping, optional
        Class -> (low, high] of ``rated_kw``.
    words : mapping, optional
        Other words for device classes, such as Japanese ones -> the class.

    Returns
    -------
    ResourceTable
        Rows in the file's order.

    Raises
    ------
    InputError
        Names file, line, column, value, what is allowed, the nearest name and the first ten rows of the kind: unknown
        columns, classes, paths; an id that stands twice; numbers that are none or out of range; a site in two places;
        an empty table; text in another encoding.
    """
    try:
        return _read(CsvList(Path(path)), tuple(known_devices), tuple(known_paths), kw_limits, words or {})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{path}: cannot be read: {error}") from None


def _read(
    file: CsvList,
    known_devices: tuple[str, ...],
    known_paths: tuple[str, ...],
    kw_limits: Mapping[str, tuple[float, float]] | None,
    words: Words,
) -> ResourceTable:
    ids, raw = _columns(file)
    factors = dict(column for column in file.columns if column)
    own = {"device": _spellings(known_devices, words), "path": _spellings(known_paths, {})}
    own |= {"metering_point": _spellings((), _METERING_POINTS)}
    texts = {name: _filled(name, _renamed(raw.pop(name), own.get(name, {})), ids) for name in TEXTS if name in raw}
    numbers = {name: _numbers(name, column, factors[name], file.where) for name, column in raw.items()}
    table = assemble(ids, texts, numbers, kw_limits, file.where)
    check_names("class", table.device, known_devices, file.where)
    check_names("path", table.path, known_paths, file.where)
    return table


def _columns(file: CsvList) -> tuple[NDArray[np.bytes_], dict[str, Labels]]:
    """Return the ids and every other column as it stands, texts stripped."""
    named = {column[0]: k for k, column in enumerate(file.columns) if column}
    unnamed = [k for k, column in enumerate(file.columns) if not column]
    at_id = named.pop("id")
    coders = {name: Coder() for name in named}
    codes: dict[str, list[Any]] = {name: [np.empty(0, np.uint32)] for name in named}
    ids = [np.empty(0, "S1")]
    n = 0
    for chunk in file.chunks():
        for k in unnamed:
            for row, cells in enumerate(chunk):
                file.check_unnamed(k, n + row, cells[k])
        cells_of = list(zip(*chunk, strict=True))
        if chunk:
            ids.append(checked_ids([_text(cell) for cell in cells_of[at_id]], file.where, n))
        for name, k in named.items():
            codes[name].append(coders[name].codes(cells_of[k] if chunk else ()))
        n += len(chunk)
    whole = {name: np.concatenate(parts) for name, parts in codes.items()}
    return np.concatenate(ids), {name: _stripped(name, coders[name], whole[name], file.where) for name in named}


def _text(cell: str) -> str:
    """Return a cell's text without blanks around it; lines within it are joined."""
    text = cell.strip()
    return text if text.isprintable() else " ".join(text.splitlines()).replace("\t", " ")


def _stripped(name: str, coder: Coder, codes: NDArray[Any], where: Callable[[int], str]) -> Labels:
    """Return Labels without blanks around the texts; `` A`` and ``A`` become one."""
    clean = Coder()
    place = clean.codes([_text(text) for text in coder])
    found = labels(clean, place[codes] if len(place) else codes)
    for code, text in enumerate(clean):
        if len(text.encode()) > TEXT_BYTES or hidden(text) is not None:
            row = found.first_row(code)
            raise InputError(
                f"{where(row)}, column {word_of(name)}: {shown(text, 40)}; allowed: up to {TEXT_BYTES} bytes, no "
                f"control characters"
            )
    return found


def _spellings(known: Iterable[str], words: Words) -> dict[str, str]:
    """Return the name for every way to write it, as `_key` makes them."""
    return {_key(name): name for name in known} | {_key(word): name for word, name in words.items()}


def _key(text: str) -> str:
    return half_width(text).casefold()


def _renamed(column: Labels, names: Mapping[str, str]) -> Labels:
    """Return a column with other words and spellings in the project's."""
    if not names:
        return column
    coder = Coder()
    place = coder.codes([names.get(_key(text), text) for text in column.list_names()])
    return labels(coder, place[column.codes] if len(place) else column.codes)


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


def _numbers(name: str, column: Labels, factor: float, where: Callable[[int], str]) -> NDArray[np.float64]:
    """Return a column of numbers, powers in kW; NaN for an empty cell."""
    booleans = name == "reverse_flow_allowed"
    parsed = np.empty(len(column.names))
    wrong = []
    for code, text in enumerate(column.list_names()):
        value = np.nan if text == "" else _BOOLEANS.get(_key(text)) if booleans else number_in(text)
        if value is None or not (text == "" or np.isfinite(value)):
            wrong.append(code)
        else:
            parsed[code] = value * factor
    if wrong:
        rows = np.flatnonzero(np.isin(column.codes, wrong))
        allowed = ", ".join(_BOOLEANS) if booleans else "a number"
        first = int(rows[0])
        more = listed_rows(rows, lambda row: shown(column.text(row), 40), where)
        raise InputError(
            f"{where(first)}, column {name}: {shown(column.text(first))}; allowed: {allowed}, or empty{more}"
        )
    return parsed[column.codes]


def write_csv(table: ResourceTable, path: str | Path) -> None:
    """Write a table, whole or not at all, as UTF-8 with a byte order mark; NaN becomes an empty cell.

    Parameters
    ----------
    table : ResourceTable
    path : str or Path
    """
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

"""The resource table: one row per device, what group management knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError, unknown
from der_gym.core.text import hidden, shown
from der_gym.fleet.labels import LISTED, Ints, Labels, Where, addresses, constant, label_texts, row_words, utf8

Floats = NDArray[np.float64]

# What an empty cell or an absent column means. Path P3 (maker cloud, push) is the commonest one [A].
DEFAULTS: dict[str, str] = {
    "cloud": "A",
    "path": "P3",
    "area": "",
    "feeder": "",
    "demand_bg": "",
    "generation_bg": "",
    "market_list": "",
    "metering_point": "",
    "leaf": "",
}
WORDS = {"device": "class", "cloud": "maker_cloud"}  # a column's word where the attribute has another name
NUMBERS = ("rated_kw", "reverse_flow_allowed", "site_import_max_kw", "site_export_max_kw")
METERING_POINTS = ("device", "receiving")
HOME_KW = (0.0, 50.0)  # low voltage: contracts below 50 kW
SITE_KW = (0.0, 10_000.0)
TEXT_BYTES = 200


def word_of(column: str) -> str:
    """Return a column's word, by that word or by its attribute: ``class`` for ``class`` and for ``device``."""
    return WORDS.get(column, column)


def attribute_of(column: str) -> str:
    """Return the attribute of `ResourceTable` that a column stands in, by either name: ``device`` for ``class``."""
    return next((attribute for attribute, word in WORDS.items() if word == column), column)


@dataclass(frozen=True)
class ResourceTable:
    """Devices by row; text columns are `Labels`, numbers float64 with NaN for "draw it" or "the default".

    Attributes
    ----------
    id : bytes (n,)
        Distinct names, UTF-8.
    uid : uint32 (n,)
        Address of the device's draws, made from ``id`` alone.
    device, path, cloud : Labels
        Class, path and maker cloud.
    site : Labels
        Home or building behind one meter; a device without one is its own site, under its ``id``.
    area, feeder : Labels
        Place. Empty: not stated.
    demand_bg, generation_bg : Labels
        Operators of the site's balancing groups.
    market_list : Labels
        The list or pattern in which the device is registered.
    metering_point : Labels
        ``device`` or ``receiving``; one per resource. Empty: as the service measures (`metered_at`).
    leaf : Labels
        Name of the control leaf, empty where selectors (or class, path and cloud) decide.
    rated_kw : float64 (n,)
        Rated swing, kW.
    reverse_flow_allowed : float64 (n,)
        1 yes, 0 no, as registered; `feed_back` says what counts.
    site_import_max_kw, site_export_max_kw : float64 (n,)
        Limits of the site's connection, kW.
    """

    id: NDArray[np.bytes_]
    uid: NDArray[np.uint32]
    device: Labels
    site: Labels
    cloud: Labels
    path: Labels
    area: Labels
    feeder: Labels
    demand_bg: Labels
    generation_bg: Labels
    market_list: Labels
    metering_point: Labels
    leaf: Labels
    rated_kw: Floats
    reverse_flow_allowed: Floats
    site_import_max_kw: Floats
    site_export_max_kw: Floats

    def __len__(self) -> int:
        return len(self.id)

    def id_of(self, row: int) -> str:
        """Return the name of the device in a row."""
        return bytes(self.id[row]).decode()

    def labels(self, column: str) -> Labels:
        """Return a text column by its word (``class``) or attribute (``device``); an unknown name raises InputError."""
        if column == "id":
            return Labels(self.id, np.arange(len(self), dtype=np.uint32))
        if attribute_of(column) not in TEXTS:
            raise unknown("column", column, ("id", *map(word_of, TEXTS)), WORDS)
        found: Labels = getattr(self, attribute_of(column))
        return found

    def take(self, rows: Ints) -> ResourceTable:
        """Return the table of some rows; a device keeps its address."""
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in columns.items():
            columns[name] = value.take(rows) if isinstance(value, Labels) else value[rows]
        return ResourceTable(**columns)

    def metered_at(self, point: str) -> ResourceTable:
        """Return the table as a service that measures at ``point`` takes it, every metering point filled in.

        Raises
        ------
        InputError
            Where a device is registered at another metering point.
        """
        column = self.metering_point
        other = np.isin(column.codes, column.codes_of(set(METERING_POINTS) - {point}))
        if other.any():
            row = int(np.argmax(other))
            raise InputError(
                f"column metering_point: {int(other.sum())} devices, such as {self.id_of(row)!r}, are registered at "
                f"{column.text(row)!r}; the services' metering is {point!r}; allowed: the same, or empty cells"
            )
        return replace(self, metering_point=constant(point, len(self)))

    def feed_back(self) -> Floats:
        """Return (n,) 1 where a reversal of the flow counts, 0 where not, NaN where it is to be drawn.

        At the device point a reversal counts only if the site's demand and generation balancing groups have one
        operator [S: the market's rules for low-voltage groups]; where both are named and differ it is not allowed,
        whatever ``reverse_flow_allowed`` says. At the receiving point the registered word stands. An
        empty metering point is the device's.
        """
        demand, generation = _common_codes(self.demand_bg, self.generation_bg)
        named = (demand >= 0) & (generation >= 0)
        at_device = np.isin(self.metering_point.codes, self.metering_point.codes_of(["device", ""]))
        return np.where(named & at_device & (demand != generation), 0.0, self.reverse_flow_allowed)


TEXTS = tuple(field.name for field in fields(ResourceTable) if field.type == "Labels")


def _common_codes(a: Labels, b: Labels) -> tuple[Ints, Ints]:
    """Return the rows of two columns numbered alike; -1 for an empty text."""
    place = {name: k for k, name in enumerate(sorted({*a.list_names(), *b.list_names()} - {""}))} | {"": -1}
    first, second = (np.array([place[name] for name in column.list_names()]) for column in (a, b))
    return first[a.codes], second[b.codes]


def make_table(columns: Mapping[str, Sequence[Any]]) -> ResourceTable:
    """Return a table from plain columns; ``id`` and ``class`` are required, the others have the CSV's defaults.

    Parameters
    ----------
    columns : mapping
        Column -> its values, one per device. ``device`` and ``cloud`` may stand for ``class`` and ``maker_cloud``.

    Raises
    ------
    InputError
        For an unknown column, columns of unequal length, or what `assemble` refuses.
    """
    columns = _by_attribute(columns)
    for name in ("id", "device"):
        if name not in columns:
            raise InputError(f"column {word_of(name)!r} is missing")
    ids = checked_ids([str(text) for text in columns["id"]])
    for name, values in columns.items():
        if len(values) != len(ids):
            raise InputError(f"column {word_of(name)}: {len(values)} values for {len(ids)} ids")
    texts = {name: label_texts([str(text) for text in columns[name]]) for name in TEXTS if name in columns}
    numbers = {name: np.asarray(columns[name], dtype=np.float64) for name in NUMBERS if name in columns}
    return assemble(ids, texts, numbers)


def _by_attribute(columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return columns by the table's attributes; refuse unknown ones and one that stands there by both its names."""
    found: dict[str, Sequence[Any]] = {}
    for name, values in columns.items():
        attribute = attribute_of(name)
        if attribute not in ("id", *TEXTS, *NUMBERS):
            raise unknown("column", name, ("id", *map(word_of, TEXTS), *NUMBERS), WORDS)
        if attribute in found:
            raise InputError(f"column {word_of(name)!r} stands twice, as {attribute!r} too")
        found[attribute] = values
    return found


def assemble(
    ids: NDArray[np.bytes_],
    texts: Mapping[str, Labels],
    numbers: Mapping[str, Floats],
    kw_limits: Mapping[str, tuple[float, float]] | None = None,
    where: Where = row_words,
) -> ResourceTable:
    """Fill absent columns, check the whole and return the table.

    Parameters
    ----------
    ids : bytes (n,)
        UTF-8.
    texts, numbers : mapping
        Columns by name; ``device`` is required.
    kw_limits : mapping
        Class -> (low, high] of ``rated_kw``; a class that is not named: (0, 50].
    where : callable
        Words for a row in an error: "line 5".

    Raises
    ------
    InputError
        For an empty table, an id that occurs twice, a number out of range, a wrong metering point, or a site that
        stands in two places.
    """
    n = len(ids)
    if n == 0:
        raise InputError("the resource table is empty; it needs one row per device")
    nan = np.broadcast_to(np.float64(np.nan), n)
    columns: dict[str, Any] = {name: constant(text, n) for name, text in DEFAULTS.items()}
    columns |= {"site": Labels(ids, np.arange(n, dtype=np.min_scalar_type(n - 1)))}
    columns |= {name: nan for name in NUMBERS} | dict(texts) | dict(numbers)
    table = ResourceTable(id=ids, uid=addresses(ids, "id", where), **columns)
    check_ranges(table, kw_limits or {}, where)
    check_names("metering_point", table.metering_point, ("", *METERING_POINTS), where)
    check_sites(table, where)
    return table


def checked_ids(texts: Sequence[str], where: Where = row_words, before: int = 0) -> NDArray[np.bytes_]:
    """Return ids as bytes; raise InputError at an empty one, one of more than 200 bytes, or one with a NUL.

    ``before`` is the number of rows above these.

    Parameters
    ----------
    texts : sequence of str
    where : callable
        Row -> words for an error.
    before : int
        Rows above these, >= 0.
    """
    if hidden("".join(texts)) is not None or "" in texts or max(map(len, texts), default=0) * 4 > TEXT_BYTES:
        wrong = [k for k, text in enumerate(texts) if not 0 < _bytes(text) <= TEXT_BYTES or hidden(text)]
        if not wrong:
            return utf8(texts)
        more = listed_rows(np.array(wrong) + before, lambda k: shown(texts[k - before], 40), where)
        raise InputError(
            f"{where(before + wrong[0])}, column id: {shown(texts[wrong[0]], 40)}; allowed: 1 to {TEXT_BYTES} bytes, "
            f"no control characters{more}"
        )
    return utf8(texts)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def check_names(column: str, labels: Labels, allowed: Iterable[str], where: Where) -> None:
    """Raise InputError where texts are not allowed; it lists the first ten rows.

    Parameters
    ----------
    column : str
        For errors.
    labels : Labels
        Texts of the column.
    allowed : iterable of str
    where : callable
        Row -> words for an error.
    """
    allowed = tuple(allowed)
    wrong = [code for code, name in enumerate(labels.list_names()) if name not in allowed]
    if wrong:
        rows = np.flatnonzero(np.isin(labels.codes, wrong))
        error = unknown(f"{where(int(rows[0]))}, column {column}", labels.text(int(rows[0])), allowed)
        raise InputError(f"{error}{listed_rows(rows, lambda row: shown(labels.text(row), 40), where)}")


def listed_rows(rows: Ints, told: Callable[[int], str], where: Where) -> str:
    """Return the end of an error that holds for several rows: how many, and the first ten; empty for a single one.

    Parameters
    ----------
    rows : int64 (k,)
        Numbers of the rows.
    told : callable
        Row -> what is wrong in it.
    where : callable
        Row -> words for an error.
    """
    if len(rows) < 2:
        return ""
    first = ", ".join(f"{where(int(row))} {told(int(row))}" for row in rows[:LISTED])
    return f"; {len(rows):,} such rows: {first}{', ...' if len(rows) > LISTED else ''}"


def check_ranges(table: ResourceTable, kw_limits: Mapping[str, tuple[float, float]], where: Where) -> None:
    """Raise InputError at the first number out of range; infinity is out of every range.

    Parameters
    ----------
    table : ResourceTable
    kw_limits : mapping of str to (float, float)
        Class -> least and greatest rated kW.
    where : callable
        Row -> words for an error.
    """
    limits = np.array([kw_limits.get(name, HOME_KW) for name in table.device.list_names()])[table.device.codes]
    _refuse("rated_kw", table.rated_kw, table.rated_kw > limits[:, 0], limits, where)
    for name in NUMBERS[2:]:
        value = getattr(table, name)
        _refuse(name, value, value >= SITE_KW[0], np.broadcast_to(SITE_KW, (len(table), 2)), where)
    allowed = table.reverse_flow_allowed
    wrong = ~(np.isnan(allowed) | (allowed == 0.0) | (allowed == 1.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        more = listed_rows(np.flatnonzero(wrong), lambda k: f"{allowed[k]:g}", where)
        raise InputError(
            f"{where(row)}, column reverse_flow_allowed: {allowed[row]:g}; allowed: 1, 0, or empty to draw{more}"
        )


def _refuse(column: str, value: Floats, above: NDArray[np.bool_], limits: Floats, where: Where) -> None:
    wrong = ~np.isnan(value) & ~(above & (value <= limits[:, 1]))
    if wrong.any():
        row = int(np.argmax(wrong))
        low, high = limits[row]
        relation = "<" if column == "rated_kw" else "<="
        hint = f" ({value[row]:g} W? then name the column {column.removesuffix('_kw')}_w)" if value[row] > 500 else ""
        more = listed_rows(np.flatnonzero(wrong), lambda k: f"{value[k]:g}", where)
        raise InputError(
            f"{where(row)}, column {column}: {value[row]:g}{hint}; allowed: {low:g} {relation} kW <= {high:g}, or "
            f"empty{more}"
        )


def check_sites(table: ResourceTable, where: Where) -> None:
    """Raise InputError where one site has two areas, feeders, balancing groups or limits.

    Parameters
    ----------
    table : ResourceTable
    where : callable
        Row -> words for an error.
    """
    rows = np.arange(len(table), dtype=np.uint32)
    if len(table.site.names) == len(table):
        return
    for name in ("area", "feeder", "demand_bg", "generation_bg"):
        column = table.labels(name)
        if len(column.names) > 1:
            first = first_rows(table.site, rows)[table.site.codes]
            _refuse_two(table, name, column.codes != column.codes[first], first, column.text, where)
    for name in NUMBERS[2:]:
        value = getattr(table, name)
        first = first_rows(table.site, rows[~np.isnan(value)])[table.site.codes]
        _refuse_two(table, name, (value != value[first]) & ~np.isnan(value), first, value.__getitem__, where)


def first_rows(site: Labels, rows: Ints) -> Ints:
    """Return each site's first row among ascending ``rows`` (n_site,); 0 for a site without one.

    Parameters
    ----------
    site : Labels
        Of every row.
    rows : int64 (k,)
        Numbers of rows, ascending.
    """
    first = np.zeros(len(site.names), np.uint32)
    first[site.codes[rows][::-1]] = rows[::-1]
    return first


def _refuse_two(
    table: ResourceTable, column: str, wrong: NDArray[np.bool_], first: Ints, value: Any, where: Where
) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        other = int(first[row])
        raise InputError(
            f"{where(row)}, column {column}: site {table.site.text(row)!r} has {value(row)!s} here and "
            f"{value(other)!s} in {where(other)}; a site has one"
            f"{listed_rows(np.flatnonzero(wrong), lambda k: str(value(k)), where)}"
        )

"""Hourly temperature and irradiance: the JMA download (obsdl) in its own layout, or a compact table of the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from der_gym.core.errors import InputError, unknown
from der_gym.core.units import DAY_S, HOUR_S
from der_gym.signals.csvfile import Line, find_column, plain, read_files
from der_gym.signals.grid import Rows, Series
from der_gym.signals.publishers import PREPARED_WEATHER, WEATHER, reading
from der_gym.signals.series import F8
from der_gym.signals.sun import clear_sky_kw_m2
from der_gym.signals.table import STEP_S


@dataclass(frozen=True)
class Station:
    """A station that measures irradiance: its name in the publisher's files and its place, degrees [M]."""

    japanese: str
    latitude_deg: float
    longitude_deg: float


STATIONS = {
    "sapporo": Station("札幌", 43.06, 141.33),
    "sendai": Station("仙台", 38.26, 140.90),
    "tokyo": Station("東京", 35.69, 139.75),
    "nagoya": Station("名古屋", 35.17, 136.96),
    "toyama": Station("富山", 36.71, 137.20),
    "osaka": Station("大阪", 34.68, 135.52),
    "hiroshima": Station("広島", 34.40, 132.46),
    "takamatsu": Station("高松", 34.32, 134.05),
    "fukuoka": Station("福岡", 33.58, 130.38),
}
_COMPACT = ("station", "date", "hour_ending_jst", "temp_c", "global_irr_MJ_m2_h")
_TEMP, _SUN = "気温(℃)", "日射量(MJ/㎡)"
_SUN_NAMES = (plain(_SUN), plain("全天" + _SUN))
_MOMENT, _QUALITY = "年月日時", "品質情報"
_PARTS = ["年", "月", "日", "時"]
_GOOD = (8.0, 5.0)  # normal and nearly normal; 4 too few data, 2 doubtful, 1 missing, 0 not observed
_MJ_KWH = 1.0 / 3.6
_DARK_KW_M2 = 0.02  # hours whose clear sky gives less may be blank: the publisher leaves the night out
_TEMP_RANGE, _SUN_RANGE = (-60.0, 60.0), (0.0, 5.0)
_DEFAULT_GAP_S = 3 * HOUR_S


@dataclass(frozen=True)
class _Columns:
    """Columns of the values of one file; quality columns may be absent."""

    temp: int
    sun: int
    temp_quality: int | None
    sun_quality: int | None
    names: tuple[str, str]
    moment: tuple[int, ...]  # one column, or year, month, day, hour; for the compact layout station, date, hour


def read_weather(path: str | Path, station: str = "tokyo", gap_s: int = _DEFAULT_GAP_S) -> tuple[Series, Series]:
    """Return temperature (deg C, at the end of each hour) and irradiance (kW/m2, mean of each hour) of one station.

    Read are the compact columns station, date, hour_ending_jst (1..24), temp_c, global_irr_MJ_m2_h, and the file of
    https://www.data.jma.go.jp/risk/obsdl/ (時別値; its several header rows, quality columns or none, the moment in one
    column or in four). Blank irradiance at night is 0. ``×``, ``///``, ``#``, values marked ``]`` and quality
    below 5 are missing.

    Parameters
    ----------
    path : path
        File or folder; plain or gzip; UTF-8 or CP932.
    station : str
        A key of ``STATIONS``.
    gap_s : int
        Longest gap that is filled linearly, s.

    Raises
    ------
    InputError
        Naming file, line, column, value and what is allowed.
    """
    if station not in STATIONS:
        raise unknown("station", station, STATIONS)
    temp = Rows(f"JMA temperature, {station}", _TEMP, HOUR_S)
    sun = Rows(f"JMA irradiance, {station}", _SUN, HOUR_S)
    for lines in read_files(path):
        with reading(lines, WEATHER, PREPARED_WEATHER):
            _read(lines, station, temp, sun)
    return temp.series(path, gap_s), sun.series(path, gap_s)


def temperature_steps(series: Series) -> F8:
    """Return the mean of each 5-minute step: straight lines between the readings on the hour."""
    reading = (np.arange(series.values.size) + 1.0) * HOUR_S
    middle = np.arange(series.values.size * HOUR_S // STEP_S) * STEP_S + STEP_S / 2
    return np.asarray(np.interp(middle, reading, series.values), np.float64)


def irradiance_steps(series: Series, latitude_deg: float, longitude_deg: float) -> F8:
    """Return 5-minute means with each hour's own mean, shaped within the hour like the clear sky.

    Known error: clouds passing within the hour are not in hourly data, so the steps are too smooth.

    Parameters
    ----------
    series : Series
        Hourly means, kW/m2, >= 0.
    latitude_deg, longitude_deg : float
        Of the station, north and east positive.
    """
    n_step = series.values.size * HOUR_S // STEP_S
    middle = series.first_day * DAY_S + np.arange(n_step) * STEP_S + STEP_S / 2
    clear = clear_sky_kw_m2(middle, latitude_deg, longitude_deg).reshape(-1, HOUR_S // STEP_S)
    mean = clear.mean(axis=1, keepdims=True)
    shape = np.where(mean > _DARK_KW_M2, clear / np.maximum(mean, 1e-9), 1.0)
    return np.asarray((shape * series.values[:, None]).ravel(), np.float64)


def _read(lines: list[Line], station: str, temp: Rows, sun: Rows) -> None:
    """Add the rows of one file."""
    head, body = _parts_of(lines)
    compact = _is_compact(head[-1])
    columns = _compact_columns(head[-1]) if compact else _published_columns(head, station)
    temp.column, sun.column = columns.names
    found = {_row(line, columns, station, compact, temp, sun) for line in body}
    if compact and station not in found:
        raise unknown(f"{lines[0].path}: station", station, found)


def _parts_of(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """Return header lines and data lines of a file; a data line is one that starts with a date or a station."""
    head: list[Line] = []
    body: list[Line] = []
    for line in lines:
        if any(line.cells):
            (body if _is_data(line, head) else head).append(line)
    if not head or not body:
        raise InputError(f"{lines[0].path}: no header or no rows; allowed: a JMA hourly file, or {', '.join(_COMPACT)}")
    return head, body


def _is_data(line: Line, head: list[Line]) -> bool:
    return bool(head) and (_is_compact(head[-1]) or line.cells[0][:1].isdecimal())


def _is_compact(line: Line) -> bool:
    """Return whether a header is that of the compact table, even where one of its columns is misspelt."""
    return len({plain(cell) for cell in line.cells} & {plain(name) for name in _COMPACT}) >= 2


def _compact_columns(line: Line) -> _Columns:
    at = [find_column(line, (name,), "hourly weather") for name in _COMPACT]
    return _Columns(at[3], at[4], None, None, (_COMPACT[3], _COMPACT[4]), tuple(at[:3]))


def _published_columns(head: list[Line], station: str) -> _Columns:
    """Return the columns of the publisher's header: stations, items, then rows that tell values from their quality."""
    place = next((i for i, line in enumerate(head) if plain(line.cells[0]) in (_MOMENT, _PARTS[0])), None)
    if place is None or place == 0:
        raise InputError(
            f"{head[-1].path}: line {head[-1].number}: no column {_MOMENT!r}; "
            f"found: {', '.join(head[-1].cells)}; allowed: a JMA hourly file, or {', '.join(_COMPACT)}"
        )
    items, stations, below = head[place], head[place - 1], head[place + 1 :]
    japanese = STATIONS[station].japanese
    if japanese not in stations.cells:
        raise unknown(f"{items.path}: line {stations.number}: station", japanese, {c for c in stations.cells if c})
    whole = plain(items.cells[0]) == _MOMENT
    moment = (0,) if whole else tuple(find_column(items, (part,), "date and hour") for part in _PARTS)
    temp, temp_quality = _value_column(items, stations, below, japanese, (plain(_TEMP),), _TEMP)
    sun, sun_quality = _value_column(items, stations, below, japanese, _SUN_NAMES, _SUN)
    return _Columns(temp, sun, temp_quality, sun_quality, (_TEMP, _SUN), moment)


def _value_column(
    items: Line, stations: Line, below: list[Line], japanese: str, names: tuple[str, ...], name: str
) -> tuple[int, int | None]:
    """Return the column of the station's value and that of its quality (None where it has none)."""
    ours = [
        i
        for i, cell in enumerate(items.cells)
        if plain(cell) in names and i < len(stations.cells) and stations.cells[i] == japanese
    ]
    labels = {i: "".join(line.cells[i] for line in below if i < len(line.cells)) for i in ours}
    values = [i for i in ours if not labels[i]]
    if not values:
        find_column(items, (name,), f"hourly weather of {japanese}")
        raise items.error(name, ", ".join(stations.cells), f"a column of station {japanese} with values")
    quality = [i for i in ours if labels[i] == _QUALITY]
    return values[0], quality[0] if quality else None


def _row(line: Line, columns: _Columns, station: str, compact: bool, temp: Rows, sun: Rows) -> str:
    """Add one line's values; return the station's name as the file has it."""
    name = line.cell(columns.moment[0], _COMPACT[0]) if compact else station
    if name == station:
        start = _start(line, columns, compact)
        temp.add(start, _measured(line, columns.temp, columns.temp_quality, columns.names[0], _TEMP_RANGE), line)
        kwh = _measured(line, columns.sun, columns.sun_quality, columns.names[1], _SUN_RANGE) * _MJ_KWH
        sun.add(start, 0.0 if kwh != kwh and _dark(start, station) else kwh, line)
    return name


def _start(line: Line, columns: _Columns, compact: bool) -> int:
    """Return the start of the hour that ends at the line's moment."""
    if compact:
        hour = line.whole_of(columns.moment[2], _COMPACT[2], 1, 24)
        return line.day_of(columns.moment[1], _COMPACT[1]) * DAY_S + (hour - 1) * HOUR_S
    if len(columns.moment) == 1:
        return line.moment_of(columns.moment[0], _MOMENT) - HOUR_S
    parts = [line.cell(i, name) for i, name in zip(columns.moment, _PARTS, strict=True)]
    joined = Line(line.path, line.number, [f"{'/'.join(parts[:3])} {parts[3]}:00"])
    return joined.moment_of(0, _MOMENT) - HOUR_S


def _measured(line: Line, index: int, quality: int | None, name: str, allowed: tuple[float, float]) -> float:
    """Return a measured value, NaN where it is missing, doubtful or made of too few data."""
    text = line.cell(index, name)
    if text.endswith("]") or (quality is not None and line.number_of(quality, _QUALITY) not in _GOOD):
        return float("nan")
    value = Line(line.path, line.number, [text.removesuffix(")").strip()]).number_of(0, name)
    if value == value and not allowed[0] <= value <= allowed[1]:
        raise line.error(name, text, f"{allowed[0]:g}..{allowed[1]:g}")
    return value


def _dark(start: int, station: str) -> bool:
    place = STATIONS[station]
    middle = start + (np.arange(HOUR_S // STEP_S) + 0.5) * STEP_S
    return bool(clear_sky_kw_m2(middle, place.latitude_deg, place.longitude_deg).mean() < _DARK_KW_M2)

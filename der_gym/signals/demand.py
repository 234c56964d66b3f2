"""Area demand and PV every 5 minutes: a system operator's でんき予報 file, or a compact table of the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.signals.csvfile import Line, find_column, plain, read_files
from der_gym.signals.grid import Rows, Series
from der_gym.signals.publishers import DEMAND, PREPARED_DEMAND, reading
from der_gym.signals.series import F8, moving_mean
from der_gym.signals.table import STEP_S

_COMPACT = ("datetime_jst", "area_demand_10MW", "area_pv_10MW")
_DEMAND, _PV = "当日実績(5分間隔値)(万kW)", "太陽光発電実績(5分間隔値)(万kW)"
_FIVE_MINUTES = plain("5分間隔値")
_MW = 10.0  # 万kW
_HIGHEST = 100_000.0  # 万kW; six times the record of all Japan
_TREND_STEPS = 13  # a centred mean over about an hour: over it straight lines cancel
_DEFAULT_GAP_S = 1800


@dataclass(frozen=True)
class _Columns:
    """Columns of date (and time, when apart), demand and PV."""

    date: int
    time: int | None
    demand: int
    pv: int
    names: tuple[str, str]


def read_net_load(path: str | Path, gap_s: int = _DEFAULT_GAP_S) -> Series:
    """Return demand - PV, MW, one value per 5 minutes (the row's time is the step's start).

    Read are the compact columns datetime_jst, area_demand_10MW, area_pv_10MW, and the publisher's daily file: sections
    one under another, of which the one headed DATE, TIME, 当日実績(5分間隔値)(万kW), 太陽光発電実績(5分間隔値)(万kW)
    is taken. A demand of 0 or blank is a value not yet measured.

    Parameters
    ----------
    path : path
        File or folder of daily files; plain or gzip; UTF-8 or CP932.
    gap_s : int
        Longest gap that is filled linearly, s.

    Raises
    ------
    InputError
        Naming file, line, column, value and what is allowed.
    """
    rows = Rows("area demand - PV", _DEMAND, STEP_S)
    for lines in read_files(path):
        with reading(lines, DEMAND, PREPARED_DEMAND):
            _read(rows, lines)
    return rows.series(path, gap_s)


def residual_of(series: Series) -> F8:
    """Return the normalised residual (n_step,): net load against its centred mean over 65 minutes, over its sd.

    Known error: the mean looks half an hour ahead, so the residual is a disturbance to answer, never a forecast.
    """
    left = series.values - moving_mean(series.values, _TREND_STEPS)
    sd = float(np.std(left))
    if sd <= 0.0:
        raise InputError(f"{series.path}: the net load never changes; allowed: measured demand and PV")
    return np.asarray(left / sd, np.float64)


def _read(rows: Rows, lines: list[Line]) -> None:
    """Add the rows of one file; InputError where it holds no 5-minute section."""
    before, columns = len(rows.moments), None
    for line in lines:
        if not any(line.cells):
            columns = columns if columns and columns.time is None else None  # a blank line ends a published section
        elif _is_header(line):
            columns = _columns(line)
            rows.column = columns.names[0] if columns else rows.column
        elif columns is not None:
            _add(rows, line, columns)
    if len(rows.moments) == before:
        found = next(", ".join(line.cells) for line in lines if any(line.cells))
        wanted = f"{', '.join(_COMPACT)}, or a section DATE, TIME, {_DEMAND}, {_PV}"
        raise InputError(f"{lines[0].path}: no 5-minute values; found: {found}; allowed: {wanted}")


def _is_header(line: Line) -> bool:
    names = [plain(cell) for cell in line.cells]
    return names[:2] == ["date", "time"] or names[0].startswith("datetime") or plain(_COMPACT[1]) in names


def _columns(line: Line) -> _Columns | None:
    """Return the columns of a header, None where it heads a section without 5-minute values."""
    if plain(line.cells[0]) != "date":
        at = [find_column(line, (name,), "5-minute demand") for name in _COMPACT]
        return _Columns(at[0], None, at[1], at[2], (_COMPACT[1], _COMPACT[2]))
    if not any(_FIVE_MINUTES in plain(cell) for cell in line.cells):
        return None
    demand, pv = (find_column(line, (name,), "5-minute demand") for name in (_DEMAND, _PV))
    return _Columns(0, 1, demand, pv, (_DEMAND, _PV))


def _add(rows: Rows, line: Line, columns: _Columns) -> None:
    demand, pv = line.number_of(columns.demand, columns.names[0]), line.number_of(columns.pv, columns.names[1])
    for name, value in zip(columns.names, (demand, pv), strict=True):
        if not (value != value or 0.0 <= value <= _HIGHEST):
            raise line.error(name, str(value), f"0..{_HIGHEST:,.0f} 万kW")
    net_mw = (demand - pv) * _MW if demand != 0.0 else float("nan")
    rows.add(_moment(line, columns), net_mw, line)


def _moment(line: Line, columns: _Columns) -> int:
    if columns.time is None:
        return line.moment_of(columns.date, _COMPACT[0])
    return line.day_of(columns.date, "DATE") * DAY_S + line.second_of(columns.time, "TIME")

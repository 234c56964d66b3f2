"""Day-ahead prices: JEPX's ``spot_summary_YYYY.csv`` (https://www.jepx.jp), one row per half hour."""

from __future__ import annotations

from pathlib import Path

from der_gym.core.errors import unknown
from der_gym.core.units import BLOCK_S, DAY_S, SLOT_PER_DAY
from der_gym.signals.csvfile import Line, find_column, read_files
from der_gym.signals.grid import Rows, Series
from der_gym.signals.publishers import SPOT, reading

AREAS = {
    "hokkaido": "北海道",
    "tohoku": "東北",
    "tokyo": "東京",
    "chubu": "中部",
    "hokuriku": "北陸",
    "kansai": "関西",
    "chugoku": "中国",
    "shikoku": "四国",
    "kyushu": "九州",
}
_DATE, _SLOT = "受渡日", "時刻コード"
_HIGHEST_YEN = 999.0  # JEPX bids end at 999 yen/kWh [M]; the record is 251 [S]


def read_spot(path: str | Path, area: str = "tokyo", gap_s: int = 0) -> Series:
    """Return the area price, yen/kWh, one value per half hour (code 1 = 00:00-00:30).

    Parameters
    ----------
    path : path
        File or folder; plain or gzip; UTF-8 or CP932. Columns 受渡日, 時刻コード, エリアプライス<area>(円/kWh).
    area : str
        A key of ``AREAS``.
    gap_s : int
        Longest gap that is filled linearly, s.

    Raises
    ------
    InputError
        Naming file, line, column, value and what is allowed.
    """
    if area not in AREAS:
        raise unknown("area", area, AREAS)
    name = f"エリアプライス{AREAS[area]}"
    rows = Rows(f"JEPX spot price, {area}", name, BLOCK_S)
    for lines in read_files(path):
        with reading(lines, SPOT):
            head, *body = [line for line in lines if any(line.cells)]
            columns = _columns(head, name)
            for line in body:
                _add(rows, line, columns, name)
    return rows.series(path, gap_s)


def _columns(line: Line, name: str) -> tuple[int, int, int]:
    price = (f"{name}(円/kWh)", name)
    what = "a JEPX spot summary"
    return find_column(line, (_DATE,), what), find_column(line, (_SLOT,), what), find_column(line, price, what)


def _add(rows: Rows, line: Line, columns: tuple[int, int, int], name: str) -> None:
    slot = line.whole_of(columns[1], _SLOT, 1, SLOT_PER_DAY)
    value = line.number_of(columns[2], name)
    if not (value != value or 0.0 <= value <= _HIGHEST_YEN):
        raise line.error(name, line.cells[columns[2]], f"0..{_HIGHEST_YEN:g} yen/kWh")
    rows.add(line.day_of(columns[0], _DATE) * DAY_S + (slot - 1) * BLOCK_S, value, line)

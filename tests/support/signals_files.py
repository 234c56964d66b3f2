"""Small files in the publishers' layouts, and edits that break them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from der_gym.signals.calendar import day_of
from der_gym.signals.jepx import AREAS

DAY = date(2024, 2, 1)
FIRST = day_of(DAY)
Edit = Callable[[list[str]], list[str]]


def put(number: int, row: str | None) -> Edit:
    """Return an edit that replaces line ``number`` (as an editor counts), or leaves it out."""
    return lambda rows: [*rows[: number - 1], *([] if row is None else [row]), *rows[number:]]


def swap(old: str, new: str) -> Edit:
    return lambda rows: [row.replace(old, new) for row in rows]


def write(file: Path, rows: list[str], encoding: str = "utf-8") -> Path:
    data = ("\r\n".join(rows) + "\r\n").encode(encoding)
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


JEPX_HEADER = (
    "受渡日,時刻コード,売り入札量(kWh),買い入札量(kWh),約定総量(kWh),システムプライス(円/kWh),"
    + ",".join(f"エリアプライス{name}(円/kWh)" for name in AREAS.values())
    + ",売りブロック入札総量(kWh)"
)


def price_of(day: int, slot: int, area: int) -> float:
    return round(10 + day + slot / 10 + area / 100, 2)


def jepx_rows(n_day: int = 3, first: date = DAY) -> list[str]:
    rows = [JEPX_HEADER]
    for d in range(n_day):
        for slot in range(1, 49):
            areas = ",".join(f"{price_of(d, slot, a):.2f}" for a in range(9))
            rows.append(f"{first + timedelta(days=d):%Y/%m/%d},{slot},100,100,100,9.99,{areas},5")
    return rows


def load_of(step: int) -> tuple[int, int]:
    return 3000 + (7 * step * step) % 113, max(0, 50 - abs(step % 288 - 144))


def compact_demand(n_day: int = 2) -> list[str]:
    rows = ["datetime_jst,area_demand_10MW,area_pv_10MW"]
    for step in range(n_day * 288):
        on, minute = DAY + timedelta(days=step // 288), step % 288 * 5
        demand, pv = load_of(step)
        rows.append(f"{on.year}/{on.month}/{on.day} {minute // 60}:{minute % 60:02d},{demand},{pv}")
    return rows


def published_demand(day: int, wide: bool = True) -> list[str]:
    """One day's file of the operator: five sections under one another."""
    on = DAY + timedelta(days=day)
    five = "（５分間隔値）" if wide else "(5分間隔値)"
    rows = [f"{on:%Y/%-m/%-d} 23:55 UPDATE", "ピーク時供給力(万kW),時間帯,供給力情報更新日,供給力情報更新時刻"]
    rows += [
        f"4500,17:00～18:00,{on:%-m/%-d},18:00",
        "",
        "DATE,TIME,当日実績(万kW),予測値(万kW),使用率(%),供給力(万kW)",
    ]
    rows += [f"{on:%Y/%-m/%-d},{hour}:00,3100,3100,80,4000" for hour in range(24)]
    rows += ["", f"DATE,TIME,当日実績{five}(万kW),太陽光発電実績{five}(万kW)"]
    for step in range(288):
        demand, pv = load_of(day * 288 + step)
        rows.append(f"{on:%Y/%-m/%-d},{step // 12}:{step % 12 * 5:02d},{demand},{pv}")
    return rows


COMPACT_HEADER = "station,date,hour_ending_jst,temp_c,global_irr_MJ_m2_h,rh_pct,wind_m_s"


def weather_of(step: int) -> tuple[float, str]:
    """Temperature, and irradiance as printed (blank at night), of the hour that ends at ``step + 1``."""
    hour = step % 24 + 1
    return round(5 + 0.1 * step, 1), f"{0.2 * (6 - abs(hour - 13)):.2f}" if 7 < hour < 19 else ""


def compact_weather(n_day: int = 2) -> list[str]:
    rows = [COMPACT_HEADER]
    for station in ("nagoya", "tokyo"):
        for step in range(n_day * 24):
            temp, sun = weather_of(step)
            shift = 0.0 if station == "tokyo" else 3.0
            rows.append(f"{station},{DAY + timedelta(days=step // 24)},{step % 24 + 1},{temp + shift:.1f},{sun},60,2.0")
    return rows


def published_weather(n_day: int = 2, quality: bool = True, parts: bool = False) -> list[str]:
    """The download of two stations, temperature, wind (with its second header row) and irradiance."""
    per_item = 3 if quality else 1
    lead = ["年", "月", "日", "時"] if parts else ["年月日時"]
    blank = [""] * len(lead)
    stations = [*blank, *(["大阪"] * (per_item + per_item + 1)), *(["東京"] * (3 * per_item + 1))]
    wind = ["風速(m/s)"] * (per_item + 1)
    items = [*lead, *wind, *(["気温(℃)"] * per_item), *(["気温(℃)"] * per_item), *wind]
    items = [*items, *(["日射量(MJ/㎡)"] * per_item)]
    marks = ["", "品質情報", "均質番号"][:per_item]
    wind_marks = ["", "", *marks[1:]]
    direction = ["", "風向", *[""] * (per_item - 1)]
    second = [*blank, *direction, *[""] * per_item, *[""] * per_item, *direction, *[""] * per_item]
    third = [*blank, *wind_marks, *marks, *marks, *wind_marks, *marks]
    rows = [
        "ダウンロードした時刻：2024/05/01 10:00:00",
        "",
        *(",".join(row) for row in (stations, items, second, third)),
    ]
    for step in range(n_day * 24):
        on, hour = DAY + timedelta(days=(step + 1) // 24), (step + 1) % 24
        temp, sun = weather_of(step)
        tail = ["8", "1"] if quality else []
        when = [on.year, on.month, on.day, hour] if parts else [f"{on.year}/{on.month}/{on.day} {hour}:00:00"]
        cells = [*when, "3.1", "北", *tail, "1.0", *tail, temp, *tail, "2.0", "南", *tail, sun, *tail]
        rows.append(",".join(map(str, cells)))
    return rows


def expected_sun(n: int) -> list[float]:
    return [float(weather_of(step)[1] or 0.0) / 3.6 for step in range(n)]

"""Loaders read the publishers' layouts as they are, and say one clear thing about each way a file can be wrong."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.signals import table
from der_gym.signals.calendar import date_of, day_of
from der_gym.signals.demand import read_net_load, residual_of
from der_gym.signals.jepx import AREAS, read_spot
from der_gym.signals.jma import irradiance_steps, read_weather, temperature_steps
from der_gym.signals.loaders import GapLimits, load_signals
from der_gym.signals.sun import clear_sky_kw_m2
from der_gym.signals.synthetic import SyntheticConfig, synthesise

DAY = date(2024, 2, 1)
FIRST = day_of(DAY)
Edit = Callable[[list[str]], list[str]]


def _same(rows: list[str]) -> list[str]:
    return rows


def _put(number: int, row: str | None) -> Edit:
    """Return an edit that replaces line ``number`` (as an editor counts), or leaves it out."""
    return lambda rows: [*rows[: number - 1], *([] if row is None else [row]), *rows[number:]]


def _swap(old: str, new: str) -> Edit:
    return lambda rows: [row.replace(old, new) for row in rows]


def _write(file: Path, rows: list[str], encoding: str = "utf-8") -> Path:
    data = ("\r\n".join(rows) + "\r\n").encode(encoding)
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


# ------------------------------------------------------------------------------------------------------------ prices

JEPX_HEADER = (
    "受渡日,時刻コード,売り入札量(kWh),買い入札量(kWh),約定総量(kWh),システムプライス(円/kWh),"
    + ",".join(f"エリアプライス{name}(円/kWh)" for name in AREAS.values())
    + ",売りブロック入札総量(kWh)"
)


def _price(day: int, slot: int, area: int) -> float:
    return round(10 + day + slot / 10 + area / 100, 2)


def _jepx(n_day: int = 3, first: date = DAY) -> list[str]:
    rows = [JEPX_HEADER]
    for d in range(n_day):
        for slot in range(1, 49):
            areas = ",".join(f"{_price(d, slot, a):.2f}" for a in range(9))
            rows.append(f"{first + timedelta(days=d):%Y/%m/%d},{slot},100,100,100,9.99,{areas},5")
    return rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("name", ["spot.csv", "spot.csv.gz"])
def test_spot_summary(tmp_path: Path, encoding: str, name: str) -> None:
    file = _write(tmp_path / name, _jepx(), encoding)
    for number, area in enumerate(AREAS):
        series = read_spot(file, area)
        assert (series.first_day, series.last_day, series.filled) == (FIRST, FIRST + 2, 0)
        assert series.values.tolist() == [_price(d, s, number) for d in range(3) for s in range(1, 49)]


def test_spot_columns_may_be_wide_or_narrow(tmp_path: Path) -> None:
    rows = _swap("エリアプライス東京(円/kWh)", "エリアプライス 東京（円／ＫＷｈ）")(_jepx())
    assert read_spot(_write(tmp_path / "spot.csv", rows)).values[0] == _price(0, 1, 2)


def test_spot_rows_in_any_order_and_twice(tmp_path: Path) -> None:
    rows = _jepx()
    plain = read_spot(_write(tmp_path / "a.csv", rows))
    mixed = read_spot(_write(tmp_path / "b.csv", [rows[0], *reversed(rows[1:]), rows[7], ""]))
    assert (mixed.values == plain.values).all()
    assert mixed.doubled == 1 and "1 rows twice" in mixed.note


def test_spot_of_a_folder_joins_its_files(tmp_path: Path) -> None:
    _write(tmp_path / "spot_2.csv", _jepx(2, DAY + timedelta(days=2)), "cp932")
    _write(tmp_path / "spot_1.csv.gz", _jepx(2))
    assert read_spot(tmp_path).values.size == 4 * 48


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            _swap("エリアプライス東京(円/kWh)", "エリアプライス東京(円/kW)"),
            "line 1: no column 'エリアプライス東京.*nearest: 'エリアプライス東京.円/kW.'",
        ),
        (
            _put(5, "2024/02/01,4,1,1,1,1,1,1,abc,1,1,1,1,1,1,1"),
            "line 5, column 'エリアプライス東京': 'abc'; allowed: a number",
        ),
        (_put(5, "2024/02/30,4,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), "line 5, column '受渡日': '2024/02/30'.*a date"),
        (_put(5, "2024/02/01,49,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), "line 5, column '時刻コード': '49'.*1..48"),
        (_put(5, "2024/02/01,3,1,1,1,1,1,1,77,1,1,1,1,1,1,1"), "line 4.*one value for 2024-02-01 01:00 .line 5"),
        (_put(5, "2024/02/01,4,1,1,1,1,1,1,-3,1,1,1,1,1,1,1"), "line 5.*'-3.0'; allowed: 0..999"),
        (_put(5, "2024/02/01,4,1"), "line 5.*at least 9 cells"),
        (_put(60, None), "line 59.*missing 2024-02-02 05:00 .. 2024-02-02 05:30.*at most 0 min"),
        (lambda rows: rows[:1], "no rows"),
        (lambda rows: rows[:20], "no whole day"),
        (lambda rows: [], "is empty"),
    ],
)
def test_spot_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    file = _write(tmp_path / "spot.csv", edit(_jepx()))
    with pytest.raises(InputError, match=message) as caught:
        read_spot(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_spot_gap_is_filled_only_on_request(tmp_path: Path) -> None:
    file = _write(tmp_path / "spot.csv", _put(60, None)(_jepx()))
    series = read_spot(file, gap_s=1800)
    assert series.filled == 1
    assert series.values[58] == pytest.approx((series.values[57] + series.values[59]) / 2)


@pytest.mark.parametrize("data", [b"\xff\xfe" + "受渡日,時刻コード".encode("utf-16-le"), b"\x81\x20\xff\xff\x00,1"])
def test_wrong_encoding(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "spot.csv"
    file.write_bytes(data)
    with pytest.raises(InputError, match="wrong encoding; allowed: utf-8-sig, cp932"):
        read_spot(file)


def test_broken_gzip_missing_file_empty_folder_unknown_area(tmp_path: Path) -> None:
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 50)[:-12])
    with pytest.raises(InputError, match="broken gzip"):
        read_spot(tmp_path / "cut.csv.gz")
    with pytest.raises(InputError, match="cannot be read"):
        read_spot(tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="folder without files"):
        read_spot(tmp_path / "empty")
    with pytest.raises(InputError, match="area: unknown name 'kyusyu'; did you mean 'kyushu'"):
        read_spot(tmp_path / "cut.csv.gz", "kyusyu")


# ------------------------------------------------------------------------------------------------------------ demand


def _load(step: int) -> tuple[int, int]:
    return 3000 + (7 * step * step) % 113, max(0, 50 - abs(step % 288 - 144))


def _compact_demand(n_day: int = 2) -> list[str]:
    rows = ["datetime_jst,area_demand_10MW,area_pv_10MW"]
    for step in range(n_day * 288):
        on, minute = DAY + timedelta(days=step // 288), step % 288 * 5
        demand, pv = _load(step)
        rows.append(f"{on.year}/{on.month}/{on.day} {minute // 60}:{minute % 60:02d},{demand},{pv}")
    return rows


def _published_demand(day: int, wide: bool = True) -> list[str]:
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
        demand, pv = _load(day * 288 + step)
        rows.append(f"{on:%Y/%-m/%-d},{step // 12}:{step % 12 * 5:02d},{demand},{pv}")
    return rows


def test_both_layouts_of_demand_are_the_same(tmp_path: Path) -> None:
    compact = read_net_load(_write(tmp_path / "a.csv.gz", _compact_demand()))
    expected = [10.0 * (_load(s)[0] - _load(s)[1]) for s in range(576)]
    assert compact.values.tolist() == expected
    folder = tmp_path / "days"
    folder.mkdir()
    for day in range(2):
        _write(folder / f"2024020{day + 1}_power_usage.csv", _published_demand(day, wide=day == 0), "cp932")
    published = read_net_load(folder)
    assert published.values.tolist() == expected
    assert (published.first_day, published.last_day) == (FIRST, FIRST + 1)


def test_demand_not_measured_yet_is_left_out(tmp_path: Path) -> None:
    """Today's file: zeros and blanks from now on, so only yesterday is a whole day."""
    rows = _compact_demand()
    rows[400:500] = [row.split(",")[0] + ",0,0" for row in rows[400:500]]
    rows[500:] = [row.split(",")[0] + ",," for row in rows[500:]]
    series = read_net_load(_write(tmp_path / "a.csv", rows))
    assert (series.first_day, series.last_day) == (FIRST, FIRST)


def test_demand_gap_up_to_half_an_hour_is_filled(tmp_path: Path) -> None:
    rows = _compact_demand()
    file = _write(tmp_path / "a.csv", rows[:100] + rows[106:])
    series = read_net_load(file)
    assert series.filled == 6 and "6 filled" in series.note
    assert np.diff(series.values[98:106]) == pytest.approx(np.diff(series.values[98:106])[0])
    with pytest.raises(InputError, match=r"line 100, .*missing 2024-02-01 08:15 .. 2024-02-01 08:50.*at most 30 min"):
        read_net_load(_write(tmp_path / "b.csv", rows[:100] + rows[107:]))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_swap("area_pv_10MW", "pv_10MW"), "no column 'area_pv_10MW'.*nearest: 'pv_10MW'"),
        (_put(9, "2024/2/1 0:35,x9,0"), "line 9, column 'area_demand_10MW': 'x9'"),
        (_put(9, "2024/2/1 0:35,3000,-4"), "line 9, column 'area_pv_10MW': '-4.0'; allowed: at least 0"),
        (_put(9, "2024/2/1 0:36,3000,0"), "line 9.*00:36:00.*steps of 5 min"),
        (_put(9, "2024/2/1 25:00,3000,0"), "line 9, column 'datetime_jst': '2024/2/1 25:00'"),
        (_put(9, "2024/2/1 0:35+09:00,3000,0"), "without a time zone"),
        (lambda rows: ["a,b", "1,2"], "no 5-minute values; found: a, b; allowed: datetime_jst"),
    ],
)
def test_demand_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_net_load(_write(tmp_path / "a.csv", edit(_compact_demand())))


def test_published_demand_errors(tmp_path: Path) -> None:
    rows = _published_demand(0)
    with pytest.raises(InputError, match="no 5-minute values"):
        read_net_load(_write(tmp_path / "a.csv", rows[:29]))
    with pytest.raises(InputError, match="line 40, column 'TIME': 'noon'"):
        read_net_load(_write(tmp_path / "b.csv", _put(40, "2024/2/1,noon,3000,0")(rows)))


def test_residual_is_what_the_hour_does_not_explain(tmp_path: Path) -> None:
    series = read_net_load(_write(tmp_path / "a.csv", _compact_demand()))
    residual = residual_of(series)
    assert residual.std() == pytest.approx(1.0)
    at = 300
    raw = [series.values[i] - series.values[i - 6 : i + 7].mean() for i in range(6, 570)]
    assert residual[at] == pytest.approx(raw[at - 6] * residual[at - 1] / raw[at - 7], rel=1e-9)
    flat = type(series)("x", series.path, FIRST, 300, np.full(576, 5.0))
    with pytest.raises(InputError, match="never changes"):
        residual_of(flat)


# ----------------------------------------------------------------------------------------------------------- weather

COMPACT_HEADER = "station,date,hour_ending_jst,temp_c,global_irr_MJ_m2_h,rh_pct,wind_m_s"


def _weather(step: int) -> tuple[float, str]:
    """Temperature, and irradiance as printed (blank at night), of the hour that ends at ``step + 1``."""
    hour = step % 24 + 1
    return round(5 + 0.1 * step, 1), f"{0.2 * (6 - abs(hour - 13)):.2f}" if 7 < hour < 19 else ""


def _compact_weather(n_day: int = 2) -> list[str]:
    rows = [COMPACT_HEADER]
    for station in ("nagoya", "tokyo"):
        for step in range(n_day * 24):
            temp, sun = _weather(step)
            shift = 0.0 if station == "tokyo" else 3.0
            rows.append(f"{station},{DAY + timedelta(days=step // 24)},{step % 24 + 1},{temp + shift:.1f},{sun},60,2.0")
    return rows


def _published_weather(n_day: int = 2, quality: bool = True, parts: bool = False) -> list[str]:
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
        temp, sun = _weather(step)
        tail = ["8", "1"] if quality else []
        when = [on.year, on.month, on.day, hour] if parts else [f"{on.year}/{on.month}/{on.day} {hour}:00:00"]
        cells = [*when, "3.1", "北", *tail, "1.0", *tail, temp, *tail, "2.0", "南", *tail, sun, *tail]
        rows.append(",".join(map(str, cells)))
    return rows


def _expected_sun(n: int) -> list[float]:
    return [float(_weather(step)[1] or 0.0) / 3.6 for step in range(n)]


@pytest.mark.parametrize("layout", ["compact", "published", "published without quality", "moment in four columns"])
def test_all_layouts_of_weather_are_the_same(tmp_path: Path, layout: str) -> None:
    rows = {
        "compact": _compact_weather(),
        "published": _published_weather(),
        "published without quality": _published_weather(quality=False),
        "moment in four columns": _published_weather(parts=True),
    }[layout]
    temp, sun = read_weather(_write(tmp_path / "w.csv", rows, "utf-8" if layout == "compact" else "cp932"))
    assert (temp.first_day, temp.last_day, temp.filled, sun.filled) == (FIRST, FIRST + 1, 0, 0)
    assert temp.values == pytest.approx([_weather(step)[0] for step in range(48)])
    assert sun.values == pytest.approx(_expected_sun(48))


def test_older_name_of_irradiance(tmp_path: Path) -> None:
    rows = _swap("日射量(MJ/㎡)", "全天日射量(MJ/㎡)")(_published_weather())
    assert read_weather(_write(tmp_path / "w.csv", rows))[1].values == pytest.approx(_expected_sun(48))


def test_another_station(tmp_path: Path) -> None:
    temp, _ = read_weather(_write(tmp_path / "w.csv", _compact_weather()), "nagoya")
    assert temp.values[0] == 8.0


def test_marks_of_the_publisher(tmp_path: Path) -> None:
    """Missing (x, ///, #), too few data (]) are gaps; nearly normal, marked ), is a value."""
    rows = _compact_weather()
    rows[60] = rows[60].replace(f",{_weather(11)[1]},", ",1.50 ),")  # tokyo, 12 h
    rows[61] = rows[61].replace(f",{_weather(12)[1]},", ",9.99 ],")
    rows[62] = rows[62].replace(f",{_weather(13)[0]},", ",×,")
    temp, sun = read_weather(_write(tmp_path / "w.csv", rows))
    assert sun.values[11] == pytest.approx(1.5 / 3.6) and sun.filled == 1
    assert sun.values[12] == pytest.approx((sun.values[11] + sun.values[13]) / 2)
    assert temp.filled == 1 and temp.values[13] == pytest.approx(_weather(13)[0])


def test_quality_below_five_is_missing(tmp_path: Path) -> None:
    rows = _published_weather()
    temp = _weather(9)[0]
    for number, (quality, filled) in enumerate([("5", 0), ("4", 1), ("2", 1), ("1", 1), ("0", 1)]):
        edited = list(rows)
        edited[6 + 9] = edited[6 + 9].replace(f",{temp},8,1", f",{temp},{quality},1")
        assert edited != rows
        assert read_weather(_write(tmp_path / f"{number}.csv", edited))[0].filled == filled


def test_missing_double_and_unordered_rows(tmp_path: Path) -> None:
    rows = _compact_weather()
    tokyo = rows[49:]
    edited = [rows[0], *reversed(tokyo[:10] + tokyo[12:]), tokyo[3]]  # two hours away, one twice
    temp, sun = read_weather(_write(tmp_path / "w.csv", edited))
    assert (temp.filled, sun.filled, temp.doubled) == (2, 2, 1)
    assert temp.values == pytest.approx([_weather(step)[0] for step in range(48)])  # it was a straight line
    with pytest.raises(InputError, match=r"missing 2024-02-01 10:00 .. 2024-02-01 14:00.*at most 180 min"):
        read_weather(_write(tmp_path / "x.csv", [rows[0], *tokyo[:10], *tokyo[14:]]))


def test_blank_irradiance_by_day_is_a_gap(tmp_path: Path) -> None:
    rows = _compact_weather()
    for i in (60, 61, 62):
        cells = rows[i].split(",")
        rows[i] = ",".join([*cells[:4], "", *cells[5:]])
    assert read_weather(_write(tmp_path / "w.csv", rows))[1].filled == 3
    cells = rows[63].split(",")
    rows[63] = ",".join([*cells[:4], "", *cells[5:]])
    with pytest.raises(InputError, match="line 61, column 'global_irr_MJ_m2_h': 'missing 2024-02-01 11:00"):
        read_weather(_write(tmp_path / "x.csv", rows))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_swap("temp_c", "temp"), "no column 'temp_c'.*nearest: 'temp'"),
        (_put(55, "tokyo,2024-02-01,25,5.0,,60,2"), "line 55, column 'hour_ending_jst': '25'.*1..24"),
        (_put(55, "tokyo,2024-02-01,5,warm,,60,2"), "line 55, column 'temp_c': 'warm'"),
        (_put(55, "tokyo,2024-02-01,5,95,,60,2"), "line 55, column 'temp_c': '95'; allowed: -60..60"),
        (_put(55, "tokyo,2024-02-01,5,9,800,60,2"), "line 55, column 'global_irr_MJ_m2_h': '800'; allowed: 0..5"),
        (_put(55, "tokyo,2024-2,5,9,,60,2"), "line 55, column 'date': '2024-2'"),
        (_swap("tokyo", "tokio"), "unknown name 'tokyo'; did you mean 'tokio'"),
        (lambda rows: rows[:1], "no header or no rows"),
        (lambda rows: ["when,what", "2024/2/1 1:00:00,5"], "no column '年月日時'; found: when, what"),
    ],
)
def test_compact_weather_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_weather(_write(tmp_path / "w.csv", edit(_compact_weather())))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_swap("東京", "横浜"), "line 3: station: unknown name '東京'.*allowed: 大阪, 横浜"),
        (_swap("日射量(MJ/㎡)", "日照時間(時間)"), "no column '日射量"),
        (_put(10, "2024/2/1 4:30:00,3,北,8,1,1,8,1,5,8,1,2,南,8,1,,8,1"), "line 10.*steps of 60 min"),
        (_put(10, "2024/2/1 4:00:00,3,北,8,1,1,8,1,hot,8,1,2,南,8,1,,8,1"), "line 10, column '気温.*'hot'"),
    ],
)
def test_published_weather_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_weather(_write(tmp_path / "w.csv", edit(_published_weather())))


def test_unknown_station() -> None:
    with pytest.raises(InputError, match="station: unknown name 'tokio'; did you mean 'tokyo'"):
        read_weather("w.csv", "tokio")


def test_hours_become_steps(tmp_path: Path) -> None:
    temp, sun = read_weather(_write(tmp_path / "w.csv", _compact_weather()))
    steps = temperature_steps(temp)
    assert steps.size == 576
    assert steps[12 * 5 + 11] == pytest.approx(temp.values[5] - 0.1 * 2.5 / 60, abs=1e-9)  # the step that ends at 06:00
    bright = irradiance_steps(sun, 35.69, 139.75)
    assert bright.reshape(-1, 12).mean(axis=1) == pytest.approx(sun.values, abs=1e-12)
    middle = FIRST * 86_400 + np.arange(12 * 11, 12 * 12) * 300 + 150
    clear = clear_sky_kw_m2(middle, 35.69, 139.75)
    assert bright[12 * 11 : 12 * 12] == pytest.approx(clear * sun.values[11] / clear.mean())


# --------------------------------------------------------------------------------------------------------- one table


def _three(tmp_path: Path) -> dict[str, Path]:
    return {
        "prices": _write(tmp_path / "p.csv", _jepx(6, DAY - timedelta(days=2)), "cp932"),
        "demand": _write(tmp_path / "d.csv", _compact_demand(5)),
        "weather": _write(tmp_path / "w.csv", _compact_weather(3)),
    }


def test_table_covers_what_the_files_share(tmp_path: Path) -> None:
    files = _three(tmp_path)
    signals = load_signals(**files)
    assert (signals.first_day, signals.last_day) == (FIRST, FIRST + 2)
    assert len(signals.notes) == 4
    spot = signals.values[table.SPOT_YEN].reshape(3, 48, 6)
    assert (spot == spot[:, :, :1]).all()
    assert spot[1, 0, 0] == np.float32(_price(3, 1, 2))
    temp, sun = read_weather(files["weather"])
    assert signals.values[table.TEMP_C] == pytest.approx(temperature_steps(temp), abs=1e-4)
    assert signals.values[table.SUN_KW_M2] == pytest.approx(irradiance_steps(sun, 35.69, 139.75), abs=1e-4)
    residual = residual_of(read_net_load(files["demand"]))
    assert signals.values[table.RESIDUAL] == pytest.approx(residual[: 3 * 288], abs=1e-4)
    error = signals.values[table.TEMP_FORECAST_C] - signals.values[table.TEMP_C]
    assert 0.1 < np.abs(error).max() < 6.0
    assert (signals.values[table.IMBALANCE_YEN] >= 0.0).all()


@pytest.mark.parametrize("kind", ["prices", "demand", "weather"])
def test_what_is_not_given_is_synthetic_for_the_same_dates(tmp_path: Path, kind: str) -> None:
    config = SyntheticConfig(seed=9)
    signals = load_signals(**{kind: _three(tmp_path)[kind]}, base=config)
    plain = synthesise(config, signals.first_day, signals.last_day)
    own = {
        "prices": {table.SPOT_YEN, table.IMBALANCE_YEN},
        "demand": {table.RESIDUAL},
        "weather": {table.TEMP_C, table.SUN_KW_M2, table.TEMP_FORECAST_C, table.SUN_FORECAST_KW_M2, table.MAINS_C},
    }[kind]
    for column in range(table.N_COLUMN):
        assert (signals.values[column] == plain.values[column]).all() == (column not in own), table.COLUMNS[column]


def test_without_files_it_is_the_synthetic_table() -> None:
    config = SyntheticConfig(first_date=date(2026, 5, 1), last_date=date(2026, 5, 3), warmup_days=2)
    assert (load_signals(base=config).values == synthesise(config).values).all()


def test_files_without_a_common_day(tmp_path: Path) -> None:
    files = _three(tmp_path)
    files["prices"] = _write(tmp_path / "q.csv", _jepx(2, date(2023, 4, 1)))
    with pytest.raises(InputError, match=r"share no day: .*q.csv: 2023-04-01 \.\. 2023-04-02; .*d.csv: 2024-02-01"):
        load_signals(**files)


def test_limits_are_handed_on(tmp_path: Path) -> None:
    file = _write(tmp_path / "p.csv", _put(60, None)(_jepx()))
    with pytest.raises(InputError, match="at most 0 min"):
        load_signals(prices=file)
    signals = load_signals(prices=file, limits=GapLimits(price_gap_s=1800))
    assert "1 filled" in signals.notes[0]
    assert str(date_of(signals.first_day)) == "2024-02-01"

"""The two layouts of hourly weather, what counts as missing, and hours turned into 5-minute steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from signals_files import (
    FIRST,
    Edit,
    compact_weather,
    expected_sun,
    published_weather,
    put,
    swap,
    weather_of,
    write,
)

from der_gym.core.errors import InputError
from der_gym.signals.jma import irradiance_steps, read_weather, temperature_steps
from der_gym.signals.sun import clear_sky_kw_m2


@pytest.mark.parametrize("layout", ["compact", "published", "published without quality", "moment in four columns"])
def test_all_layouts_of_weather_are_the_same(tmp_path: Path, layout: str) -> None:
    rows = {
        "compact": compact_weather(),
        "published": published_weather(),
        "published without quality": published_weather(quality=False),
        "moment in four columns": published_weather(parts=True),
    }[layout]
    temp, sun = read_weather(write(tmp_path / "w.csv", rows, "utf-8" if layout == "compact" else "cp932"))
    assert (temp.first_day, temp.last_day, temp.filled, sun.filled) == (FIRST, FIRST + 1, 0, 0)
    assert temp.values == pytest.approx([weather_of(step)[0] for step in range(48)])
    assert sun.values == pytest.approx(expected_sun(48))


def test_older_name_of_irradiance(tmp_path: Path) -> None:
    rows = swap("日射量(MJ/㎡)", "全天日射量(MJ/㎡)")(published_weather())
    assert read_weather(write(tmp_path / "w.csv", rows))[1].values == pytest.approx(expected_sun(48))


def test_another_station(tmp_path: Path) -> None:
    temp, _ = read_weather(write(tmp_path / "w.csv", compact_weather()), "nagoya")
    assert temp.values[0] == 8.0


def test_marks_of_the_publisher(tmp_path: Path) -> None:
    """Missing (x, ///, #), too few data (]) are gaps; nearly normal, marked ), is a value."""
    rows = compact_weather()
    rows[60] = rows[60].replace(f",{weather_of(11)[1]},", ",1.50 ),")  # tokyo, 12 h
    rows[61] = rows[61].replace(f",{weather_of(12)[1]},", ",9.99 ],")
    rows[62] = rows[62].replace(f",{weather_of(13)[0]},", ",×,")
    temp, sun = read_weather(write(tmp_path / "w.csv", rows))
    assert sun.values[11] == pytest.approx(1.5 / 3.6) and sun.filled == 1
    assert sun.values[12] == pytest.approx((sun.values[11] + sun.values[13]) / 2)
    assert temp.filled == 1 and temp.values[13] == pytest.approx(weather_of(13)[0])


def test_quality_below_five_is_missing(tmp_path: Path) -> None:
    rows = published_weather()
    temp = weather_of(9)[0]
    for number, (quality, filled) in enumerate([("5", 0), ("4", 1), ("2", 1), ("1", 1), ("0", 1)]):
        edited = list(rows)
        edited[6 + 9] = edited[6 + 9].replace(f",{temp},8,1", f",{temp},{quality},1")
        assert edited != rows
        assert read_weather(write(tmp_path / f"{number}.csv", edited))[0].filled == filled


def test_missing_double_and_unordered_rows(tmp_path: Path) -> None:
    rows = compact_weather()
    tokyo = rows[49:]
    edited = [rows[0], *reversed(tokyo[:10] + tokyo[12:]), tokyo[3]]  # two hours away, one twice
    temp, sun = read_weather(write(tmp_path / "w.csv", edited))
    assert (temp.filled, sun.filled, temp.doubled) == (2, 2, 1)
    assert temp.values == pytest.approx([weather_of(step)[0] for step in range(48)])  # it was a straight line
    with pytest.raises(InputError, match=r"missing 2024-02-01 10:00 .. 2024-02-01 14:00.*at most 180 min"):
        read_weather(write(tmp_path / "x.csv", [rows[0], *tokyo[:10], *tokyo[14:]]))


def test_blank_irradiance_by_day_is_a_gap(tmp_path: Path) -> None:
    rows = compact_weather()
    for i in (60, 61, 62):
        cells = rows[i].split(",")
        rows[i] = ",".join([*cells[:4], "", *cells[5:]])
    assert read_weather(write(tmp_path / "w.csv", rows))[1].filled == 3
    cells = rows[63].split(",")
    rows[63] = ",".join([*cells[:4], "", *cells[5:]])
    with pytest.raises(InputError, match="line 61, column 'global_irr_MJ_m2_h': 'missing 2024-02-01 11:00"):
        read_weather(write(tmp_path / "x.csv", rows))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (swap("temp_c", "temp"), "no column 'temp_c'.*nearest: 'temp'"),
        (put(55, "tokyo,2024-02-01,25,5.0,,60,2"), "line 55, column 'hour_ending_jst': '25'.*1..24"),
        (put(55, "tokyo,2024-02-01,5,warm,,60,2"), "line 55, column 'temp_c': 'warm'"),
        (put(55, "tokyo,2024-02-01,5,95,,60,2"), "line 55, column 'temp_c': '95'; allowed: -60..60"),
        (put(55, "tokyo,2024-02-01,5,9,800,60,2"), "line 55, column 'global_irr_MJ_m2_h': '800'; allowed: 0..5"),
        (put(55, "tokyo,2024-2,5,9,,60,2"), "line 55, column 'date': '2024-2'"),
        (swap("tokyo", "tokio"), "unknown name 'tokyo'; did you mean 'tokio'"),
        (lambda rows: rows[:1], "no header or no rows"),
        (lambda rows: ["when,what", "2024/2/1 1:00:00,5"], "no column '年月日時'; found: when, what"),
    ],
)
def test_compact_weather_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_weather(write(tmp_path / "w.csv", edit(compact_weather())))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (swap("東京", "横浜"), "line 3: station: unknown name '東京'.*allowed: 大阪, 横浜"),
        (swap("日射量(MJ/㎡)", "日照時間(時間)"), "no column '日射量"),
        (put(10, "2024/2/1 4:30:00,3,北,8,1,1,8,1,5,8,1,2,南,8,1,,8,1"), "line 10.*steps of 60 min"),
        (put(10, "2024/2/1 4:00:00,3,北,8,1,1,8,1,hot,8,1,2,南,8,1,,8,1"), "line 10, column '気温.*'hot'"),
    ],
)
def test_published_weather_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_weather(write(tmp_path / "w.csv", edit(published_weather())))


def test_unknown_station() -> None:
    with pytest.raises(InputError, match="station: unknown name 'tokio'; did you mean 'tokyo'"):
        read_weather("w.csv", "tokio")


def test_hours_become_steps(tmp_path: Path) -> None:
    temp, sun = read_weather(write(tmp_path / "w.csv", compact_weather()))
    steps = temperature_steps(temp)
    assert steps.size == 576
    assert steps[12 * 5 + 11] == pytest.approx(temp.values[5] - 0.1 * 2.5 / 60, abs=1e-9)  # the step that ends at 06:00
    bright = irradiance_steps(sun, 35.69, 139.75)
    assert bright.reshape(-1, 12).mean(axis=1) == pytest.approx(sun.values, abs=1e-12)
    middle = FIRST * 86_400 + np.arange(12 * 11, 12 * 12) * 300 + 150
    clear = clear_sky_kw_m2(middle, 35.69, 139.75)
    assert bright[12 * 11 : 12 * 12] == pytest.approx(clear * sun.values[11] / clear.mean())

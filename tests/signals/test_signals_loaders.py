"""Loaders read the publishers' layouts as they are, and say one clear thing about each way a file can be wrong."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from signals_files import (
    DAY,
    FIRST,
    Edit,
    compact_demand,
    compact_weather,
    jepx_rows,
    load_of,
    price_of,
    published_demand,
    put,
    swap,
    write,
)

from der_gym.core.errors import InputError
from der_gym.signals import table
from der_gym.signals.calendar import date_of
from der_gym.signals.demand import read_net_load, residual_of
from der_gym.signals.jepx import AREAS, read_spot
from der_gym.signals.jma import irradiance_steps, read_weather, temperature_steps
from der_gym.signals.loaders import GapLimits, load_signals
from der_gym.signals.synthetic import SyntheticConfig, synthesise


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("name", ["spot.csv", "spot.csv.gz"])
def test_spot_summary(tmp_path: Path, encoding: str, name: str) -> None:
    file = write(tmp_path / name, jepx_rows(), encoding)
    for number, area in enumerate(AREAS):
        series = read_spot(file, area)
        assert (series.first_day, series.last_day, series.filled) == (FIRST, FIRST + 2, 0)
        assert series.values.tolist() == [price_of(d, s, number) for d in range(3) for s in range(1, 49)]


def test_spot_columns_may_be_wide_or_narrow(tmp_path: Path) -> None:
    rows = swap("エリアプライス東京(円/kWh)", "エリアプライス 東京（円／ＫＷｈ）")(jepx_rows())
    assert read_spot(write(tmp_path / "spot.csv", rows)).values[0] == price_of(0, 1, 2)


def test_spot_rows_in_any_order_and_twice(tmp_path: Path) -> None:
    rows = jepx_rows()
    plain = read_spot(write(tmp_path / "a.csv", rows))
    mixed = read_spot(write(tmp_path / "b.csv", [rows[0], *reversed(rows[1:]), rows[7], ""]))
    assert (mixed.values == plain.values).all()
    assert mixed.doubled == 1 and "1 rows twice" in mixed.note


def test_spot_of_a_folder_joins_its_files(tmp_path: Path) -> None:
    write(tmp_path / "spot_2.csv", jepx_rows(2, DAY + timedelta(days=2)), "cp932")
    write(tmp_path / "spot_1.csv.gz", jepx_rows(2))
    assert read_spot(tmp_path).values.size == 4 * 48


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            swap("エリアプライス東京(円/kWh)", "エリアプライス東京(円/kW)"),
            "line 1: no column 'エリアプライス東京.*nearest: 'エリアプライス東京.円/kW.'",
        ),
        (
            put(5, "2024/02/01,4,1,1,1,1,1,1,abc,1,1,1,1,1,1,1"),
            "line 5, column 'エリアプライス東京': 'abc'; allowed: a number",
        ),
        (put(5, "2024/02/30,4,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), "line 5, column '受渡日': '2024/02/30'.*a date"),
        (put(5, "2024/02/01,49,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), "line 5, column '時刻コード': '49'.*1..48"),
        (put(5, "2024/02/01,3,1,1,1,1,1,1,77,1,1,1,1,1,1,1"), "line 4.*one value for 2024-02-01 01:00 .line 5"),
        (put(5, "2024/02/01,4,1,1,1,1,1,1,-3,1,1,1,1,1,1,1"), "line 5.*'-3'; allowed: 0..999"),
        (put(5, "2024/02/01,4,1"), "line 5.*at least 9 cells"),
        (put(60, None), "line 59.*missing 2024-02-02 05:00 .. 2024-02-02 05:30.*at most 0 min"),
        (lambda rows: rows[:1], "no rows"),
        (lambda rows: rows[:20], "no whole day"),
        (lambda rows: [], "is empty"),
    ],
)
def test_spot_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    file = write(tmp_path / "spot.csv", edit(jepx_rows()))
    with pytest.raises(InputError, match=message) as caught:
        read_spot(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_spot_gap_is_filled_only_on_request(tmp_path: Path) -> None:
    file = write(tmp_path / "spot.csv", put(60, None)(jepx_rows()))
    series = read_spot(file, gap_s=1800)
    assert series.filled == 1
    assert series.values[58] == pytest.approx((series.values[57] + series.values[59]) / 2)


@pytest.mark.parametrize("data", [b"\xff\xfe" + "受渡日,時刻コード".encode("utf-16-le"), b"\x81\x20\xff\xff\x00,1"])
def test_wrong_encoding(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "spot.csv"
    file.write_bytes(data)
    with pytest.raises(InputError, match="UTF-8"):
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


def test_both_layouts_of_demand_are_the_same(tmp_path: Path) -> None:
    compact = read_net_load(write(tmp_path / "a.csv.gz", compact_demand()))
    expected = [10.0 * (load_of(s)[0] - load_of(s)[1]) for s in range(576)]
    assert compact.values.tolist() == expected
    folder = tmp_path / "days"
    folder.mkdir()
    for day in range(2):
        write(folder / f"2024020{day + 1}_power_usage.csv", published_demand(day, wide=day == 0), "cp932")
    published = read_net_load(folder)
    assert published.values.tolist() == expected
    assert (published.first_day, published.last_day) == (FIRST, FIRST + 1)


def test_demand_not_measured_yet_is_left_out(tmp_path: Path) -> None:
    """Today's file: zeros and blanks from now on, so only yesterday is a whole day."""
    rows = compact_demand()
    rows[400:500] = [row.split(",")[0] + ",0,0" for row in rows[400:500]]
    rows[500:] = [row.split(",")[0] + ",," for row in rows[500:]]
    series = read_net_load(write(tmp_path / "a.csv", rows))
    assert (series.first_day, series.last_day) == (FIRST, FIRST)


def test_demand_gap_up_to_half_an_hour_is_filled(tmp_path: Path) -> None:
    rows = compact_demand()
    file = write(tmp_path / "a.csv", rows[:100] + rows[106:])
    series = read_net_load(file)
    assert series.filled == 6 and "6 filled" in series.note
    assert np.diff(series.values[98:106]) == pytest.approx(np.diff(series.values[98:106])[0])
    with pytest.raises(InputError, match=r"line 100, .*missing 2024-02-01 08:15 .. 2024-02-01 08:50.*at most 30 min"):
        read_net_load(write(tmp_path / "b.csv", rows[:100] + rows[107:]))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (swap("area_pv_10MW", "pv_10MW"), "no column 'area_pv_10MW'.*nearest: 'pv_10MW'"),
        (put(9, "2024/2/1 0:35,x9,0"), "line 9, column 'area_demand_10MW': 'x9'"),
        (put(9, "2024/2/1 0:35,3000,-4"), "line 9, column 'area_pv_10MW': '-4.0'; allowed: 0..100,000 万kW"),
        (put(9, "2024/2/1 0:36,3000,0"), "line 9.*00:36:00.*steps of 5 min"),
        (put(9, "2024/2/1 25:00,3000,0"), "line 9, column 'datetime_jst': '2024/2/1 25:00'"),
        (put(9, "2024/2/1 0:35+09:00,3000,0"), "without a time zone"),
        (lambda rows: ["a,b", "1,2"], "no 5-minute values; found: a, b; allowed: datetime_jst"),
    ],
)
def test_demand_errors(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_net_load(write(tmp_path / "a.csv", edit(compact_demand())))


def test_published_demand_errors(tmp_path: Path) -> None:
    rows = published_demand(0)
    with pytest.raises(InputError, match=r"is an hourly でんき予報; its header: line 5: .*needed: .*5-minute section"):
        read_net_load(write(tmp_path / "a.csv", rows[:29]))
    with pytest.raises(InputError, match="line 40, column 'TIME': 'noon'"):
        read_net_load(write(tmp_path / "b.csv", put(40, "2024/2/1,noon,3000,0")(rows)))


def test_residual_is_what_the_hour_does_not_explain(tmp_path: Path) -> None:
    series = read_net_load(write(tmp_path / "a.csv", compact_demand()))
    residual = residual_of(series)
    assert residual.std() == pytest.approx(1.0)
    at = 300
    raw = [series.values[i] - series.values[i - 6 : i + 7].mean() for i in range(6, 570)]
    assert residual[at] == pytest.approx(raw[at - 6] * residual[at - 1] / raw[at - 7], rel=1e-9)
    flat = type(series)("x", series.path, FIRST, 300, np.full(576, 5.0))
    with pytest.raises(InputError, match="never changes"):
        residual_of(flat)


def _three(tmp_path: Path) -> dict[str, Path]:
    return {
        "prices": write(tmp_path / "p.csv", jepx_rows(6, DAY - timedelta(days=2)), "cp932"),
        "demand": write(tmp_path / "d.csv", compact_demand(5)),
        "weather": write(tmp_path / "w.csv", compact_weather(3)),
    }


def test_table_covers_what_the_files_share(tmp_path: Path) -> None:
    files = _three(tmp_path)
    signals = load_signals(**files)
    assert (signals.first_day, signals.last_day) == (FIRST, FIRST + 2)
    assert len(signals.notes) == 4
    spot = signals.values[table.SIGNALS.SPOT_YEN].reshape(3, 48, 6)
    assert (spot == spot[:, :, :1]).all()
    assert spot[1, 0, 0] == np.float32(price_of(3, 1, 2))
    temp, sun = read_weather(files["weather"])
    assert signals.values[table.SIGNALS.TEMP_C] == pytest.approx(temperature_steps(temp), abs=1e-4)
    assert signals.values[table.SIGNALS.SUN_KW_M2] == pytest.approx(irradiance_steps(sun, 35.69, 139.75), abs=1e-4)
    residual = residual_of(read_net_load(files["demand"]))
    assert signals.values[table.SIGNALS.RESIDUAL] == pytest.approx(residual[: 3 * 288], abs=1e-4)
    error = signals.values[table.SIGNALS.TEMP_FORECAST_C] - signals.values[table.SIGNALS.TEMP_C]
    assert 0.1 < np.abs(error).max() < 6.0
    assert (signals.values[table.SIGNALS.IMBALANCE_YEN] >= 0.0).all()


@pytest.mark.parametrize("kind", ["prices", "demand", "weather"])
def test_what_is_not_given_is_synthetic_for_the_same_dates(tmp_path: Path, kind: str) -> None:
    config = SyntheticConfig(seed=9)
    signals = load_signals(**{kind: _three(tmp_path)[kind]}, base=config)
    plain = synthesise(config, signals.first_day, signals.last_day)
    own = {
        "prices": {table.SIGNALS.SPOT_YEN, table.SIGNALS.IMBALANCE_YEN},
        "demand": {table.SIGNALS.RESIDUAL},
        "weather": {
            table.SIGNALS.TEMP_C,
            table.SIGNALS.SUN_KW_M2,
            table.SIGNALS.TEMP_FORECAST_C,
            table.SIGNALS.SUN_FORECAST_KW_M2,
            table.SIGNALS.MAINS_C,
        },
    }[kind]
    for column in range(table.SIGNALS.N):
        assert (signals.values[column] == plain.values[column]).all() == (column not in own), table.COLUMNS[column]


def test_without_files_it_is_the_synthetic_table() -> None:
    config = SyntheticConfig(first_date=date(2026, 5, 1), last_date=date(2026, 5, 3), warmup_days=2)
    assert (load_signals(base=config).values == synthesise(config).values).all()


def test_files_without_a_common_day(tmp_path: Path) -> None:
    files = _three(tmp_path)
    files["prices"] = write(tmp_path / "q.csv", jepx_rows(2, date(2023, 4, 1)))
    with pytest.raises(InputError, match=r"share no day: .*q.csv: 2023-04-01 \.\. 2023-04-02; .*d.csv: 2024-02-01"):
        load_signals(**files)


def test_limits_are_handed_on(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", put(60, None)(jepx_rows()))
    with pytest.raises(InputError, match="at most 0 min"):
        load_signals(prices=file)
    signals = load_signals(prices=file, limits=GapLimits(price_gap_s=1800))
    assert "1 filled" in signals.notes[0]
    assert str(date_of(signals.first_day)) == "2024-02-01"

"""A wrong kind of file is named, with its header and the right one. The files are made in the publishers' layouts."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from signals_files import compact_demand, compact_weather, jepx_rows, published_demand, write

from der_gym.core.errors import InputError
from der_gym.signals import csvfile
from der_gym.signals.demand import read_net_load
from der_gym.signals.frequency import load_frequency
from der_gym.signals.jepx import read_spot
from der_gym.signals.jma import read_weather
from der_gym.signals.request_file import load_request

Reader = Callable[[Path], Any]
READERS: dict[str, Reader] = {
    "spot": read_spot,
    "demand": read_net_load,
    "weather": read_weather,
    "frequency": lambda path: load_frequency(str(path)),
    "request": lambda path: load_request(path, "upward_positive"),
}
INTRADAY = (
    "受渡日,時刻コード,始値（円/kWh）,高値（円/kWh）,安値（円/kWh）,終値（円/kWh）,平均（円/kWh）,"
    "約定量合計（MWh/h）,約定件数"
)
HOURLY = ["2024/4/1 23:55 UPDATE", "", "DATE,TIME,当日実績(万kW),予測値(万kW)", "2024/4/1,0:00,3100,3000"]
YEARLY = ["2024/12/31 23:55 UPDATE", "DATE,TIME,実績(万kW)", "2024/4/1,0:00,3100"]
AREA = ["単位[MW平均],,,供給力,,", "DATE,TIME,エリア需要,原子力,火力(LNG),太陽光発電実績", "2024/4/1,0:00,1,1,1,1"]
NO_PV = ["DATE,TIME,当日実績(５分間隔値)(万kW)", "2024/4/1,0:00,3100"]
EPRX = ["H,電力需給調整力取引所取引結果,対象年月", "P,確報値,202505"]
DAILY_JMA = ["ダウンロードした時刻：2024/05/01 10:00:00", "", ",東京", "年月日,平均気温(℃)", "2024/4/1,15.0"]
RESOURCES = ["id,class,path", "a,battery,P1"]


@pytest.mark.parametrize(
    ("reader", "rows", "what", "needed"),
    [
        ("spot", [INTRADAY, "2024/04/01,1,5,5,5,5,5,1,1"], "intraday", "spot_summary"),
        ("spot", EPRX, "EPRX", "spot_summary"),
        ("spot", compact_demand(1), "prepared demand", "spot_summary"),
        ("spot", RESOURCES, "list of resources", "spot_summary"),
        ("demand", HOURLY, "hourly でんき予報", "5-minute section"),
        ("demand", YEARLY, "year of hourly", "5-minute section"),
        ("demand", AREA, "エリア需給実績", "5-minute section"),
        ("demand", NO_PV, "without PV", "太陽光発電実績"),
        ("demand", jepx_rows(1), "day-ahead", "5-minute section"),
        ("weather", DAILY_JMA, "daily download", "時別値"),
        ("weather", ["月,日,時,外気温[度]", "1,1,1,2.6"], "design weather", "時別値"),
        ("frequency", ["datetime,request_kw", "2024/1/1 0:00,1"], "a request", "grid frequency"),
        ("request", ["time,hz", "0,50"], "grid frequency", "a request"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_a_wrong_kind_is_named(
    tmp_path: Path, reader: str, rows: list[str], what: str, needed: str, encoding: str
) -> None:
    file = write(tmp_path / "x.csv", rows, encoding)
    with pytest.raises(InputError) as error:
        READERS[reader](file)
    line = str(error.value)
    assert line.startswith(f"{file}: is ") and len(line.splitlines()) == 1
    assert what in line and "its header: line " in line and needed in line.split("needed: ")[1]


@pytest.mark.parametrize(
    ("reader", "rows"), [("spot", jepx_rows(1)), ("demand", published_demand(0)), ("weather", compact_weather(1))]
)
def test_a_right_file_keeps_its_own_errors(tmp_path: Path, reader: str, rows: list[str]) -> None:
    wrong = ",".join([*rows[-1].split(",")[:1], *("x" for _ in rows[-1].split(",")[1:])])
    with pytest.raises(InputError, match=rf"line {len(rows)}, column .*: 'x'; allowed"):
        READERS[reader](write(tmp_path / "x.csv", [*rows[:-1], wrong]))


def test_what_spreadsheets_do_to_numbers_and_dates_is_read(tmp_path: Path) -> None:
    rows = jepx_rows(1)
    plain = read_spot(write(tmp_path / "a.csv", rows))
    wide = [rows[0], *(row.translate({48 + k: 0xFF10 + k for k in range(10)} | {ord("."): "．"}) for row in rows[1:])]
    assert (read_spot(write(tmp_path / "b.CSV", wide)).values == plain.values).all()


def test_a_folder_s_files_count_in_capitals_too(tmp_path: Path) -> None:
    write(tmp_path / "A.CSV", jepx_rows(1))
    assert read_spot(tmp_path).values.size == 48


HEAD = "受渡日,時刻コード,エリアプライス東京(円/kWh)\n"


@pytest.mark.parametrize(
    ("reader", "data", "said"),
    [
        ("spot", HEAD + "99999999999999999999/1/1,1,5\n", "'99999999999999999999/1/1'; allowed: a date"),
        ("spot", HEAD + "2024/1/1," + "9" * 5000 + ",5\n", "a whole number 1..48"),
        ("spot", HEAD + "2024/1/1,²,5\n", "a whole number 1..48"),
        ("spot", HEAD + "2024/1/1,1," + "9" * 5000 + "\n", "a finite number"),
        ("spot", HEAD + '"2024/1/1\n' * 3, "is a quote left open"),
        ("spot", HEAD + '"' + "x\n" * 100_000, "is a quote left open"),
        ("spot", '""\n', "is empty"),
        ("spot", "\x1b[31mred\n1\n", r"found: \\x1b\[31mred"),
        ("spot", "," * 10_000 + "x\n1\n", "10,001 cells; allowed: 5,000"),
        ("frequency", "time,hz\n" + "9" * 300 + ",50\n1,50\n", "whole seconds"),
        ("frequency", "time,hz\n1000000000000000000000,50\n1000000000000000131072,50\n", "whole seconds"),
        ("frequency", "time,hz\n0,\n1,\n", "50 Hz give or take"),
        ("request", "datetime,request_kw\n2024/1/1 0:00,1e308\n2024/1/1 0:05,1\n", "1,000,000,000 kW"),
        ("request", "datetime,request_kw\n2024/1/1 0:00:" + "9" * 5000 + ",1\n2024/1/1 0:05,1\n", "a date and time"),
    ],
)
def test_strange_values_are_refused_in_one_line(tmp_path: Path, reader: str, data: str, said: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(data.encode())
    with pytest.raises(InputError, match=said) as error:
        READERS[reader](file)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) <= 2000


def test_no_more_is_unpacked_or_read_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "LARGEST_BYTES", 100_000)
    monkeypatch.setattr(csvfile, "MOST_LINES", 1000)
    file = tmp_path / "x.csv.gz"
    for data, said in (
        (gzip.compress(b"\n" * 10_000_000), "once unpacked"),
        (b"x" * 100_001, "100,001 bytes; allowed: 100,000"),
        (b"x\n" * 1001, "1,001 lines; allowed: 1,000"),
    ):
        file.write_bytes(data)
        with pytest.raises(InputError, match=said):
            read_spot(file)
    with pytest.raises(InputError, match="a device; allowed: a regular file"):
        read_spot("/dev/null")

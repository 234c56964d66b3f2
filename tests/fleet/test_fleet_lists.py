"""Resource lists as spreadsheets write them: names of columns, units, full-width digits, empty columns, encodings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.fleet.columns import COLUMNS, find
from der_gym.fleet.resources import NUMBERS, TEXTS, ResourceTable, word_of
from der_gym.fleet.table import read_csv
from der_gym.simulation.assets import read_resources


def read(folder: Path, text: str, encoding: str = "utf-8") -> ResourceTable:
    path = folder / "list.CSV"
    path.write_bytes(text.encode(encoding))
    return read_csv(path, ("battery", "ev"), ("P1", "P3", "P4-slow"), words={"家庭用蓄電池": "battery"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_japanese_list_is_read(tmp_path: Path, encoding: str) -> None:
    text = (
        "リソースID,機器種別,定格出力（ｋＷ）,需要家ID,通信経路,エリア,逆潮流,計量地点,受電上限(W),,\r\n"
        '蓄電池１,家庭用蓄電池,５．９,家①,Ｐ３,東京,可,受電点,"１０，０００",,\r\n'
        "V001,EV,3,家①,p4-slow,東京,不可,機器点,,,\r\n"
        ",,,,,,,,,,\r\n"
        " , ,　,,,,,,,,\r\n"
    )
    table = read(tmp_path, text, encoding)
    assert table.labels("id").list_names() == ["蓄電池１".encode().decode(), "V001"]
    assert table.device.texts().tolist() == ["battery", "ev"]
    assert table.path.texts().tolist() == ["P3", "P4-slow"]
    assert table.rated_kw.tolist() == [5.9, 3.0]
    assert table.site_import_max_kw[0] == 10.0 and np.isnan(table.site_import_max_kw[1])
    assert table.reverse_flow_allowed.tolist() == [1.0, 0.0]
    assert table.metering_point.texts().tolist() == ["receiving", "device"]


@pytest.mark.parametrize(
    "header", ["ID,Class", "Id,CLASS", "id, class ", "Resource_ID,device", "機器番号,種別", "ＩＤ,class"]
)
def test_names_of_columns(tmp_path: Path, header: str) -> None:
    assert len(read(tmp_path, f"{header}\na,battery\n")) == 1


def test_every_column_is_found_by_each_of_its_names_and_by_no_other() -> None:
    words = {column.word for column in COLUMNS}
    assert words == {word_of(attribute) for attribute in ("id", *TEXTS, *NUMBERS)}
    for column in COLUMNS:
        assert word_of(find(column.word)[0]) == column.word
        for name, factor in column.names():
            assert (word_of(find(name)[0]), find(name)[1]) == (column.word, factor)
            assert find(name.upper()) == find(f" {name} ") == find(name)


@pytest.mark.parametrize("name", ["rated_w", "定格出力(W)", "rated power [W]"])
def test_watts_are_read_by_the_header(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, f"id,class,{name}\na,battery,5900\n").rated_kw[0] == 5.9


def test_lines_within_a_cell_are_joined(tmp_path: Path) -> None:
    assert read(tmp_path, 'id,class,area\na,battery,"two\nlines"\n').area.text(0) == "two lines"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,class,定格出力\na,battery,5\n", ["'定格出力'", "no unit", "定格出力(kW) or 定格出力(W)"]),
        ("id,class,rated_kw\na,battery,5900\n", ["line 2", "5900 W?", "rated_w", "0 < kW <= 50"]),
        ("id,class,,area\na,battery,x,tokyo\n", ["column 3 has no name", "line 2", "'x'"]),
        ("id;class\na;battery\n", ["'id;class' is one cell", "commas"]),
        ("id\tclass\na\tbattery\n", ["is one cell"]),
        ("id,class,ID\na,battery,b\n", ["'id' stands twice"]),
        ("id,class,備考\na,battery,b\n", ["unknown name '備考'"]),
        ("id,class,area\na,battery,\x1b[31m\n", ["line 2, column area", "'\\\\x1b[31m'", "control"]),
        ("id,class\n\x1b,battery\n", ["line 2, column id", "control"]),
        ('id,class\n"a,battery\nb,battery\n', ["is not CSV", "is a quote left open?"]),
        ("id,class\n" + "".join(f"a{k},x\n" for k in range(30)), ["line 2", "30 such rows", "line 11 'x', ..."]),
        ("id,class\n" + "a,ev\n" * 13, ["line 3", "'a' stands in line 2", "12 such rows", "line 12 'a', ..."]),
        ("id,class,rated_kw\na,ev,x\nb,ev,5\n\nc,ev,y\n", ["line 2", "'x'", "2 such rows: line 2 'x', line 5 'y'"]),
        ("id,class,rated_kw\na,ev,-1\nb,ev,99\n", ["2 such rows: line 2 -1, line 3 99"]),
        ("id,class," + "," * 100_000 + "x\na,ev\n", ["unknown name 'x'"]),
    ],
)
def test_an_error_names_file_line_column_and_the_first_ten(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    line = str(error.value)
    assert line.startswith(f"{tmp_path / 'list.CSV'}: ") and len(line.splitlines()) == 1 and len(line) <= 2000
    assert all(word.replace("\\\\", "\\") in line for word in words), line


@pytest.mark.parametrize(("encoding", "said"), [("euc_jp", "EUC-JP"), ("iso2022_jp", "JIS"), ("utf-16", "UTF-16")])
def test_other_encodings_are_refused_by_name(tmp_path: Path, encoding: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, "id,class,area\na,battery,東京\n", encoding)


def test_the_registered_classes_have_japanese_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,class\na,家庭用蓄電池\nb,エコキュート\n", encoding="cp932")
    assert read_resources(tmp_path / "a.csv").device.texts().tolist() == ["battery", "ecocute"]

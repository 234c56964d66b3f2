"""The resource table: what a CSV may hold, and one clear line for what it may not."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.fleet.labels import addresses, label_texts, utf8
from der_gym.fleet.mix import FleetConfig, sample_table
from der_gym.fleet.resources import NUMBERS, TEXTS, word_of
from der_gym.fleet.table import make_table, read_csv, write_csv

DEVICES = ("battery", "ecocute", "ev")
COLUMNS = {word_of(attribute): attribute for attribute in ("id", *TEXTS, *NUMBERS)}
CHANNELS = ("P1", "P2", "P3", "P4", "P6")


def save(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "resources.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(folder: Path, text: str, encoding: str = "utf-8", **more):
    return read_csv(save(folder, text, encoding), DEVICES, CHANNELS, **more)


def same(a, b) -> bool:
    texts = [name for name in COLUMNS.values() if name == "id" or hasattr(getattr(a, name), "codes")]
    numbers = [name for name in COLUMNS.values() if name not in texts]
    return all((a.labels(name).texts() == b.labels(name).texts()).all() for name in texts) and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in numbers
    )


def test_defaults_of_the_optional_columns(tmp_path: Path) -> None:
    table = read(tmp_path, "id,class\nb1,battery\ne1,ev\n")
    assert table.labels("id").texts().tolist() == ["b1", "e1"]
    assert table.site.texts().tolist() == ["b1", "e1"]
    assert (table.path.text(0), table.cloud.text(1), table.area.text(0)) == ("P3", "A", "")
    assert table.metering_point.text(1) == ""
    assert np.isnan(table.rated_kw).all() and np.isnan(table.feed_back()).all()


def test_cells_are_stripped_and_blank_lines_skipped(tmp_path: Path) -> None:
    text = "id, class ,maker_cloud,rated_kw,reverse_flow_allowed\n\n b1 ,battery, A,5.9,Yes\n,,,,\nb2, battery ,A ,,0\n"
    table = read(tmp_path, text)
    assert table.cloud.list_names() == ["A"] and table.device.list_names() == ["battery"]
    assert table.rated_kw[0] == 5.9 and np.isnan(table.rated_kw[1])
    assert table.reverse_flow_allowed.tolist() == [1.0, 0.0]
    assert table.id_of(0) == "b1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_japanese_text_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    table = read(tmp_path, "id,class,area,site\n蓄電池1,battery,東京,家①\n蓄電池2,battery,東京,\n", encoding)
    assert table.id_of(0) == "蓄電池1" and table.area.text(1) == "東京"
    assert table.site.texts().tolist() == ["家①", "蓄電池2"]


def test_written_table_reads_the_same(tmp_path: Path) -> None:
    text = (
        "id,class,rated_kw,site,maker_cloud,path,area,feeder,demand_bg,generation_bg,market_list,metering_point,"
        "reverse_flow_allowed,site_import_max_kw,site_export_max_kw,leaf\n"
        'b1,battery,5.9,s1,A,P3,東京,f1,r1,r1,l1,device,1,10,4.95,"fast, big"\n'
        "v1,ev,,s1,B,P6,東京,f1,r1,r1,,receiving,,10,,\n"
    )
    table = read(tmp_path, text)
    write_csv(table, tmp_path / "again.csv")
    assert same(table, read_csv(tmp_path / "again.csv", DEVICES, CHANNELS))
    assert (tmp_path / "again.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_sampled_table_survives_the_file(tmp_path: Path) -> None:
    mix = [{"device": "battery", "path": "P3", "share": 2}, {"device": "ev", "path": "P6", "share": 1, "leaf": "cars"}]
    table = sample_table(
        FleetConfig(host="battery", guests=("ecocute", "ev"), n_device=200, mix=mix, n_feeder=3, colocated_share=0.5)
    )
    write_csv(table, tmp_path / "t.csv")
    assert same(table, read_csv(tmp_path / "t.csv", DEVICES, CHANNELS))


HEAD = "id,class,rated_kw,path,site,area,reverse_flow_allowed,metering_point,site_export_max_kw\n"
GOOD = "b1,battery,5,P3,s1,tokyo,1,device,10\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("id,class\n", ["empty"]),
        ("id,class\n\n,\n", ["empty"]),
        ("id,clas\nb1,battery\n", ["line 1", "'clas'", "did you mean 'class'"]),
        ("id,devices\n", ["line 1", "'devices'", "did you mean 'class'"]),
        ("id,class,device\nb1,battery,battery\n", ["line 1", "column 'class' stands twice"]),
        ("id,cloud\n", ["line 1", "column 'class' is missing"]),
        ("id,rated_kw\nb1,5\n", ["line 1", "'class'", "missing"]),
        ("id,class,id\nb1,battery,b1\n", ["'id'", "twice"]),
        ("id;class\nb1;battery\n", ["line 1", "id;class"]),
        (HEAD + GOOD + "b2,battery\n", ["line 3", "2 cells", "9"]),
        (HEAD + GOOD + "\n" + GOOD, ["line 4", "column id", "'b1'", "line 2"]),
        (HEAD + GOOD + ",battery,5,P3,s1,tokyo,1,device,10\n", ["line 3", "column id"]),
        (HEAD + GOOD + "b2,batery,5,P3,,tokyo,1,device,\n", ["line 3", "column class", "'batery'", "'battery'"]),
        (HEAD + GOOD + "b2,,5,P3,,tokyo,1,device,\n", ["line 3", "column class", "''", "battery, ecocute, ev"]),
        (HEAD + GOOD + "b2,battery,5,P33,,tokyo,1,device,\n", ["line 3", "column path", "'P33'", "'P3'"]),
        (HEAD + GOOD + "b2,battery,5 kW,P3,,tokyo,1,device,\n", ["line 3", "column rated_kw", "'5 kW'", "number"]),
        (HEAD + GOOD + "b2,battery,nan,P3,,tokyo,1,device,\n", ["line 3", "column rated_kw", "'nan'"]),
        (HEAD + GOOD + "b2,battery,inf,P3,,tokyo,1,device,\n", ["line 3", "column rated_kw", "'inf'"]),
        (HEAD + GOOD + "b2,battery,0,P3,,tokyo,1,device,\n", ["line 3", "column rated_kw", "0 < kW <= 50"]),
        (HEAD + GOOD + "b2,battery,5900,P3,,tokyo,1,device,\n", ["line 3", "rated_kw", "5900", "0 < kW <= 50"]),
        (HEAD + GOOD + "b2,battery,5,P3,,tokyo,maybe,device,\n", ["line 3", "reverse_flow_allowed", "'maybe'", "yes"]),
        (HEAD + GOOD + "b2,battery,5,P3,,tokyo,1,devise,\n", ["line 3", "metering_point", "'devise'", "'device'"]),
        (HEAD + GOOD + "b2,battery,5,P3,,tokyo,1,device,-1\n", ["line 3", "site_export_max_kw", "-1", "0 <= kW"]),
        (HEAD + GOOD + "b2,ev,5,P3,s1,kansai,1,device,10\n", ["line 3", "area", "'s1'", "kansai", "tokyo", "line 2"]),
        (HEAD + GOOD + "b2,ev,5,P3,s1,tokyo,1,device,11\n", ["line 3", "site_export_max_kw", "'s1'", "11", "10"]),
        (HEAD + GOOD + "b" * 201 + ",ev,5,P3,s1,tokyo,1,device,10\n", ["line 3", "column id", "200 bytes"]),
        (HEAD + GOOD + "b2,ev,5,P3," + "s" * 201 + ",tokyo,1,device,10\n", ["column site", "200 bytes"]),
    ],
)
def test_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_line_numbers_count_lines_within_quotes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 4, column class: unknown name 'x'"):
        read(tmp_path, 'id,class,area\nb1,battery,"two\nlines"\nb2,x,\n')


def test_files_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_csv(tmp_path / "none.csv", DEVICES, CHANNELS)
    with pytest.raises(InputError, match="no regular file"):
        read_csv(tmp_path, DEVICES, CHANNELS)
    (tmp_path / "utf16.csv").write_bytes("id,class\nb1,battery\n".encode("utf-16"))
    with pytest.raises(InputError, match="UTF-8"):
        read_csv(tmp_path / "utf16.csv", DEVICES, CHANNELS)


def test_a_class_may_have_its_own_limits(tmp_path: Path) -> None:
    text = "id,class,rated_kw\nb1,battery,100\n"
    assert read(tmp_path, text, kw_limits={"battery": (0.0, 200.0)}).rated_kw[0] == 100.0
    with pytest.raises(InputError, match="0 < kW <= 20"):
        read(tmp_path, text, kw_limits={"battery": (0.0, 20.0)})


def test_a_limit_may_stand_on_one_row_of_its_site(tmp_path: Path) -> None:
    table = read(tmp_path, "id,class,site,site_import_max_kw\nb1,battery,s1,\nv1,ev,s1,6\nv2,ev,s2,\n")
    assert np.isnan(table.site_import_max_kw[0]) and table.site_import_max_kw[1] == 6.0


@pytest.mark.parametrize(
    ("demand", "generation", "point", "allowed", "counts"),
    [
        ("r1", "r1", "device", 1.0, 1.0),
        ("r1", "r2", "device", 1.0, 0.0),
        ("r1", "r2", "device", np.nan, 0.0),
        ("r1", "r2", "receiving", 1.0, 1.0),
        ("r1", "r2", "", 1.0, 0.0),
        ("r1", "", "device", 1.0, 1.0),
        ("r1", "r1", "device", np.nan, np.nan),
        ("r1", "r1", "device", 0.0, 0.0),
    ],
)
def test_reversal_counts_under_one_operator(
    demand: str, generation: str, point: str, allowed: float, counts: float
) -> None:
    columns = {"id": ["a", "b"], "device": ["battery"] * 2, "reverse_flow_allowed": [allowed, 0.0]}
    columns |= {"demand_bg": [demand, "r9"], "generation_bg": [generation, "r8"], "metering_point": [point, "device"]}
    assert np.array_equal(make_table(columns).feed_back(), [counts, 0.0], equal_nan=True)


def test_make_table_refuses_columns_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="did you mean 'class'"):
        make_table({"id": ["a"], "devic": ["ev"]})
    with pytest.raises(InputError, match="'class' is missing"):
        make_table({"id": ["a"], "cloud": ["A"]})
    with pytest.raises(InputError, match="column 'class' stands twice"):
        make_table({"id": ["a"], "device": ["ev"], "class": ["ev"]})
    with pytest.raises(InputError, match="'class' is missing"):
        make_table({"id": ["a"]})
    with pytest.raises(InputError, match="2 values for 1 ids"):
        make_table({"id": ["a"], "device": ["ev", "ev"]})
    with pytest.raises(InputError, match="row 1, column id: 'a' stands in row 0"):
        make_table({"id": ["a", "a"], "device": ["ev", "ev"]})
    with pytest.raises(InputError, match="reverse_flow_allowed: 2"):
        make_table({"id": ["a"], "device": ["ev"], "reverse_flow_allowed": [2]})
    with pytest.raises(InputError, match=r"did you mean 'market_list'"):
        make_table({"id": ["a"], "device": ["ev"]}).labels("market_lists")


def test_address_is_the_crc_of_the_name() -> None:
    names = ["battery-P3-A-000000", "家1"]
    assert addresses(utf8(names)).tolist() == [zlib.crc32(name.encode()) for name in names]


def colliding() -> tuple[str, str]:
    """Two names with one CRC-32, by search; about 80,000 are enough."""
    seen: dict[int, str] = {}
    for k in range(2_000_000):
        name = f"{k * 2654435761 % 2**32:x}{k:x}"
        other = seen.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            return other, name
    raise AssertionError


def test_names_that_meet_get_distinct_addresses_in_any_order() -> None:
    a, b = sorted(colliding())
    forward, backward = addresses(utf8([a, "c", b])), addresses(utf8([b, "c", a]))
    assert forward.tolist() == backward[::-1].tolist()
    assert forward[0] == zlib.crc32(a.encode()) != forward[2]
    assert forward[2] == zlib.crc32(b.encode() + b"\x01")


def test_labels_find_rows() -> None:
    column = label_texts(["x", "", "y", "x"])
    assert column.list_names() == ["x", "", "y"] and column.codes.dtype == np.uint8
    assert column.codes_of(["y", "none", "x"]).tolist() == [0, 2] and column.first_row(2) == 2


def test_the_words_of_trees_and_mix_are_those_of_the_file(tmp_path: Path) -> None:
    text = "id,{},path,{}\nb1,battery,P1,A\nv1,ev,P6,B\n"
    by_word, by_other = (
        read(tmp_path, text.format(*names)) for names in (("class", "maker_cloud"), ("device", "cloud"))
    )
    assert same(by_word, by_other)
    assert same(
        by_word,
        make_table({"id": ["b1", "v1"], "class": ["battery", "ev"], "path": ["P1", "P6"], "maker_cloud": ["A", "B"]}),
    )
    assert by_word.labels("class") is by_word.labels("device") is by_word.device


def test_a_device_is_metered_where_the_service_measures() -> None:
    columns = {"id": ["a", "b"], "class": ["battery"] * 2, "demand_bg": ["r1"] * 2, "generation_bg": ["r2"] * 2}
    table = make_table(columns | {"reverse_flow_allowed": [1, 1], "metering_point": ["", "receiving"]})
    assert table.feed_back().tolist() == [0, 1]
    assert table.metered_at("receiving").feed_back().tolist() == [1, 1]
    with pytest.raises(
        InputError, match=r"1 devices, such as 'b', are registered at 'receiving'.*metering is 'device'"
    ):
        table.metered_at("device")

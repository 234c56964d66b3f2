"""Text from outside: encodings that are told apart, values on one line, numbers as spreadsheets write them."""

from __future__ import annotations

import math

import pytest

from der_gym.core.errors import InputError, unknown
from der_gym.core.text import LONGEST_LINE, NoText, decoded, encoding_of, number_in, one_line, shown

TEXTS = ("id,class,area\na,battery,東京\n", "ｶﾅ半角ｶﾀｶﾅ,東京\n", "髙橋,①㈱,－3\n", "25 °C\n", "plain\n", "")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_text_in_either_encoding_is_read_whole(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding, "replace")) == text.encode(encoding, "replace").decode(encoding)


def test_a_character_between_two_parts_is_one_character() -> None:
    for encoding, name in (("utf-8", "utf-8-sig"), ("cp932", "cp932")):
        data = ("東" * 100_000).encode(encoding)
        assert encoding_of([data[:1], data[1:99_998], data[99_998:]]) == name


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("蓄電池,東京都\n".encode("euc_jp"), "EUC-JP"),
        ("東\n".encode("euc_jp"), "EUC-JP"),
        ("東京".encode("iso2022_jp"), "ISO-2022-JP"),
        ("id,class".encode("utf-16"), "UTF-16"),
        ("東京電力".encode().decode("cp932", "replace").encode(), "garbled"),
        ("東京電力".encode().decode("latin-1").encode(), "garbled"),
        ("é,ü,ö\n".encode("cp1252"), "neither"),
        (b"\x00\x01", "neither"),
        (b"\xef", "neither"),
        (b"\xff\xff", "garbled"),
        (b"\x81\xff", "neither"),
    ],
)
def test_other_text_is_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(NoText, match=said):
        decoded(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.9", 5.9),
        ("５．９", 5.9),
        ("１，２３４．５", 1234.5),
        ("1,234,567", 1234567.0),
        ("－３", -3.0),
        ("\u22123", -3.0),
        (" 4 ", 4.0),
        ("1e3", 1000.0),
        ("1,23", None),
        ("12,34,567", None),
        ("1_000", None),
        ("5 kW", None),
        ("", None),
        ("²", None),
    ],
)
def test_numbers_as_spreadsheets_write_them(text: str, value: float | None) -> None:
    assert number_in(text) == value


def test_numbers_of_any_length_are_numbers() -> None:
    assert number_in("9" * 5000) == math.inf


def test_a_message_is_one_bounded_line_whatever_it_names() -> None:
    for name in ("a\nb", "\x1b[31mred", "\ud800", "\u202egnp", "x" * 10_000_000):
        for error in (InputError(f"file {name}: gone"), unknown("scenario", name, ("a", "b"))):
            line = str(error)
            assert len(line.splitlines()) == 1 and line.isprintable() and len(line) <= LONGEST_LINE
            line.encode()


def test_what_cannot_be_shown_is_named_by_its_type() -> None:
    assert shown(10**5000) == "a int" and shown([1, "a\n"]) == "[1, 'a\\\\n']".replace("\\\\", "\\")
    assert len(shown([["x"] * 1000] * 1000)) < 250
    assert one_line("a\tb\x7f") == "a\\tb\\x7f"

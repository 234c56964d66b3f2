"""The columns of a resource list: the names under which a file may have them, their units, defaults and values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from der_gym.core.errors import InputError, unknown
from der_gym.core.text import half_width
from der_gym.fleet.resources import WORDS, attribute_of

_IGNORED = str.maketrans("", "", " \t\r\n_-・()[]「」【】/.")
KW, W = 1.0, 1e-3
_UNITS = {"kw": KW, "w": W}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    word : str
        Its name in the project and in files that the project writes.
    japanese : str
        Its name in a Japanese list; of a power without its unit.
    also : tuple of str
        Other names; of a power without their unit.
    default, allowed : str
        What an empty cell means, and what a cell may hold, for people.
    power : bool
        Whether it holds kW, or W where its name says so.
    """

    word: str
    japanese: str
    also: tuple[str, ...]
    default: str
    allowed: str
    power: bool = False

    def names(self) -> Iterator[tuple[str, float]]:
        """Yield the names of the column in a file, and the kW of a 1 under each."""
        stem = self.word.removesuffix("_kw")
        for name in (stem, self.japanese, *self.also):
            if self.power:
                yield from ((f"{name}{unit}", factor) for unit, factor in _UNITS.items())
            else:
                yield name, 1.0

    def shown(self) -> str:
        """Return the Japanese name as a header has it."""
        return f"{self.japanese}(kW)" if self.power else self.japanese


_ANY, _NONE, _LIMIT = "any name, up to 200 bytes", "none", "0 to 10,000 kW"
COLUMNS = (
    Column("id", "リソースID", ("機器ID", "機器番号", "resource_id", "device_id", "no"), "-", "distinct, to 200 bytes"),
    Column(
        "class", "機器種別", ("device", "リソース種別", "種別", "device_class", "type"), "-", "der-gym list devices"
    ),
    Column("rated_kw", "定格出力", ("定格", "定格容量", "rated_power"), "drawn", "above 0, to 50 kW", True),
    Column("site", "需要家ID", ("需要家", "供給地点特定番号", "供給地点", "site_id"), "the device's own", _ANY),
    Column("maker_cloud", "メーカークラウド", ("cloud", "クラウド", "メーカー"), "A", _ANY),
    Column("path", "通信経路", ("経路", "channel"), "P3", "der-gym list paths"),
    Column("area", "エリア", ("地域",), _NONE, _ANY),
    Column("feeder", "配電線", ("フィーダー", "フィーダ"), _NONE, _ANY),
    Column("demand_bg", "需要BG", ("需要バランシンググループ",), _NONE, _ANY),
    Column("generation_bg", "発電BG", ("発電バランシンググループ",), _NONE, _ANY),
    Column("market_list", "リスト・パターン", ("リストパターン番号", "市場リスト"), _NONE, _ANY),
    Column("leaf", "制御単位", ("control_leaf",), _NONE, _ANY),
    Column("metering_point", "計量地点", ("計量点",), "the service's", "device (機器点), receiving (受電点)"),
    Column("reverse_flow_allowed", "逆潮流", ("逆潮流可否",), "drawn", "1, 0, true, false, yes, no, 可, 不可, 有, 無"),
    Column("site_import_max_kw", "受電上限", ("契約電力",), "the class's", _LIMIT, True),
    Column("site_export_max_kw", "逆潮流上限", ("逆潮流最大",), "the class's", _LIMIT, True),
)


def plain(name: str) -> str:
    """Return a column's name without width, case, blanks and marks: ``定格出力（ｋＷ）`` is ``定格出力kw``."""
    return half_width(name).lower().translate(_IGNORED)


_NAMES = {plain(name): (attribute_of(column.word), factor) for column in COLUMNS for name, factor in column.names()}
_WITHOUT_UNIT = {plain(name.removesuffix("kw")) for column in COLUMNS if column.power for name, _ in column.names()}


def find(name: str) -> tuple[str, float]:
    """Return the attribute of `ResourceTable` that a header's name stands for, and the kW of a 1 under it.

    Raises
    ------
    InputError
        For a name that no column has, and a power that names no unit.
    """
    found = _NAMES.get(plain(name))
    if found is not None:
        return found
    if plain(name) in _WITHOUT_UNIT:
        raise InputError(f"line 1, column {name!r}: names no unit; allowed: {name}(kW) or {name}(W)")
    words = {column.word for column in COLUMNS}
    also = {column.shown(): column.word for column in COLUMNS} | WORDS
    raise unknown("line 1, column", name, words, also)

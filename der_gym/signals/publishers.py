"""What a publisher's file is, told from its header: so that an error about a wrong file names the right one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from der_gym.core.errors import InputError
from der_gym.core.text import one_line
from der_gym.signals.csvfile import Line, plain

SPOT = "JEPX's day-ahead summary spot_summary_YYYY.csv (受渡日, 時刻コード, エリアプライス...)"
DEMAND = "a system operator's daily でんき予報 file with its 5-minute section (当日実績(5分間隔値), 太陽光発電実績)"
WEATHER = "JMA's hourly download (時別値: 年月日時, 気温, 日射量)"
PREPARED_DEMAND = "prepared demand and PV (datetime_jst, area_demand_10MW, area_pv_10MW)"
PREPARED_WEATHER = "prepared hourly weather (station, date, hour_ending_jst ...)"
REQUEST, FREQUENCY = "a request (datetime, request_kw)", "a grid frequency (time, hz)"
_LOOKED_AT = 20  # lines that are not blank


@dataclass(frozen=True)
class Layout:
    """A layout: ``what`` it is, ``words`` that its first lines all hold, ``without`` those that they do not."""

    what: str
    words: tuple[str, ...]
    without: tuple[str, ...] = ()

    def fits(self, head: str) -> bool:
        """Return whether the first lines of a file, as `plain` writes them, are of this layout."""
        return all(plain(word) in head for word in self.words) and not any(plain(word) in head for word in self.without)


# The first that fits counts. Headers as the publishers write them [M]; synthetic copies stand in the tests.
LAYOUTS = (
    Layout(SPOT, ("受渡日", "時刻コード", "エリアプライス")),
    Layout("JEPX's intraday trades (時間前市場)", ("受渡日", "時刻コード", "始値", "終値")),
    Layout("another file of JEPX", ("受渡日", "時刻コード")),
    Layout("EPRX's trading results", ("電力需給調整力取引所",)),
    Layout("imbalance prices", ("インバランス料金",)),
    Layout(DEMAND, ("date,time", "当日実績(5分間隔値)", "太陽光発電実績(5分間隔値)")),
    Layout("a 5-minute でんき予報 without PV", ("date,time", "当日実績(5分間隔値)")),
    Layout("an hourly でんき予報", ("date,time", "当日実績(万kw)", "予測値")),
    Layout("a year of hourly でんき予報 (実績)", ("date,time", "実績(万kw)")),
    Layout("an operator's half-hourly or hourly area balance (エリア需給実績)", ("date,time", "エリア需要")),
    Layout("an operator's area balance (エリア需給実績)", ("エリア需要", "太陽光")),
    Layout(WEATHER, ("年月日時", "気温")),
    Layout("JMA's daily download (日別値)", ("ダウンロードした時刻", "年月日"), ("年月日時",)),
    Layout("design weather of the energy standard", ("月,日,時,外気温",)),
    Layout(PREPARED_DEMAND, ("area_demand_10mw",)),
    Layout(PREPARED_WEATHER, ("hour_ending_jst",)),
    Layout(REQUEST, ("datetime,request_kw",)),
    Layout(REQUEST, ("datetime,delta_kw",)),
    Layout(FREQUENCY, ("time,hz",)),
    Layout("a list of resources", ("id,class",)),
    Layout("a list of resources", ("機器種別",)),
)


def kind_of(lines: Sequence[Line]) -> str | None:
    """Return what a file is, or None where its first lines are of no layout that is known."""
    head = "\n".join(_joined(lines))
    return next((layout.what for layout in LAYOUTS if layout.fits(head)), None)


@contextmanager
def reading(lines: Sequence[Line], needed: str, *also: str) -> Iterator[None]:
    """Let an error of reading a file name what the file is, where that is neither ``needed`` nor one of ``also``.

    Raises
    ------
    InputError
        Naming the file, what it is, its header and the right file; else the reader's own error.
    """
    try:
        yield
    except InputError:
        found = kind_of(lines)
        if found is None or found in (needed, *also):
            raise
        raise InputError(f"{lines[0].path}: is {found}; its header: {header(lines)}; needed: {needed}") from None


def header(lines: Sequence[Line]) -> str:
    """Return a file's header for an error: the first line that is wide, or the first of all."""
    full = [line for line in lines if any(line.cells)][:_LOOKED_AT]
    wide = [line for line in full if sum(map(bool, line.cells)) > 1] or full
    sections = [line for line in wide if plain(",".join(line.cells)).startswith(("date,time", "年月日"))]
    shown = sections[-1] if sections else wide[0]
    return one_line(f"line {shown.number}: {', '.join(filter(None, shown.cells))}", 300)


def _joined(lines: Sequence[Line]) -> list[str]:
    """Return the first lines, and every later one that heads a section, as `plain` writes them."""
    full = [plain(",".join(line.cells)) for line in lines if any(line.cells)]
    return full[:_LOOKED_AT] + [text for text in full[_LOOKED_AT:] if text.startswith("date,")]

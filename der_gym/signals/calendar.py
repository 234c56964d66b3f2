"""Dates and absolute time: days and seconds since 2000-01-01 00:00 JST, holidays, seasons, ISO weeks.

Japan has had no daylight saving time since 1951, so a day is always 86,400 s and no time zone is needed.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S

Days = npt.NDArray[np.int64]

EPOCH = date(2000, 1, 1)  # a Saturday
N_DAY = (date(2100, 1, 1) - EPOCH).days  # the equinox formulas hold until 2099
MID_SEASON, SUMMER, WINTER = 0, 1, 2
Season = Literal["mid", "summer", "winter"]
SEASONS: tuple[Season, ...] = ("mid", "summer", "winter")  # in the order of these numbers

_MONDAY, _SATURDAY = 0, 5
# The Act on National Holidays (Act No. 178 of 1948, as amended): month, day, first year, last year.
_FIXED = (
    (1, 1, 2000, 2099),
    (2, 11, 2000, 2099),
    (2, 23, 2020, 2099),  # the Emperor's birthday
    (4, 29, 2000, 2099),
    (5, 3, 2000, 2099),
    (5, 4, 2000, 2099),
    (5, 5, 2000, 2099),
    (8, 11, 2016, 2099),
    (11, 3, 2000, 2099),
    (11, 23, 2000, 2099),
    (12, 23, 2000, 2018),
)
_MONDAYS = ((1, 2), (7, 3), (9, 3), (10, 2))  # month, which Monday
# One-off days: the accession of 2019; the Games moved three days in 2020 and in 2021.
_ONCE = (
    date(2019, 5, 1),
    date(2019, 10, 22),
    date(2020, 7, 23),
    date(2020, 7, 24),
    date(2020, 8, 10),
    date(2021, 7, 22),
    date(2021, 7, 23),
    date(2021, 8, 8),
)
_MOVED_YEARS = (2020, 2021)
_MOVED = ((7, 3), (10, 2), (8, 11))  # in those years: third Monday of July, second of October, 11 August


def day_of(day: date | str) -> int:
    """Return the days from 2000-01-01 to ``day``, a date or ``"YYYY-MM-DD"``; InputError where it is neither."""
    if isinstance(day, str):
        try:
            day = date.fromisoformat(day)
        except ValueError:
            raise InputError(f"date {day!r} is not a date; allowed: YYYY-MM-DD, such as 2026-04-01") from None
    return (date(day.year, day.month, day.day) - EPOCH).days


def date_of(day: int) -> date:
    """Return the date that is ``day`` days after 2000-01-01."""
    return EPOCH + timedelta(days=int(day))


def abs_s_of(moment: datetime | date) -> int:
    """Return the seconds from 2000-01-01 00:00 to ``moment`` (JST, without a time zone)."""
    start = day_of(moment) * DAY_S
    if isinstance(moment, datetime):
        return start + moment.hour * 3600 + moment.minute * 60 + moment.second
    return start


def datetime_of(abs_s: int) -> datetime:
    """Return the JST date and time ``abs_s`` seconds after 2000-01-01 00:00."""
    return datetime(EPOCH.year, EPOCH.month, EPOCH.day) + timedelta(seconds=int(abs_s))


def weekday(day: npt.ArrayLike) -> Days:
    """Return 0 (Monday) .. 6 (Sunday) of day numbers."""
    return (np.asarray(day, np.int64) + _SATURDAY) % 7


def year_month_day(day: npt.ArrayLike) -> tuple[Days, Days, Days]:
    """Return year, month 1..12 and day of the month 1..31 of day numbers."""
    dates = np.asarray(day, np.int64) + np.datetime64(EPOCH, "D")
    months = dates.astype("datetime64[M]").astype(np.int64)
    return months // 12 + 1970, months % 12 + 1, (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1


def iso_week(day: npt.ArrayLike) -> Days:
    """Return the ISO 8601 week 1..53 of day numbers: the week of the year that holds the day's Thursday."""
    thursday = np.asarray(day, np.int64) - weekday(day) + 3
    year, _, _ = year_month_day(thursday)
    new_year = (
        np.array(year - 1970).astype("datetime64[Y]").astype("datetime64[D]") - np.datetime64(EPOCH, "D")
    ).astype(np.int64)
    return np.asarray((thursday - new_year) // 7 + 1, np.int64)


def season(day: npt.ArrayLike) -> Days:
    """Return 1 (summer) in July to September, 2 (winter) in December to March, else 0, of day numbers."""
    _, month, _ = year_month_day(day)
    summer, winter = (month >= 7) & (month <= 9), (month == 12) | (month <= 3)
    return np.where(summer, SUMMER, np.where(winter, WINTER, MID_SEASON)).astype(np.int64)


def is_national_holiday(day: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return whether day numbers are holidays by the Act; InputError outside 2000-2099.

    Exact for 2007-2026 and, as the law stands, until 2099; the law of 2007 is applied to the years before it.
    """
    days = np.asarray(day, np.int64)
    if days.size and (days.min() < 0 or days.max() >= N_DAY):
        raise InputError(f"day number {days.min()}..{days.max()}: holidays are known for 0..{N_DAY - 1} (2000-2099)")
    return np.asarray(_national()[days], np.bool_)


def is_holiday(day: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return whether day numbers are Saturdays, Sundays, national holidays, or lie in 29 December - 3 January."""
    _, month, number = year_month_day(day)
    turn = ((month == 12) & (number >= 29)) | ((month == 1) & (number <= 3))
    return np.asarray((weekday(day) >= _SATURDAY) | is_national_holiday(day) | turn, np.bool_)


@lru_cache(maxsize=1)
def _national() -> npt.NDArray[np.bool_]:
    """Return a read-only mark per day of 2000-2099."""
    named = {day for year in range(2000, 2100) for day in _named(year)}
    marks = np.zeros(N_DAY, np.bool_)
    marks[[day_of(day) for day in named | _between(named) | _substitutes(named)]] = True
    marks.flags.writeable = False
    return marks


def _named(year: int) -> list[date]:
    """Return the year's holidays by name, before substitutes."""
    moved = _MOVED if year in _MOVED_YEARS else ()
    fixed = [date(year, m, d) for m, d, first, last in _FIXED if first <= year <= last and (m, d) not in moved]
    mondays = [_monday(year, m, n) for m, n in _MONDAYS if (m, n) not in moved]
    once = [day for day in _ONCE if day.year == year]
    return fixed + mondays + once + [date(year, 3, _equinox(year, 20.8431)), date(year, 9, _equinox(year, 23.2488))]


def _monday(year: int, month: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_MONDAY - first.weekday()) % 7 + 7 * (number - 1))


def _equinox(year: int, base: float) -> int:
    """Return the day of March or September: the usual formula for 1980-2099 (the gazette decides each year)."""
    return int(base + 0.242194 * (year - 1980)) - (year - 1980) // 4


def _between(named: set[date]) -> set[date]:
    """Return the days that stand between two holidays (Article 3-3)."""
    two = timedelta(days=2)
    middle = {day + timedelta(days=1) for day in named if day + two in named}
    return {day for day in middle if day not in named and day.weekday() != 6}


def _substitutes(named: set[date]) -> set[date]:
    """Return, for each holiday on a Sunday, the next day that is none (Article 3-2)."""
    found = set()
    for day in named:
        if day.weekday() == 6:
            while day in named:
                day += timedelta(days=1)
            found.add(day)
    return {day for day in found if day.year < 2100}

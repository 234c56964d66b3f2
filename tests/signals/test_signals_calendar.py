"""Dates, holidays, seasons and ISO weeks against the standard library and the Cabinet Office's published list."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.signals import calendar

# Holidays as published by the Cabinet Office: a year with moved days, an ordinary one, one with a bridge day.
PUBLISHED = {
    2021: "01-01 01-11 02-11 02-23 03-20 04-29 05-03 05-04 05-05 07-22 07-23 08-08 08-09 09-20 09-23 11-03 11-23",
    2024: "01-01 01-08 02-11 02-12 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-22 09-23 10-14 "
    "11-03 11-04 11-23",
    2026: "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23",
}


def _days(year: int) -> np.ndarray:
    return np.arange(calendar.day_of(f"{year}-01-01"), calendar.day_of(f"{year}-12-31") + 1)


@pytest.mark.parametrize("year", PUBLISHED)
def test_national_holidays_are_those_published(year: int) -> None:
    days = _days(year)
    ours = [str(calendar.date_of(day))[5:] for day in days[calendar.is_national_holiday(days)]]
    assert ours == PUBLISHED[year].split()


def test_accession_year_has_ten_days_in_a_row() -> None:
    days = np.arange(calendar.day_of("2019-04-27"), calendar.day_of("2019-05-07"))
    assert calendar.is_holiday(days).tolist() == [True] * 10
    assert not calendar.is_holiday(np.array([calendar.day_of("2019-05-07"), calendar.day_of("2019-12-23")])).any()


def test_holiday_is_weekend_or_national_or_turn_of_the_year() -> None:
    days = _days(2026)
    for day, ours in zip(days, calendar.is_holiday(days), strict=True):
        on = calendar.date_of(int(day))
        turn = (on.month, on.day) >= (12, 29) or (on.month, on.day) <= (1, 3)
        assert ours == (on.weekday() >= 5 or turn or str(on)[5:] in PUBLISHED[2026].split())


def test_numbers_and_dates_go_both_ways() -> None:
    assert calendar.day_of("2000-01-01") == 0
    assert calendar.date_of(calendar.day_of(date(2024, 2, 29))) == date(2024, 2, 29)
    moment = datetime(2026, 9, 1, 13, 5)
    assert calendar.datetime_of(calendar.abs_s_of(moment)) == moment
    assert calendar.abs_s_of(date(2000, 1, 2)) == 86_400


def test_weeks_weekdays_and_dates_are_the_standard_librarys() -> None:
    days = np.arange(calendar.N_DAY)
    dates = [calendar.date_of(day) for day in days]
    assert calendar.iso_week(days).tolist() == [on.isocalendar().week for on in dates]
    assert calendar.weekday(days).tolist() == [on.weekday() for on in dates]
    year, month, day = calendar.year_month_day(days)
    assert [date(*ymd) for ymd in zip(year.tolist(), month.tolist(), day.tolist(), strict=True)] == dates


def test_season_by_month() -> None:
    days = [calendar.day_of(date(2025, month, 15)) for month in range(1, 13)]
    assert calendar.season(days).tolist() == [2, 2, 2, 0, 0, 0, 1, 1, 1, 0, 0, 2]


def test_scalars_are_taken() -> None:
    assert calendar.is_holiday(calendar.day_of("2026-01-01"))
    assert calendar.season(calendar.day_of("2026-08-01")) == calendar.SUMMER


@pytest.mark.parametrize("text", ["2026-13-01", "1 April", "2026-02-30"])
def test_no_date(text: str) -> None:
    with pytest.raises(InputError, match="YYYY-MM-DD"):
        calendar.day_of(text)


def test_holidays_are_not_known_for_ever() -> None:
    with pytest.raises(InputError, match="2000-2099"):
        calendar.is_holiday(calendar.N_DAY)

"""The table of signals: windows, replacement, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.signals import table
from der_gym.signals.calendar import day_of

START = day_of("2026-04-01") * 86_400


def _table(n_step: int = 600, start: int = START) -> table.SignalTable:
    values = np.arange(table.SIGNALS.N * n_step, dtype=np.float32).reshape(table.SIGNALS.N, n_step)
    return table.SignalTable(start, values)


def test_window_is_the_plain_slice_of_each_world() -> None:
    signals = _table()
    starts = START + 300 * np.array([0, 7, 590, 7])
    window = signals.window(starts, 10)
    assert window.shape == (4, table.SIGNALS.N, 10) and window.dtype == np.float32
    for world, first in enumerate([0, 7, 590, 7]):
        assert (window[world] == signals.values[:, first : first + 10]).all()


def test_window_is_a_copy() -> None:
    signals = _table()
    signals.window([START], 5)[:] = -1.0
    assert signals.values[0, 0] == 0.0


@pytest.mark.parametrize(("offset", "n_step"), [(-300, 5), (596 * 300, 5), (0, 601), (0, 0)])
def test_window_outside_is_refused(offset: int, n_step: int) -> None:
    with pytest.raises(InputError, match=r"not inside the table; allowed: 2026-04-01 00:00 \.\. 2026-04-03 02:00"):
        _table().window([START, START + offset], n_step)


def test_window_off_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="multiple of 300"):
        _table().window([START + 60], 5)


def test_days_are_whole_days() -> None:
    first = START // 86_400
    assert (_table(576).first_day, _table(576).last_day) == (first, first + 1)
    assert (_table(575).first_day, _table(575).last_day) == (first, first)
    assert (_table(576, START + 300).first_day, _table(576, START + 300).last_day) == (first + 1, first + 1)


def test_days_cuts_whole_days() -> None:
    signals, first = _table(3 * 288), START // 86_400
    part = signals.days(first + 1, first + 1)
    assert (part.first_day, part.last_day) == (first + 1, first + 1)
    assert (part.values == signals.values[:, 288:576]).all()
    with pytest.raises(InputError, match="not inside"):
        signals.days(first + 2, first + 3)


def test_replace_changes_one_column_of_a_new_table() -> None:
    old = _table()
    new = old.replace(table.SIGNALS.SPOT_YEN, np.full(600, 9.0))
    assert (new.values[table.SIGNALS.SPOT_YEN] == 9.0).all() and old.values[table.SIGNALS.SPOT_YEN, 0] != 9.0
    others = [i for i in range(table.SIGNALS.N) if i != table.SIGNALS.SPOT_YEN]
    assert (new.values[others] == old.values[others]).all()


@pytest.mark.parametrize(("column", "length"), [(table.SIGNALS.N, 600), (-1, 600), (0, 599)])
def test_replace_refuses_what_does_not_fit(column: int, length: int) -> None:
    with pytest.raises(InputError, match="allowed"):
        _table().replace(column, np.zeros(length))


def test_table_refuses_bad_values() -> None:
    with pytest.raises(InputError, match=r"temp_forecast_c .* not finite at step 3"):
        _table(5).replace(table.SIGNALS.TEMP_FORECAST_C, [0, 0, 0, np.nan, 0])
    with pytest.raises(InputError, match="shape"):
        table.SignalTable(START, np.zeros((3, 5), np.float32))
    with pytest.raises(InputError, match="multiple of 300"):
        _table(5, START + 1)


def test_table_is_read_only_and_leaves_the_callers_array_alone() -> None:
    values = np.zeros((table.SIGNALS.N, 5), np.float32)
    signals = table.SignalTable(START, values)
    with pytest.raises(ValueError, match="read-only"):
        signals.values[0, 0] = 1.0
    values[0, 0] = 1.0  # still the caller's

"""From dated rows to a series on a regular grid: order, duplicates, gaps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.signals.calendar import datetime_of
from der_gym.signals.csvfile import Line

F8 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Values of whole days on a grid of ``step_s``; ``filled`` of them were gaps, ``doubled`` rows stood twice."""

    what: str
    path: Path
    first_day: int
    step_s: int
    values: F8
    filled: int = 0
    doubled: int = 0

    @property
    def last_day(self) -> int:
        """Number of the last day."""
        return self.first_day + self.values.size * self.step_s // DAY_S - 1

    @property
    def note(self) -> str:
        """Changes made to the series, in one line."""
        span = f"{datetime_of(self.first_day * DAY_S):%Y-%m-%d} .. {datetime_of(self.last_day * DAY_S):%Y-%m-%d}"
        size = f"{self.values.size} values of {self.step_s // 60} min"
        return f"{self.what}: {span}, {size}, {self.filled} filled, {self.doubled} rows twice ({self.path})"

    def days(self, first_day: int, last_day: int) -> F8:
        """Return the values of ``first_day`` .. ``last_day``, which must lie inside."""
        per_day = DAY_S // self.step_s
        return self.values[(first_day - self.first_day) * per_day : (last_day + 1 - self.first_day) * per_day]


class Rows:
    """Rows of one quantity as they are read: moment of the step's start, value (NaN = missing), line."""

    def __init__(self, what: str, column: str, step_s: int) -> None:
        self.what, self.column, self.step_s = what, column, step_s
        self.moments: list[int] = []
        self.values: list[float] = []
        self.lines: list[Line] = []

    def add(self, moment: int, value: float, line: Line) -> None:
        """Take one row; InputError where its moment is off the grid.

        Parameters
        ----------
        moment : int
            Seconds since 2000-01-01.
        value : float
        line : Line
            Where it stands, for errors.
        """
        if moment % self.step_s:
            raise line.error(
                self.column, f"{datetime_of(moment):%Y-%m-%d %H:%M:%S}", f"steps of {self.step_s // 60} min"
            )
        self.moments.append(moment)
        self.values.append(value)
        self.lines.append(line)

    def series(self, path: str | Path, limit_s: int) -> Series:
        """Return the series of the whole days that the rows cover.

        Parameters
        ----------
        path : path
            For messages.
        limit_s : int
            Longest gap that is filled linearly, s; 0: none.

        Raises
        ------
        InputError
            Where there is no row or no whole day, where a moment has two different values, where a gap is too long.
        """
        if not self.moments:
            raise InputError(f"{path}: no rows with {self.column!r} ({self.what})")
        start, values, doubled = self._grid()
        first, last = self._whole_days(start, values, path)
        values = values[(first * DAY_S - start) // self.step_s :][: (last + 1 - first) * DAY_S // self.step_s]
        filled = int(np.isnan(values).sum())
        self._check_gaps(first * DAY_S, values, limit_s)
        at = np.arange(values.size)
        known = ~np.isnan(values)
        return Series(
            self.what, Path(path), first, self.step_s, np.interp(at, at[known], values[known]), filled, doubled
        )

    def _grid(self) -> tuple[int, F8, int]:
        """Return the first midnight at or before the rows, values on the grid (NaN = none), rows that stood twice."""
        moments = np.array(self.moments, np.int64)
        start = int(moments.min()) // DAY_S * DAY_S
        slots = (moments - start) // self.step_s
        values = np.full((int(slots.max()) // (DAY_S // self.step_s) + 1) * (DAY_S // self.step_s), np.nan)
        values[slots] = self.values
        given = np.array(self.values)
        differs = ~((values[slots] == given) | (np.isnan(values[slots]) & np.isnan(given)))
        if differs.any():
            self._two_values(int(np.flatnonzero(differs)[0]))
        return start, values, moments.size - np.unique(slots).size

    def _two_values(self, i: int) -> None:
        other = next(j for j in range(len(self.moments) - 1, -1, -1) if self.moments[j] == self.moments[i])
        when = f"{datetime_of(self.moments[i]):%Y-%m-%d %H:%M}"
        where = f"line {self.lines[other].number} of {self.lines[other].path.name} says {self.values[other]}"
        raise self.lines[i].error(self.column, str(self.values[i]), f"one value for {when} ({where})")

    def _whole_days(self, start: int, values: F8, path: str | Path) -> tuple[int, int]:
        """Return the first and last day once missing days at both ends, and half a day at them, are left out."""
        per_day = DAY_S // self.step_s
        known = np.flatnonzero(~np.isnan(values))
        if known.size:
            first, last = -(-int(known[0]) // per_day), (int(known[-1]) + 1) // per_day - 1
            if first <= last:
                return start // DAY_S + first, start // DAY_S + last
        raise InputError(f"{path}: no whole day of {self.what} (column {self.column!r}); allowed: at least one day")

    def _check_gaps(self, start_s: int, values: F8, limit_s: int) -> None:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isnan(values), [False]]).astype(np.int8)))
        for low, high in edges.reshape(-1, 2):
            if (high - low) * self.step_s > limit_s:
                raise self._gap(start_s + int(low) * self.step_s, start_s + int(high) * self.step_s, limit_s)

    def _gap(self, low: int, high: int, limit_s: int) -> InputError:
        """Return the error for a gap, at its first blank cell, or where rows are missing at the last line before."""
        before = max((m, i) for i, m in enumerate(self.moments) if m <= low)[1]
        value = f"missing {datetime_of(low):%Y-%m-%d %H:%M} .. {datetime_of(high):%Y-%m-%d %H:%M}"
        return self.lines[before].error(self.column, value, f"gaps of at most {limit_s // 60} min ({self.what})")

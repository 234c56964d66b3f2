"""One table of all 5-minute series that a world can look up: prices, weather, forecasts, net-load residual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.engine.schema import Table
from der_gym.signals.calendar import datetime_of

F4 = npt.NDArray[np.float32]

STEP_S = 300
STEP_PER_DAY = DAY_S // STEP_S

SIGNALS = Table(
    "signals",
    "float32 (N, n_step): means over each 300 s",
    """
    temp_c             | degC    | aggregator | outdoor temperature
    sun_kw_m2          | kW/m2   |            | global horizontal irradiance
    temp_forecast_c    | degC    |            | as a forecaster knew it some hours before
    sun_forecast_kw_m2 | kW/m2   |            | likewise
    mains_c            | degC    |            | temperature of the water mains
    spot_yen           | yen/kWh |            | day-ahead price of the half hour
    imbalance_yen      | yen/kWh | meter      | imbalance price of the half hour
    residual           | -       | engine     | net load against its hour, over its deviation; above 0: more than plan
    """,
)


@dataclass(frozen=True)
class SignalTable:
    """Series on one grid of 300 s.

    Parameters
    ----------
    start_abs_s : int
        Seconds from 2000-01-01 00:00 JST to the start of the first step; a whole number of steps.
    values : float32 (SIGNALS.N, n_step)
        Means over each step; rows in the order of ``SIGNALS``. Kept read-only.
    notes : tuple of str
        What was filled or left out while the series were read, one line per source.

    Raises
    ------
    InputError
        Where the start is off the grid, the shape is wrong or a value is not finite.
    """

    start_abs_s: int
    values: F4
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, np.float32).view()
        if self.start_abs_s % STEP_S:
            raise InputError(f"signals: start {self.start_abs_s} s is not a multiple of {STEP_S} s")
        if values.ndim != 2 or values.shape[0] != SIGNALS.N or values.shape[1] == 0:
            raise InputError(f"signals: shape {values.shape}; allowed: ({SIGNALS.N}, at least 1)")
        for name, row in zip(SIGNALS, values, strict=True):
            if not np.isfinite(row).all():
                raise InputError(
                    f"signals: {name} holds a value that is not finite at step {np.argmin(np.isfinite(row))}"
                )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @property
    def n_step(self) -> int:
        """StepPlan of the table."""
        return int(self.values.shape[1])

    @property
    def end_abs_s(self) -> int:
        """Second at which the last step ends."""
        return self.start_abs_s + self.n_step * STEP_S

    @property
    def first_day(self) -> int:
        """Number of the first whole day."""
        return -(-self.start_abs_s // DAY_S)

    @property
    def last_day(self) -> int:
        """Number of the last whole day (less than ``first_day`` where no day is whole)."""
        return self.end_abs_s // DAY_S - 1

    def window(self, abs_s: npt.ArrayLike, n_step: int) -> F4:
        """Return float32 (W, SIGNALS.N, n_step): for each world the ``n_step`` steps from ``abs_s`` on.

        Parameters
        ----------
        abs_s : int64 (W,)
            Start of each window, a multiple of 300 s.
        n_step : int
            Length, 1 .. the table's.

        Raises
        ------
        InputError
            Where a window leaves the table or a start is off the grid.
        """
        starts = np.asarray(abs_s, np.int64)
        first, off = np.divmod(starts - self.start_abs_s, STEP_S)
        if off.any():
            raise InputError(f"signals: window at {starts[off != 0][0]} s is not at a multiple of {STEP_S} s")
        outside = (first < 0) | (first + n_step > self.n_step)
        if n_step < 1 or outside.any():
            raise self._outside(starts[outside][0] if outside.any() else self.start_abs_s, n_step)
        views = np.lib.stride_tricks.sliding_window_view(self.values, n_step, axis=1)
        return np.ascontiguousarray(views.transpose(1, 0, 2)[first])

    def days(self, first_day: int, last_day: int) -> SignalTable:
        """Return the table of whole days ``first_day`` .. ``last_day``; InputError where they leave this one."""
        start, n_step = first_day * DAY_S, (last_day + 1 - first_day) * STEP_PER_DAY
        return SignalTable(start, self.window([start], n_step)[0], self.notes)

    def replace(self, column: int, series: npt.ArrayLike) -> SignalTable:
        """Return a table with one column replaced by ``series`` (n_step,); InputError where it does not fit.

        Parameters
        ----------
        column : int
            Row of `SIGNALS`.
        series : array-like (n_step,)
            Finite, in the row's unit.
        """
        new = np.asarray(series, np.float32)
        if not 0 <= column < SIGNALS.N:
            raise InputError(f"signals: column {column}; allowed: 0..{SIGNALS.N - 1}")
        if new.shape != (self.n_step,):
            raise InputError(f"signals: {SIGNALS.names[column]}: shape {new.shape}; allowed: ({self.n_step},)")
        values = self.values.copy()
        values[column] = new
        return SignalTable(self.start_abs_s, values, self.notes)

    def _outside(self, start: int, n_step: int) -> InputError:
        wanted = f"{datetime_of(start):%Y-%m-%d %H:%M} .. {datetime_of(start + n_step * STEP_S):%Y-%m-%d %H:%M}"
        held = f"{datetime_of(self.start_abs_s):%Y-%m-%d %H:%M} .. {datetime_of(self.end_abs_s):%Y-%m-%d %H:%M}"
        return InputError(f"signals: window {wanted} ({n_step} steps) is not inside the table; allowed: {held}")

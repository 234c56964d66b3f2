"""The grid's frequency, second by second: made up, or from a file. Devices read its mean over the tick in EXOGENOUS.

Model: the deviation is the sum of two Ornstein-Uhlenbeck processes, a fast and a slow one, and of rare contingencies:
drops that die away. A draw of the second ``abs_s`` has the address (world's key, stream, second), so that the series
does not depend on the tick's length, and no other luck depends on the frequency.

The two processes' shares and times are fitted to the autocorrelation of a day of 1-s measurements [1]_: .96 at 5 s,
.91 at 10 s, .77 at 60 s, .56 at 300 s, .37 at 600 s, .23 at 900 s (standard deviation .016 Hz at 60 Hz). The standard
deviation is a setting. Known error: the measured autocorrelation falls to .76 at 30 s and stays there to 60 s, the
model's falls steadily. Random processes of this kind are usual for grid frequency [2]_.

References
----------
.. [1] GMLC 1.4.2, "battery_interface", a grid frequency record of 24 h at 1 s, 60 Hz (MIT licence),
   https://github.com/GMLC-1-4-2/battery_interface
.. [2] Rydin Gorjao, Anvari, Kantz, Beck, Witthaut, Timme, Schaefer, "Data-driven model of the power-grid frequency
   dynamics", IEEE Access 8, 2020, doi:10.1109/ACCESS.2020.2967834.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from der_gym.core.errors import InputError, nearest
from der_gym.core.text import shown
from der_gym.core.units import DAY_S
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.engine.tables import EXOGENOUS
from der_gym.numerics import approx, rng
from der_gym.signals.csvfile import Line, find_column, read_files
from der_gym.signals.publishers import FREQUENCY, reading

Array = np.ndarray
NONE, SYNTHETIC = "none", "synthetic"
NOMINAL_HZ = (50.0, 60.0)
WIDEST_HZ = 2.0  # a file's values stand no further from the nominal frequency
LONGEST_S = 31 * DAY_S  # of a file

_NOISE = rng.stream("frequency.noise")
_START = rng.stream("frequency.start")
_EVENT = rng.stream("frequency.contingency")
_GRID = np.uint32(0)  # the address of a world's grid: it has one
_ZERO = np.float32(0.0)
_MINUTE_S = 60

STATE = Table(
    "frequency",
    "float32 (n_world, N): deviation from the nominal frequency in the last second",
    """
    fast_hz | Hz | truth | the fast process
    slow_hz | Hz |       | the slow process
    drop_hz | Hz |       | what is left of contingencies, <= 0
    """,
)
SETTINGS = Table(
    "frequency settings",
    "float32 (N,): what the kernels read of FrequencyConfig",
    """
    fast_keep | -  | engine | part of the fast process that stays for a second
    fast_step | Hz |        | its standard deviation of a second's news
    slow_keep | -  |        | likewise of the slow process
    slow_step | Hz |        |
    fast_sd   | Hz |        | standard deviation of the fast process
    slow_sd   | Hz |        | of the slow process
    chance    | -  |        | of a contingency in a minute
    least     | Hz |        | least drop
    span      | Hz |        | greatest drop less that
    drop_keep | -  |        | part of a drop that stays for a second
    """,
)


class FrequencyConfig(BaseModel):
    """The made-up frequency."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    sd_hz: float = Field(
        0.02, ge=0, le=0.2, description="standard deviation, contingencies aside; .02 to .05 Hz in Japan's grids [A]"
    )
    fast_share: float = Field(0.18, ge=0, le=1, description="of the variance, in the fast process; fitted to [1]")
    fast_s: float = Field(12.0, gt=0, le=3600, description="time constant of the fast process; fitted to [1]")
    slow_s: float = Field(700.0, gt=0, le=86_400, description="time constant of the slow process; fitted to [1]")
    contingency_per_year: float = Field(15.0, ge=0, le=100_000, description="losses of a large unit, 10-20 a year [A]")
    contingency_hz: tuple[float, float] = Field((0.1, 0.4), description="least and greatest drop, uniform [A]")
    recovery_s: float = Field(150.0, gt=0, le=3600, description="time constant of the recovery: 5-10 min to end [A]")

    @model_validator(mode="after")
    def _drop_can_be(self) -> FrequencyConfig:
        low, high = self.contingency_hz
        if not 0.0 <= low <= high <= WIDEST_HZ:
            raise ValueError(f"contingency_hz {low:g}, {high:g}; allowed: 0 <= least <= greatest <= {WIDEST_HZ:g}")
        return self

    def constants(self) -> Array:
        """Return the constants of `advance`, float32 (10,): steps of a second, deviations, chance of a drop."""
        fast, slow = np.exp(-1.0 / self.fast_s), np.exp(-1.0 / self.slow_s)
        sds = self.sd_hz * np.sqrt([self.fast_share, 1.0 - self.fast_share])
        steps = sds * np.sqrt([1.0 - fast**2, 1.0 - slow**2])
        chance = -np.expm1(-self.contingency_per_year * _MINUTE_S / (365.25 * DAY_S))
        low, high = self.contingency_hz
        rest = (chance, low, high - low, np.exp(-1.0 / self.recovery_s))
        return np.array([fast, steps[0], slow, steps[1], *sds, *rest], dtype=np.float32)


@kernel
def advance(w0, w1, active, keys, abs_s, dt_s, cfg, state, ctx):  # type: ignore[no-untyped-def]
    """Advance the frequency by the tick that begins now and write its mean into the exogenous row.

    Parameters
    ----------
    dt_s : int
        A divisor of 60; no tick spans two minutes, and in a minute at most one contingency begins.
    cfg : float32 (10,)
        See `FrequencyConfig.constants`.
    state : float32 (n_world, 3); ctx : float32 (n_world, N_CTX)
    """
    for w in range(w0, w1):
        if not active[w]:
            continue
        k0, k1, row, total = keys[w, 2], keys[w, 3], state[w], _ZERO
        fast, fast_step, slow, slow_step = (
            cfg[SETTINGS.FAST_KEEP],
            cfg[SETTINGS.FAST_STEP],
            cfg[SETTINGS.SLOW_KEEP],
            cfg[SETTINGS.SLOW_STEP],
        )
        chance, place, size, _ = rng.uniform4(k0, k1, _GRID, _EVENT, np.uint32(abs_s[w] // _MINUTE_S), np.uint32(0))
        hit = (
            abs_s[w] // _MINUTE_S * _MINUTE_S + np.int64(place * np.float32(_MINUTE_S))
            if chance < cfg[SETTINGS.CHANCE]
            else -1
        )
        for second in range(abs_s[w], abs_s[w] + dt_s):
            u, v, _, _ = rng.uniform4(k0, k1, _GRID, _NOISE, np.uint32(second), np.uint32(0))
            lost = cfg[SETTINGS.LEAST] + cfg[SETTINGS.SPAN] * size if second == hit else _ZERO
            row[STATE.FAST_HZ] = fast * row[STATE.FAST_HZ] + fast_step * approx.normal_quantile(u)
            row[STATE.SLOW_HZ] = slow * row[STATE.SLOW_HZ] + slow_step * approx.normal_quantile(v)
            row[STATE.DROP_HZ] = cfg[SETTINGS.DROP_KEEP] * row[STATE.DROP_HZ] - lost
            total += row[STATE.FAST_HZ] + row[STATE.SLOW_HZ] + row[STATE.DROP_HZ]
        ctx[w, EXOGENOUS.FREQ_HZ] = total / np.float32(dt_s)


@kernel
def begin(w0, w1, active, keys, abs_s, cfg, state):  # type: ignore[no-untyped-def]
    """Draw the state of the second before the episode; no contingency is under way."""
    for w in range(w0, w1):
        if active[w]:
            u, v, _, _ = rng.uniform4(keys[w, 2], keys[w, 3], _GRID, _START, np.uint32(abs_s[w]), np.uint32(0))
            state[w, STATE.FAST_HZ] = cfg[SETTINGS.FAST_SD] * approx.normal_quantile(u)
            state[w, STATE.SLOW_HZ] = cfg[SETTINGS.SLOW_SD] * approx.normal_quantile(v)
            state[w, STATE.DROP_HZ] = _ZERO


@kernel
def read(w0, w1, active, abs_s, dt_s, start_abs_s, series, ctx):  # type: ignore[no-untyped-def]
    """Write the mean of a recorded series over the tick that begins now; the series repeats.

    Parameters
    ----------
    start_abs_s : int
        Moment of the first value; times of the day alone: 0.
    series : float32 (n,)
        Deviation of each second, Hz.
    """
    n = series.shape[0]
    for w in range(w0, w1):
        if active[w]:
            first, total = (abs_s[w] - start_abs_s) % n, _ZERO
            for k in range(dt_s):
                total += series[(first + k) % n]
            ctx[w, EXOGENOUS.FREQ_HZ] = total / np.float32(dt_s)


class Frequency:
    """The frequency of ``n_world`` worlds; where it is off it calls nothing, and FREQ_HZ stays 0.

    Parameters
    ----------
    source : str
        ``"none"``, ``"synthetic"``, or the path of a CSV file; see `load_frequency`.
    config : FrequencyConfig
    n_world : int
    """

    def __init__(self, source: str, config: FrequencyConfig, n_world: int) -> None:
        self._made = source == SYNTHETIC
        self._series = None if source in (NONE, SYNTHETIC) else load_frequency(source)
        self._cfg = config.constants()
        self.state = np.zeros((n_world, len(STATE) if self._made else 0), dtype=np.float32)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        return {"frequency.state": self.state}

    def begin(self, mask: Array, keys: Array, abs_s: Array) -> None:
        """Start the episodes of ``mask``, bool (n_world,)."""
        if self._made:
            begin(0, len(self.state), mask, keys, abs_s, self._cfg, self.state)

    def advance(self, active: Array, keys: Array, abs_s: Array, dt_s: int, ctx: Array) -> list[Call]:
        """Return the calls that write FREQ_HZ for a tick of ``dt_s`` seconds that begins now."""
        if self._made:
            return [Call(advance, active, keys, abs_s, dt_s, self._cfg, self.state, ctx, by_world=True)]
        if self._series is not None:
            return [Call(read, active, abs_s, dt_s, *self._series, ctx, by_world=True)]
        return []


@lru_cache(maxsize=4)
def load_frequency(path: str) -> tuple[int, Array]:
    """Return (moment of the first value, deviation of each second) of a CSV file with the columns ``time`` and ``hz``.

    Rows stand a whole number of seconds apart, all alike; a value holds until the next row. A time is a date and time
    in JST (2024/1/31 0:00:05), a time of the day (0:00:05), or a number of seconds from midnight. The series repeats;
    so a day without a date serves every day.

    Parameters
    ----------
    path : str
        File; plain or gzip; 31 days at most.

    Returns
    -------
    start_abs_s : int
        Seconds from 2000-01-01, or second of the day where the file names no date.
    series : float32 (n,)
        Hz minus 50 or 60, whichever is nearer to the file's mean.

    Raises
    ------
    InputError
        Naming file, line, column, value and what is allowed.
    """
    lines = [line for each in read_files(path) for line in each if any(line.cells)]
    with reading(lines, FREQUENCY):
        return _read_rows(path, lines[0], lines[1:])


def _read_rows(path: str, head: Line, body: list[Line]) -> tuple[int, Array]:
    at, hz = find_column(head, ("time",), "moments"), find_column(head, ("hz",), "the frequency")
    if len(body) < 2:
        raise InputError(f"{path}: {len(body)} rows; allowed: two or more")
    moments = [_second(line, at) for line in body]
    step = _step_s(path, body, moments, at)
    values = np.array([line.number_of(hz, "hz") for line in body])
    known = values[~np.isnan(values)]
    nominal = min(NOMINAL_HZ, key=lambda n: abs(n - float(known.mean()))) if known.size else NOMINAL_HZ[0]
    for line, value in zip(body, values, strict=True):
        if not abs(value - nominal) <= WIDEST_HZ:
            raise line.error("hz", line.cells[hz], f"{nominal:g} Hz give or take {WIDEST_HZ:g}")
    return moments[0], np.repeat((values - nominal).astype(np.float32), step)


def _second(line: Line, at: int) -> int:
    text = line.cell(at, "time")
    if text.replace(".", "", 1).isdecimal():
        value = float(text)
        if not value.is_integer() or value > LONGEST_S:
            raise line.error("time", text, f"whole seconds, 0..{LONGEST_S}")
        return int(value)
    return line.second_of(at, "time") if ":" in text and len(text) <= 8 else line.moment_of(at, "time")


def _step_s(path: str, body: list[Line], moments: list[int], at: int) -> int:
    """Return the common step of the rows, s; InputError where it changes or the file is too long."""
    step = moments[1] - moments[0]
    for line, now, before in zip(body[1:], moments[1:], moments, strict=False):
        if now - before != step or step < 1:
            raise line.error("time", line.cells[at], f"rows {max(step, 1)} s apart, in order (here {now - before} s)")
    if len(moments) * step > LONGEST_S:
        raise InputError(f"{path}: {len(moments) * step} s; allowed: {LONGEST_S} s (31 days)")
    return step


def check_source(source: str) -> None:
    """Refuse a source that is neither a known word nor a file's name; InputError names the nearest word."""
    if source not in (NONE, SYNTHETIC) and not source.lower().endswith((".csv", ".csv.gz")):
        close = nearest(source, (NONE, SYNTHETIC))
        hint = f"did you mean {close!r}? " if close else ""
        raise InputError(f"frequency: {shown(source)}; {hint}allowed: {NONE}, {SYNTHETIC}, or a file *.csv or *.csv.gz")

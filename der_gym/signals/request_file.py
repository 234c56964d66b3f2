"""A user's own request: kW per row, with its sign named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from der_gym.core.errors import InputError, unknown
from der_gym.core.figures import figure
from der_gym.core.units import BLOCK_S
from der_gym.signals.calendar import datetime_of
from der_gym.signals.csvfile import Line, find_column, plain, read_files
from der_gym.signals.publishers import REQUEST, reading
from der_gym.signals.table import STEP_S as BIN_S

F8 = npt.NDArray[np.float64]

SIGNS = {"upward_positive": 1.0, "upward_negative": -1.0}
MOST_KW = 1e9  # more than all of Japan
LIKELY_W = 100.0  # a request of more than so many awards is likely to be in W
_MOMENT, _COLUMNS = "datetime", ("request_kw", "delta_kw")


@dataclass(frozen=True)
class RequestSeries:
    """A request per 5-minute bin: ``request_kw (n_bin,)`` float64 >= 0, the first bin starting at ``start_abs_s``."""

    start_abs_s: int
    request_kw: F8

    def window(self, abs_s: npt.ArrayLike, n_bin: int) -> F8:
        """Return float64 (W, n_bin) from each of ``abs_s`` int64 (W,) on; InputError where it leaves the series."""
        starts = np.asarray(abs_s, np.int64)
        first, off = np.divmod(starts - self.start_abs_s, BIN_S)
        wrong = (off != 0) | (first < 0) | (first + n_bin > self.request_kw.size)
        if wrong.any():
            held = datetime_of(self.start_abs_s), datetime_of(self.start_abs_s + self.request_kw.size * BIN_S)
            raise InputError(
                f"request: {n_bin} bins from {datetime_of(int(starts[wrong][0]))} are not in the file; "
                f"allowed: {held[0]} .. {held[1]} in steps of {BIN_S // 60} min"
            )
        return np.asarray(self.request_kw[first[:, None] + np.arange(n_bin)], np.float64)


@dataclass(frozen=True)
class OwnRequest:
    """A user's series of requests, and ``note``, which hears a line of everything that is cut from it."""

    path: str
    series: RequestSeries
    note: Callable[[str], None]

    def within(self, abs_s: npt.ArrayLike, award_kw: F8) -> F8:
        """Return the requests from ``abs_s`` int64 (W,) on, held within ``award_kw`` float64 (W, n_bin)."""
        cut, note = cut_to_award(self.path, self.series.window(abs_s, award_kw.shape[1]), award_kw)
        if note:
            self.note(note)
        return cut


def cut_to_award(path: str, asked_kw: F8, award_kw: F8) -> tuple[F8, str]:
    """Return requests held within the award, and one line that says what was cut; empty where nothing was.

    Parameters
    ----------
    path : str
        The file, for the line.
    asked_kw : float64 (W, n_bin)
        As the file has them, kW.
    award_kw : float64 (W, n_bin)
        Award of each bin's block, kW.
    """
    cut, awarded = asked_kw > award_kw, award_kw > 0.0
    n_above, n_after = int((cut & awarded).sum()), int((cut & ~awarded).sum())
    texts = []
    if n_above:
        least, most = (figure(value) for value in (award_kw[awarded].min(), award_kw.max()))
        award = least if least == most else f"{least} to {most}"
        most_kw = float(asked_kw[cut & awarded].max())
        unit = "; are these W? numbers are read as kW" if most_kw > LIKELY_W * award_kw.max() else ""
        asked = f"(up to {figure(most_kw)} kW asked{unit})"
        texts.append(f"{n_above} of {int(awarded.sum())} bins cut to the award of {award} kW {asked}")
    if n_after:
        texts.append(f"{n_after} bins outside the awarded blocks set to 0")
    return np.minimum(asked_kw, award_kw), f"{path}: {'; '.join(texts)}" if texts else ""


def load_request(path: str | Path, sign: str) -> RequestSeries:
    """Return the request of a CSV file with the columns ``datetime`` and ``request_kw`` or ``delta_kw``.

    A row holds until the next; rows stand 5, 10, 15 or 30 minutes apart, all alike, without gaps, in order. Only
    upward regulation is sold, so that no row may ask for downward.

    Parameters
    ----------
    path : path
        File; plain or gzip; UTF-8 or CP932.
    sign : "upward_positive" or "upward_negative"
        What a positive number means in the file; energy management systems often write power - baseline, which is
        ``upward_negative``.

    Raises
    ------
    InputError
        Naming file, line, column, value and what is allowed.
    """
    if sign not in SIGNS:
        raise unknown("sign", sign, SIGNS)
    lines = [line for each in read_files(path) for line in each if any(line.cells)]
    with reading(lines, REQUEST):
        return _read_rows(path, sign, lines[0], lines[1:])


def _read_rows(path: str | Path, sign: str, head: Line, body: list[Line]) -> RequestSeries:
    moment, value = find_column(head, (_MOMENT,), "a request"), _value_column(head)
    if len(body) < 2:
        raise InputError(f"{path}: {len(body)} rows; allowed: two or more")
    moments = [line.moment_of(moment, _MOMENT) for line in body]
    request_kw = [_upward_kw(line, value, head.cells[value], sign) for line in body]
    step_s = _step_s(body, moments)
    return RequestSeries(moments[0], np.repeat(np.array(request_kw), step_s // BIN_S))


def _value_column(head: Line) -> int:
    found = [name for name in _COLUMNS if name in [plain(cell) for cell in head.cells]]
    if len(found) == 2:
        raise InputError(f"{head.path}: line {head.number}: both {' and '.join(_COLUMNS)}; allowed: one of them")
    return find_column(head, _COLUMNS, "a request; or delta_kw")


def _upward_kw(line: Line, index: int, name: str, sign: str) -> float:
    value = line.number_of(index, name)
    upward = SIGNS[sign] * value
    if not 0.0 <= upward <= MOST_KW:
        raise line.error(
            name, line.cells[index], f"a number whose upward part is 0..{MOST_KW:,.0f} kW under sign {sign!r}"
        )
    return abs(upward)


def _step_s(body: list[Line], moments: list[int]) -> int:
    """Return the common step of the rows, s; InputError where it is not one of those allowed or changes."""
    step = moments[1] - moments[0]
    allowed = (BIN_S, 2 * BIN_S, 3 * BIN_S, BLOCK_S)
    for line, now, before in zip(body[1:], moments[1:], moments, strict=False):
        if now - before != step or step not in allowed or moments[0] % BIN_S:
            raise line.error(
                _MOMENT, str(datetime_of(now)), f"rows 5, 10, 15 or 30 min apart, all alike (here {now - before} s)"
            )
    return step

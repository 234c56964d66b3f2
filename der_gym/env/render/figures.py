"""Numbers as a viewer reads them; picture and text use the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STEPS = (1.0, 2.0, 5.0, 10.0)


def number(value: float, sign: str = "") -> str:
    """Return a number with three digits, or all before the point; two decimals below 1; ``sign="+"``: a plus."""
    digits = 0 if abs(value) >= 99.95 else 2 if 0.05 <= abs(value) < 0.95 else 1
    return f"{round(value, digits) + 0.0:{sign},.{digits}f}"


def kw(value: float, sign: str = "") -> str:
    """Return a power in kW, from ten thousand on in MW."""
    return f"{number(value / 1e3, sign)} MW" if abs(value) >= 1e4 else f"{number(value, sign)} kW"


def kw_range(low: float, high: float) -> str:
    """Return two powers with one unit."""
    unit = 1e3 if max(abs(low), abs(high)) >= 1e4 else 1.0
    return f"{number(low / unit)} to {number(high / unit)} {'kW' if unit == 1.0 else 'MW'}"


def kw_scale(levels_kw: Sequence[float]) -> list[str]:
    """Return the labels of a scale; the last and highest names the unit."""
    unit = 1e3 if max(map(abs, levels_kw)) >= 1e4 else 1.0
    labels = [f"{round(kw / unit, 3) + 0.0:,g}" for kw in levels_kw]
    return [*labels[:-1], f"{labels[-1]} {'kW' if unit == 1.0 else 'MW'}"]


def yen(value: float) -> str:
    """Return an amount with its sign; whole yen, or thousands from ten million on."""
    whole, unit = (round(value / 1e3), "k") if abs(value) >= 1e7 else (round(value), "")
    return f"{whole:+,}{unit}" if whole else "0"


def age(seconds: float) -> str:
    """Return an age: seconds below two minutes, then minutes; the aggregator's view stops counting at an hour."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else "60+ min"


def day_time(moment: datetime) -> str:
    """Return date, weekday and time, whatever the locale."""
    return f"{moment:%Y-%m-%d} {_DAYS[moment.weekday()]} {moment:%H:%M} JST"


def tick_step(span: float, n: int) -> float:
    """Return the least of 1, 2, 5 x 10^k that cuts ``span`` into at most ``n`` parts.

    Examples
    --------
    >>> tick_step(180.0, 5)
    50.0
    """
    power = 10.0 ** math.floor(math.log10(max(span, 1e-9) / n))
    return next(step * power for step in _STEPS if span <= step * power * n * (1 + 1e-9))

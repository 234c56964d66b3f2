"""Figures as people read them: as many decimals as their size needs, and no minus before 0."""

from __future__ import annotations

from math import isfinite


def decimals(size: float) -> int:
    """Return how many decimals a figure of this size shows: 3 below 0.1, 2 below 1, 1 below 10, else none.

    Examples
    --------
    >>> [decimals(size) for size in (0.04, 0.4, 3.26, 40.0, 326.0)]
    [3, 2, 1, 0, 0]
    """
    size = abs(size)
    return 3 if size < 0.1 else 2 if size < 1.0 else 1 if size < 10.0 else 0


def figure(value: float, size: float | None = None, sign: str = "") -> str:
    """Return a figure with thousands marks and decimals by its size; trailing noughts are left out.

    Parameters
    ----------
    value : float
    size : float, optional
        What the decimals follow: the greatest figure of those that stand together. Default: the value itself.
    sign : str
        ``+`` shows a plus as well.

    Returns
    -------
    str
        ``-`` where the value is not finite; never ``-0``.

    Examples
    --------
    >>> [figure(value) for value in (0.35, -0.0004, 3.26, 40.0, 1234.5)]
    ['0.35', '0', '3.3', '40', '1,234']
    >>> figure(0.04, 22.0), figure(21.96, 22.0)
    ('0', '22')
    """
    if not isfinite(value):
        return "-"
    text = f"{value:{sign},.{decimals(value if size is None else size)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "+0") else text

"""One self-contained page: the shipped style and scripts around a report's data. Nothing is fetched."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core import files
from der_gym.core.errors import InputError
from der_gym.core.figures import decimals
from der_gym.core.files import write_text
from der_gym.devices import DEVICES

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SCRIPTS = {
    "run": ("words.js", "words_run.js", "page.js", "chart.js", "run.js", "timeline.js"),
    "board": ("words.js", "words_board.js", "page.js", "chart.js", "firm.js", "board.js"),
    "firm": ("words.js", "words_board.js", "page.js", "chart.js", "firm.js"),
    "supply": ("words.js", "words_owners.js", "page.js", "chart.js", "owners.js"),
    "fairness": ("words.js", "words_owners.js", "page.js", "chart.js", "owners.js"),
}
REPORT = "report.html"


def check_target(path: str | Path) -> Path:
    """Return the path of a report that can be written; nothing is left there.

    Raises
    ------
    InputError
        Where it is a folder, has another ending than ``.html``, or its folder cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"report {str(target)!r} is a folder; name a file in it, such as {REPORT}")
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"report {str(target)!r}: ending {target.suffix!r}; allowed: .html")
    files.check_target(target)
    try:
        with tempfile.TemporaryFile(dir=_nearest(target.parent)):
            pass
    except OSError as error:
        raise InputError(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    return target


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the one above it that is there: where the missing ones would be made."""
    while not os.path.lexists(folder):
        folder = folder.parent
    return folder


def render(kind: str, title: str, data: Mapping[str, Any]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    kind : str
        ``run``, ``board``, ``firm``, ``supply`` or ``fairness``: which scripts draw it.
    title : str
        Shown as text, whatever it holds.
    data : mapping
        What the scripts draw: dicts, lists, numbers, text; NaN and infinite numbers become null.
    """
    scripts = "\n".join(_asset(name) for name in ("vendor/uPlot.iife.min.js", *SCRIPTS[kind]))
    parts = {
        "{{title}}": escape(title),
        "{{style}}": _asset("vendor/uPlot.min.css") + _asset("page.css"),
        "{{data}}": _json({"devices": devices(), **data}),
        "{{script}}": scripts,
    }
    page = _asset("page.html")
    for mark in ("{{title}}", "{{style}}", "{{script}}", "{{data}}"):  # data last: what it holds is not read again
        page = page.replace(mark, parts[mark])
    return page


def write(path: str | Path, kind: str, title: str, data: Mapping[str, Any]) -> Path:
    """Write a page whole or not at all; return its path."""
    target = Path(path)
    write_text(target, render(kind, title, data))
    return target


def devices() -> dict[str, dict[str, Any]]:
    """Return, for each device class, its names, the colour of its lines and the hue of its leaves."""
    models = (DEVICES[name] for name in DEVICES)
    return {m.name: {"title": [m.english, m.japanese], "colour": m.traits.colour, "hue": m.traits.hue} for m in models}


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON that may stand in a script element: no ``<``, no NaN."""
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def rounded(values: Any, digits: int | None = None) -> list[Any]:
    """Return an array as nested lists of floats with so many digits: a page stays small; -0.0 becomes 0.0.

    By default one digit, and more where all figures are below 1: then the curves of a small list keep their shape.
    """
    array = np.asarray(values, dtype=np.float64)
    if digits is None:
        greatest = float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
        digits = decimals(greatest) + 1 if 0.0 < greatest < 1.0 else 1
    shown: list[Any] = (np.round(array, digits) + 0.0).tolist()
    return shown

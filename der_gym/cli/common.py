"""The common part of the commands: settings on the command line, consoles, progress, number formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from der_gym.core.data import read_value
from der_gym.core.errors import InputError
from der_gym.core.folders import NewResults
from der_gym.evaluation.report.page import REPORT, check_target
from der_gym.scenario.settings import SOURCES, SignalSettings

Told = Callable[[str, float], None]


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return ``key=value`` pairs as dotted overrides; values are read as YAML: numbers, lists, true, null, text."""
    return dict(_parse(pair) for pair in pairs)


def _parse(pair: str) -> tuple[str, Any]:
    key, sign, text = pair.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {pair!r}; allowed: KEY=VALUE, such as fleet.n_device=200")
    try:
        return key.strip(), read_value(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {pair!r}: is not YAML: {' '.join(str(error).split())}") from None


def overrides(given: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Return the options that were given as overrides, with ``--set`` on top."""
    chosen = {
        key: str(value) if isinstance(value, Path) else value for key, value in given.items() if value is not None
    }
    return {**chosen, **parse_settings(pairs)}


def names(text: str) -> list[str]:
    """Return names with commas between as a list."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise InputError(f"--controller {text!r}; allowed: names with commas between, or all")
    return found


def reports(report: Path | None, out: Path | None) -> list[Path]:
    """Return the page that is asked for, checked before anything is played; none where the folder holds it anyhow."""
    asked = [check_target(report)] if report is not None else []
    return [page for page in asked if out is None or page.absolute() != (out / REPORT).absolute()]


def pages(asked: Sequence[Path], folder: NewResults | None) -> list[Path]:
    """Return where to write the page: where it was asked for, and among the new results."""
    return [*asked, *([folder.staging / REPORT] if folder is not None else [])]


def shown(pages: Sequence[Path], folder: NewResults | None) -> list[Path]:
    """Return where pages lie once the new results are published."""
    return [folder.folder / page.name if folder and page.parent == folder.staging else page for page in pages]


def console() -> Console:
    """Return the console for results; wide enough for the tables where the output is no terminal."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=max(out.width, 120))


@contextmanager
def progress() -> Iterator[Told]:
    """Yield ``told(what, share)``, shown as a bar on stderr; silent where that is no terminal."""
    err = Console(stderr=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("getting ready", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def table(title: str, columns: Sequence[str], left: int = 1, caption: str = "") -> Table:
    """Return an empty plain table: the first ``left`` columns to the left, numbers to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    made.caption, made.caption_justify = caption or None, "left"
    for k, column in enumerate(columns):
        made.add_column(column, justify="left" if k < left else "right", no_wrap=k < left)
    return made


def number(value: float, digits: int = 2) -> str:
    """Return a number with thousands marks, '-' for NaN; never '-0'."""
    return "-" if isnan(value) else f"{round(value, digits) + 0.0:,.{digits}f}"


def percent(value: float) -> str:
    """Return a share in per cent."""
    return "-" if isnan(value) else f"{round(100 * value, 1) + 0.0:.1f} %"


def spread(row: Mapping[str, Any], name: str, form: Callable[[float], str] = number) -> str:
    """Return a figure with its interval: ``0.83 [0.78, 0.88]``."""
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    return "-" if isnan(value) else f"{form(value)} [{form(low)}, {form(high)}]"


def hundred(value: float) -> str:
    """Return a share in per cent without its sign, '-' for NaN."""
    return "-" if isnan(value) else f"{100 * value:.0f}"


def refuse_idle(given: Mapping[str, Any], signals: SignalSettings) -> None:
    """Raise InputError where an option speaks of a file that neither the options nor the scenario name.

    The settings themselves let a default value stand; on the command line it was typed, so it is refused as well.
    """
    for name, source in SOURCES.items():
        value = given.get(f"signals.{name}")
        if value is not None and getattr(signals, source) is None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} {value}: changes nothing without a file; allowed: with --{source}")

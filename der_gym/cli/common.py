"""The common part of the commands: settings on the command line, consoles, progress, number formats."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import isnan
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from der_gym.core import text
from der_gym.core.data import read_value
from der_gym.core.errors import InputError
from der_gym.core.figures import decimals
from der_gym.core.folders import NEW, NewResults
from der_gym.core.interrupt import held_back
from der_gym.evaluation.report.page import REPORT, check_target
from der_gym.evaluation.results import RECORD

Told = Callable[[str, float], None]


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return ``key=value`` pairs as dotted overrides; values are read as YAML: numbers, lists, true, null, text."""
    return dict(_parse(pair) for pair in pairs)


def _parse(pair: str) -> tuple[str, Any]:
    key, sign, value = pair.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {text.shown(pair)}; allowed: KEY=VALUE, such as fleet.n_device=200")
    try:
        return key.strip(), read_value(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {text.shown(pair)}: is not YAML: {error}") from None


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


class Writing:
    """Whether results were written; where not, what was played is shown all the same, and the command ends with 1."""

    error: OSError | None = None

    @property
    def whole(self) -> bool:
        """Return whether all was written."""
        return self.error is None

    def end(self, out: Path | None, hint: str = "") -> None:
        """End with one line and 1 where something was not written."""
        if self.error is not None:
            named = self.error.filename
            what = f"{named!r}" if named and NEW not in str(named) else "results"
            kept = f"; what is whole is kept in {str(out)!r}" if out is not None and out.is_dir() else ""
            print(f"der-gym: {what} cannot be written: {self.error.strerror}{kept}{hint}", file=sys.stderr)
            raise SystemExit(1)


@contextmanager
def writing(folder: NewResults | None) -> Iterator[Writing]:
    """Publish the new results behind the block; a signal waits until all is in its place.

    Where the disk is full or gone, the old results stay and what is new and whole is put beside them.
    """
    done = Writing()
    with held_back():
        try:
            yield done
            if folder is not None:
                folder.publish()
        except OSError as error:
            done.error = error
            if folder is not None:
                with suppress(OSError):
                    folder.add()


def to_publish(folder: NewResults | None, stopped: int) -> NewResults | None:
    """Return where results go; nowhere where they are not all and whole ones of an earlier run would have to go."""
    old = folder is not None and (folder.folder / RECORD).exists()
    return None if stopped and old else folder


def console() -> Console:
    """Return the console for results; wide enough for the tables where the output is no terminal.

    Names and titles are shown as they are: ``[red]`` and ``:smile:`` mean nothing.
    """
    out = _Console(highlight=False, markup=False, emoji=False)
    return out if out.is_terminal else _Console(highlight=False, markup=False, emoji=False, width=max(out.width, 120))


class _Console(Console):
    """Shows texts without control characters: a path may hold any."""

    def print(self, *parts: Any, **more: Any) -> None:
        """Print parts; see `Console`."""
        super().print(*(_lines(part) if isinstance(part, str) else part for part in parts), **more)


def tell(what: str) -> None:
    """Print lines without control characters: a path may hold any."""
    print(_lines(what))


def _lines(shown: str) -> str:
    return "\n".join(text.one_line(line, 10 * len(line)) for line in shown.split("\n"))


@contextmanager
def progress() -> Iterator[Told]:
    """Yield ``told(what, share)``, shown as a bar on stderr; silent where that is no terminal."""
    err = Console(stderr=True, markup=False, emoji=False)
    columns = (TextColumn("{task.description:<28}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
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


def show_notes(console: Console, notes: Sequence[str]) -> None:
    """Print what was done to the user's files, a line each."""
    for note in notes:
        console.print(f"Done to your files: {note}", soft_wrap=True)


def numbers(values: Sequence[float], digits: int = 2) -> list[str]:
    """Return a column of numbers, with more digits than asked for where they are all small."""
    size = max((abs(value) for value in values if not isnan(value)), default=0.0)
    return [number(value, max(digits, decimals(size) if round(size, 3) else 0)) for value in values]


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

"""``der-gym cache``."""

from __future__ import annotations

from collections.abc import Sequence

from der_gym.cli import common
from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.engine import cache as caching
from der_gym.engine.cache import Kept

_WHAT = {"kernels": "compiled kernels", "generated": "written sources", "pools": "reference days"}


def cache(prune: bool, clear: bool, days: float | None, gigabytes: float | None) -> None:
    """Show what is kept; before that throw away what is old or too much, or everything.

    Parameters
    ----------
    prune, clear : bool
        Whether to throw away what is old or too much; everything. Not both.
    days, gigabytes : float, optional
        Limits of ``prune``: days without use, size that may stay. Default: those that hold without this command.

    Raises
    ------
    InputError
        For options that exclude one another or do nothing.
    """
    _check(prune, clear, days, gigabytes)
    folder = caching.folder("kernels")
    if folder is None:
        raise InputError(f"cache folder {str(caching.cache_home())!r} cannot be written; name another by DER_GYM_CACHE")
    home, gone = folder.parent, list[Kept]()
    if clear:
        gone = caching.clear(home)
    elif prune:
        unused_s = caching.UNUSED_S if days is None else days * DAY_S
        largest = caching.LARGEST_BYTES if gigabytes is None else gigabytes * 1e9
        gone = caching.prune(home, unused_s, largest)
    found = caching.contents(home)
    common.tell(str(home))
    if prune or clear:
        kept = "" if clear else " (what was used within the last hour stays)"
        print(f"removed {_amount(gone)}; {_amount(found)} left{kept}")
    _show(found)
    limits = f"{caching.UNUSED_S / DAY_S:.0f} days without use or above {_size(caching.LARGEST_BYTES)}"
    print(f"Files go by themselves after {limits}; der-gym cache --clear removes all: everything can be made again.")


def _check(prune: bool, clear: bool, days: float | None, gigabytes: float | None) -> None:
    if prune and clear:
        raise InputError("--prune and --clear exclude one another; --clear removes everything")
    for name, value in {"--days": days, "--gigabytes": gigabytes}.items():
        if value is not None and not prune:
            raise InputError(f"{name} {value:g}: is a limit of --prune; add --prune")


def _show(found: Sequence[Kept]) -> None:
    made = common.table("", ["kept", "files", "size", "last used", "longest unused"])
    for kind in caching.KINDS:
        kept = [each for each in found if each.kind == kind]
        ages = [_age(min(each.unused_s for each in kept)), _age(kept[0].unused_s)] if kept else ["-", "-"]
        made.add_row(_WHAT[kind], f"{len(kept):,}", _size(sum(each.n_byte for each in kept)), *ages)
    common.console().print(made)


def _amount(files: Sequence[Kept]) -> str:
    plural = "" if len(files) == 1 else "s"
    return f"{len(files):,} file{plural}, {_size(sum(each.n_byte for each in files))}"


def _size(n_byte: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_byte >= size:
            return f"{n_byte / size:.1f} {unit}"
    return f"{n_byte:.0f} B"


def _age(seconds: float) -> str:
    for unit, size in (("days", DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now"

"""The project's errors: one clear line that names the key, the value, what is allowed and the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from der_gym.core.text import LONGEST_VALUE, one_line, shown


class DerGymError(Exception):
    """Base of every error that the project raises on purpose; the command line prints it and exits with 2.

    Its text is one line of bounded length, whatever the names and values in it hold.
    """

    def __str__(self) -> str:
        """Return the message without control characters."""
        return one_line(super().__str__())


class InputError(DerGymError, ValueError):
    """An input of a person (a key, a column, a file, an action) cannot be used."""


def nearest(name: object, allowed: Iterable[str]) -> str | None:
    """Return the allowed name most like ``name``, or None where none is close."""
    close = difflib.get_close_matches(
        (name if isinstance(name, str) else shown(name))[:LONGEST_VALUE], list(allowed), n=1, cutoff=0.4
    )
    return close[0] if close else None


def unknown(what: str, name: object, allowed: Iterable[str], also: Mapping[str, str] | None = None) -> InputError:
    """Return the error for a name that is not in a list; ``also`` maps other words to the allowed name they stand for.

    Examples
    --------
    >>> str(unknown("scenario", "tertiary1", ["tertiary-1", "tertiary-1-tiny"]))
    "scenario: unknown name 'tertiary1'; did you mean 'tertiary-1'? allowed: tertiary-1, tertiary-1-tiny"
    """
    names = sorted(allowed)
    close = nearest(name, [*names, *(also or {})])
    close = (also or {}).get(close or "", close)
    hint = f"did you mean {close!r}? " if close else ""
    return InputError(f"{what}: unknown name {shown(name)}; {hint}allowed: {', '.join(names)}")

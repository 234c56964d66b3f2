"""The statement: the ledger lines of all services and of the fleet side by side, and their total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.engine.compile import kernel
from der_gym.engine.program import Call

F8 = NDArray[np.float64]
FLEET = ""  # lines without a service's name before them
TOTAL = "total"
# Lines of one kind stand together: income, shares of it, running costs, deviations from the plan.
ORDER = ("revenue", "energy", "fee", "penalty", "owners", "owners_bill", "incentive", "habituation", "retailer",
         "maker", "wear", "message", "imbalance", "rebound", "lockout")  # fmt: skip


def line_key(service: str, line: str) -> str:
    """Return the name of a line in ``info`` and tables, such as ``tertiary_1_revenue`` or ``wear``."""
    return f"{service.replace('-', '_')}_{line}" if service else line


class Ledger:
    """Cumulative yen of ``n_world`` worlds, income positive.

    Parameters
    ----------
    parts : mapping
        Service id (`FLEET`: the fleet itself) -> (names of its lines, float64 (n_world, n_line)).
    deferred : sequence of (str, str)
        Service and line of payments for later days.
    n_world : int

    Attributes
    ----------
    lines : tuple of str
        Columns, ``total`` last; ``kinds`` are the same without the services' names.
    yen : float64 (n_world, n)
    deferred : int64 (k,)
        Columns that pay for later days.
    """

    def __init__(
        self, parts: Mapping[str, tuple[Sequence[str], F8]], deferred: Sequence[tuple[str, str]], n_world: int
    ) -> None:
        every = [(service, line) for service, (lines, _) in parts.items() for line in lines]
        every.sort(key=lambda pair: ORDER.index(pair[1]) if pair[1] in ORDER else len(ORDER))
        self.parts = parts
        self.lines = (*(line_key(*pair) for pair in every), TOTAL)
        self.kinds = (*(line for _, line in every), TOTAL)
        self.yen = np.zeros((n_world, len(self.lines)))
        self._places = {
            service: np.array([every.index((service, line)) for line in lines], dtype=np.int64)
            for service, (lines, _) in parts.items()
        }
        self.deferred = np.array([every.index(pair) for pair in deferred], dtype=np.int64)

    def number(self, line: str) -> int:
        """Return the column of a line; ValueError where there is none."""
        return self.lines.index(line)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array that a world's future depends on."""
        return {"ledger.yen": self.yen}

    def collecting(self, active: NDArray[np.bool_]) -> list[Call]:
        """Return the calls that copy the parts' lines into the statement and sum them."""
        last = [*self.parts][-1]
        return [
            Call(copy_lines, active, yen, self._places[service], service == last, self.yen, by_world=True)
            for service, (_, yen) in self.parts.items()
        ]


@kernel
def copy_lines(w0, w1, active, part, places, is_last, statement):  # type: ignore[no-untyped-def]
    """Copy a part's lines to their columns of the statement; after the last part's sum all, from first to last.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    active : bool (n_world,)
        Other worlds keep every bit.
    part : float64 (n_world, n)
    places : int64 (n,)
        Column of each line.
    is_last : bool
        Whether the total, the last column, is written as well.
    statement : float64 (n_world, n_line)
        Out.
    """
    last = statement.shape[1] - 1
    for w in range(w0, w1):
        if active[w]:
            for i in range(places.shape[0]):
                statement[w, places[i]] = part[w, i]
            if is_last:
                total = 0.0
                for line in range(last):
                    total += statement[w, line]
                statement[w, last] = total

"""What every market product shares: the shape of the plug-in."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


class Product(Protocol):
    """A product of the market for ``n_world`` worlds; see :class:`der_gym.markets.tertiary_1.Tertiary1`.

    Contract: arrays lead with the world; a world that is not masked or active keeps every bit; nothing random happens
    inside (requests and awards are given); every array that changes stands in ``arrays()``, so that a caller may save
    and restore chosen worlds by copying rows.
    """

    name: ClassVar[str]
    japanese: ClassVar[str]
    config_class: ClassVar[type[Any]]

    outcome: F8  # (n_world, n_block, n_column)
    book: F8  # (n_world, n_line), cumulative yen

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that changes, by name, not copied."""
        ...

    def minute(
        self,
        active: NDArray[np.bool_],
        minute: NDArray[np.int64],
        true_kw: F8,
        metered_kw: F8,
        plan_kw: F8,
        registers: F8,
    ) -> None:
        """Take the minute that has just ended."""
        ...

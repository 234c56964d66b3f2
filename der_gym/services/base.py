"""What every market product shares: the shape of the plug-in."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from der_gym.engine.program import Call

F8 = NDArray[np.float64]


class Product(Protocol):
    """A product of the market for ``n_world`` worlds; see :class:`der_gym.services.tertiary_1.service.Tertiary1`.

    Contract: arrays lead with the world; a world that is not masked or active keeps every bit; nothing random happens
    inside (requests and awards are given); every array that changes stands in ``arrays()``, so that a caller may save
    and restore chosen worlds by copying rows.
    """

    name: ClassVar[str]
    japanese: ClassVar[str]
    config_class: ClassVar[type[Any]]

    config: Any
    request_kw: F8  # (n_world, n_bin), announced at each 5-minute bin's start
    target_kw: F8  # (n_world, n_minute), the judged trajectory
    window_kw: F8  # (n_world, 2, n_window), least and greatest target over the allowed lags
    outcome: F8  # (n_world, n_block, n_column)
    book: F8  # (n_world, n_line), cumulative yen

    @property
    def award_kw(self) -> F8:
        """Return the reserved power, (n_world, n_block)."""

    def __init__(self, config: Any, n_world: int, n_block_awarded: int, n_block: int) -> None: ...

    def begin(
        self,
        mask: NDArray[np.bool_],
        award_kw: F8,
        request_kw: F8,
        imbalance_yen_kwh: F8,
        *,
        first_slot: NDArray[np.int64],
        failed_before: NDArray[np.int64],
        n_unit: NDArray[np.int64],
    ) -> None:
        """Start an episode in the masked worlds."""
        ...

    def skill(self) -> F8:
        """Return accuracy against doing nothing, (n_world,)."""
        ...

    def mae_share(self) -> F8:
        """Return the mean absolute error over the mean award, (n_world,)."""
        ...

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
    ) -> Call:
        """Return the call, by worlds, that takes the minute just ended; the arrays are read when it is made."""
        ...

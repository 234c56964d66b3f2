"""A service on its own: openings made by hand, and samples handed to its calls without a simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S, DAY_S, HOUR_S
from der_gym.engine.program import Call
from der_gym.services.base import Opening, Sample, Service
from der_gym.signals.calendar import day_of, is_holiday
from der_gym.signals.table import SIGNALS

Array = np.ndarray
PER = 30  # samples of a half hour


def opening(
    n_world: int,
    history_kw: Array,
    *,
    date: str = "2026-08-05",
    start_h: int = 9,
    n_block: int = 20,
    season: int = 1,
    seed: int = 0,
    mask: Array | None = None,
    day_off: Sequence[bool] | None = None,
    **signals: Array,
) -> Opening:
    """Return an opening of worlds that all have the same days before, (n_day, 48), and the same signals (n_step,)."""
    mask = np.ones(n_world, dtype=bool) if mask is None else mask
    day, n_day = day_of(date), len(history_kw)
    window = np.zeros((n_world, SIGNALS.N, n_block * 6), dtype=np.float32)
    for name, series in signals.items():
        window[:, SIGNALS.number(name)] = series
    kinds = np.zeros((n_world, 3, 3), dtype=np.int64)
    kinds[:, :, 0], kinds[:, :, 1] = is_holiday(day + np.arange(3)), season
    off = is_holiday(day - np.arange(n_day, 0, -1)) if day_off is None else np.array(day_off)
    which = np.flatnonzero(mask)
    return Opening(
        mask=mask,
        which=which,
        start_h=np.full(n_world, start_h),
        season=np.full(n_world, season),
        day0=np.full(n_world, day),
        abs_s=np.full(n_world, day * DAY_S + start_h * HOUR_S),
        kinds=kinds,
        window=window,
        history_kw=np.tile(history_kw, (n_world, 1, 1)),
        history_weekend=np.tile(off, (n_world, 1)),
        luck=[np.random.default_rng([seed, int(w)]) for w in which],
    )


class Alone:
    """The worlds of one service, driven sample by sample.

    ``plain`` maps a compiled kernel to what is called in its place.
    """

    def __init__(self, service: Service, plain: Callable[[Any], Any] = lambda kernel: kernel) -> None:
        self.service, self.n = service, service.scope.n_world
        n = self.n
        self.active, self.t_s = np.ones(n, dtype=bool), np.zeros(n)
        kinds = (bool, np.int64, float, float, float)
        self.sample = Sample(*(np.zeros(n, dtype=kind) for kind in kinds))
        self._settle = [self._made(call, plain) for call in service.settle(self.active, self.t_s, self.sample)]
        self._show = [self._made(call, plain) for call in service.show(self.active, self.t_s)]

    def _made(self, call: Call, plain: Callable[[Any], Any]) -> Callable[[], None]:
        assert call.by_world
        kernel, given = plain(call.kernel), call.given
        return lambda: kernel(0, self.n, *given)

    def show(self) -> dict[str, float]:
        """Return what world 0 is shown now."""
        for call in self._show:
            call()
        return dict(zip(self.service.FIELDS, self.service.shown[0].tolist(), strict=True))

    def take(self, metered_kw: Any, plan_kw: Any = 0.0, true_kw: Any = None) -> None:
        """Let a minute end in the active worlds with these means."""
        s, on = self.sample, self.active
        self.t_s[on] += 60.0
        s.ends[:] = on
        s.number[on] = (self.t_s[on] // 60.0).astype(np.int64) - 1
        s.metered_kw[:], s.plan_kw[:] = metered_kw, plan_kw
        s.true_kw[:] = metered_kw if true_kw is None else true_kw
        for call in self._settle:
            call()

    def half_hours(self, metered_kw: Sequence[Any], plan_kw: float = 0.0) -> None:
        """Let half hours pass with these constant powers."""
        for kw in metered_kw:
            for _ in range(BLOCK_S // 60):
                self.take(kw, plan_kw)

    def outcome(self, block: int, name: str) -> float:
        """Return a column of a half hour of world 0."""
        return float(self.service.outcome[0, block, self.service.OUTCOME.number(name)])

    def yen(self) -> dict[str, float]:
        """Return the ledger of world 0."""
        return dict(zip(self.service.LINES, self.service.ledger_yen[0].tolist(), strict=True))


def copied(service: Service) -> dict[str, Array]:
    """Return a copy of everything that a service changes."""
    return {name: array.copy() for name, array in service.arrays().items()}

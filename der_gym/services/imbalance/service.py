"""Imbalance (インバランス) as a service: it draws prices and hands its arrays to the kernels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.services.base import F8, Array, Opening, Sample, Scope, Service, ServiceConfig
from der_gym.services.imbalance import settlement as s
from der_gym.services.imbalance.config import ImbalanceConfig
from der_gym.services.imbalance.price import margin_pct, price_yen_kwh
from der_gym.signals.table import SIGNALS

_BINS = 6  # signals per half hour
_SLOT_PER_HOUR = HOUR_S // BLOCK_S
_LEAST_KW = 1e-3  # per device: expected power below it counts as this much, so that units are above 0


class Imbalance(Service):
    """A retail balancing group's plan against its actual, every half hour, at one price for short and long.

    Nothing is committed and nothing is asked for: the target is the plan itself, a response of 0. Dispatched reserve
    energy is no imbalance, so its node shares no leaf with a service that commands it.

    Parameters
    ----------
    config : ImbalanceConfig
    scope : Scope
    """

    name: ClassVar[str] = "imbalance"
    japanese: ClassVar[str] = "インバランス"
    Config: ClassVar[type[ServiceConfig]] = ImbalanceConfig
    LINES: ClassVar[Table] = s.LINES
    OUTCOME: ClassVar[Table] = s.OUTCOME
    FIELDS: ClassVar[Table] = s.FIELDS
    scales: ClassVar[dict[str, tuple[float | str, float, float]]] = {
        "published_yen_kwh": (30.0, 0.0, 10.0),
        "published_margin_pct": (10.0, 0.0, 5.0),
    }

    reads_history: ClassVar[bool] = True
    keeps_plan: ClassVar[bool] = True

    config: ImbalanceConfig

    def __init__(self, config: ImbalanceConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._terms = np.zeros((scope.n_world, scope.n_block, s.TERMS.N))
        self._acc = np.zeros((scope.n_world, s.ACC.N))

    @property
    def stands_by(self) -> bool:
        """Return whether stores stand by for balancing."""
        return bool(self.config.stores_stand_by)

    def standing(self) -> NDArray[np.bool_]:
        """Return the half hours in which stores stand by, (n_world, n_block): all of the episode, or none."""
        return np.full(self.award_kw.shape, self.stands_by)

    def arrays(self) -> dict[str, Array]:
        """Return everything that ``draw`` or the calls change, by name, not copied."""
        return super().arrays() | {"terms": self._terms, "acc": self._acc}

    def draw(self, opening: Opening) -> None:
        """Draw the reserve margin and price of every half hour of the masked worlds."""
        mask, n_block = opening.mask, self.scope.n_block
        for name in ("outcome", "ledger_yen", "outside_kwh", "outside_yen_kwh", "score_kw", "shown", "_acc"):
            getattr(self, name)[mask] = 0.0
        self.outcome[mask, :, s.OUTCOME.PASSED] = np.nan
        for w, generator in zip(opening.which, opening.luck, strict=True):
            window = opening.window[w, :, : n_block * _BINS].astype(np.float64)
            margin = margin_pct(self.config, window[SIGNALS.RESIDUAL], generator.standard_normal(n_block))
            base = window[SIGNALS.IMBALANCE_YEN, ::_BINS]
            price = price_yen_kwh(self.config, base, margin, int(opening.abs_s[w]))
            expected = self._expected_kw(int(w), opening)
            self._terms[w] = np.stack([price, margin, expected], axis=1)
            self._acc[w, s.ACC.FIRST_YEN] = window[SIGNALS.SPOT_YEN, 0]
            self.unit_kw[w] = expected.max()

    def settle(self, active: Array, t_s: F8, sample: Sample) -> list[Call]:
        """Return the call, by worlds, that takes the sample just ended."""
        given = (active, *sample, BLOCK_S // self.periods.sample_s, self.config.idle_error_share)
        books = (self._terms, self._acc, self.outcome, self.ledger_yen)
        own = (*books, self.outside_kwh, self.outside_yen_kwh, self.score_kw)
        return [Call(s.advance, *given, *own, by_world=True)]

    def show(self, active: Array, t_s: F8) -> list[Call]:
        """Return the call, by worlds, that shows the last published price and margin."""
        c = self.config
        given = (active, t_s, c.published_after, c.margin_mean_pct)
        return [Call(s.publish, *given, self._terms, self._acc, self.shown, by_world=True)]

    def yardstick_yen(self, mask: Array, costs: Any) -> F8:
        """Return ``stake_share`` of the expected energy at the mean price, yen, (n,), 1 at least: a unit of money."""
        terms = self._terms[mask]
        kwh = terms[:, :, s.TERMS.EXPECTED_KW].sum(axis=1) * BLOCK_S / HOUR_S
        yen: F8 = self.config.stake_share * kwh * terms[:, :, s.TERMS.PRICE_YEN_KWH].mean(axis=1)
        return np.maximum(yen, 1.0)

    def yardstick_kw(self, mask: Array) -> F8:
        """Return the stated error of an idle group, kW x half hours, (n,)."""
        expected: F8 = self._terms[mask][:, :, s.TERMS.EXPECTED_KW].sum(axis=1)
        return self.config.idle_error_share * expected

    def skill(self) -> F8:
        """Return 1 - sum|mean error| / stated error of an idle group, over the half hours so far, (n_world,)."""
        error, idle = self.score_kw[:, s.ERROR], self.score_kw[:, s.IDLE]
        ratio: F8 = np.divide(error, idle, out=np.ones_like(error), where=idle > 0.0)
        return 1.0 - ratio

    def mae_share(self) -> F8:
        """Return the mean |error| of a half hour over the mean expected power, (n_world,); 0 before the first."""
        error, idle = self.score_kw[:, s.ERROR], self.score_kw[:, s.IDLE]
        share: F8 = np.divide(error, idle, out=np.zeros_like(error), where=idle > 0.0)
        return share * self.config.idle_error_share

    def bias_kw(self) -> F8:
        """Return |mean error| over the half hours that have ended, kW, (n_world,); a bias is improper conduct."""
        bias: F8 = np.abs(self._acc[:, s.ACC.ERROR_KW]) / np.maximum(self._acc[:, s.ACC.BLOCKS], 1.0)
        return bias

    def _expected_kw(self, w: int, opening: Opening) -> F8:
        """Return the |power| expected in each half hour, kW, (n_block,): the mean of the days of the same kind."""
        like = opening.history_weekend[w] == bool(opening.kinds[w, 0, 0])
        days = opening.history_kw[w, like if like.any() else slice(None)]
        slot = (int(opening.start_h[w]) * _SLOT_PER_HOUR + np.arange(self.scope.n_block)) % SLOT_PER_DAY
        expected: F8 = np.maximum(np.abs(days.mean(axis=0)[slot]), _LEAST_KW * self.scope.n_device)
        return expected

"""A purchase of the sun's surplus as a service: imbalance against the plan and what was bought beyond it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.engine.program import Call
from der_gym.engine.schema import Table
from der_gym.services.base import F8, Array, Opening, Sample, Scope, ServiceConfig
from der_gym.services.imbalance.service import Imbalance
from der_gym.services.imbalance.settlement import ERROR, TERMS
from der_gym.services.solar_purchase import settlement as s
from der_gym.services.solar_purchase.config import SolarPurchaseConfig
from der_gym.signals.table import SIGNALS

_MINUTES = BLOCK_S // 60
_STEPS = 6  # signals per half hour


class SolarPurchase(Imbalance):
    """A retailer's balancing group that shall draw more than usual while the sun gives too much.

    The group is settled like `Imbalance`, against its plan plus the purchase, at ``surplus_yen_kwh`` in the hours of
    the purchase. The target is a response of minus the purchase: downward. What is drawn of the purchase earns
    ``used_yen_kwh`` besides.

    Parameters
    ----------
    config : SolarPurchaseConfig
    scope : Scope
    """

    name: ClassVar[str] = "solar-purchase"
    japanese: ClassVar[str] = "余剰電力の先買い"
    Config: ClassVar[type[ServiceConfig]] = SolarPurchaseConfig
    LINES: ClassVar[Table] = s.LINES
    FIELDS: ClassVar[Table] = s.FIELDS
    scales: ClassVar[dict[str, tuple[float | str, float, float]]] = {
        **Imbalance.scales,
        "more_kw": ("award", 0.0, 5.0),
        "more_next_kw": ("award", 0.0, 5.0),
        "bought_kwh": ("award", 0.0, 24.0),
    }

    config: SolarPurchaseConfig

    def __init__(self, config: SolarPurchaseConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._purchase_kw = np.zeros((scope.n_world, scope.n_block))

    def arrays(self) -> dict[str, Array]:
        """Return everything that ``draw`` or the calls change, by name, not copied."""
        return super().arrays() | {"purchase_kw": self._purchase_kw}

    def draw(self, opening: Opening) -> None:
        """Draw prices as imbalance does, and set the purchase of the masked worlds."""
        super().draw(opening)
        c, per_hour = self.config, HOUR_S // BLOCK_S
        kw = c.purchase_per_1000_kw * self.scope.n_device / 1000.0
        for w in opening.which:
            slot = (int(opening.start_h[w]) * per_hour + np.arange(self.scope.n_block)) % SLOT_PER_DAY
            hours = (slot >= c.from_h * per_hour) & (slot < c.to_h * per_hour)
            self._purchase_kw[w] = np.where(hours, kw * self._sun_share(opening.window[w]), 0.0)
            self._terms[w, hours, TERMS.PRICE_YEN_KWH] = c.surplus_yen_kwh
            self.target_kw[w] = np.repeat(-self._purchase_kw[w], _MINUTES)

    def _sun_share(self, window: Array) -> F8:
        """Return the part of the greatest purchase that the forecast sun of each half hour brings, (n_block,)."""
        n, full = self.scope.n_block, self.config.full_sun_kw_m2
        if full is None:
            return np.ones(n)
        sun = window[SIGNALS.SUN_FORECAST_KW_M2, : n * _STEPS].astype(np.float64).reshape(n, _STEPS).mean(axis=1)
        share: F8 = np.minimum(sun / full, 1.0)
        return share

    def settle(self, active: Array, t_s: F8, sample: Sample) -> list[Call]:
        """Return the calls, by worlds, that take the sample just ended."""
        per = BLOCK_S // self.periods.sample_s
        adds = Call(s.add_purchase, sample.ends, sample.number, per, self._purchase_kw, sample.plan_kw, by_world=True)
        own = (self._purchase_kw, self.config.used_yen_kwh, self.outcome, self.ledger_yen, self.score_kw)
        books = Call(s.book_used, active, sample.ends, sample.number, per, *own, by_world=True)
        return [adds, *super().settle(active, t_s, sample), books]

    def show(self, active: Array, t_s: F8) -> list[Call]:
        """Return the calls, by worlds, that show the last published price and margin, and the purchase."""
        return [*super().show(active, t_s), Call(s.reveal, active, t_s, self._purchase_kw, self.shown, by_world=True)]

    def yardstick_yen(self, mask: Array, costs: Any) -> F8:
        """Return the unit of imbalance and the worth of the whole purchase, yen, (n,)."""
        kwh: F8 = self._purchase_kw[mask].sum(axis=1) * BLOCK_S / HOUR_S
        return super().yardstick_yen(mask, costs) + kwh * self.config.used_yen_kwh

    def yardstick_kw(self, mask: Array) -> F8:
        """Return the stated error of an idle group, kW x half hours, (n,): it leaves the whole purchase."""
        left: F8 = self._purchase_kw[mask].sum(axis=1)
        return super().yardstick_kw(mask) + left

    def mae_share(self) -> F8:
        """Return the sum of |error| of the half hours over the sum of the purchase, (n_world,)."""
        bought = self._purchase_kw.sum(axis=1)
        share: F8 = np.divide(self.score_kw[:, ERROR], bought, out=np.zeros_like(bought), where=bought > 0.0)
        return share

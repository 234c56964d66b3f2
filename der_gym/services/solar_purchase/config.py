"""The settings of a purchase of the sun's surplus; the rest is imbalance.

Standing: [S] read in secondary text that names its primary, [A] assumption.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from der_gym.services.imbalance.config import ImbalanceConfig


class SolarPurchaseConfig(ImbalanceConfig):
    """Imbalance of a group for which more was bought than it would draw, in the hours of the sun's surplus."""

    purchase_per_1000_kw: float = Field(150.0, gt=0.0, le=5000.0)
    """Bought beyond the plan per 1,000 devices of the node, kW [A]."""
    from_h: int = Field(10, ge=0, le=23)
    """First hour of the purchase [A]: prices touch 0.01 yen/kWh around noon in 5 % of a southern area's half hours
    [S]."""
    to_h: int = Field(14, ge=1, le=24)
    """Its end [A]."""
    full_sun_kw_m2: float | None = Field(None, gt=0.0, le=1.5)
    """Forecast sun of a half hour, on the horizontal, at which all of ``purchase_per_1000_kw`` is bought; less sun,
    proportionally less [A] .6-.9. None: as much on every day."""
    surplus_yen_kwh: float = Field(0.01, ge=0.0, le=100.0)
    """Imbalance price in those hours: 0 while PV is curtailed and the system is long [S]; what is not drawn is lost."""
    used_yen_kwh: float = Field(20.0, ge=0.0, le=100.0)
    """Worth of a bought kWh that the group draws, beside the imbalance price: 5-20 yen/kWh are paid for upward demand
    in such hours [S]."""

    @model_validator(mode="after")
    def _hours_fit(self) -> SolarPurchaseConfig:
        if self.from_h >= self.to_h:
            raise ValueError(f"from_h {self.from_h}, to_h {self.to_h}; allowed: from_h before to_h")
        return self

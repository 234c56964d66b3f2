"""Settings of the V2H charger: a car's days are those of `ev`, what the charger adds has its standing beside it."""

from __future__ import annotations

from pydantic import Field, model_validator

from der_gym.core.errors import InputError
from der_gym.devices.ev.config import LAYOUT as EV_LAYOUT
from der_gym.devices.ev.config import EVConfig, Pair
from der_gym.devices.layout import Layout


class V2HConfig(EVConfig):
    """Settings of the charger that also discharges a car's battery into its home (V2H, ECHONET 0x027E).

    When cars come, go and what they need is set as for one-way chargers.
    """

    charger_kw: Pair = Field((6.0, 6.0), description="DC, kW [V DENSO: at most 6 kW].")
    plug_floor: float = Field(0.7, ge=0, le=1, description="Least plug-in probability a day of V2H owners [A].")
    handshake_s: Pair = Field(
        (30.0, 90.0), description="Until the contactor closes: CHAdeMO, insulation check, uniform, s [M]."
    )
    hold_s: float = Field(
        900.0, ge=60, le=7200, description="Without current until the contactor opens, s [A]; 300-3600."
    )
    flip_s: Pair = Field((5.0, 20.0), description="From charging to discharging or back, uniform, s [M].")
    floor_share: Pair = Field(
        (0.2, 0.5), description="Never discharged below; 10-90 % settable [V DENSO], drawn between these [A]."
    )
    trip_ready_share: float = Field(
        0.8, ge=0, le=1, description="Of charged_to, what a car must hold when it leaves [A]; .6-1."
    )
    cycles_per_day: int = Field(
        4,
        ge=1,
        le=50,
        description="Closings of the contactor from noon to noon; commands leave the last one [A]; 2-10.",
    )
    feed_back_share: float = Field(0.1, ge=0, le=1, description="Homes that may feed the grid from the car [A].")

    @model_validator(mode="after")
    def _pairs(self) -> V2HConfig:
        for name in ("handshake_s", "flip_s", "floor_share"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise InputError(f"v2h.{name}: {low:g}, {high:g}; allowed: two numbers >= 0, the first not above")
        if self.floor_share[1] > self.charged_to:
            raise InputError(
                f"v2h.floor_share: {self.floor_share[1]:g}; allowed: at most charged_to {self.charged_to:g}"
            )
        return self


LAYOUT = Layout(V2HConfig, above=EV_LAYOUT)
CFG = LAYOUT.table

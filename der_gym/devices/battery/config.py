"""Settings of the home battery, and where its kernels find them.

References
----------
.. [1] OCHRE 0.9.2 (round trip .904) and CityLearn 3.0.2 (power over state of charge), read in source [V].
.. [2] ITmedia SmartJapan 2025-02: usable 8.0 kWh in stock, 9.32 kWh shipped in the first half of 2024 [V].
.. [3] Tokyu Power Supply 2026-03-12: 131 batteries gave 422 kW of charge, 3.2 kW each [V].
.. [4] Issue trackers: Neovolt #7 (a discharge takes 2-5 min to stop, a charge starts at once), wlcrs #270 (a change of
   mode takes 600 s), SolarEdge and Zendure (0-10 s, 3-6 s after a local command) [V].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from der_gym.devices.base import DeviceConfig
from der_gym.devices.layout import Layout

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Kwh = Annotated[float, Field(gt=0.0, le=50.0)]
MIX = 8  # most entries of a discrete mix


class BatteryConfig(DeviceConfig):
    """Home batteries. Ranges are for domain randomisation; the standing of each number stands beside it."""

    usable_kwh: tuple[Kwh, ...] = (4.0, 6.5, 9.8, 12.7, 16.0)  # means [2] [V], mix [A]
    usable_share: tuple[Share, ...] = (0.15, 0.25, 0.40, 0.12, 0.08)
    usable_spread: float = Field(0.03, ge=0.0, le=0.2)  # uniform +- around an entry; [A]
    rated_mean_kw: float = Field(3.6, ge=2.0, le=5.9)  # AC, N held within 2..5.9; 3.2 [3] [C], 3.2-4 [A]
    rated_sd_kw: float = Field(1.0, ge=0.0, le=2.0)  # [A]
    rated_min_kw: float = Field(2.0, gt=0.0, le=10.0)
    rated_max_kw: float = Field(5.9, gt=0.0, le=10.0)
    c_rate_max_per_h: float = Field(0.75, gt=0.0, le=3.0)  # small packs come with small inverters; [A] .5-1
    round_trip_mean: float = Field(0.88, ge=0.80, le=0.93)  # AC to AC; [A], OCHRE .904 [1]
    round_trip_sd: float = Field(0.03, ge=0.0, le=0.05)  # held within .80..93; [A]
    reserve: tuple[Share, ...] = (0.0, 0.1, 0.2, 0.3)  # kept for a blackout, share of usable; 20 % typical [V METI]
    reserve_share: tuple[Share, ...] = (0.1, 0.2, 0.4, 0.3)  # [A]
    standby_min_kw: float = Field(0.010, ge=0.0, le=0.1)  # 5-15 W asleep, 20-60 W awake; uniform; [M]
    standby_max_kw: float = Field(0.040, ge=0.0, le=0.1)
    taper_from: float = Field(0.8, ge=0.0, le=0.95)  # state of charge where the charge starts to fall [1] [V]
    taper_to: float = Field(0.2, ge=0.0, le=0.99)  # share of rated power left when full [1] [V]
    dead_median_s: float = Field(2.0, gt=0.0, le=60.0)  # lognormal, a command by local network [4] [V]
    dead_sigma: float = Field(0.7, ge=0.0, le=1.5)
    slow_firmware_share: Share = 0.03  # of units that answer slow_firmware_s later; .02-.05 [A]
    slow_firmware_s: float = Field(600.0, ge=0.0, le=1200.0)  # [4] [V]; here at each command, not only at a new mode
    ramp_fast_share: Share = 0.7  # full power within 0.2-2 s; shares [A]
    ramp_middle_share: Share = 0.2  # within 10-30 s; the rest is fast but for the end of a discharge
    ramp_fast_min_s: float = Field(0.2, gt=0.0, le=10.0)
    ramp_fast_max_s: float = Field(2.0, gt=0.0, le=10.0)
    ramp_middle_min_s: float = Field(10.0, gt=0.0, le=120.0)
    ramp_middle_max_s: float = Field(30.0, gt=0.0, le=120.0)
    release_min_s: float = Field(120.0, gt=0.0, le=600.0)  # from full discharge to nothing [4] [V]
    release_max_s: float = Field(300.0, gt=0.0, le=600.0)
    gain_sd: float = Field(0.02, ge=0.0, le=0.1)  # power over set-point; [A]
    offset_sd_kw: float = Field(0.030, ge=0.0, le=0.2)  # [A]
    feed_back_share: Share = 0.75  # may feed the grid from the battery; of recruited batteries [A]
    night_start_max_min: float = Field(240.0, ge=0.0, le=479.0)  # minutes after 23 h, uniform, whole; [A]
    night_target_min: Share = 0.5  # owner's target between reserve and full, uniform; [A]
    night_target_max: Share = 1.0
    # homes with panels that charge by night (mid-season, summer, winter): the sun fills the store in the light seasons;
    # [A], set so that 420 feeding batteries hold about 1,500 kWh above reserve at 18 h in winter and 600 at 23 h [C]
    night_share_pv: tuple[Share, Share, Share] = (0.20, 0.10, 0.35)

    @model_validator(mode="after")
    def _mixes_fit(self) -> BatteryConfig:
        for name, values, shares in (
            ("usable_kwh", self.usable_kwh, self.usable_share),
            ("reserve", self.reserve, self.reserve_share),
        ):
            if not 1 <= len(values) <= MIX or len(values) != len(shares):
                raise ValueError(f"{name} needs 1..{MIX} entries, a share each; got {len(values)} and {len(shares)}")
            if abs(sum(shares) - 1.0) > 1e-6:
                raise ValueError(f"shares of {name} must add up to 1, got {sum(shares):g}")
        if max(self.reserve) >= 0.95:
            raise ValueError(f"reserve must stay below 0.95, got {max(self.reserve):g}")
        return self

    @model_validator(mode="after")
    def _ranges_fit(self) -> BatteryConfig:
        for low, high in _RANGES:
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low):g} must not exceed {high} {getattr(self, high):g}")
        if self.ramp_fast_share + self.ramp_middle_share > 1.0:
            raise ValueError("ramp_fast_share + ramp_middle_share must not exceed 1")
        return self


_RANGES = (
    ("rated_min_kw", "rated_max_kw"),
    ("standby_min_kw", "standby_max_kw"),
    ("ramp_fast_min_s", "ramp_fast_max_s"),
    ("ramp_middle_min_s", "ramp_middle_max_s"),
    ("release_min_s", "release_max_s"),
    ("night_target_min", "night_target_max"),
)


def _mix(values: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Return ``MIX`` values, then the cumulated shares at which the next value begins."""
    spare = MIX - len(values)
    return [*values, *[values[-1]] * spare, *np.cumsum(shares)[:-1], *[2.0] * (spare + 1)]


LAYOUT = Layout(
    BatteryConfig,
    usable_kwh=lambda c: _mix(c.usable_kwh, c.usable_share),
    usable_share=None,
    reserve=lambda c: _mix(c.reserve, c.reserve_share),
    reserve_share=None,
)
CFG = LAYOUT.table

"""Settings of the EcoCute, and where its kernels find them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from der_gym.core.errors import InputError
from der_gym.devices.base import DeviceConfig
from der_gym.devices.layout import Layout

N_PERSONS = 5
HOURS, SLOTS = 24, 96  # of a day; a slot of hot water is 15 minutes
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Litres = Annotated[float, Field(gt=0.0, le=2000.0)]
Shares5 = tuple[Share, Share, Share, Share, Share]
Litres5 = tuple[Litres, Litres, Litres, Litres, Litres]

# Rated data by efficiency class e_rtd = APF - 0.7: Japanese housing energy standard, section 7-1, appendix E, table
# 4(b) as coded in BRI-EES-House/pyhees, section7_1_e.py [V]. The heating capacity of every test is 4.5 kW.
# (input kW at 25, 16 and 7 degC with boiling to 65 degC; COP at 2 degC and 90 degC without and with defrost; A_p; B_p)
CLASSES = (
    (1.031, 1.175, 1.263, 2.56, 2.37, 0.0135, 0.4961),  # 2.7, the standard's default
    (0.954, 1.088, 1.170, 2.76, 2.56, 0.0125, 0.4574),  # 3.0
    (0.879, 1.002, 1.077, 3.00, 2.78, 0.0115, 0.4228),  # 3.3
    (0.803, 0.915, 0.984, 3.28, 3.04, 0.0105, 0.3858),  # 3.6
)
CAPACITY_KW = 4.5

N_SORT = 2 * len(CLASSES)


class EcoCuteConfig(DeviceConfig):
    """Settings of the EcoCute (heat-pump water heater).

    Marks: [V] read in a source, [C] computed, [A] assumed, [M] from memory, stylised.

    Sources: the Japanese housing energy standard, section 7-1, appendices E (heat pump) and M (hot-water use), as coded
    in BRI-EES-House/pyhees; OCHRE 0.9 (ochre-nrel). Litres of hot water are at ``use_c``.
    """

    household_share: Shares5 = Field((0.10, 0.28, 0.25, 0.25, 0.12), description="homes of 1..5+ persons [A]")
    weekday_l: Litres5 = Field(
        (180.0, 272.0, 403.0, 454.0, 505.0),
        description="mean hot water of a weekday, L: M day of appendix M [V]; 5+ persons extrapolated [A]",
    )
    weekend_l: Litres5 = Field(
        (212.0, 316.0, 447.0, 498.0, 555.0),
        description="weekend or holiday, L: at home L .35, S .35, out .30 of appendix M [C]; 5+ persons [A]",
    )
    bath_share: Shares5 = Field((0.4, 0.75, 0.9, 0.9, 0.9), description="days with a bath, by persons [A] after [V]")
    bath_l: Litres = Field(180.0, description="one bath, L [V]")
    bath_hour: float = Field(19.5, ge=15.0, le=22.5, description="mean start of the bath, h [A]")
    bath_sd_h: float = Field(1.2, ge=0.0, le=3.0, description="its standard deviation, h [A]")
    shower_share: Share = Field(0.5, description="of the hot water beside the bath, in the hours after it [C]")
    shower_l: Litres = Field(50.0, description="one shower, L [V]")
    shower_h: float = Field(3.0, ge=0.25, le=6.0, description="how long showers go on after the bath, h [V]")
    other_l: tuple[Litres, Litres] = Field((3.0, 8.0), description="least and most of one draw at a tap, L [A]")
    other_by_hour: tuple[Annotated[float, Field(ge=0.0)], ...] = Field(
        (0, 0, 0, 0, 0, 0, 9, 8, 7, 4, 1, 2, 10, 1, 0, 0, 1, 9, 14, 6, 20, 3, 3, 2),
        min_length=HOURS,
        max_length=HOURS,
        description="weights of kitchen and washbasin by hour [C] from appendix M",
    )
    day_sigma: float = Field(0.3, ge=0.0, le=0.8, description="log-normal spread of a day's hot water, mean 1 [A]")
    use_c: float = Field(40.0, ge=35.0, le=50.0, description="temperature at the tap, degC [V]")
    tank_l: tuple[Litres, Litres] = Field((370.0, 460.0), description="small and large tank, L [V]")
    large_share: Shares5 = Field((0.1, 0.25, 0.5, 0.75, 0.95), description="large tanks, by persons [A]")
    class_share: tuple[Share, Share, Share, Share] = Field(
        (0.2, 0.3, 0.35, 0.15), description="efficiency classes 2.7, 3.0, 3.3, 3.6 [A]"
    )
    boil_c: float = Field(65.0, ge=60.0, le=90.0, description="boiling temperature outside winter, degC [V]")
    boil_winter_c: tuple[float, float] = Field((69.0, 76.0), description="winter, first and second mode, degC [V]")
    second_mode_share: Share = Field(0.4, description="homes on the second mode [V] as a weight of the standard")
    loss_k_w: float = Field(0.3, gt=0.05, le=2.0, description="thermal resistance of the tank, K/W [V]")
    aux_on_w: float = Field(21.0, ge=0.0, le=100.0, description="controls and pumps while boiling, W [V]")
    aux_off_w: float = Field(6.0, ge=0.0, le=100.0, description="standby, W [V]")
    day_boil_share: Share = Field(0.30, description="homes that boil by day (day tariff, own PV) [A]")
    night_h: tuple[float, float] = Field(
        (23.0, 7.0), description="night boil: opens, ends, h [V]; the cheap tariff [M]"
    )
    day_h: tuple[float, float] = Field((9.0, 16.0), description="day boil: opens [A], ends [V], h")
    lead_s: tuple[float, float] = Field((0.0, 3600.0), description="uniform: own schedule aims to end so early, s [A]")
    margin: float = Field(
        1.7, ge=1.0, le=3.0, description="heat wanted over the learned mean daily use; few evening reheats at 1.7 [A]"
    )
    reserve_l: float = Field(100.0, ge=0.0, le=300.0, description="and so many litres at floor_c on top, L [A]")
    floor_l: float = Field(50.0, ge=0.0, le=150.0, description="reheats at once below, L at floor_c [A]")
    reheat_l: float = Field(100.0, ge=0.0, le=300.0, description="such a reheat goes on to, L at floor_c [A]")
    floor_c: float = Field(
        42.0, ge=38.0, le=60.0, description="temperature that floor and reserve are counted at, degC"
    )
    min_on_s: float = Field(900.0, ge=60.0, le=3600.0, description="10-20 min [A]")
    min_off_s: float = Field(600.0, ge=60.0, le=3600.0, description="5-10 min [A]")
    starts_per_day: int = Field(5, ge=3, le=20, description="hard limit of starts a day, any cause [A]")
    starts_kept: int = Field(
        2, ge=2, le=5, description="of them no command may cause; the very last is for reheating alone [A]"
    )
    ramp_s: tuple[float, float] = Field((180.0, 480.0), description="uniform: start to full power, s [M] stylised")
    dead_s: tuple[float, float] = Field((30.0, 120.0), description="uniform: command to compressor, s [M] stylised")
    shown_sd: float = Field(0.05, ge=0.0, le=0.3, description="sd of the gain of the power it reports (no sensor) [A]")

    @model_validator(mode="after")
    def _consistent(self) -> EcoCuteConfig:
        for name in ("household_share", "class_share"):
            if abs(sum(getattr(self, name)) - 1.0) > 1e-6:
                raise InputError(f"ecocute.{name}: the shares must add up to 1, not {sum(getattr(self, name)):.4g}")
        for name in ("lead_s", "ramp_s", "dead_s", "other_l", "tank_l", "boil_winter_c"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high:
                raise InputError(
                    f"ecocute.{name}: the first must be at least 0 and at most the second, not {low}, {high}"
                )
        _check(self.ramp_s[0] > 0.0, "ramp_s", "must be above 0", self.ramp_s)
        for name in ("night_h", "day_h"):
            hours = getattr(self, name)
            _check(min(hours) >= 0.0 and max(hours) < 24.0, name, "must be hours of the day, 0 to below 24", hours)
        _check(sum(self.other_by_hour) > 0.0, "other_by_hour", "must hold a weight above 0", self.other_by_hour)
        _check(self.floor_l <= self.reheat_l, "reheat_l", f"must be at least floor_l = {self.floor_l}", self.reheat_l)
        _check(self.starts_kept < self.starts_per_day, "starts_kept", "must be below starts_per_day", self.starts_kept)
        return self


def _check(fine: bool, name: str, rule: str, value: object) -> None:
    if not fine:
        raise InputError(f"ecocute.{name}: {rule}, not {value}")


def used_by_hour(config: EcoCuteConfig) -> NDArray[np.float64]:
    """Return the share of the mean home's daily hot water used before each hour 0..24, float64 (25,)."""
    share = np.asarray(config.household_share)
    total_l = float(share @ np.asarray(config.weekday_l))
    bath_l = min(float(share @ np.asarray(config.bath_share)) * config.bath_l, 0.9 * total_l)
    middle_h = (np.arange(SLOTS) + 0.5) / 4
    bath = np.exp(-0.5 * ((middle_h - config.bath_hour) / max(config.bath_sd_h, 0.1)) ** 2)
    n_shower = round(4 * config.shower_h)
    shower = np.convolve(bath, np.append(0.0, np.ones(n_shower)))[:SLOTS]
    other = np.repeat(np.asarray(config.other_by_hour, np.float64), 4)
    rest_l = total_l - bath_l
    litres = bath_l * bath / bath.sum() + rest_l * config.shower_share * shower / shower.sum()
    litres += rest_l * (1 - config.shower_share) * other / other.sum()
    return np.concatenate([[0.0], np.cumsum(litres.reshape(HOURS, 4).sum(axis=1)) / total_l])


def _by_hour(weights: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the share of the tap draws in each hour."""
    hours = np.asarray(weights, np.float64)
    by_hour: NDArray[np.float64] = hours / hours.sum()
    return by_hour


LAYOUT = Layout(
    EcoCuteConfig,
    household_share=lambda c: np.cumsum(c.household_share),
    class_share=lambda c: np.cumsum(c.class_share),
    other_by_hour=lambda c: _by_hour(c.other_by_hour),
    used=used_by_hour,  # share of a day's hot water used before each hour, 0..24
)
CFG = LAYOUT.table

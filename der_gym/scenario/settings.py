"""Settings that compose the layers' own: the market's window and award, the pool, the signals' sources, the reward."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, create_model, field_validator, model_validator

from der_gym.core.errors import unknown
from der_gym.devices import DEVICES
from der_gym.devices.base import DeviceConfig
from der_gym.devices.behaviour import BehaviourConfig
from der_gym.devices.site import HouseConfig
from der_gym.scenario.merging import PATH
from der_gym.services.baselines.forecast import PlanConfig
from der_gym.services.tertiary_1.config import Tertiary1Config
from der_gym.signals.jepx import AREAS
from der_gym.signals.jma import STATIONS
from der_gym.signals.request import RequestConfig
from der_gym.signals.synthetic import SyntheticConfig

Season = Literal["mid", "summer", "winter"]
SEASONS: tuple[Season, ...] = ("mid", "summer", "winter")  # in the order of signals.calendar.season


class Settings(BaseModel):
    """Base of the settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _devices_model() -> type[DeviceConfig]:
    fields: dict[str, Any] = {name: (DEVICES[name].config, DEVICES[name].config()) for name in DEVICES}
    fields |= {"house": (HouseConfig, HouseConfig()), "behaviour": (BehaviourConfig, BehaviourConfig())}
    return create_model("DevicesConfig", __base__=DeviceConfig, **fields)


DevicesConfig = _devices_model()

# 75 % of the least availability over the window, energy included, kW per 1,000 devices of the default mix [C]
AWARD_TABLE: dict[Season, dict[int, float]] = {
    "winter": {1: 350, 5: 550, 10: 500, 14: 800, 17: 800, 20: 500},
    "mid": {1: 450, 5: 600, 10: 700, 14: 900, 17: 900, 20: 650},
    "summer": {1: 500, 5: 600, 10: 750, 14: 950, 17: 900, 20: 750},
}


class MarketSettings(Settings):
    """The product, its window, and how much is awarded."""

    product: str = "tertiary-1"
    rules: Tertiary1Config = Tertiary1Config()
    plan: PlanConfig = PlanConfig()
    request: RequestConfig = RequestConfig()
    n_block: int = Field(12, ge=1, le=48, description="awarded blocks of 30 minutes")
    n_block_after: int = Field(2, ge=1, le=12, description="unawarded blocks at the end: the rebound belongs to it")
    starts_h: tuple[int, ...] = Field((5, 14, 17), min_length=1, description="hours at which a window may start")
    seasons: tuple[Season, ...] = Field(SEASONS, min_length=1)
    award_table_kw: dict[Season, dict[int, float]] = Field(
        default_factory=lambda: AWARD_TABLE, description="award per 1,000 devices by season and start hour"
    )
    award_share: float = Field(1.0, gt=0, le=10, description="times the table's award")
    award_kw: float | None = Field(None, gt=0, description="a fixed award instead of the table's")
    limits: Literal["enforce", "warn", "off"] = Field(
        "warn", description="what an award above the p10 availability does"
    )
    failed_before_max: int = Field(2, ge=0, le=2, description="blocks failed in the 30 days before, drawn in 0..this")

    @model_validator(mode="after")
    def _starts_known(self) -> MarketSettings:
        if self.award_kw is None:
            for season in self.seasons:
                missing = [h for h in self.starts_h if h not in self.award_table_kw.get(season, {})]
                if missing:
                    known = sorted(self.award_table_kw.get(season, {}))
                    raise ValueError(
                        f"starts_h {missing[0]}: no award for {season} in award_table_kw; allowed: {known}"
                    )
        if any(not 0 <= h <= 23 for h in self.starts_h):
            raise ValueError(f"starts_h {self.starts_h}: hours of the day; allowed: 0..23")
        return self


class SignalSettings(Settings):
    """Where prices, demand and weather come from: made up, or a publisher's files."""

    synthetic: SyntheticConfig = SyntheticConfig()
    prices: str | None = Field(None, description="JEPX spot summary CSV", json_schema_extra=PATH)
    demand: str | None = Field(None, description="area 5-minute demand and PV CSV", json_schema_extra=PATH)
    weather: str | None = Field(None, description="JMA hourly CSV", json_schema_extra=PATH)
    request: str | None = Field(None, description="one's own request CSV", json_schema_extra=PATH)
    request_sign: Literal["upward_positive", "upward_negative"] = "upward_positive"
    area: str = Field("tokyo", description="price area of the file of prices")
    station: str = Field("tokyo", description="weather station of the file of weather")
    start: str | None = Field(None, description="a fixed date YYYY-MM-DD of the episode")
    storm_share: float = Field(0.0, ge=0, le=1, description="days under a storm warning: batteries hold full")

    @field_validator("area", "station")
    @classmethod
    def _place_known(cls, value: str, info: ValidationInfo) -> str:
        known = AREAS if info.field_name == "area" else STATIONS
        if value not in known:
            raise unknown("signals", value, known)
        return value

    @model_validator(mode="after")
    def _nothing_idle(self) -> SignalSettings:
        """Refuse what would change nothing: made-up series are Tokyo's, and only a file has a sign."""
        for name, source in (("area", "prices"), ("station", "weather"), ("request_sign", "request")):
            value = getattr(self, name)
            if getattr(self, source) is None and value != type(self).model_fields[name].default:
                raise ValueError(f"{name} {value!r} changes nothing without a file; allowed: with signals.{source}")
        return self


class PoolSettings(Settings):
    """The pool of uncommanded days."""

    n_fleet: int = Field(2, ge=1, le=16, description="fleets with their own Params")
    seed: int = Field(2026, ge=0)


class RewardSettings(Settings):
    """Weights of the shared reward; with these a perfect episode scores about +1."""

    money: float = Field(0.5, ge=0, description="the ledger's total over that of a perfect episode")
    accuracy: float = Field(0.5, ge=0, description="skill of the response against doing nothing")
    comfort_yen_kwh: float = Field(200.0, ge=0, description="missing EV energy, yen/kWh [A]")
    heat_yen_kwh: float = Field(100.0, ge=0, description="missing hot water, yen/kWh_th [A]")
    runout_yen: float = Field(500.0, ge=0, description="each time the hot water runs out [A]")
    lockout_share: float = Field(0.1, ge=0, le=1, description="part of the lock-out's yen that the reward counts")
    debt_yen_kwh: float = Field(25.0, ge=0, description="refill of a kWh that classes lack at the end [A]")

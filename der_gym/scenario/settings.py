"""Settings that compose the layers' own: the market's window and award, the pool, the signals' sources, the reward."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, create_model, field_validator, model_validator

from der_gym.core.errors import unknown
from der_gym.devices import DEVICES
from der_gym.devices.base import DeviceConfig
from der_gym.devices.membership import MembershipConfig
from der_gym.devices.site import HouseConfig
from der_gym.scenario.config_files import CSV_OR_WORD, PATH
from der_gym.signals.calendar import SEASONS, Season
from der_gym.signals.frequency import NONE, SYNTHETIC, FrequencyConfig, check_source
from der_gym.signals.jepx import AREAS
from der_gym.signals.jma import STATIONS
from der_gym.signals.synthetic import SyntheticConfig


class Settings(BaseModel):
    """Base of the settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def devices_model() -> type[DeviceConfig]:
    """Return the settings of all device classes that are registered now, of homes and of membership."""
    return _devices_model(tuple((name, DEVICES[name].config) for name in DEVICES))


@cache
def _devices_model(classes: tuple[tuple[str, type[DeviceConfig]], ...]) -> type[DeviceConfig]:
    fields: dict[str, Any] = {name: (config, config()) for name, config in classes}
    fields |= {"house": (HouseConfig, HouseConfig()), "behaviour": (MembershipConfig, MembershipConfig())}
    return create_model("DevicesConfig", __base__=DeviceConfig, **fields)


class EpisodeSettings(Settings):
    """The window that an episode plays."""

    n_block: int = Field(12, ge=1, le=48, description="half hours that may carry a commitment")
    n_block_after: int = Field(2, ge=1, le=12, description="half hours after them: the rebound belongs to the episode")
    starts_h: tuple[int, ...] = Field((5, 14, 17), min_length=1, description="hours at which a window may start")
    seasons: tuple[Season, ...] = Field(SEASONS, min_length=1)
    days: Literal["all", "working"] = Field("all", description="working: no Saturdays, Sundays and holidays")

    @model_validator(mode="after")
    def _hours(self) -> EpisodeSettings:
        if any(not 0 <= h <= 23 for h in self.starts_h):
            raise ValueError(f"starts_h {self.starts_h}: hours of the day; allowed: 0..23")
        return self


SOURCES = {"area": "prices", "station": "weather", "request_sign": "request"}  # what each speaks of


class SignalSettings(Settings):
    """Sources of prices, demand and weather: synthetic, or a publisher's files."""

    synthetic: SyntheticConfig = SyntheticConfig()
    prices: str | None = Field(None, description="JEPX spot summary CSV", json_schema_extra=PATH)
    demand: str | None = Field(None, description="area 5-minute demand and PV CSV", json_schema_extra=PATH)
    weather: str | None = Field(None, description="JMA hourly CSV", json_schema_extra=PATH)
    request: str | None = Field(None, description="one's own request CSV", json_schema_extra=PATH)
    request_sign: Literal["upward_positive", "upward_negative"] = "upward_positive"
    frequency: str = Field(
        "none", description="grid frequency: none, synthetic, or a CSV of time and hz", json_schema_extra=CSV_OR_WORD
    )
    frequency_model: FrequencyConfig = FrequencyConfig()
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
        for name, source in SOURCES.items():
            value = getattr(self, name)
            if getattr(self, source) is None and value != type(self).model_fields[name].default:
                raise ValueError(f"{name} {value!r} changes nothing without a file; allowed: with signals.{source}")
        return self

    @model_validator(mode="after")
    def _frequency_can_be(self) -> SignalSettings:
        check_source(self.frequency)
        return self

    def files(self) -> tuple[str, ...]:
        """Return the files that prices, demand, weather and frequency are read from."""
        frequency = None if self.frequency in (NONE, SYNTHETIC) else self.frequency
        named = (self.prices, self.demand, self.weather, frequency)
        return tuple(path for path in named if path is not None)


class PoolSettings(Settings):
    """The pool of uncommanded days."""

    n_fleet: int = Field(2, ge=1, le=16, description="fleets with their own Params")
    seed: int = Field(2026, ge=0)
    homes: Literal["split", "train"] = Field("split", description="split: each split has homes of its own")


class RewardSettings(Settings):
    """What the reward counts, and when. Its unit is the yardstick: a group that follows every request exactly.

    No setting says what the best possible episode scores; ``der-gym evaluate --bound`` searches it.
    """

    variant: Literal["shared", "ledger", "relative"] = Field(
        "shared",
        description="shared: money, accuracy and comfort; ledger: yen alone, comfort at its price, the whole lock-out; "
        "relative: shared less what an idle group gets on the same seed, at the cost of an idle episode in each reset",
    )
    credit: Literal["block", "window"] = Field(
        "block",
        description="when a penalty counts: as its block is booked, or ahead of it by the worst judged window so far",
    )
    money: float = Field(0.5, ge=0, description="weight of the ledger's total over the yardstick's; ledger: 1")
    accuracy: float = Field(0.5, ge=0, description="weight of the skill against doing nothing; ledger: 0")
    comfort_yen_kwh: float = Field(200.0, ge=0, description="missing energy of cars, yen/kWh [A]")
    heat_yen_kwh: float = Field(100.0, ge=0, description="missing hot water, yen/kWh_th [A]")
    runout_yen: float = Field(500.0, ge=0, description="each time the hot water runs out [A]")
    lockout_share: float = Field(0.1, ge=0, le=1, description="part of the lock-out's yen that counts; ledger: 1")
    debt_yen_kwh: float = Field(25.0, ge=0, description="refill of a kWh that classes lack at the end [A]")

    @model_validator(mode="after")
    def _weights_count(self) -> RewardSettings:
        for name in ("money", "accuracy", "lockout_share"):
            value = getattr(self, name)
            if self.variant == "ledger" and value != type(self).model_fields[name].default:
                raise ValueError(f"{name} {value:g} changes nothing in variant ledger; allowed: shared or relative")
        return self

"""A scenario: everything that a world is made from, as one frozen model."""

from __future__ import annotations

import hashlib
import json

from pydantic import Field, field_validator, model_validator

from der_gym.core.errors import unknown
from der_gym.core.units import BLOCK_S, REFRESH_S
from der_gym.devices import DEVICES
from der_gym.fleet.mix import FleetConfig
from der_gym.fleet.tree import TreeConfig
from der_gym.network.config import NetworkConfig
from der_gym.scenario.config_files import split_names
from der_gym.scenario.merging import PATH
from der_gym.scenario.settings import (
    DevicesConfig,
    MarketSettings,
    PoolSettings,
    RewardSettings,
    Settings,
    SignalSettings,
)


class Scenario(Settings):
    """One scenario. Read it with :func:`load`; every field has a default but the fleet's mix."""

    name: str = "scenario"
    title: str = ""
    tick_s: int = Field(60, ge=1, le=60, description="step of the physics, s")
    decision_s: int = Field(60, ge=1, le=1800, description="time between two actions, s")
    split: str = Field("train", description="dates that an episode may fall on: train, validation or test")
    fleet: FleetConfig
    resources: str | None = Field(
        None, description="CSV of one's own resources, in place of the fleet's mix", json_schema_extra=PATH
    )
    groups: dict[str, TreeConfig] = Field(default_factory=dict, description="trees; 'control' commands")
    devices: DevicesConfig = DevicesConfig()  # type: ignore[valid-type]
    network: NetworkConfig = NetworkConfig()
    market: MarketSettings = MarketSettings()
    signals: SignalSettings = SignalSettings()
    pool: PoolSettings = PoolSettings()
    reward: RewardSettings = RewardSettings()

    @model_validator(mode="after")
    def _ticks_divide(self) -> Scenario:
        periods = {"decision_s": self.decision_s, "market sample (60 s)": 60, f"refresh ({REFRESH_S} s)": REFRESH_S}
        for name, period in periods.items():
            if period % self.tick_s:
                raise ValueError(f"tick_s {self.tick_s} does not divide {name} = {period} s")
        if BLOCK_S % self.decision_s:
            raise ValueError(f"decision_s {self.decision_s} does not divide the block of {BLOCK_S} s")
        return self

    @model_validator(mode="after")
    def _devices_known(self) -> Scenario:
        for name in self.devices.behaviour.opt_out_share:  # type: ignore[attr-defined]
            if name not in DEVICES:
                raise unknown("devices.behaviour.opt_out_share", name, DEVICES)
        for name in (self.fleet.host, *self.fleet.guests):
            if name not in DEVICES:
                raise unknown("fleet.host and fleet.guests", name, DEVICES)
        return self

    @field_validator("split")
    @classmethod
    def _split_known(cls, value: str) -> str:
        if value not in split_names():
            raise unknown("split", value, split_names())
        return value

    @property
    def horizon_s(self) -> int:
        """Return the length of an episode, s."""
        return (self.market.n_block + self.market.n_block_after) * BLOCK_S

    @property
    def n_step(self) -> int:
        """Return the number of decisions in an episode."""
        return self.horizon_s // self.decision_s

    def hash(self) -> str:
        """Return 16 hex digits over all settings."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

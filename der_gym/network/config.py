"""Settings of the network as a whole: ablation, links, outages of maker clouds."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from der_gym.core.errors import InputError, nearest, unknown
from der_gym.network.channels import CHANNELS, ChannelConfig


class NetworkConfig(BaseModel):
    """Quality of the ways of commands and reports; ``ideal`` switches every imperfection off."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    ideal: bool = Field(False, description="every path becomes the path 'ideal', all devices reachable, no outages")
    reach_share: float = Field(0.93, ge=0, le=1, description="devices whose link works at all; 3-10 % do not [A]")
    link_up_days: float = Field(6.0, gt=0, le=1000, description="mean time between outages of one link, 3-10 days [A]")
    link_down_median_min: float = Field(20.0, gt=0, le=1440, description="median outage of one link [A]")
    link_down_sigma: float = Field(1.2, ge=0, le=3)
    cloud_minor_per_year: float = Field(4.0, ge=0, le=1000, description="outages of one maker cloud, 20 min [A]")
    cloud_major_per_year: float = Field(0.4, ge=0, le=1000, description="outages of one maker cloud, 4 h [A]")
    region_per_year: float = Field(0.3, ge=0, le=1000, description="outages that hit each maker with chance 1/2 [A]")
    change_share: float = Field(0.02, ge=0, le=1, description="a command is sent when it moves more than this")
    latency_scale: float = Field(1.0, ge=1e-3, le=20, description="multiplies every latency, poll, telemetry period")
    standby: Literal["sent", "preloaded"] = Field(
        "sent",
        description="stores learn that they stand by from a message before the window, which may be lost, or since "
        "their enrolment",
    )
    paths: dict[str, dict[str, Any]] = Field(default_factory=dict, description="path name -> fields to change")

    @model_validator(mode="after")
    def _paths_can_be(self) -> NetworkConfig:
        for name in self.paths:
            if name not in CHANNELS:
                raise unknown("paths", name, CHANNELS)
        for name in CHANNELS if self.latency_scale != 1.0 else self.paths:
            self._changed(name)
        return self

    def path(self, name: str) -> ChannelConfig:
        """Return the path as this scenario has it; an unknown name raises InputError."""
        known = CHANNELS[name]
        if self.ideal:
            return CHANNELS["ideal"]
        return self._changed(name) if self.paths.get(name) or self.latency_scale != 1.0 else known

    def standby_share(self, opt_out_share: float) -> float:
        """Return the expected share of enrolled stores that stand by when they should, 0..1.

        Parameters
        ----------
        opt_out_share : float
            Share of owners who take no commands.
        """
        heard = 1.0 if self.standby == "preloaded" else self.reached_share()
        return (1.0 - opt_out_share) * heard

    def reached_share(self) -> float:
        """Return the expected share of devices whose link is up, 0..1."""
        if self.ideal:
            return 1.0
        down_days = self.link_down_median_min / 1440.0 * math.exp(self.link_down_sigma**2 / 2.0)
        return self.reach_share * self.link_up_days / (self.link_up_days + down_days)

    def fee_yen_month(self, name: str) -> float:
        """Return the fee of a unit behind the path, yen a month; ``ideal`` removes delays and losses, not fees."""
        return self._changed(name).yen_per_unit_month

    def _changed(self, name: str) -> ChannelConfig:
        try:
            changed = ChannelConfig.model_validate({**CHANNELS[name].model_dump(), **self.paths.get(name, {})})
            return scaled(changed, self.latency_scale)
        except ValidationError as error:
            raise InputError(_fault(f"paths.{name}", error)) from None


def scaled(path: ChannelConfig, k: float) -> ChannelConfig:
    """Return ``path`` with every latency, poll and telemetry period times ``k``."""
    if k == 1.0:
        return path
    times = {
        "latency": [{**d.model_dump(), "median_s": d.median_s * k} for d in path.latency],
        "poll_s": [p * k for p in path.poll_s],
        "telemetry_s": path.telemetry_s * k,
        "telemetry_delay_s": path.telemetry_delay_s * k,
    }
    return ChannelConfig.model_validate({**path.model_dump(), **times})


def _fault(where: str, error: ValidationError) -> str:
    """Return one line for the first fault of a path's fields: key, allowed values, value or nearest name."""
    first = error.errors()[0]
    key = ".".join([where, *map(str, first["loc"])])
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        close = nearest(str(first["loc"][0]), ChannelConfig.model_fields)
        hint = f"did you mean {close!r}? " if close else ""
        return f"{key}: unknown key; {hint}allowed: {', '.join(sorted(ChannelConfig.model_fields))}"
    shown = "" if isinstance(first["input"], dict) else f" (given: {first['input']!r})"
    return f"{key}: {first['msg'].removeprefix('Value error, ')}{shown}"

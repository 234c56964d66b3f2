"""Settings of the network as a whole: ablation, links, outages of maker clouds."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from der_gym.network.paths import PATHS, PathConfig


class NetworkConfig(BaseModel):
    """How well commands and reports travel; ``ideal`` switches every imperfection off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ideal: bool = Field(False, description="every path becomes the path 'ideal', all devices reachable, no outages")
    reach_share: float = Field(0.93, ge=0, le=1, description="devices whose link works at all; 3-10 % do not [A]")
    link_up_days: float = Field(6.0, gt=0, le=1000, description="mean time between outages of one link, 3-10 days [A]")
    link_down_median_min: float = Field(20.0, gt=0, le=1440, description="median outage of one link [A]")
    link_down_sigma: float = Field(1.2, ge=0, le=3)
    cloud_minor_per_year: float = Field(4.0, ge=0, le=1000, description="outages of one maker cloud, 20 min [A]")
    cloud_major_per_year: float = Field(0.4, ge=0, le=1000, description="outages of one maker cloud, 4 h [A]")
    region_per_year: float = Field(0.3, ge=0, le=1000, description="outages that hit each maker with chance 1/2 [A]")
    change_share: float = Field(0.02, ge=0, le=1, description="a command is sent when it moves more than this")
    latency_scale: float = Field(1.0, gt=0, le=20, description="multiplies every latency, poll and telemetry period")
    paths: dict[str, dict[str, Any]] = Field(default_factory=dict, description="path name -> fields to change")

    def path(self, name: str) -> PathConfig:
        """Return the path as this scenario has it; an unknown name raises InputError."""
        base = PATHS["ideal"] if self.ideal else PATHS[name]
        if self.ideal:
            return base
        changed = PathConfig.model_validate({**base.model_dump(), **self.paths.get(name, {})})
        k = self.latency_scale
        if k == 1.0:
            return changed
        delays = [{**d.model_dump(), "median_s": d.median_s * k} for d in changed.latency]
        return PathConfig.model_validate(
            {
                **changed.model_dump(),
                "latency": delays,
                "poll_s": [p * k for p in changed.poll_s],
                "telemetry_s": changed.telemetry_s * k,
                "telemetry_delay_s": changed.telemetry_delay_s * k,
            }
        )

"""Settings that every service has in a scenario; the model of a service adds its rules and prices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from der_gym.signals.calendar import Season


class SettingsModel(BaseModel):
    """Base of the services' settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class ServiceConfig(SettingsModel):
    """Settings that every service has in a scenario; the model of a service adds its rules and prices."""

    name: str
    """The service's registered name."""
    id: str = ""
    """Name of its columns and ledger lines; by default its registered name. Two services of a kind need two ids."""
    node: str | tuple[str, ...] = "all"
    """Devices that it measures: ``all``, or nodes such as ``function/CLASS`` (tree/node). No control leaf is cut."""
    share: float = Field(1.0, gt=0.0, le=1.0)
    """Part of each device's power that counts for this service; shares of one leaf add up to 1 at most."""
    metering: Literal["device", "receiving"] = "device"
    """Point at which settlement measures; one per resource [S]. Device points need a next-generation smart meter."""
    plan: Literal["forecast", "perfect"] = "forecast"
    """Yardstick of settlement (基準値): a causal forecast frozen an hour before its block, or, as an ablation, the
    power that the fleet would draw without commands."""
    limits: Literal["enforce", "warn", "off"] = "warn"
    """Effect of a commitment above the p10 availability."""

    LEVELS: ClassVar[tuple[str, ...]] = ()
    """Fields that say how much is committed, but not when."""

    def check(self, starts_h: Sequence[int], seasons: Sequence[str]) -> None:
        """Raise ValueError where episodes of these starts and seasons do not fit the service."""

    def planned_kw(self, season: Season, start_h: int, n_device: int) -> float:
        """Return the kW that an episode of this season and start commits of ``n_device`` devices; 0 for none."""
        return 0.0

    def least_kw(self) -> float:
        """Return the least kW that may be committed; 0 where there is none."""
        return 0.0

    def callable_blocks(self, start_h: int, n_block: int) -> range:
        """Return which of the ``n_block`` half hours from ``start_h`` h may be called."""
        return range(n_block)

    def scaled(self, times: float) -> ServiceConfig:
        """Return the same service with ``times`` its commitment; itself where it commits nothing."""
        return self

    def called_share(self) -> float:
        """Return the mean part of the commitment that is called, 0..1."""
        return 1.0

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        """Let the id be the name where none is given."""
        if isinstance(data, dict) and not data.get("id"):
            return {**data, "id": data.get("name", "")}
        return data

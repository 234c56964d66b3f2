"""What every device class shares: the rows of the common arrays and the shape of a plug-in.

Arrays lead with the shard ``s`` (a world, or a fixed site-aligned part of a large world): ``w = s // n_shard`` is its
world, ``p = s % n_shard`` its place in the structure, which is the same for all worlds. Rows are contiguous per
shard, so a kernel takes row views (``soc = acc[s, SOC]``) and loops over devices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from der_gym.engine.tables import *  # noqa: F403


class DeviceConfig(BaseModel):
    """Base of a class's settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class DeviceClass:
    """One device class: names, rows and kernels. See ``docs/architecture.md`` for each kernel's arguments."""

    name: str
    japanese: str
    stage: int  # 1 flexible, 2 follower (reads its site's net power of the earlier stages)
    config: type[DeviceConfig]
    constants: Callable[[Any], Any]  # config -> float32 vector ``cfg`` that the kernels read
    params: tuple[str, ...]
    state: tuple[str, ...]  # float32 rows
    acc: tuple[str, ...]  # float64 rows: stored energy, and registers that are judged home by home
    book: tuple[str, ...]  # float64 registers that only add up: a sum per shard, or one per device where asked for
    pool: tuple[str, ...]  # normalised float32 rows that carry a state from the pool of days to another device
    draw: Callable[..., None]
    begin: Callable[..., None]
    redraw: Callable[..., None]
    advance: Callable[..., None]
    capability: Callable[..., None]
    save: Callable[..., None]
    response_p95_s: float = 0.0  # dead time and ramp of upward response, not exceeded by 95 % of devices

"""Path archetypes P1-P6: how a command reaches a device and how its reports come back.

Figures: [A] assumptions anchored by field reports (Daikin Onecta quota, OCPP boxes answering in 7-8 s, pollers at 1 to
30 minutes); each is a field, so a study can sweep it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from der_gym.core.registry import Registry
from der_gym.core.units import DAY_S
from der_gym.network.tables import NEVER_S, QUANTILE_STEPS
from der_gym.numerics.approx import paired

TAIL = 5e-4  # a latency table ends at the quantile 1 - TAIL; the rest of the tail is cut there
_LEAST_S, _MOST_S = 1e-6, float(DAY_S)  # range in which a latency is searched, s
_HALVINGS = 60

_erfc = np.frompyfunc(math.erfc, 1, 1)  # to import scipy takes 0.3 s, longer than all these tables

Period = Annotated[float, Field(gt=0, le=DAY_S)]
Share = Annotated[float, Field(ge=0, le=1)]


class Delay(BaseModel):
    """One component of a latency mixture, seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    share: float = Field(1.0, ge=0, le=1, description="weight in the mixture")
    kind: Literal["lognormal", "pareto"] = "lognormal"
    median_s: float = Field(ge=_LEAST_S, le=DAY_S, description="median (lognormal) or scale (pareto), s")
    sigma: float = Field(0.6, ge=0.01, le=3, description="sigma of ln (lognormal) or alpha (pareto)")

    def cdf(self, t_s: ArrayLike) -> np.ndarray:
        """Return the share of messages that take at most ``t_s`` seconds, > 0; float64 of its shape."""
        t = np.asarray(t_s, dtype=np.float64)
        if self.kind == "pareto":
            return np.asarray(1.0 - np.minimum(self.median_s / t, 1.0) ** self.sigma)
        return np.asarray(0.5 * _erfc(np.log(t / self.median_s) / self.sigma * -math.sqrt(0.5)), dtype=np.float64)


class ChannelConfig(BaseModel):
    """One path archetype: latency, polling, loss, hold, telemetry, limits and price."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: str = ""
    latency: tuple[Delay, ...] = Field(min_length=1, description="aggregator to device, without the wait for a poll")
    poll_s: tuple[Period, ...] = Field(
        (), max_length=2, description="periods at which devices ask their cloud, s; empty: pushed"
    )
    poll_share: tuple[Share, ...] = Field((), description="share of devices with each period")
    missed_poll_share: float = Field(0.0, ge=0, le=0.5, description="a poll that fails waits for the next")
    loss_share: float = Field(0.01, ge=0, le=1, description="commands lost for good while the link is up")
    telemetry_s: float = Field(60.0, gt=0, le=86_400, description="period of a device's reports, s")
    telemetry_delay_s: float = Field(3.0, ge=0, le=3600, description="a report's way back, s")
    telemetry_loss_share: float = Field(0.01, ge=0, le=1)
    hold_s: float = Field(1800.0, gt=0, le=86_400, description="a command is held so long, then the own schedule")
    least_interval_s: float = Field(60.0, ge=0, le=86_400, description="no command to a leaf sooner after the last")
    request_per_s: float = Field(10.0, gt=0, description="calls that the cloud takes per second")
    batch: int = Field(100, ge=1, description="devices in one call")
    quota_per_day: int = Field(100_000, ge=1, description="commands that a unit may be sent in a day")
    yen_per_unit_month: float = Field(0.0, ge=0, description="fee for the interface, yen per unit and month [A]")
    switched: tuple[str, ...] = Field((), description="device classes that this path can only start and stop")

    @model_validator(mode="after")
    def _makes_sense(self) -> ChannelConfig:
        if len(self.poll_s) != len(self.poll_share):
            raise ValueError(
                f"poll_s has {len(self.poll_s)} periods, poll_share {len(self.poll_share)}; allowed: as many"
            )
        if self.poll_s and sum(self.poll_share) <= 0:
            raise ValueError(f"poll_share {self.poll_share}: allowed: a sum above 0")
        if sum(d.share for d in self.latency) <= 0:
            raise ValueError("latency: the shares of its components add up to 0; allowed: a sum above 0")
        if self.share_within(_MOST_S) < 1 - TAIL:
            raise ValueError(f"latency: more than {TAIL:.2%} of messages take longer than a day; allowed: fewer")
        return self

    @property
    def longest_poll_s(self) -> float:
        """Return the longest poll period, 0 where commands are pushed."""
        return max(self.poll_s, default=0.0)

    def share_within(self, t_s: ArrayLike) -> np.ndarray:
        """Return the share of messages whose latency (without polling) is at most ``t_s`` seconds, > 0."""
        total = sum(d.share for d in self.latency)
        return np.asarray(sum(d.share / total * d.cdf(t_s) for d in self.latency))

    def quantiles(self, p: ArrayLike) -> np.ndarray:
        """Return the latencies (s, without polling) that the shares ``p`` of messages do not exceed.

        Found by halving ln t between a microsecond and a day: relative error below 1e-12.
        """
        aim = np.asarray(p, dtype=np.float64)
        low, high = np.full(aim.shape, np.log(_LEAST_S)), np.full(aim.shape, np.log(_MOST_S))
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            short = self.share_within(np.exp(middle)) < aim
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.asarray(np.exp(high))

    def quantile(self, p: float) -> float:
        """Return the latency (s, without polling) that a share ``p`` of messages does not exceed."""
        return float(self.quantiles(p))

    def table(self) -> np.ndarray:
        """Return the latency quantiles for ``core.approx.lookup``, float32 (257, 2), seconds.

        The last entry, at ``LOST_AT``, is never: the draw of a lost message points there.

        Known error: values between entries lie on a straight line, so the slowest 1/255 of a heavy tail comes too late
        (P3: up to 1.3 times, P1: up to 1.6 times the time).
        """
        p = np.clip(np.linspace(0.0, 1.0, QUANTILE_STEPS), TAIL, 1 - TAIL)
        return paired(np.append(self.quantiles(p), NEVER_S))

    def longest_s(self) -> float:
        """Return the time after which a message is dropped: the table's end and, when polled, two polls."""
        return self.quantile(1 - TAIL) + 2.0 * self.longest_poll_s + 2.0

    def p95_s(self, then_s: Sequence[float] = (0.0,)) -> float:
        """Return the 95 % quantile of latency, wait for the poll and further times together, s.

        Parameters
        ----------
        then_s : sequence of float
            Further times at the device, s: equally likely values, such as 200 quantiles.

        Known error: latency, wait and further times are taken as independent and summed by grids of 200 x 200
        quantiles.
        """
        return _p95_s(self, tuple(np.asarray(then_s, dtype=np.float64).tolist()))


@lru_cache(maxsize=256)
def _p95_s(channel: ChannelConfig, then_s: tuple[float, ...]) -> float:
    grid = (np.arange(200) + 0.5) / 200
    latency = channel.quantiles(grid)
    waits = [(grid * t, w) for t, w in zip(channel.poll_s, channel.poll_share, strict=True)] or [(np.zeros(1), 1.0)]
    values = np.concatenate([np.add.outer(latency, wait).ravel() for wait, _ in waits])
    weights = np.concatenate([np.full(latency.size * wait.size, w / wait.size) for wait, w in waits])
    if len(then_s) == 1:
        return float(_quantiles(values, weights, np.array([0.95]))[0] + then_s[0])
    arrive = _quantiles(values, weights, grid)
    values, weights = np.add.outer(arrive, then_s).ravel(), np.ones(arrive.size * len(then_s))
    return float(_quantiles(values, weights, np.array([0.95]))[0])


def _quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the quantiles ``at`` of weighted values."""
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    found: NDArray[np.float64] = values[order][np.minimum(np.searchsorted(share, at), values.size - 1)]
    return found


CHANNELS: Registry[ChannelConfig] = Registry("path", "der_gym.channels")

CHANNELS.register(
    "P1",
    ChannelConfig(
        title="direct LTE or fixed line, MQTT push",
        latency=(Delay(share=0.99, median_s=0.25), Delay(share=0.01, kind="pareto", median_s=3, sigma=1.5)),
        loss_share=0.003,
        telemetry_s=10,
        telemetry_delay_s=0.5,
        telemetry_loss_share=0.003,
        hold_s=300,
        least_interval_s=30,
        request_per_s=1000,
        batch=1,
        yen_per_unit_month=200,
    ),
)
CHANNELS.register(
    "P2",
    ChannelConfig(
        title="IoT router and ECHONET Lite on the home network",
        latency=(Delay(share=0.93, median_s=1.8, sigma=0.7), Delay(share=0.07, median_s=9, sigma=0.45)),
        loss_share=0.015,
        telemetry_s=60,
        telemetry_delay_s=2,
        hold_s=600,
        least_interval_s=30,
        request_per_s=200,
        batch=1,
        yen_per_unit_month=140,
    ),
)
CHANNELS.register(
    "P3",
    ChannelConfig(
        title="maker cloud, push",
        latency=(Delay(share=0.98, median_s=4.9, sigma=0.65), Delay(share=0.02, median_s=30, sigma=1.0)),
        loss_share=0.01,
        telemetry_s=180,
        telemetry_delay_s=5,
        hold_s=1800,
        least_interval_s=60,
        quota_per_day=1000,
        yen_per_unit_month=25,
    ),
)
_POLLED: dict[str, Any] = {
    "latency": (Delay(median_s=1.5, sigma=0.7),),
    "missed_poll_share": 0.02,
    "loss_share": 0.02,
    "telemetry_delay_s": 5,
    "hold_s": 3600,
    "least_interval_s": 300,
    "quota_per_day": 200,
    "yen_per_unit_month": 15,
}
CHANNELS.register(
    "P4",
    ChannelConfig(
        title="maker cloud, the device polls (T <= 300 s)",
        poll_s=(60, 300),
        poll_share=(0.5, 0.5),
        telemetry_s=300,
        **_POLLED,
    ),
)
CHANNELS.register(
    "P4-slow",
    ChannelConfig(
        title="maker cloud, slow pollers (T = 600 and 1,800 s)",
        poll_s=(600, 1800),
        poll_share=(0.5, 0.5),
        telemetry_s=1800,
        **_POLLED,
    ),
)
CHANNELS.register(
    "P5",
    ChannelConfig(
        title="HEMS or BEMS gateway, OpenADR pull",
        latency=(Delay(median_s=1.0, sigma=0.6),),
        poll_s=(10, 60),
        poll_share=(0.5, 0.5),
        telemetry_s=60,
        telemetry_delay_s=2,
        hold_s=1800,
        least_interval_s=60,
        request_per_s=50,
        batch=1,
        yen_per_unit_month=600,
    ),
)
CHANNELS.register(
    "P6",
    ChannelConfig(
        title="charge point management system, OCPP",
        latency=(Delay(share=0.9, median_s=2.7, sigma=0.7), Delay(share=0.1, median_s=8, sigma=0.3)),
        telemetry_s=60,
        telemetry_delay_s=2,
        hold_s=900,
        least_interval_s=30,
        request_per_s=100,
        batch=1,
        yen_per_unit_month=300,
    ),
)
CHANNELS.register(
    "ideal",
    ChannelConfig(
        title="no delay, no loss: for ablation",
        latency=(Delay(median_s=1e-3, sigma=0.01),),
        loss_share=0,
        telemetry_s=1,
        telemetry_delay_s=0,
        telemetry_loss_share=0,
        hold_s=1800,
        least_interval_s=0,
        request_per_s=1e9,
        batch=1_000_000,
    ),
)

"""Heads and behaviours of one's own, as a user would write them: a droop rule and an owner who answers an offer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pydantic import Field

from der_gym.core.heads import HEADS, Head
from der_gym.devices.base import DeviceConfig
from der_gym.devices.behaviours import BEHAVIOURS, INCENTIVE, MESSAGE, RULE, Behaviour
from der_gym.engine.compile import kernel
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import rng
from der_gym.numerics.approx import clip
from der_gym.numerics.sums import enter, find_enrolled

ONE, ZERO, NAN = np.float32(1.0), np.float32(0.0), np.float32(np.nan)
HOUR_S = np.float32(3600.0)
PRICE = rng.stream("test.price")


# --- a rule: full response at 0.2 Hz beyond the dead band; a scales it, b is the dead band


class DroopConfig(DeviceConfig):
    full_hz: float = Field(0.2, gt=0)


@kernel
def droop(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):
    for s in range(s0, s1):
        if active[s // n_shard]:
            a, b, fraction = message[s, MESSAGE.A], message[s, MESSAGE.B], message[s, MESSAGE.FRACTION]
            hz = ctx[s // n_shard, EXOGENOUS.FREQ_HZ]
            for i in range(a.shape[0]):
                beyond = hz - clip(hz, -b[i], b[i])
                fraction[i] = clip(-a[i] * beyond / cfg[0], -ONE, ONE)


# --- an offer: the owner gives half of the device's swing where it exceeds her reservation price


class OfferConfig(DeviceConfig):
    low_yen_kwh: float = Field(5.0, ge=0)
    span_yen_kwh: float = Field(40.0, ge=0)
    given_share: float = Field(0.5, ge=0, le=1)


@kernel
def draw_prices(s0, s1, n_shard, active, keys, uid, cfg, fleet, params):
    for s in range(s0, s1):
        w, ids = s // n_shard, uid[s % n_shard]
        if active[w]:
            for i in range(ids.shape[0]):
                u = rng.uniform(keys[w, 0], keys[w, 1], ids[i], PRICE, np.uint32(0), np.uint32(0))
                params[s, 0, i] = cfg[0] + cfg[1] * u


@kernel
def accept(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):
    for s in range(s0, s1):
        if active[s // n_shard]:
            a, price, fraction = message[s, MESSAGE.A], params[s, 0], message[s, MESSAGE.FRACTION]
            for i in range(a.shape[0]):
                fraction[i] = cfg[2] if a[i] > price[i] else NAN


@kernel
def count(s0, s1, n_shard, active, keys, uid, abs_s, dt_s, ctx, cfg, params, state, fleet, message, registers):
    n = fleet.shape[2]
    kwh, yen, here = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    for s in range(s0, s1):
        if active[s // n_shard]:
            a, fraction, rated = message[s, MESSAGE.A], message[s, MESSAGE.FRACTION], fleet[s, FLEET.RATED_KW]
            find_enrolled(fleet[s, FLEET.METER_GAIN], here)
            for i in range(a.shape[0]):
                x = fraction[i] * rated[i] * fleet[s, FLEET.ACCEPTS_COMMANDS, i]
                kwh[i] = x * dt_s / HOUR_S if (a[i] > ZERO) & (x == x) else ZERO
                yen[i] = kwh[i] * a[i]
            enter(kwh, here, 1.0, registers[s, 0])
            enter(yen, here, 1.0, registers[s, 1])


DROOP = Behaviour("rule", RULE, "droop", decide=droop, config=DroopConfig)
OFFER = Behaviour(
    "coupon",
    INCENTIVE,
    "an owner with a reservation price",
    decide=accept,
    account=count,
    draw=draw_prices,
    params=("price_yen_kwh",),
    registers=("answered_kwh", "offered_yen"),
    config=OfferConfig,
)
HEADS_ = (
    Head("droop", "leaf", "rule", 0.0, 1.0, "share of the droop", change=0.05),
    Head("dead_band_hz", "world", "rule", 0.01, 0.05, "dead band", unit="Hz", slot="b", gate_s=1800),
    Head("coupon", "leaf", "coupon", 0.0, 50.0, "coupon", unit="yen/kWh", gate_s=300, change=1.0, channel="P5"),
)


@contextmanager
def droop_and_offer() -> Iterator[None]:
    """Register the rule, the offer and their heads for a while, in place of shipped ones of their names."""
    shipped = dict(BEHAVIOURS._items), dict(HEADS._items)
    BEHAVIOURS._items.update({behaviour.name: behaviour for behaviour in (DROOP, OFFER)})
    HEADS._items.update({head.name: head for head in HEADS_})
    try:
        yield
    finally:
        for registry, items in zip((BEHAVIOURS, HEADS), shipped, strict=True):
            registry._items.clear()
            registry._items.update(items)  # type: ignore[attr-defined]

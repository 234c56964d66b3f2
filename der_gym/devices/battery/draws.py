"""What each home battery is: draws from the fleet's key, so that no controller, tree or tick length changes a unit."""

from __future__ import annotations

import numpy as np

from der_gym.devices.battery import config as c
from der_gym.engine.compile import scalar
from der_gym.numerics import approx, rng

_0, _1, _2 = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_MINUTE_S = np.float32(60.0)
_TRIP_MIN, _TRIP_MAX = np.float32(0.80), np.float32(0.93)
_OWNED = rng.stream("battery.owned")
_D0, _D1, _D2, _D3, _D4 = (np.uint32(k) for k in range(5))


@scalar
def pick(cfg, at, u):  # type: ignore[no-untyped-def]
    """Return the entry of the mix at ``at`` that the uniform ``u`` falls on."""
    value = cfg[at]
    for j in range(1, c.MIX):
        other = cfg[at + j]  # loaded before it is chosen, so that the loop around packs
        value = other if u >= cfg[at + c.MIX + j - 1] else value
    return value


@scalar
def between(cfg, low, high, u):  # type: ignore[no-untyped-def]
    """Return the uniform on [cfg[low], cfg[high]] at ``u``."""
    return cfg[low] + (cfg[high] - cfg[low]) * u


@scalar
def draw_store(k0, k1, uid, told_kw, cfg):  # type: ignore[no-untyped-def]
    """Return (capacity, reserve, rated power, one-way efficiency, standby power) of a battery."""
    u_mix, u_spread, u_rated, u_trip = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D0)
    u_reserve, u_standby, _, _ = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D1)
    capacity = pick(cfg, c.USABLE, u_mix) * (_1 + cfg[c.SPREAD] * (_2 * u_spread - _1))
    rated = cfg[c.RATED] + cfg[c.RATED_SD] * approx.normal_quantile(u_rated)
    rated = approx.clip(min(rated, cfg[c.C_RATE] * capacity), cfg[c.RATED_MIN], cfg[c.RATED_MAX])
    trip = cfg[c.TRIP] + cfg[c.TRIP_SD] * approx.normal_quantile(u_trip)
    efficiency = np.sqrt(approx.clip(trip, _TRIP_MIN, _TRIP_MAX))
    reserve = capacity * pick(cfg, c.RESERVE, u_reserve)
    rated = told_kw if told_kw == told_kw else rated
    return capacity, reserve, rated, efficiency, between(cfg, c.STANDBY_MIN, c.STANDBY_MAX, u_standby)


@scalar
def draw_pace(k0, k1, uid, cfg):  # type: ignore[no-untyped-def]
    """Return (dead time, ramp time, release time) in s and (gain, offset in kW) of the answer to a command."""
    u_dead, u_slow, u_class, u_ramp = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D2)
    u_gain, u_offset, _, _ = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D3)
    dead = cfg[c.DEAD] * approx.exp(cfg[c.DEAD_SIGMA] * approx.normal_quantile(u_dead))
    dead = dead + (cfg[c.SLOW_S] if u_slow < cfg[c.SLOW_SHARE] else _0)
    fast, middle = between(cfg, c.FAST_MIN, c.FAST_MAX, u_ramp), between(cfg, c.MIDDLE_MIN, c.MIDDLE_MAX, u_ramp)
    middle_class = (u_class >= cfg[c.FAST_SHARE]) & (u_class < cfg[c.FAST_SHARE] + cfg[c.MIDDLE_SHARE])
    slow_class = u_class >= cfg[c.FAST_SHARE] + cfg[c.MIDDLE_SHARE]
    ramp_s = middle if middle_class else fast
    release_s = between(cfg, c.RELEASE_MIN, c.RELEASE_MAX, u_ramp) if slow_class else ramp_s
    gain = _1 + cfg[c.GAIN_SD] * approx.normal_quantile(u_gain)
    return dead, ramp_s, release_s, gain, cfg[c.OFFSET_SD] * approx.normal_quantile(u_offset)


@scalar
def draw_owner(k0, k1, uid, given_feed_back, capacity, reserve, cfg):  # type: ignore[no-untyped-def]
    """Return (right to feed back, start of the night charge in s after 23 h, its target in kWh above the reserve, and
    the share of night-charging homes at which this one joins them)."""
    u_feed, u_start, u_target, u_night = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D4)
    drawn = _1 if u_feed < cfg[c.FEED_BACK] else _0
    feed_back = drawn if given_feed_back < 0 else np.float32(given_feed_back)
    start_s = _MINUTE_S * np.floor(cfg[c.START_MAX] * u_start)
    target = (capacity - reserve) * between(cfg, c.TARGET_MIN, c.TARGET_MAX, u_target)
    return feed_back, start_s, target, u_night

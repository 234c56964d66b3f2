"""What each home battery is: draws from the fleet's key, so that no controller, tree or tick length changes a unit."""

from __future__ import annotations

import numpy as np

from der_gym.devices.battery.config import CFG, MIX
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
    for j in range(1, MIX):
        other = cfg[at + j]  # loaded before it is chosen, so that the loop around packs
        value = other if u >= cfg[at + MIX + j - 1] else value
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
    capacity = pick(cfg, CFG.USABLE_KWH, u_mix) * (_1 + cfg[CFG.USABLE_SPREAD] * (_2 * u_spread - _1))
    rated = cfg[CFG.RATED_MEAN_KW] + cfg[CFG.RATED_SD_KW] * approx.normal_quantile(u_rated)
    rated = approx.clip(min(rated, cfg[CFG.C_RATE_MAX_PER_H] * capacity), cfg[CFG.RATED_MIN_KW], cfg[CFG.RATED_MAX_KW])
    trip = cfg[CFG.ROUND_TRIP_MEAN] + cfg[CFG.ROUND_TRIP_SD] * approx.normal_quantile(u_trip)
    efficiency = np.sqrt(approx.clip(trip, _TRIP_MIN, _TRIP_MAX))
    reserve = capacity * pick(cfg, CFG.RESERVE, u_reserve)
    rated = told_kw if told_kw == told_kw else rated
    return capacity, reserve, rated, efficiency, between(cfg, CFG.STANDBY_MIN_KW, CFG.STANDBY_MAX_KW, u_standby)


@scalar
def draw_pace(k0, k1, uid, cfg):  # type: ignore[no-untyped-def]
    """Return (dead time, ramp time, release time) in s and (gain, offset in kW) of the answer to a command."""
    u_dead, u_slow, u_class, u_ramp = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D2)
    u_gain, u_offset, _, _ = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D3)
    dead = cfg[CFG.DEAD_MEDIAN_S] * approx.exp(cfg[CFG.DEAD_SIGMA] * approx.normal_quantile(u_dead))
    dead = dead + (cfg[CFG.SLOW_FIRMWARE_S] if u_slow < cfg[CFG.SLOW_FIRMWARE_SHARE] else _0)
    fast, middle = (
        between(cfg, CFG.RAMP_FAST_MIN_S, CFG.RAMP_FAST_MAX_S, u_ramp),
        between(cfg, CFG.RAMP_MIDDLE_MIN_S, CFG.RAMP_MIDDLE_MAX_S, u_ramp),
    )
    middle_class = (u_class >= cfg[CFG.RAMP_FAST_SHARE]) & (
        u_class < cfg[CFG.RAMP_FAST_SHARE] + cfg[CFG.RAMP_MIDDLE_SHARE]
    )
    slow_class = u_class >= cfg[CFG.RAMP_FAST_SHARE] + cfg[CFG.RAMP_MIDDLE_SHARE]
    ramp_s = middle if middle_class else fast
    release_s = between(cfg, CFG.RELEASE_MIN_S, CFG.RELEASE_MAX_S, u_ramp) if slow_class else ramp_s
    gain = _1 + cfg[CFG.GAIN_SD] * approx.normal_quantile(u_gain)
    return dead, ramp_s, release_s, gain, cfg[CFG.OFFSET_SD_KW] * approx.normal_quantile(u_offset)


@scalar
def draw_owner(k0, k1, uid, given_feed_back, capacity, reserve, cfg):  # type: ignore[no-untyped-def]
    """Return (right to feed back, start of the night charge in s after 23 h, its target in kWh above the reserve, and
    the share of night-charging homes at which this one joins them)."""
    u_feed, u_start, u_target, u_night = rng.uniform4(k0, k1, uid, _OWNED, _D0, _D4)
    drawn = _1 if u_feed < cfg[CFG.FEED_BACK_SHARE] else _0
    feed_back = drawn if given_feed_back < 0 else np.float32(given_feed_back)
    start_s = _MINUTE_S * np.floor(cfg[CFG.NIGHT_START_MAX_MIN] * u_start)
    target = (capacity - reserve) * between(cfg, CFG.NIGHT_TARGET_MIN, CFG.NIGHT_TARGET_MAX, u_target)
    return feed_back, start_s, target, u_night

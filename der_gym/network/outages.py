"""Outages by address: of one link, of one maker cloud, of a region that several makers share."""

from __future__ import annotations

import numpy as np

from der_gym.core.units import DAY_S
from der_gym.engine.compile import kernel, part, scalar
from der_gym.engine.tables import FLEET
from der_gym.network.config import NetworkConfig
from der_gym.network.tables import CLOUD, N_OUTAGE, NEVER_S
from der_gym.numerics import approx, rng

_REACH = rng.stream("network.reach")
_LINK = rng.stream("network.link")
_CLOUD = rng.stream("network.cloud")
_REGION = rng.stream("network.region")
_DAY_S = np.float32(DAY_S)
_MINUTE_S = np.float32(60.0)

# link settings: float32 (N_LINK,)
REACH, DOWN_SHARE, DOWN_MEDIAN_S, DOWN_SIGMA = 0, 1, 2, 3


def link_constants(config: NetworkConfig) -> np.ndarray:
    """Return the link settings as float32 (4,): reach, chance of an outage per day, median s, sigma."""
    if config.ideal:
        return np.array([1.0, 0.0, 60.0, 0.0], dtype=np.float32)
    share = 1.0 - np.exp(-1.0 / config.link_up_days)
    median = config.link_down_median_min * 60.0
    return np.array([config.reach_share, share, median, config.link_down_sigma], dtype=np.float32)


@scalar
def lognormal_s(median, sigma, u):  # type: ignore[no-untyped-def]
    """Return the quantile ``u`` of a lognormal duration, float32 s.

    Parameters
    ----------
    median : float32
        s.
    sigma : float32
        Of the logarithm.
    u : float32
        In (0, 1).
    """
    return median * approx.exp(sigma * approx.normal_quantile(u))


@kernel
def draw_links(s0, s1, n_shard, active, keys, uid, abs_s, t_s, link, fleet):  # type: ignore[no-untyped-def]
    """Set each device's outage of the day that its world is in.

    Parameters
    ----------
    abs_s : int64 (n_world,)
        Absolute seconds; the number of the day is the slot of the draw.
    t_s : float64 (n_world,)
        The same moment in seconds of the episode.
    link : float32 (4,)
        See ``link_constants``.

    Notes
    -----
    An unreachable home stays so (its user must act). Known error: at most one outage of a link begins in a day, and
    one that runs past midnight ends there.
    """
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        k0, k1 = keys[w, 2], keys[w, 3]
        begin = np.float32(t_s[w] - np.float64(abs_s[w] % DAY_S))
        slot = np.uint32(abs_s[w] // DAY_S)
        down, up = fleet[s, FLEET.LINK_DOWN_S], fleet[s, FLEET.LINK_UP_S]
        for i in range(down.shape[0]):
            reached = rng.uniform(k0, k1, uid[p, i], _REACH, np.uint32(0), np.uint32(0)) < link[REACH]
            u, v, x, _ = rng.uniform4(k0, k1, uid[p, i], _LINK, slot, np.uint32(0))
            starts = begin + v * _DAY_S
            lasts = lognormal_s(link[DOWN_MEDIAN_S], link[DOWN_SIGMA], x)
            hit = u < link[DOWN_SHARE]
            down[i] = (starts if hit else NEVER_S) if reached else -NEVER_S
            up[i] = (min(starts + lasts, begin + _DAY_S) if hit else NEVER_S) if reached else NEVER_S


@kernel
def draw_clouds(active, keys, day0, day0_s, n_day, name, rates, cloud):  # type: ignore[no-untyped-def]
    """Set the outages of every maker cloud over ``n_day`` days from ``day0``.

    Parameters
    ----------
    day0 : int64 (n_world,)
        Day number of the first day; it begins at ``day0_s`` (float64 (n_world,)) of the episode.
    name : uint32 (n_cloud,)
        CRC-32 of each cloud's name: its address.
    rates : float32 (3,)
        Chance per day of a minor (20 min, sigma 1), a major (4 h, .8) and a regional outage (4 h, .8).
    cloud : float64 (n_world, n_cloud, N_CLOUD)
        Out. Known error: at most ``N_OUTAGE`` outages of a cloud in an episode are kept.
    """
    for w in range(cloud.shape[0]):
        if not active[w]:
            continue
        k0, k1 = keys[w, 2], keys[w, 3]
        for c in range(name.shape[0]):
            row = cloud[w, c]
            row[CLOUD.FREE_S] = 0.0
            row[CLOUD.OUT_0_FROM :] = np.float64(NEVER_S)
            n = 0
            for d in range(n_day):
                slot = np.uint32(day0[w] + d)
                for kind in range(3):
                    who = name[c] if kind < 2 else np.uint32(0)
                    u, v, x, _ = rng.uniform4(k0, k1, who, _CLOUD if kind < 2 else _REGION, slot, np.uint32(kind))
                    hit = rng.uniform(k0, k1, name[c], _REGION, slot, np.uint32(9)) < np.float32(0.5)
                    if u < rates[kind] and (kind < 2 or hit) and n < N_OUTAGE:
                        median = np.float32(20.0) if kind == 0 else np.float32(240.0)
                        sigma = np.float32(1.0) if kind == 0 else np.float32(0.8)
                        start = day0_s[w] + d * np.float64(_DAY_S) + np.float64(v * _DAY_S)
                        row[CLOUD.OUT_0_FROM + 2 * n] = start
                        row[CLOUD.OUT_0_FROM + 2 * n + 1] = start + np.float64(
                            lognormal_s(median * _MINUTE_S, sigma, x)
                        )
                        n += 1
            _in_order(row)


@part
def _in_order(row):  # type: ignore[no-untyped-def]
    """Sort the outages of a cloud's row by their beginning, so that one pass finds all that a message waits for."""
    for i in range(1, N_OUTAGE):
        for k in range(CLOUD.OUT_0_FROM + 2 * i, CLOUD.OUT_0_FROM, -2):
            if row[k] < row[k - 2]:
                row[k], row[k - 2] = row[k - 2], row[k]
                row[k + 1], row[k - 1] = row[k - 1], row[k + 1]


def cloud_rates(config: NetworkConfig) -> np.ndarray:
    """Return the chances per day of a minor, a major and a regional outage, float32 (3,)."""
    if config.ideal:
        return np.zeros(3, dtype=np.float32)
    yearly = np.array([config.cloud_minor_per_year, config.cloud_major_per_year, config.region_per_year])
    return (yearly / 365.0).astype(np.float32)

"""Outages of links, of maker clouds and of a region: how often, how long, whom, and that days are addresses."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from der_gym.core.units import DAY_S
from der_gym.engine.tables import FLEET
from der_gym.network import outages
from der_gym.network import tables as net
from der_gym.network.config import NetworkConfig
from der_gym.network.tables import NEVER_S

N = 20_000
ON = np.ones(1, dtype=bool)
KEYS = np.array([[1, 2, 3, 4]], dtype=np.uint32)


def links(config: NetworkConfig, day: int = 9000, start_s: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return (down, up) of each device for a day that begins at ``start_s`` of the episode."""
    fleet = np.zeros((1, FLEET.N, N), dtype=np.float32)
    uid = np.arange(N, dtype=np.uint32)[None]
    constants = outages.link_constants(config)
    outages.draw_links(0, 1, 1, ON, KEYS, uid, np.array([day * 86_400]), np.array([start_s]), constants, fleet)
    return fleet[0, FLEET.LINK_DOWN_S].copy(), fleet[0, FLEET.LINK_UP_S].copy()


def clouds(config: NetworkConfig, n_world: int, n_day: int, names: tuple[str, ...], day0: int = 9000) -> np.ndarray:
    """Return the outages of each world and cloud, float64 (n_world, n_cloud, N_OUTAGE, 2); absent ones NaN."""
    keys = np.random.default_rng(6).integers(2**32, size=(n_world, 4), dtype=np.uint32)
    table = np.zeros((n_world, len(names), net.CLOUD.N))
    who = np.array([zlib.crc32(name.encode()) for name in names], dtype=np.uint32)
    every, days, starts = np.ones(n_world, dtype=bool), np.full(n_world, day0), np.zeros(n_world)
    outages.draw_clouds(every, keys, days, starts, n_day, who, outages.cloud_rates(config), table)
    assert (table[:, :, net.CLOUD.FREE_S] == 0.0).all()
    pairs = table[:, :, net.CLOUD.OUT_0_FROM :].reshape(n_world, len(names), net.N_OUTAGE, 2)
    return np.where(pairs < NEVER_S, pairs, np.nan)


def test_links_are_out_as_often_and_as_long_as_set() -> None:
    down, up = links(NetworkConfig(reach_share=1.0))
    hit = down < NEVER_S
    assert hit.mean() == pytest.approx(1 - np.exp(-1 / 6), abs=0.01)
    assert (up[~hit] == NEVER_S).all()
    starts, lasts = down[hit], (up - down)[hit]
    assert starts.min() >= 0 and starts.max() < DAY_S
    assert np.histogram(starts, 6, (0, DAY_S))[0] == pytest.approx(hit.sum() / 6, rel=0.15)
    assert np.median(lasts) == pytest.approx(20 * 60, rel=0.06)
    early = lasts[starts < DAY_S / 2]  # late ones are cut at midnight
    assert np.quantile(early, 0.84) == pytest.approx(1200 * np.exp(1.2), rel=0.1)
    assert up[hit].max() <= DAY_S


def test_a_home_that_cannot_be_reached_stays_so() -> None:
    config = NetworkConfig()
    first, second = links(config, 9000), links(config, 9001)
    for down, up in (first, second):
        never = down == -NEVER_S
        assert never.mean() == pytest.approx(0.07, abs=0.006) and (up[never] == NEVER_S).all()
    np.testing.assert_array_equal(first[0] == -NEVER_S, second[0] == -NEVER_S)
    out = [(d > -NEVER_S) & (d < NEVER_S) for d, _ in (first, second)]
    both = (out[0] & out[1]).mean()
    assert both == pytest.approx(out[0].mean() * out[1].mean() / 0.93, abs=0.005)  # each day has its own luck


def test_an_outage_belongs_to_its_day_not_to_the_episodes_start() -> None:
    config = NetworkConfig()
    at_midnight, at_noon = links(config, 9000, 0.0), links(config, 9000, -43_200.0)
    hit = (at_midnight[0] > 0) & (at_midnight[0] < NEVER_S)
    for a, b in zip(at_midnight, at_noon, strict=True):
        np.testing.assert_allclose(a[hit] - b[hit], 43_200.0, atol=0.02)


def test_settings_move_the_outages_and_ideal_has_none() -> None:
    often = links(NetworkConfig(reach_share=1.0, link_up_days=1.0, link_down_median_min=5.0, link_down_sigma=0.0))
    hit = often[0] < NEVER_S
    assert hit.mean() == pytest.approx(1 - np.exp(-1), abs=0.01)
    uncut = often[1] < DAY_S
    np.testing.assert_allclose((often[1] - often[0])[hit & uncut], 300.0, rtol=1e-3)
    for day in (9000, 9001):
        down, up = links(NetworkConfig(ideal=True, reach_share=0.5, link_up_days=0.1), day)
        assert (down == NEVER_S).all() and (up == NEVER_S).all()


def test_clouds_are_out_as_often_and_as_long_as_set() -> None:
    n_world, n_day = 1500, 20
    found = clouds(NetworkConfig(), n_world, n_day, ("A", "B"))
    years = n_world * n_day / 365
    for c in range(2):
        assert np.isfinite(found[:, c, :, 0]).sum() / years == pytest.approx(4 + 0.4 + 0.3 / 2, rel=0.12)
    lasts = (found[..., 1] - found[..., 0]).ravel()
    minor = NetworkConfig(cloud_major_per_year=0.0, region_per_year=0.0, cloud_minor_per_year=40)
    major = NetworkConfig(cloud_minor_per_year=0.0, region_per_year=0.0, cloud_major_per_year=40)
    for config, median_s in ((minor, 1200), (major, 14_400)):
        one = clouds(config, 300, 20, ("A",))
        lasts = (one[..., 1] - one[..., 0]).ravel()
        assert np.nanmedian(lasts) == pytest.approx(median_s, rel=0.1)
        assert np.isfinite(lasts).sum() == pytest.approx(300 * 20 * 40 / 365, rel=0.12)


def test_a_regional_outage_hits_each_maker_with_even_odds_at_once() -> None:
    config = NetworkConfig(cloud_minor_per_year=0.0, cloud_major_per_year=0.0, region_per_year=20.0)
    found = clouds(config, 1500, 6, ("A", "B"))
    a, b = (np.isfinite(found[:, c, 0, 0]) for c in range(2))
    assert a.mean() == pytest.approx(1 - (1 - 20 / 365 / 2) ** 6, abs=0.03)
    same = found[:, 0, 0, 0] == found[:, 1, 0, 0]
    assert same.mean() == pytest.approx(6 * 20 / 365 / 4, abs=0.03)  # a quarter of the events hits both
    np.testing.assert_array_equal(found[same, 0, 0, 1], found[same, 1, 0, 1])
    assert (a & b & ~same).mean() < 0.03


def test_outages_of_a_cloud_stand_in_the_order_of_their_beginning() -> None:
    busy = NetworkConfig(cloud_minor_per_year=200, cloud_major_per_year=200, region_per_year=200)
    found = clouds(busy, 300, 4, ("A", "B", "C"))
    starts = found[..., 0]
    assert np.isfinite(starts[..., 1]).mean() > 0.5
    ordered = np.diff(starts, axis=-1)
    assert (ordered[np.isfinite(ordered)] >= 0).all()
    assert (np.diff(np.isfinite(starts).astype(int), axis=-1) <= 0).all()  # no gap between them
    assert (found[..., 1] > starts)[np.isfinite(starts)].all()


def test_a_clouds_luck_is_its_names_alone() -> None:
    busy = NetworkConfig(cloud_minor_per_year=300)
    alone, among = clouds(busy, 50, 4, ("B",)), clouds(busy, 50, 4, ("A", "B", "C"))
    np.testing.assert_array_equal(alone[:, 0], among[:, 1])
    assert not np.array_equal(np.nan_to_num(among[:, 0]), np.nan_to_num(among[:, 1]))
    later = clouds(busy, 50, 2, ("B",), day0=9002)  # the third day of the one is the first of the other
    third = alone[:, 0, :, 0]
    for w in range(50):
        mine = third[w][(third[w] >= 2 * DAY_S) & (third[w] < 4 * DAY_S)] - 2 * DAY_S
        theirs = later[w, 0, :, 0][np.isfinite(later[w, 0, :, 0])]
        if np.isfinite(third[w]).sum() < net.N_OUTAGE:
            np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_an_ideal_network_has_no_outage() -> None:
    assert np.isnan(clouds(NetworkConfig(ideal=True, cloud_minor_per_year=1000), 20, 10, ("A",))).all()

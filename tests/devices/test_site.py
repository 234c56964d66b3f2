"""Homes: load, panels, noise by address, sums by site."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from plain import plain
from pydantic import ValidationError

from der_gym.devices import site
from der_gym.engine.tables import EXOGENOUS, FLEET, SITE

N = 400


def make(n_world: int = 2, n_site: int = N, **settings: object) -> SimpleNamespace:
    """Return homes of a few worlds, drawn."""
    h = SimpleNamespace(n_world=n_world, n=n_site)
    h.cfg = site.constants(site.HouseConfig.model_validate(settings))
    h.keys = np.random.default_rng(3).integers(0, 2**32, (n_world, 4), dtype=np.uint32)
    h.uid = np.arange(100, 100 + n_site, dtype=np.uint32)[None]
    h.active = np.ones(n_world, bool)
    h.site = np.full((n_world, SITE.N, n_site), np.nan, np.float32)
    h.ctx = np.zeros((n_world, EXOGENOUS.N), np.float32)
    h.ctx[:, EXOGENOUS.TEMP_C], h.ctx[:, EXOGENOUS.HOUSE_SHAPE] = 15.0, 0.5
    h.abs_s = np.full(n_world, 300 * 1000, np.int64)
    site.draw_sites(0, n_world, 1, h.active, h.keys, h.uid, h.cfg, h.site)
    return h


def redraw(h: SimpleNamespace, abs_s: int, anew: bool = False) -> np.ndarray:
    """Return the noise (W, n) of the slot at ``abs_s``; ``anew`` if what stays for half an hour is of another one."""
    h.abs_s[:] = abs_s
    if anew:
        h.site[:, SITE.NOISE_SLOW] = np.nan
    site.redraw_noise(0, h.n_world, 1, h.active, h.keys, h.uid, h.abs_s, h.cfg, h.site)
    return h.site[:, SITE.NOISE].copy()


def advance(h: SimpleNamespace) -> None:
    site.advance_sites(0, h.n_world, 1, h.active, h.ctx, h.cfg, h.site)


def test_shape_is_a_japanese_household() -> None:
    shape = site.HOUSE_SHAPE
    assert shape.shape == (3, 2, 48) and shape.dtype == np.float32
    means = shape.mean(axis=2)
    assert (means > 0.25).all() and (means < 0.6).all()  # kW
    at_h = shape.argmax(axis=2) / 2
    assert (at_h >= 18).all() and (at_h <= 21).all()  # the evening peak
    assert (means[:, 1] > means[:, 0]).all()  # people are at home on weekends
    year_kw = (2 * means[0] + means[1] + means[2]).mean() / 4
    assert year_kw == pytest.approx(0.45, abs=0.03)  # 4,175 kWh bought a year is .48 kW, water heating included


def test_homes_have_the_configured_panels_and_loads() -> None:
    h = make(n_site=4000)
    scale, pv = h.site[0, SITE.LOAD_SCALE], h.site[0, SITE.PV_RATED_KW]
    assert scale.mean() == pytest.approx(1.0, abs=0.03)
    assert np.log(scale).std() == pytest.approx(0.4, abs=0.02)
    assert (pv > 0).mean() == pytest.approx(0.65, abs=0.03)
    sizes = pv[pv > 0]
    assert sizes.mean() == pytest.approx(4.8, abs=0.1)
    assert sizes.min() >= np.float32(2.0) and sizes.max() <= np.float32(9.9)
    assert not np.array_equal(h.site[0, SITE.LOAD_SCALE], h.site[1, SITE.LOAD_SCALE])  # another fleet


def test_given_limits_stay_and_others_take_the_default() -> None:
    cfg = site.constants(site.HouseConfig(import_max_kw=8.0))
    given = np.full((2, 2, 4), np.nan, np.float32)
    given[1, 0, 1], given[1, 1, 1], given[0, 1, 3] = 6.0, 0.0, 4.95
    limits = site.site_limits(cfg, given)
    assert limits.dtype == np.float32 and limits.shape == given.shape
    assert limits[0].tolist() == [[8.0] * 4, [*[np.float32(9.9)] * 3, np.float32(4.95)]]
    assert limits[1].tolist() == [[8.0, 6.0, 8.0, 8.0], [np.float32(9.9), 0.0, *[np.float32(9.9)] * 2]]


def test_kernels_equal_the_plain_loops() -> None:
    h, names = make(n_site=50), plain(site)
    h.ctx[:, EXOGENOUS.SUN_KW_M2], h.ctx[:, EXOGENOUS.TEMP_C], h.ctx[:, EXOGENOUS.SEASON] = (
        (0.7, 0.2),
        (31.0, -3.0),
        (1, 2),
    )
    redraw(h, 7_777_500)
    advance(h)
    slow = np.full_like(h.site, np.nan)
    names["draw_sites"](0, 2, 1, h.active, h.keys, h.uid, h.cfg, slow)
    names["redraw_noise"](0, 2, 1, h.active, h.keys, h.uid, h.abs_s, h.cfg, slow)
    names["advance_sites"](0, 2, 1, h.active, h.ctx, h.cfg, slow)
    assert np.array_equal(slow, h.site)
    assert np.array_equal(slow[:, SITE.NET_KW], slow[:, SITE.BARE_KW])


def test_noise_has_mean_one_and_a_memory_of_two_hours() -> None:
    h = make(n_world=1, n_site=4000)
    start = 7200 * 5000
    first = redraw(h, start)[0]
    assert first.mean() == pytest.approx(1.0, abs=0.03)
    assert np.log(first).std() == pytest.approx(0.5, abs=0.02)
    logs = {lag: np.log(redraw(h, start + lag)[0]) for lag in (300, 1800, 7200)}
    correlation = {lag: np.corrcoef(np.log(first), x)[0, 1] for lag, x in logs.items()}
    assert correlation[300] == pytest.approx(0.7, abs=0.04)
    assert correlation[1800] == pytest.approx(0.4, abs=0.05)
    assert correlation[7200] == pytest.approx(0.0, abs=0.05)
    assert np.array_equal(redraw(h, start)[0], first)  # by address: asking again changes nothing


def test_noise_belongs_to_the_uid_not_the_place() -> None:
    h = make(n_site=20)
    straight = redraw(h, 900)
    h.uid = h.uid[:, ::-1].copy()
    assert np.array_equal(redraw(h, 900, anew=True), straight[:, ::-1])


def test_noise_does_not_depend_on_when_the_episode_began() -> None:
    h, other = make(n_site=20), make(n_site=20)
    slow = []
    for abs_s in range(7200 * 5000 - 600, 7200 * 5000 + 4200, 300):  # begins within a half hour
        assert np.array_equal(redraw(h, abs_s), redraw(other, abs_s, anew=True))
        slow.append(h.site[:, SITE.NOISE_SLOW].tobytes())
    assert len(set(slow)) == 4 and slow[0] == slow[1] and len(set(slow[2:8])) == len(set(slow[8:14])) == 1


def test_panels_follow_sun_temperature_and_season() -> None:
    h = make(n_world=4)
    h.ctx[:, EXOGENOUS.SUN_KW_M2] = 0.0, 0.6, 0.6, 0.6
    h.ctx[:, EXOGENOUS.TEMP_C] = 10.0, 0.0, 35.0, 0.0
    h.ctx[:, EXOGENOUS.SEASON] = 0, 1, 1, 2
    h.ctx[:, EXOGENOUS.HOUSE_SHAPE] = 0.0  # nobody uses anything
    redraw(h, 300_000)
    advance(h)
    night, cold, hot, winter = (-h.site[w, SITE.BARE_KW].sum() / h.site[w, SITE.PV_RATED_KW].sum() for w in range(4))
    assert night == 0.0
    sun = 0.6 * 0.96
    cell_c = 31.25 * sun
    assert cold == pytest.approx(sun * 0.86 * (1 - 0.004 * (cell_c - 25)), rel=1e-5)
    assert cold - hot == pytest.approx(sun * 0.86 * 0.004 * 35, rel=1e-3)
    assert winter > cold  # a low sun shines on a steep roof


def test_devices_add_up_at_their_site_in_their_order() -> None:
    h = make(n_site=5)
    advance(h)
    before = h.site[:, SITE.NET_KW].copy()
    index = np.array([[1, 1, 1, 4, 0, 4, 2]], np.int32)
    fleet = np.zeros((2, FLEET.N, 7), np.float32)
    fleet[:, FLEET.POWER_KW, 3:] = 1.0, 2.0, -0.5, 0.25
    h.active[1] = False
    site.add_power(0, 2, 1, h.active, index, fleet, 3, 7, h.site)
    expected = before[0].copy()
    for j, power in zip(index[0, 3:], fleet[0, FLEET.POWER_KW, 3:], strict=True):
        expected[j] += power
    assert np.array_equal(h.site[0, SITE.NET_KW], expected)
    assert np.array_equal(h.site[1, SITE.NET_KW], before[1])


def test_an_inactive_world_changes_no_bit() -> None:
    h = make()
    before = h.site[1].tobytes()
    h.active[1] = False
    h.keys += np.uint32(1)
    site.draw_sites(0, 2, 1, h.active, h.keys, h.uid, h.cfg, h.site)
    redraw(h, 600)
    advance(h)
    assert h.site[1].tobytes() == before


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"pv_share": 1.5}, "pv_share"),
        ({"pv_min_kw": 5.0, "pv_max_kw": 3.0}, "pv_min_kw"),
        ({"noise_part_300s": 0.7, "noise_part_1800s": 0.7}, "noise_part"),
        ({"roof": 1.0}, "roof"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, float], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        site.HouseConfig.model_validate(settings)

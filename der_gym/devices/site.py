"""The home behind one meter: its load, its solar panels, and the power that its devices add up to.

The house is no registered device: it takes no command. A site's net power is ``load - generation`` first; then each
class adds what it draws, stage by stage, and classes of the last stage read the sum.

References
----------
.. [1] Ministry of the Environment, Japan, household CO2 survey, fiscal 2021: 4,175 kWh bought per household and year
   = 0.48 kW, https://www.env.go.jp/earth/ondanka/kateico2tokei/energy/detail/01/ [V]
.. [2] Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, doi:10.2172/1158421: power linear in irradiance and
   cell temperature, 14 % system losses.
.. [3] Ross, "Interface design considerations for terrestrial solar cell modules", 12th IEEE PVSC, 1976: cell
   temperature above the air in proportion to irradiance, (NOCT - 20)/0.8 K per kW/m2 [M]
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from der_gym.devices.base import DeviceConfig
from der_gym.devices.layout import Layout
from der_gym.engine.compile import kernel, scalar
from der_gym.engine.tables import EXOGENOUS, FLEET, SITE
from der_gym.numerics import approx, rng

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Gain = Annotated[float, Field(ge=0.5, le=2.0)]


class HouseConfig(DeviceConfig):
    """Homes: size of the load, panels, wiring. Ranges are for domain randomisation; [A] unless a source is named."""

    load_scale_sigma: float = Field(0.40, ge=0.0, le=1.0)  # of a mean-1 lognormal between homes; [A] .3-.5
    noise_sigma: float = Field(0.50, ge=0.0, le=1.0)  # of the mean-1 factor in time at one home; [A] .3-.7
    noise_part_300s: Share = 0.3  # share of its variance redrawn every 5 min; [A] .2-.5
    noise_part_1800s: Share = 0.3  # every 30 min; the rest every 2 h; [A] .2-.4
    pv_share: Share = 0.65  # homes with panels among recruited homes; [A] .5-.8
    pv_mean_kw: float = Field(4.8, gt=0.0, le=9.9)  # size N(4.8, 1.2) held within 2..9.9; [A]
    pv_sd_kw: float = Field(1.2, ge=0.0, le=3.0)
    pv_min_kw: float = Field(2.0, gt=0.0, le=9.9)
    pv_max_kw: float = Field(9.9, gt=0.0, le=50.0)
    pv_system: float = Field(0.86, gt=0.0, le=1.0)  # 1 - PVWatts' default losses of 14 % [2]
    pv_per_k: float = Field(-0.004, ge=-0.006, le=0.0)  # power per kelvin of cell; -0.0035..-0.0045 [V]
    pv_noct_c: float = Field(45.0, ge=40.0, le=60.0)  # cell at 800 W/m2 and 20 degC air [3] [M]
    # sun on the roof over sun on the flat by season (mid, summer, winter), south to east and west mixed; [A] +-.15
    roof_gain: tuple[Gain, Gain, Gain] = (1.08, 0.96, 1.30)
    import_max_kw: float = Field(10.0, gt=0.0, le=50.0)  # 10-kVA contract of an all-electric home; [A] 6-15
    export_max_kw: float = Field(9.9, ge=0.0, le=50.0)  # low-voltage plants stay below 10 kW; [A] 5-9.9

    @model_validator(mode="after")
    def _parts_fit(self) -> HouseConfig:
        if self.noise_part_300s + self.noise_part_1800s > 1.0:
            raise ValueError("noise_part_300s + noise_part_1800s must not exceed 1")
        if self.pv_min_kw > self.pv_max_kw:
            raise ValueError(f"pv_min_kw {self.pv_min_kw} must not exceed pv_max_kw {self.pv_max_kw}")
        return self


LAYOUT = Layout(HouseConfig)
CFG = LAYOUT.table


def constants(config: HouseConfig) -> NDArray[np.float32]:
    """Return the settings as the float32 vector ``cfg`` that the kernels read, (17,)."""
    return LAYOUT.vector(config)


def site_limits(cfg: NDArray[np.float32], given: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return import and export limits, float32 (n_shard, 2, n_site), kW: the settings' where ``given`` is NaN.

    Where nothing is given they are those of one site, (n_shard, 2, 1), which stand for all.
    """
    given = given[:, :, :1] if np.isnan(given).all() else given
    limits: NDArray[np.float32] = np.where(np.isnan(given), cfg[[CFG.IMPORT_MAX_KW, CFG.EXPORT_MAX_KW], None], given)
    return limits


# Units of 10 W at 0..23 h of a mean home without water heating and car. [A], for want of an open Japanese load table:
# the level after [1] (over a year .45 kW = 3,900 kWh; a range of .25-.6 kW), the form (peaks at 7 and 20 h, cooling on
# summer afternoons, fuller weekend days) from common knowledge; +-20 % by hour.
_WEEKDAY_10W = (
    (27, 25, 24, 23, 23, 26, 40, 50, 44, 36, 33, 33, 36, 34, 32, 33, 38, 47, 57, 64, 65, 60, 49, 36),
    (38, 35, 32, 31, 30, 31, 40, 47, 44, 42, 43, 45, 49, 50, 49, 49, 51, 56, 63, 69, 70, 66, 58, 47),
    (33, 30, 29, 28, 29, 36, 57, 68, 58, 47, 42, 40, 42, 40, 38, 40, 48, 62, 74, 81, 81, 74, 60, 44),
)  # fmt: skip
_WEEKEND_10W = (
    (28, 26, 25, 24, 23, 25, 33, 44, 49, 47, 44, 43, 46, 43, 40, 40, 44, 52, 60, 65, 64, 58, 48, 36),
    (40, 36, 33, 32, 31, 31, 36, 43, 48, 51, 53, 56, 60, 60, 59, 58, 59, 62, 67, 71, 71, 66, 58, 47),
    (35, 32, 30, 29, 29, 33, 46, 60, 64, 60, 55, 53, 55, 52, 49, 50, 56, 67, 77, 82, 80, 72, 59, 44),
)  # fmt: skip


def _half_hours(hourly: tuple[int, ...]) -> NDArray[np.float64]:
    return np.interp(np.arange(48) / 2.0, np.arange(25.0), [*hourly, hourly[0]]) / 100.0


# (season: mid, summer, winter; weekday, weekend; 48): kW at each half-hour's start, LOAD_SCALE = NOISE = 1
HOUSE_SHAPE: NDArray[np.float32] = np.array(
    [[_half_hours(a), _half_hours(b)] for a, b in zip(_WEEKDAY_10W, _WEEKEND_10W, strict=True)], np.float32
)

_ZERO, _HALF, _ONE, _NONE = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(np.nan)
_TEST_C, _NOCT_AIR_C, _NOCT_SUN = np.float32(25.0), np.float32(20.0), np.float32(0.8)
_300, _1800, _7200 = np.int64(300), np.int64(1800), np.int64(7200)
_SITE, _D0 = rng.stream("house.site"), np.uint32(0)
_FAST, _MIDDLE, _SLOW = rng.stream("house.noise.300"), rng.stream("house.noise.1800"), rng.stream("house.noise.7200")


@scalar
def lognormal(z, sigma):  # type: ignore[no-untyped-def]
    """Return the mean-1 lognormal factor at the standard normal ``z``."""
    return approx.exp(sigma * z - _HALF * sigma * sigma)


@scalar
def site_draw(k0, k1, uid, cfg):  # type: ignore[no-untyped-def]
    """Return (load scale, panels in kW or 0) of a site; the normal's tails gather at the size limits (1 % of homes)."""
    u_load, u_has, u_size, _ = rng.uniform4(k0, k1, uid, _SITE, _D0, _D0)
    size = cfg[CFG.PV_MEAN_KW] + cfg[CFG.PV_SD_KW] * approx.normal_quantile(u_size)
    size = approx.clip(size, cfg[CFG.PV_MIN_KW], cfg[CFG.PV_MAX_KW])
    scale = lognormal(approx.normal_quantile(u_load), cfg[CFG.LOAD_SCALE_SIGMA])
    return scale, size if u_has < cfg[CFG.PV_SHARE] else _ZERO


@scalar
def slow_noise(k0, k1, uid, abs_s, fast, middle, slow):  # type: ignore[no-untyped-def]
    """Return what stays for half an hour of the logarithm of the load's factor; the sigmas are those of three slots."""
    z_middle = approx.normal_quantile(rng.quick_uniform(k0, k1, uid, _MIDDLE, abs_s // _1800))
    z_slow = approx.normal_quantile(rng.quick_uniform(k0, k1, uid, _SLOW, abs_s // _7200))
    return middle * z_middle + slow * z_slow - _HALF * (fast * fast + middle * middle + slow * slow)


@scalar
def noise(k0, k1, uid, abs_s, fast, slow_part):  # type: ignore[no-untyped-def]
    """Return the load's factor in the 300-s slot at ``abs_s``, mean 1; ``slow_part`` is that of `slow_noise`."""
    z_fast = approx.normal_quantile(rng.quick_uniform(k0, k1, uid, _FAST, abs_s // _300))
    return approx.exp(fast * z_fast + slow_part)


@scalar
def noise_sigmas(cfg):  # type: ignore[no-untyped-def]
    """Return the sigmas of the 300-s, 1,800-s and 7,200-s slots."""
    slow = max(_ONE - cfg[CFG.NOISE_PART_300S] - cfg[CFG.NOISE_PART_1800S], _ZERO)
    sigma = cfg[CFG.NOISE_SIGMA]
    return sigma * np.sqrt(cfg[CFG.NOISE_PART_300S]), sigma * np.sqrt(cfg[CFG.NOISE_PART_1800S]), sigma * np.sqrt(slow)


@scalar
def pv_per_kw(sun_kw_m2, temp_c, roof, cfg):  # type: ignore[no-untyped-def]
    """Return AC kW per rated kW [2]_, [3]_: sun/1000 * system * (1 + per_k * (T_cell - 25)).

    One roof for all homes (``roof``: sun on the roof over sun on the flat), so a single home's hour is wrong by some
    30 % and the sum of many by some 10 %.
    """
    sun = sun_kw_m2 * roof
    cell_c = temp_c + (cfg[CFG.PV_NOCT_C] - _NOCT_AIR_C) / _NOCT_SUN * sun
    return max(sun * cfg[CFG.PV_SYSTEM] * (_ONE + cfg[CFG.PV_PER_K] * (cell_c - _TEST_C)), _ZERO)


@scalar
def sunshine(ctx, cfg):  # type: ignore[no-untyped-def]
    """Return the AC kW per rated kW that all panels of a world make now."""
    roof = cfg[CFG.ROOF_GAIN + np.int64(ctx[EXOGENOUS.SEASON])]
    return pv_per_kw(ctx[EXOGENOUS.SUN_KW_M2], ctx[EXOGENOUS.TEMP_C], roof, cfg)


@kernel
def draw_sites(s0, s1, n_shard, active, keys, uid, cfg, site):  # type: ignore[no-untyped-def]
    """Draw each site from the fleet's key."""
    for s in range(s0, s1):
        w, p = s // n_shard, s % n_shard
        if not active[w]:
            continue
        for i in range(site.shape[2]):
            scale, size = site_draw(keys[w, 0], keys[w, 1], uid[p, i], cfg)
            site[s, SITE.LOAD_SCALE, i] = scale
            site[s, SITE.PV_RATED_KW, i] = size
            site[s, SITE.NOISE, i], site[s, SITE.NOISE_SLOW, i] = _ONE, _NONE


@kernel
def redraw_noise(s0, s1, n_shard, active, keys, uid, abs_s, cfg, site):  # type: ignore[no-untyped-def]
    """Write the load's factor of the 300-s slot that begins now, from the world's key."""
    fast, middle, slow = noise_sigmas(cfg)
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        k0, k1, now, address = keys[w, 2], keys[w, 3], abs_s[w], uid[s % n_shard]
        factor, held = site[s, SITE.NOISE], site[s, SITE.NOISE_SLOW]
        if now % _1800 == 0 or held[0] != held[0]:
            for i in range(held.shape[0]):
                held[i] = slow_noise(k0, k1, address[i], now, fast, middle, slow)
        for i in range(factor.shape[0]):
            factor[i] = noise(k0, k1, address[i], now, fast, held[i])


@kernel
def advance_sites(s0, s1, n_shard, active, ctx, cfg, site):  # type: ignore[no-untyped-def]
    """Write each site's power of this tick without its devices, which are added to NET_KW afterwards."""
    for s in range(s0, s1):
        w = s // n_shard
        if not active[w]:
            continue
        shape = ctx[w, EXOGENOUS.HOUSE_SHAPE]
        per_kw = sunshine(ctx[w], cfg)
        scale, rated, factor = site[s, SITE.LOAD_SCALE], site[s, SITE.PV_RATED_KW], site[s, SITE.NOISE]
        bare, net = site[s, SITE.BARE_KW], site[s, SITE.NET_KW]
        for i in range(scale.shape[0]):
            kw = scale[i] * shape * factor[i] - rated[i] * per_kw
            bare[i] = kw
            net[i] = kw


@kernel
def add_power(s0, s1, n_shard, active, site_index, fleet, lo, hi, site):  # type: ignore[no-untyped-def]
    """Add the power of the places ``lo .. hi`` to their sites, in the order of the devices: so always the same bits."""
    for s in range(s0, s1):
        if not active[s // n_shard]:
            continue
        at, net, power = site_index[s % n_shard], site[s, SITE.NET_KW], fleet[s, FLEET.POWER_KW]
        for i in range(lo, hi):
            net[np.uint32(at[i])] += power[i]

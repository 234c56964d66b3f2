"""The power and energy that the group could give, by season and time of day, compared with an award.

They are read from the reference days: the fleet without commands, its capability at each half hour. *p10* is the value
that nine of ten days and fleets reach. Power: the devices' upward response for 30 minutes, summed. Energy: the energy
of upward response when the window opens, against mean request x award x hours.

Stores stand by in a window, while those of the reference days serve their homes. So their power at a block is taken
as that at the window's start, less in the same measure as the energy that the blocks before have requested on average.
Known error: the mean over played windows is 5-15 % above this (a part-empty store still holds its power for 30
minutes); their own tenth percentile is below it by up to a third, because requests differ from day to day. Devices
whose link is down are counted.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.core.figures import figure
from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.devices import DEVICES
from der_gym.engine.tables import CAPABILITY
from der_gym.services.base import ServiceConfig
from der_gym.signals import calendar
from der_gym.signals.calendar import SEASONS, Season
from der_gym.simulation.assets import ScenarioAssets
from der_gym.simulation.claims import node_leaves
from der_gym.simulation.reference_days import KEPT
from der_gym.simulation.representative_fleet import units

F8 = NDArray[np.float64]
SURE = 0.10  # nine of ten days reach at least this quantile
SETTLED_DAYS = 1  # the first of the reference days starts from the middle
_BLOCK_H = BLOCK_S / HOUR_S


@dataclass(frozen=True)
class Shortfall:
    """An award above the availability; ``what`` is ``power`` (kW) or ``energy`` (kWh)."""

    service: str
    season: Season
    start_h: int
    what: str
    at_h: float  # hour of the day with the least
    needed: float
    available: float
    award_kw: float

    @property
    def share(self) -> float:
        """Return the part of the award that would be there."""
        return self.available / self.needed

    @property
    def line(self) -> str:
        """Return the shortfall in one line."""
        unit = "kW" if self.what == "power" else "kWh"
        return (
            f"award {figure(self.award_kw)} kW in {self.season} from {self.start_h} h: {self.what} needed "
            f"{figure(self.needed)} {unit}, at {self.at_h:g} h nine of ten days offer {figure(self.available)}"
        )


def samples(
    assets: ScenarioAssets, season: Season, row: int = CAPABILITY.UP_KW, cells: NDArray[np.bool_] | None = None
) -> F8:
    """Return a capability of the uncommanded group on every day of a season, all devices present.

    Parameters
    ----------
    assets : ScenarioAssets
    season : str
    row : int
        Row of `CAPABILITY`, one of `reference_days.KEPT`.
    cells : bool (n_cell,), optional
        Cells to sum; default all.

    Returns
    -------
    float64 (n_fleet * n_day, 48)
        kW or kWh at each half hour's start; no row where the reference days have no day of the season.
    """
    pool, st = assets.pool, assets.structure
    days = np.arange(pool.first_day, pool.first_day + pool.n_day)
    chosen = np.flatnonzero(np.array(SEASONS)[calendar.season(days)] == season)
    chosen = chosen[chosen >= SETTLED_DAYS]
    weight = assets.sample.scale[: st.n_cell] * (1.0 if cells is None else cells)
    sums: F8 = pool.capability[:, chosen, :, :, KEPT.index(row)].astype(np.float64) @ weight
    return sums.reshape(-1, SLOT_PER_DAY)


def sure(assets: ScenarioAssets, season: Season, row: int = CAPABILITY.UP_KW) -> F8:
    """Return the value that nine of ten days reach at each half hour, float64 (48,)."""
    offered: F8 = np.quantile(samples(assets, season, row), SURE, axis=0)
    return offered


def award_kw(assets: ScenarioAssets, config: ServiceConfig, season: Season, start_h: int) -> float:
    """Return a service's commitment in a window, kW; 0 where it commits nothing."""
    st = assets.structure
    cells = node_leaves(st, config)[st.cell_leaf]
    devices = units(st)[cells].sum() * config.share
    return config.planned_kw(season, start_h, round(float(devices)))


def shortfalls(assets: ScenarioAssets) -> list[Shortfall]:
    """Return the windows of the scenario whose commitment is above that of nine of ten days, by service."""
    e = assets.scenario.episode
    windows = [(season, h) for season in e.seasons for h in e.starts_h if len(samples(assets, season))]
    asked = [
        (config, season, h, award_kw(assets, config, season, h))
        for config in assets.scenario.services
        for season, h in windows
    ]
    found = [_short_of(assets, *each) for each in asked if each[3] > 0]
    return [each for both in found for each in both]


def window_kw(assets: ScenarioAssets, config: ServiceConfig, season: Season, start_h: int, award: float) -> F8:
    """Return the power of nine of ten days at each block of a window with an award in kW, float64 (n_block,), kW.

    Parameters
    ----------
    assets : ScenarioAssets
    config : ServiceConfig
    season : str
    start_h : int
        Hour of the day, 0..23.
    award : float
        kW.
    """
    st = assets.structure
    first, block = int(start_h / _BLOCK_H), np.arange(assets.scenario.episode.n_block)
    node = node_leaves(st, config)[st.cell_leaf]
    standby = np.array([DEVICES[st.class_names[k]].traits.standby_in_award for k in st.cell_class])
    others = samples(assets, season, CAPABILITY.UP_KW, node & ~standby)[:, (first + block) % SLOT_PER_DAY]
    rows = (CAPABILITY.UP_KW, CAPABILITY.STORED_KWH)
    power, stored = (samples(assets, season, row, node & standby)[:, first, None] for row in rows)
    called_kwh = config.called_share() * award * _BLOCK_H * block
    left = np.clip(1.0 - called_kwh / np.maximum(stored, 1e-6), 0.0, 1.0)
    offered: F8 = np.quantile(others + power * left, SURE, axis=0) * config.share
    return offered


def _short_of(
    assets: ScenarioAssets, config: ServiceConfig, season: Season, start_h: int, award: float
) -> list[Shortfall]:
    st, n_block = assets.structure, assets.scenario.episode.n_block
    node = node_leaves(st, config)[st.cell_leaf]
    blocks = np.array(config.callable_blocks(start_h, n_block))
    offered = window_kw(assets, config, season, start_h, award)
    least = int(blocks[offered[blocks].argmin()])
    at_h = (start_h + least * _BLOCK_H) % 24
    stored = np.quantile(samples(assets, season, CAPABILITY.STORED_KWH, node), SURE, axis=0)
    held = float(stored[int(start_h / _BLOCK_H)]) * config.share
    needed_kwh = config.called_share() * award * n_block * _BLOCK_H
    both = (
        Shortfall(config.id, season, start_h, "power", at_h, award, float(offered[least]), award),
        Shortfall(config.id, season, start_h, "energy", float(start_h), needed_kwh, held, award),
    )
    return [each for each in both if each.needed > each.available]


def fitting_kw(assets: ScenarioAssets, config: ServiceConfig, season: Season, start_h: int) -> float:
    """Return the largest award of a window that nine of ten days reach, kW, in hundredths of the scenario's."""
    award = award_kw(assets, config, season, start_h)
    low, high = 0, 100
    while high - low > 1:
        middle = (low + high) // 2
        fits = not _short_of(assets, config, season, start_h, award * middle / 100)
        low, high = (middle, high) if fits else (low, middle)
    return award * low / 100


def availability_table(assets: ScenarioAssets) -> str:
    """Return, as text, kW upward for 30 minutes and kWh held that nine of ten days reach at each hour."""
    seasons = [season for season in SEASONS if len(samples(assets, season))]
    lines = ["hour" + "".join(f"  {season:>8} kW {'kWh':>7}" for season in seasons)]
    figures = {
        season: (sure(assets, season, CAPABILITY.UP_KW), sure(assets, season, CAPABILITY.STORED_KWH))
        for season in seasons
    }
    for hour in range(24):
        cells = ""
        for power, energy in figures.values():
            cells += f"  {figure(power[2 * hour]):>11} {figure(energy[2 * hour]):>7}"
        lines.append(f"{hour:4d}{cells}")
    return "\n".join(lines)


def check_award(assets: ScenarioAssets) -> None:
    """Apply each service's ``limits`` to commitments above those of nine of ten days.

    Raises
    ------
    InputError
        With ``enforce``, for the worst of them, with the hours. With ``warn`` it is one warning, with ``off`` nothing.
    """
    if all(config.limits == "off" for config in assets.scenario.services):
        return
    found = [each for each in shortfalls(assets) if assets.scenario.service(each.service).limits != "off"]
    if not found:
        return
    worst = min(found, key=lambda each: each.share)
    config = assets.scenario.service(worst.service)
    fits = fitting_kw(assets, config, worst.season, worst.start_h)
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    text = (
        f"{worst.service}: {worst.line}{more}; allowed: {figure(fits)} kW (award x {fits / worst.award_kw:.2f}), "
        f"another start, or services.{worst.service}.limits: off"
    )
    if config.limits == "enforce":
        raise InputError(f"{text}. {_hours(assets, worst)}")
    warnings.warn(text, stacklevel=2)


def _hours(assets: ScenarioAssets, short: Shortfall) -> str:
    row, unit = (CAPABILITY.UP_KW, "kW") if short.what == "power" else (CAPABILITY.STORED_KWH, "kWh")
    figures = sure(assets, short.season, row)
    hours = ", ".join(f"{hour} h {figure(figures[2 * hour])}" for hour in range(0, 24, 2))
    return f"Without calls, {short.season}, {unit}: {hours}"

"""What the group could give, by season and time of day, and whether an award is above it.

Read from the pool of days: the fleet left alone, its capability at each half hour. *p10* is what is there on nine of
ten days and fleets. Power: the devices' upward response for 30 minutes, summed. Energy: what upward response can draw
on when the window opens, against mean request x award x hours.  Batteries stand by in a window, where the pool's go
on to serve their homes. So their power at a block is taken as that at the window's start, less in the same measure as
the energy that the blocks before have asked for on average. Known error: the mean over played windows is 5-15 % above
this (a part-empty battery still holds its power for 30 minutes), their own tenth percentile below it by up to a
third, for days differ in what they ask; links that are down are counted as there.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError
from der_gym.core.figures import figure
from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.engine.tables import CAPABILITY
from der_gym.scenario.settings import SEASONS, Season
from der_gym.signals import calendar
from der_gym.simulation.assets import ScenarioAssets

F8 = NDArray[np.float64]
SURE = 0.10  # nine of ten days offer at least this quantile
STANDBY = ("battery",)  # classes whose plan in awarded blocks is standby
SETTLED_DAYS = 1  # the pool's first day starts from the middle
_BLOCK_H = BLOCK_S / HOUR_S


@dataclass(frozen=True)
class Shortfall:
    """An award above what is there: ``what`` is ``power`` (kW) or ``energy`` (kWh)."""

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
        ``tally.UP``, ``DOWN``, ``STORED`` or ``DEBT``.
    cells : bool (n_cell,), optional
        Cells to sum; default all.

    Returns
    -------
    float64 (n_fleet * n_day, 48)
        kW or kWh at each half hour's start; no row where the pool has no day of the season.
    """
    pool, st = assets.pool, assets.structure
    days = np.arange(pool.first_day, pool.first_day + pool.n_day)
    chosen = np.flatnonzero(np.array(SEASONS)[calendar.season(days)] == season)
    chosen = chosen[chosen >= SETTLED_DAYS]
    weight = assets.sample.scale[: st.n_cell] * (1.0 if cells is None else cells)
    sums: F8 = pool.capability[:, chosen, :, :, row].astype(np.float64) @ weight
    return sums.reshape(-1, SLOT_PER_DAY)


def sure(assets: ScenarioAssets, season: Season, row: int = CAPABILITY.UP_KW) -> F8:
    """Return what nine of ten days offer at each half hour, float64 (48,)."""
    offered: F8 = np.quantile(samples(assets, season, row), SURE, axis=0)
    return offered


def award_kw(assets: ScenarioAssets, season: Season, start_h: int) -> float:
    """Return the award of a window, kW."""
    m = assets.scenario.market
    if m.award_kw is not None:
        return m.award_kw
    return m.award_table_kw[season][start_h] * assets.structure.n_device / 1000.0 * m.award_share


def shortfalls(assets: ScenarioAssets) -> list[Shortfall]:
    """Return the windows of the scenario whose award is above what nine of ten days offer, by season and start."""
    m = assets.scenario.market
    windows = [(season, h) for season in m.seasons for h in m.starts_h if len(samples(assets, season))]
    found = [_short_of(assets, season, h, award_kw(assets, season, h)) for season, h in windows]
    return [each for both in found for each in both]


def window_kw(assets: ScenarioAssets, season: Season, start_h: int, award: float) -> F8:
    """Return what nine of ten days offer at each block of a window with an award in kW, float64 (n_block,), kW."""
    m, st = assets.scenario.market, assets.structure
    first, block = int(start_h / _BLOCK_H), np.arange(m.n_block)
    standby = np.array([st.class_names[k] in STANDBY for k in st.cell_class])
    others = samples(assets, season, CAPABILITY.UP_KW, ~standby)[:, (first + block) % SLOT_PER_DAY]
    power, stored = (
        samples(assets, season, row, standby)[:, first, None] for row in (CAPABILITY.UP_KW, CAPABILITY.STORED_KWH)
    )
    withheld_kwh = m.request.mean_share * award * _BLOCK_H * block
    left = np.clip(1.0 - withheld_kwh / np.maximum(stored, 1e-6), 0.0, 1.0)
    offered: F8 = np.quantile(others + power * left, SURE, axis=0)
    return offered


def _short_of(assets: ScenarioAssets, season: Season, start_h: int, award: float) -> list[Shortfall]:
    m = assets.scenario.market
    offered = window_kw(assets, season, start_h, award)
    least = int(offered.argmin())
    at_h = (start_h + least * _BLOCK_H) % 24
    held = float(sure(assets, season, CAPABILITY.STORED_KWH)[int(start_h / _BLOCK_H)])
    needed_kwh = m.request.mean_share * award * m.n_block * _BLOCK_H
    both = (
        Shortfall(season, start_h, "power", at_h, award, float(offered[least]), award),
        Shortfall(season, start_h, "energy", float(start_h), needed_kwh, held, award),
    )
    return [each for each in both if each.needed > each.available]


def fitting_kw(assets: ScenarioAssets, season: Season, start_h: int) -> float:
    """Return the largest award of a window, kW, in hundredths of the scenario's, that nine of ten days offer."""
    award = award_kw(assets, season, start_h)
    low, high = 0, 100
    while high - low > 1:
        middle = (low + high) // 2
        fits = not _short_of(assets, season, start_h, award * middle / 100)
        low, high = (middle, high) if fits else (low, middle)
    return award * low / 100


def availability_table(assets: ScenarioAssets) -> str:
    """Return, as text, what nine of ten days offer at each hour: kW upward for 30 minutes, and kWh held."""
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
    """Do what ``market.limits`` says about awards above what nine of ten days offer.

    Raises
    ------
    InputError
        With ``enforce``, for the worst of them, with the hours. With ``warn`` it is one warning, with ``off`` nothing.
    """
    limits = assets.scenario.market.limits
    found = [] if limits == "off" else shortfalls(assets)
    if not found:
        return
    worst = min(found, key=lambda each: each.share)
    fits = fitting_kw(assets, worst.season, worst.start_h)
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    text = (
        f"market: {worst.line}{more}; allowed: {figure(fits)} kW (award x {fits / worst.award_kw:.2f}), another start, "
        "or market.limits: off"
    )
    if limits == "enforce":
        raise InputError(f"{text}. {_hours(assets, worst)}")
    warnings.warn(text, stacklevel=2)


def _hours(assets: ScenarioAssets, short: Shortfall) -> str:
    row, unit = (CAPABILITY.UP_KW, "kW") if short.what == "power" else (CAPABILITY.STORED_KWH, "kWh")
    figures = sure(assets, short.season, row)
    hours = ", ".join(f"{hour} h {figure(figures[2 * hour])}" for hour in range(0, 24, 2))
    return f"Without calls, {short.season}, {unit}: {hours}"

"""Costs of the fleet itself, the same for all services: owners, makers, wear, messages."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.services.base import SettingsModel


class CostConfig(SettingsModel):
    """Prices of the lines that belong to the whole fleet."""

    owners: Literal["bill", "kwh", "offers"] = "bill"
    """What owners are paid for. ``bill``: what their bill is higher than under their own schedule, standby included.
    ``kwh``: every kWh that stores drew less than their own schedule, which in awarded half hours is standby, at retail;
    an earlier rule, kept for comparison. ``offers``: nothing, for what they are offered is all that they are paid; bill
    and wear are theirs. It is what ``control: incentive`` does."""
    retail_day_yen_kwh: float = Field(default=31.0, ge=0.0)
    """Retail price from 07 to 23 h [A]: 27-36 in published tariffs of all-electric homes, fuel adjustment and levy
    included [M]."""
    retail_night_yen_kwh: float = Field(default=21.0, ge=0.0)
    """Retail price from 23 to 07 h [A]: 19-29 likewise [M]."""
    export_yen_kwh: float = Field(default=8.5, ge=0.0)
    """Price at which a home sells what it feeds to the grid, once its feed-in tariff has ended: 7-11 [M]."""
    stored_yen_kwh: float = Field(default=21.0, ge=0.0)
    """Value of a kWh that a home need not buy later because a store, a tank or a car already holds it [A]: the night
    price, at which all three are filled."""
    deferred_yen_kwh: float = Field(default=3.0, ge=0.0)
    """Inconvenience of a kWh that a command takes away from a car or a water heater until later [A]; range 0-10, what
    trials pay households for a shifted kWh [M]. A departure with too little charge costs comfort, see the reward."""
    maker_fee_yen_month: float | None = Field(default=None, ge=0.0)
    """One fee for all interfaces per unit and month, in place of each channel's ``yen_per_unit_month`` [A], range
    0-300; booked pro rata over all half hours."""
    wear_yen_kwh: float = Field(default=4.0, ge=0.0)
    """Wear of stores per discharged kWh beyond what their own schedule would have given, the recharge included: 3-5
    [A]."""
    start_yen: float = Field(default=0.5, ge=0.0)
    """Wear of one start of a compressor [A]."""
    plug_stop_yen: float = Field(default=0.0, ge=0.0)
    """Wear of a charger and a car by one stop on command [A]: no published figure was found."""
    message_yen: float = Field(default=0.01, ge=0.0)
    """Cost of one message to one unit [A], range 0-0.1."""


def retail_yen_kwh(config: CostConfig, first_slot: Any, n_block: int) -> np.ndarray:
    """Return the owners' retail price, (W, n_block) f8, of the blocks from half-hour ``first_slot`` (W,) of the day.

    Parameters
    ----------
    config : CostConfig
    first_slot : int (W,)
        Half hour of the day of the first block, 0..47.
    n_block : int
        Blocks, >= 1.
    """
    slot = (np.asarray(first_slot, dtype=np.int64)[:, None] + np.arange(n_block)) % SLOT_PER_DAY
    per_hour = SLOT_PER_DAY * HOUR_S // 86_400
    night = (slot < 7 * per_hour) | (slot >= 23 * per_hour)
    return np.where(night, config.retail_night_yen_kwh, config.retail_day_yen_kwh)


def standby_yen(config: CostConfig, own_kw: np.ndarray, retail_yen: np.ndarray) -> np.ndarray:
    """Return what standby costs the owners of stores that would follow their own schedule otherwise, yen (W,).

    A store that would serve its home leaves it to the grid, but keeps the energy; one that would take up the sun's
    surplus lets it go at the export price. A charge at night is only put off.

    Parameters
    ----------
    config : CostConfig
    own_kw : float64 (W, n_block)
        What the stores would draw in each half hour, < 0 into the homes; 0 where none stands by.
    retail_yen : float64 (W, n_block)
        Retail price of each half hour, yen/kWh.
    """
    if config.owners != "bill":
        return np.zeros(len(own_kw))
    hours = BLOCK_S / HOUR_S
    left = np.maximum(-own_kw, 0.0) * (retail_yen - config.stored_yen_kwh)
    lost = np.maximum(own_kw, 0.0) * np.where(
        retail_yen > config.retail_night_yen_kwh, config.stored_yen_kwh - config.export_yen_kwh, 0.0
    )
    yen: np.ndarray = np.maximum((left + lost).sum(axis=1) * hours, 0.0)
    return yen

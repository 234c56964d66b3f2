"""Costs of the fleet itself, the same for all services: owners, makers, wear, messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from der_gym.core.units import HOUR_S, SLOT_PER_DAY
from der_gym.services.base import SettingsModel


class CostConfig(SettingsModel):
    """Prices of the lines that belong to the whole fleet."""

    retail_day_yen_kwh: float = Field(default=31.0, ge=0.0)
    """Retail price from 07 to 23 h [A], at which owners are repaid what their stores withheld from the home."""
    retail_night_yen_kwh: float = Field(default=21.0, ge=0.0)
    """Retail price from 23 to 07 h [A]."""
    maker_fee_yen_month: float | None = Field(default=None, ge=0.0)
    """One fee for all interfaces per unit and month, in place of each channel's ``yen_per_unit_month`` [A], range
    0-300; booked pro rata over all half hours."""
    wear_yen_kwh: float = Field(default=4.0, ge=0.0)
    """Wear of stores per discharged kWh, the recharge included: 3-5 [A]."""
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

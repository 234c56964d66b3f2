"""The rules and prices of tertiary-1 (三次調整力①) as one frozen model, each number with its source and standing.

Standing: [P] read in a primary document, [S] read in secondary text that names its primary, [A] assumption, [M] from
memory. An [M] number is *stylised*: the assessment and penalty chapters of the balancing market's trading rules
(EPRX 取引規程 ch. 8, 取引ガイド ch. 2-9, 2-10) were not at hand. :func:`stylised_fields` lists them.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from der_gym.core.errors import InputError
from der_gym.core.units import HOUR_S, SLOT_PER_DAY

BLOCK_MIN = 30  # minutes of a settlement block
BIN_MIN = 5  # minutes between two announced requests
BIN_PER_BLOCK = BLOCK_MIN // BIN_MIN


class MarketConfig(BaseModel):
    """Base of the markets' settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Tertiary1Config(MarketConfig):
    """Tertiary-1: response within 15 minutes, upward only, awards per 30-minute block, paid as bid.

    Raises
    ------
    pydantic.ValidationError
        (A ValueError.) For a key that is unknown, a value out of range, or a bid above the price cap.
    """

    signal: Literal["edc", "simple"] = "edc"
    """``edc``: a target every 5 minutes over a dedicated line, judged as 5-minute means. ``simple`` (簡易指令): one
    value per block, announced 15 minutes before it, judged as 30-minute means; what low-voltage groups use today [P].
    The averaging is [M] stylised."""
    metering: Literal["device", "receiving"] = "device"
    """Where settlement measures; one per resource [S]. Device-point metering needs a next-generation smart meter."""
    plan: Literal["forecast", "perfect"] = "forecast"
    """Yardstick of settlement (基準値): a causal forecast frozen an hour before its block, or, as an ablation, what the
    fleet would do without commands."""

    response_time_s: float = Field(default=900.0, ge=300.0, le=1800.0)
    """Time from zero to the full award: 15 minutes for tertiary-1 [S]. The request moves no faster than that; 30
    minutes at most, so that the ramp after the last awarded block ends within one block."""
    lag_allowance_s: float = Field(default=300.0, ge=0.0, le=900.0)
    """The response may follow the request this much later, [M] stylised. Ramp and lag allowance *are* the response
    time: nothing else is exempted from judgement."""
    sample_s: Literal[60] = 60
    """Sampling of the meter, [M] stylised (line 1-5 s; simple command 1 minute). Only 60 is implemented."""
    band_share: float = Field(default=0.10, gt=0.0, le=1.0)
    """Half width of the tolerance as a share of the *award*, so it binds at request zero too, [M] stylised."""
    min_bid_kw: float = Field(default=1.0, gt=0.0)
    """Least award. The market's minimum is 1,000 kW in steps of 1 kW [S]; the default is a *slice of a list*."""

    bid_price_yen_kw: float = Field(default=2.5, ge=0.0)
    """Price of reserved power per kW and 30-minute block, paid as bid. Calibration: compound product, Tokyo 2026,
    2.4-2.7, other areas 0.9-5.0 [S]."""
    price_cap_yen_kw: float = Field(default=7.21, gt=0.0)
    """Cap on the bid per kW and block, from 2026-09-01 [S]."""
    energy_price_yen_kwh: float = Field(40.0, ge=0.0)
    """Registered price of delivered energy [A]. The aggregator names it, so it covers what a kWh costs him at day: 31
    to the owner, 4 of wear, 5 of margin; energy then neither rules the books nor punishes delivery. At 20 with a
    refill at night prices the two lines are 21,600 and 24,500 yen for 600 kW, 12 blocks, mean request 0.3."""
    fee_yen_kw: float = Field(default=0.03, ge=0.0)
    """Trading fee per awarded kW and block [S]."""

    penalty_mode: Literal["proportional", "block"] = "proportional"
    """What a failed block costs, both [M] stylised: the kW that were missing (or too many), or the whole award. The
    first leaves something to save in a block that is lost already, so it is the default for training."""
    penalty_factor: float = Field(default=1.5, ge=0.0, le=10.0)
    """Times the bid price per penalised kW, [M] stylised."""
    lockout_failures: int = Field(default=3, ge=1)
    """Failed blocks within 30 days after which bids are locked, [M] stylised."""
    lockout_days: float = Field(default=7.0, ge=0.0, le=365.0)
    """How long bids are locked, [M] stylised; booked at once as that many days of the window's expected margin
    (revenue after fee and owners' share)."""

    owners_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Part of the kW revenue that goes to the owners [A]."""
    retail_day_yen_kwh: float = Field(default=31.0, ge=0.0)
    """Retail price from 07 to 23 h [A], at which owners are repaid what their batteries gave."""
    retail_night_yen_kwh: float = Field(default=21.0, ge=0.0)
    """Retail price from 23 to 07 h [A]."""
    retailer_compensation_yen_kwh: float = Field(0.0, ge=0.0)
    """Paid to the owners' retailer per paid kWh: 10 [A] where he is another company, 0 within the same balancing
    group (the default); the duty itself is [P]."""
    maker_fee_yen_month: float = Field(default=50.0, ge=0.0)
    """Fee for the maker's interface per unit and month [A], range 0-300; booked pro rata over all blocks."""
    wear_yen_kwh: float = Field(default=4.0, ge=0.0)
    """Battery wear per discharged kWh, the recharge included: 3-5 [A]."""
    start_yen: float = Field(default=0.5, ge=0.0)
    """Wear of one start of a compressor [A]."""
    message_yen: float = Field(default=0.01, ge=0.0)
    """Cost of one message to one unit [A], range 0-0.1."""

    @model_validator(mode="after")
    def _bid_below_cap(self) -> Tertiary1Config:
        if self.bid_price_yen_kw > self.price_cap_yen_kw:
            raise InputError(
                f"bid_price_yen_kw: {self.bid_price_yen_kw:g} is above price_cap_yen_kw {self.price_cap_yen_kw:g}"
            )
        return self

    @property
    def window_min(self) -> int:
        """Minutes over which the response is averaged before it is judged: 5 (edc) or 30 (simple)."""
        return BIN_MIN if self.signal == "edc" else BLOCK_MIN


def retail_yen_kwh(config: Tertiary1Config, first_slot: Any, n_block: int) -> np.ndarray:
    """Return the owners' retail price, (W, n_block) f8, of the blocks from half-hour ``first_slot`` (W,) of the day."""
    slot = (np.asarray(first_slot, dtype=np.int64)[:, None] + np.arange(n_block)) % SLOT_PER_DAY
    per_hour = SLOT_PER_DAY * HOUR_S // 86_400
    night = (slot < 7 * per_hour) | (slot >= 23 * per_hour)
    return np.where(night, config.retail_night_yen_kwh, config.retail_day_yen_kwh)


def stylised_fields(model: type[MarketConfig] = Tertiary1Config) -> list[tuple[str, str, str]]:
    """Return (field, default, meaning) of every [M] number, for the table that a reader with the rule book corrects."""
    return [
        (name, str(field.default), " ".join((field.description or "").split()))
        for name, field in model.model_fields.items()
        if "[M]" in (field.description or "")
    ]

"""The rules and prices of tertiary-1 (三次調整力①) as one frozen model, each number with its source and standing.

Standing: [P] read in a primary document, [S] read in secondary text that names its primary, [A] assumption, [M] from
memory. An [M] number is *stylised*: the assessment and penalty chapters of the balancing market's trading rules
(EPRX 取引規程 ch. 8, 取引ガイド ch. 2-9, 2-10) were not at hand. :func:`stylised_fields` lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from pydantic import Field, model_validator

from der_gym.core.errors import InputError
from der_gym.services.award import AwardConfig
from der_gym.services.base import ServiceConfig, SettingsModel
from der_gym.signals.calendar import Season
from der_gym.signals.request import RequestConfig

BLOCK_MIN = 30  # minutes of a settlement block
BIN_MIN = 5  # minutes between two announced requests
BIN_PER_BLOCK = BLOCK_MIN // BIN_MIN


# 75 % of the least availability over the window, energy included, kW per 1,000 devices of the default mix [C]
AWARD_TABLE: dict[Season, dict[int, float]] = {
    "winter": {1: 350, 5: 550, 10: 500, 14: 800, 17: 800, 20: 500},
    "mid": {1: 450, 5: 600, 10: 700, 14: 900, 17: 900, 20: 650},
    "summer": {1: 500, 5: 600, 10: 750, 14: 950, 17: 900, 20: 750},
}


class Tertiary1Config(ServiceConfig):
    """Tertiary-1: response within 15 minutes, upward only, awards per 30-minute block, paid as bid.

    Raises
    ------
    pydantic.ValidationError
        (A ValueError.) For a key that is unknown, a value out of range, or a bid above the price cap.
    """

    LEVELS = ("award_share", "award_kw", "award")

    name: str = "tertiary-1"
    """The service's registered name."""
    signal: Literal["edc", "simple"] = "edc"
    """``edc``: a target every 5 minutes over a dedicated line, judged as 5-minute means. ``simple`` (簡易指令): one
    value per block, announced 15 minutes before it, judged as 30-minute means; what low-voltage groups use today [P].
    The averaging is [M] stylised."""

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
    """Registered price of reserve energy [A]. The aggregator names it. At the margin a kWh costs him little: 4 of wear,
    and what owners lose, from -10 yen where it covers their own home to 12.5 where it is fed to the grid. The rest pays
    for standby, which reserve needs whether it is called or not (see docs/money.md). Under ``owners: kwh`` 40 covers 31
    to the owner, 4 of wear and 5 of margin."""
    fee_yen_kw: float = Field(default=0.03, ge=0.0)
    """Trading fee per awarded kW and block [S]."""

    penalty_mode: Literal["proportional", "block"] = "proportional"
    """Basis of the penalty of a failed block, both [M] stylised: the kW missing (or too many), or the whole award. The
    first leaves something to save in a block that is lost already, so it is the default for training."""
    penalty_factor: float = Field(default=1.5, ge=0.0, le=10.0)
    """Times the bid price per penalised kW, [M] stylised."""
    lockout_failures: int = Field(default=3, ge=1)
    """Failed blocks within 30 days after which bids are locked, [M] stylised."""
    lockout_days: float = Field(default=7.0, ge=0.0, le=365.0)
    """Time for which bids are locked, [M] stylised; booked at once as that many days of the window's expected margin
    (revenue after fee and owners' share)."""

    owners_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Part of the kW revenue that goes to the owners [A]."""
    retailer_compensation_yen_kwh: float = Field(0.0, ge=0.0)
    """Paid to the owners' retailer per paid kWh: 10 [A] where he is another company, 0 within the same balancing
    group (the default); the duty itself is [P]."""
    request: RequestConfig = RequestConfig()
    """Level and movement of the request."""
    award_table_kw: dict[Season, dict[int, float]] = Field(default_factory=lambda: AWARD_TABLE)
    """Award per 1,000 devices of the node by season and start hour [C]."""
    award_share: float = Field(default=1.0, gt=0.0, le=1000.0)
    """Times the table's award."""
    award_kw: float | None = Field(default=None, gt=0.0)
    """A fixed award instead of the table's."""
    award: AwardConfig | None = None
    """A level instead of the table's: ``{mode: firm}``, ``{mode: share, share: 0.5}``, ``{mode: kw, kw: 22}``."""
    failed_before_max: int = Field(default=2, ge=0, le=2)
    """Blocks failed in the 30 days before, drawn in 0..this."""

    @model_validator(mode="after")
    def _one_award(self) -> Tertiary1Config:
        if self.award is not None and self.award_kw is not None:
            raise ValueError("award and award_kw are both given; allowed: one of them, the other null")
        return self

    @model_validator(mode="after")
    def _bid_below_cap(self) -> Tertiary1Config:
        if self.bid_price_yen_kw > self.price_cap_yen_kw:
            raise InputError(
                f"bid_price_yen_kw: {self.bid_price_yen_kw:g} is above price_cap_yen_kw {self.price_cap_yen_kw:g}"
            )
        return self

    def planned_kw(self, season: Season, start_h: int, n_device: int) -> float:
        """Return the award of a window, kW: the fixed one, or the table's for ``n_device`` devices."""
        if self.award is not None:
            return self.award.planned_kw(season, start_h)
        if self.award_kw is not None:
            return self.award_kw
        table = self.award_table_kw.get(season) or next(iter(self.award_table_kw.values()))
        return table[start_h] * n_device / 1000.0 * self.award_share

    def least_kw(self) -> float:
        """Return the least award, kW."""
        return self.min_bid_kw

    def scaled(self, times: float) -> Tertiary1Config:
        """Return the same service with ``times`` the award."""
        if self.award is not None:
            return self.model_copy(update={"award": self.award.scaled(times)})
        fixed = None if self.award_kw is None else self.award_kw * times
        return self.model_copy(update={"award_share": self.award_share * times, "award_kw": fixed})

    def called_share(self) -> float:
        """Return the mean request as a share of the award."""
        return self.request.mean_share

    def check(self, starts_h: Sequence[int], seasons: Sequence[str]) -> None:
        """Raise ValueError where an episode may begin at an hour that has no award."""
        if self.award_kw is not None or self.award is not None:
            return
        for season in seasons:
            known = self.award_table_kw.get(cast(Season, season), {})
            missing = [h for h in starts_h if h not in known]
            if missing:
                raise ValueError(
                    f"starts_h {missing[0]}: no award for {season} in award_table_kw; allowed: {sorted(known)}"
                )

    @property
    def window_min(self) -> int:
        """Minutes over which the response is averaged before it is judged: 5 (edc) or 30 (simple)."""
        return BIN_MIN if self.signal == "edc" else BLOCK_MIN


def stylised_fields(model: type[SettingsModel] = Tertiary1Config) -> list[tuple[str, str, str]]:
    """Return (field, default, meaning) of every [M] number, so that a reader with the rule book can correct it."""
    return [
        (name, str(field.default), " ".join((field.description or "").split()))
        for name, field in model.model_fields.items()
        if "[M]" in (field.description or "")
    ]

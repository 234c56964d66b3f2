"""The rules and prices of the capacity call as one frozen model, each number with its source and standing.

Standing: [P] read in a primary document, [S] read in secondary text that names its primary, [A] assumption, [M] from
memory: stylised, to be set right by a reader who has the rule book.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.services.award import AwardConfig
from der_gym.services.base import ServiceConfig
from der_gym.signals.calendar import SEASONS, Season

LEAST_ASKED = 0.05  # of the contract: less is no call
_PER_1000_KW: dict[Season, float] = {"mid": 120.0, "summer": 120.0, "winter": 120.0}


class CapacityCallConfig(ServiceConfig):
    """Contract, notice, hold, hours and money of the dispatch-instructed source.

    Raises
    ------
    pydantic.ValidationError
        (A ValueError.) For an unknown key, a value out of range, hours that are no whole half hours, a missing season.
    """

    LEVELS = ("contract_kw", "contract_per_1000_kw", "award")

    contract_kw: float | None = Field(None, gt=0.0)
    """Contract of the node, kW; none: by season from ``contract_per_1000_kw``. The market's least contract is 1,000 kW
    [M]; a scenario's node is a slice of a group."""
    contract_per_1000_kw: dict[Season, float] = Field(default_factory=lambda: dict(_PER_1000_KW))
    """Contract per 1,000 devices of the node by season, kW, where ``contract_kw`` is none [A]."""
    award: AwardConfig | None = None
    """The contract as a level of the scenario's own list instead: ``{mode: firm}``, ``{mode: share, share: 0.5}``,
    ``{mode: kw, kw: 22}``. ``available`` is what nine of ten days offer in every half hour that may be called.
    ``firm`` comes out low: the rules aim at the contract, and a half hour just below it does not pass."""
    least_contract_kw: float = Field(1.0, gt=0.0)
    """Least contract of a ``share``, kW [A]: see ``contract_kw``."""
    asked_share: tuple[float, float] = (1.0, 1.0)
    """Least and greatest part of the contract that a call asks for, 0.05 .. 1, drawn for each ``asked_every_h`` of the
    hold. Alike: nothing is drawn. The market asks for the whole contract [M]; a bilateral contract with a retailer or a
    network may let the buyer ask for what the evening lacks [A] .3-1. The contract is paid whole in either case."""
    asked_every_h: float = Field(1.0, ge=0.5, le=6.0)
    """Time for which one drawn part holds [A]."""
    adjustment: Literal["same_day", "none"] = "same_day"
    """Whether what was drawn from 5 h to 2 h before the call moves the yardstick. The rules adjust [S]; without is an
    alternative that both sides may agree on [M]. Batteries that serve homes want it: what they charge in the morning
    says the opposite of what they do in the afternoon."""

    notice_h: float = Field(3.0, ge=3.0, le=12.0)
    """From the notice to the start of the call: 3 h at least [M]."""
    hold_h: float = Field(3.0, gt=0.0, le=6.0)
    """The call is held so long: 3 h [S]."""
    first_notice_h: float = Field(2.0, ge=0.0, le=12.0)
    """Earliest notice, h from the episode's start [A]. The yardstick is adjusted by what was drawn from 5 h to 2 h
    before the call: with 2 h and a notice of 3 h, all of it lies in the episode."""
    first_hour: int = Field(9, ge=0, le=23)
    """A call starts no earlier: 9 h, on working days alone [M]."""
    last_hour: int = Field(20, ge=1, le=24)
    """A call ends no later: 20 h [M]."""
    calls_per_year: int = Field(12, ge=1, le=12)
    """Calls in a year, 12 at most, one a day [M]. The year's money and its penalty are spread over them."""

    contract_yen_kw_year: float = Field(5834.0, ge=0.0)
    """Contract price, yen per kW and year. Tokyo [S]: FY2024 14,137; FY2025 3,495; FY2026 5,834; FY2027 9,555; FY2028
    14,812; FY2029 15,111. Booked pro rata over the called half hours of the year (calls x hold), not over the calendar:
    an episode that holds one of twelve calls holds a twelfth of the year's money, beside a twelfth of its penalty."""
    penalty_factor: float = Field(1.10, ge=0.0, le=10.0)
    """An unmet kWh costs ``contract_yen_kw_year * penalty_factor / (calls_per_year * hold_h)`` [M]."""
    year_cap_share: float = Field(1.10, ge=0.0)
    """Penalties of a year end at this share of the contract's yearly money [M]."""
    month_cap_share: float = Field(0.183, ge=0.0)
    """Penalties of a month end at this share of it [M]: about two calls that are missed whole."""
    penalised_year_share: float = Field(0.0, ge=0.0)
    """Penalties of the year before the episode, as a share of the contract's yearly money [A]."""
    penalised_month_share: float = Field(0.0, ge=0.0)
    """Penalties of the month before the episode, likewise [A]."""

    energy_price_yen_kwh: float = Field(15.0, ge=0.0)
    """Price of the delivered energy, up to the contract, yen/kWh [A]: about the day-ahead price, at which the provider
    sells it."""
    owners_share: float = Field(0.5, ge=0.0, le=1.0)
    """Part of the kW revenue that goes to the owners [A]."""

    @field_validator("notice_h", "hold_h", "first_notice_h", "asked_every_h")
    @classmethod
    def _half_hours(cls, hours: float) -> float:
        if hours * HOUR_S % BLOCK_S:
            raise ValueError("no whole number of half hours")
        return hours

    @field_validator("asked_share")
    @classmethod
    def _asks_in_order(cls, share: tuple[float, float]) -> tuple[float, float]:
        if not LEAST_ASKED <= share[0] <= share[1] <= 1.0:
            raise ValueError(f"{list(share)}; allowed: two numbers in order, each {LEAST_ASKED:g} to 1")
        return share

    @field_validator("contract_per_1000_kw")
    @classmethod
    def _every_season(cls, table: dict[Season, float]) -> dict[Season, float]:
        missing = [season for season in SEASONS if not table.get(season, 0.0) > 0.0]
        if missing:
            raise ValueError(f"{missing[0]}: no contract above 0 kW; every one of {', '.join(SEASONS)} needs one")
        return table

    @model_validator(mode="after")
    def _baseline_of_its_own(self) -> CapacityCallConfig:
        if self.plan != "forecast":
            raise ValueError(f"plan: {self.plan!r}; the yardstick of a call is High 4 of 5; allowed: 'forecast'")
        return self

    @model_validator(mode="after")
    def _one_contract(self) -> CapacityCallConfig:
        if self.award is not None and self.contract_kw is not None:
            raise ValueError("award and contract_kw are both given; allowed: one of them, the other null")
        return self

    def planned_kw(self, season: Season, start_h: int, n_device: int) -> float:
        """Return the contract, kW: the fixed one, the level's, or the table's for ``n_device`` devices."""
        if self.award is not None:
            return self.award.planned_kw(season, start_h)
        return self.contract_kw or self.contract_per_1000_kw[season] * n_device / 1000.0

    def least_kw(self) -> float:
        """Return the least contract, kW."""
        return self.least_contract_kw

    def scaled(self, times: float) -> CapacityCallConfig:
        """Return the same service with ``times`` the contract."""
        if self.award is not None:
            return self.model_copy(update={"award": self.award.scaled(times)})
        fixed = None if self.contract_kw is None else self.contract_kw * times
        table = {season: kw * times for season, kw in self.contract_per_1000_kw.items()}
        return self.model_copy(update={"contract_kw": fixed, "contract_per_1000_kw": table})

    def called_share(self) -> float:
        """Return the called part of the shortest episode that holds a call."""
        return self.hold_h / (self.first_notice_h + self.notice_h + self.hold_h)

    def call_starts(self, start_h: int, n_block: int) -> list[int]:
        """Return the half hours at which a call may start in ``n_block`` of them from ``start_h`` h of the day."""
        per_hour = HOUR_S // BLOCK_S
        earliest = max(self.first_notice_block + self.notice_blocks, (self.first_hour - start_h) * per_hour)
        latest = min(n_block, (self.last_hour - start_h) * per_hour) - self.hold_blocks
        return list(range(earliest, latest + 1))

    def callable_blocks(self, start_h: int, n_block: int) -> range:
        """Return which of the ``n_block`` half hours from ``start_h`` h may be called: all where no call fits."""
        starts = self.call_starts(start_h, n_block)
        return range(starts[0], starts[-1] + self.hold_blocks) if starts else range(n_block)

    def check(self, starts_h: Sequence[int], seasons: Sequence[str]) -> None:
        """Raise ValueError where an episode may begin at an hour after which no call fits."""
        fits = [h for h in range(24) if self.call_starts(h, SLOT_PER_DAY)]
        late = [h for h in starts_h if h not in fits]
        if late:
            raise ValueError(
                f"starts_h {late[0]}: no call of {self.id!r} fits, with {self.first_notice_h:g} h before the notice, "
                f"{self.notice_h:g} h of it, {self.hold_h:g} h held until {self.last_hour} h; allowed: {fits}"
            )

    @property
    def notice_blocks(self) -> int:
        """Return half hours from the notice to the call."""
        return round(self.notice_h * HOUR_S) // BLOCK_S

    @property
    def hold_blocks(self) -> int:
        """Return half hours of the call."""
        return round(self.hold_h * HOUR_S) // BLOCK_S

    @property
    def first_notice_block(self) -> int:
        """Return the half hour of the episode at whose start the earliest notice is given."""
        return round(self.first_notice_h * HOUR_S) // BLOCK_S

    @property
    def yen_kwh_unmet(self) -> float:
        """Return the penalty of an unmet kWh, yen."""
        return self.contract_yen_kw_year * self.penalty_factor / (self.calls_per_year * self.hold_h)

"""The rules and prices of imbalance as one frozen model, each number with its source and standing.

Standing: [P] read in a primary document, [S] read in secondary text that names its primary, [A] assumption, [M] from
memory: stylised.
"""

from __future__ import annotations

from pydantic import Field

from der_gym.services.base import ServiceConfig


class ImbalanceConfig(ServiceConfig):
    """The single imbalance price, the reserve margin that makes it dear, and the units of the score.

    Raises
    ------
    pydantic.ValidationError
        (A ValueError.) For an unknown key or a value out of range.
    """

    margin_mean_pct: float = Field(14.0, ge=3.0, le=50.0)
    """Mean reserve margin of the wide area, % [A]. With the spread below, 2 % of the half hours lie under the 10 % at
    which scarcity begins."""
    margin_sd_pct: float = Field(2.0, ge=0.0, le=10.0)
    """Its standard deviation, % [A]."""
    margin_residual_share: float = Field(0.7, ge=0.0, le=1.0)
    """Weight of the date's net-load residual in the margin; the rest is the episode's own luck [A]."""
    margin_memory_h: float = Field(2.0, gt=0.0, le=24.0)
    """Memory of that luck, h [A]."""
    capped: bool = False
    """Whether the price ends at 100 yen/kWh, as after 30 half hours at 200 or more within 7 days [S]. The days before
    an episode have no imbalance prices here, so it is a setting."""
    published_after: int = Field(2, ge=0, le=47)
    """Half hours from the end of a half hour until its price is published [A]."""

    stores_stand_by: bool = True
    """Whether stores of the node stand by at 0 kW, ready to balance in both directions [A]. Without it their plan is
    their own schedule, and a command takes them off it."""

    idle_error_share: float = Field(0.12, gt=0.0, le=1.0)
    """Mean |plan - actual| of a half hour of a group that does nothing, as a share of the power that it is expected to
    draw [C: 0.08 to 0.17 over the hours of the day, 1,000 mixed homes]: the unit of accuracy. Reaching it scores 0, a
    plan kept exactly scores 1."""
    stake_share: float = Field(1.0, gt=0.0, le=1.0)
    """The unit of the reward's money is this share of the expected energy at the mean price [A]: a single price pays
    nobody for keeping the plan, so nothing is earned by following it exactly."""

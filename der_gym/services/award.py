"""How large a service's award is: a fixed one, a share of what the list has, or what the best rule keeps of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from der_gym.core.errors import InputError
from der_gym.services.base import SettingsModel
from der_gym.signals.calendar import Season


class AwardConfig(SettingsModel):
    """The level of the award; `simulation.award_level` turns ``firm`` and ``share`` into kW of the scenario's own list.

    Raises
    ------
    pydantic.ValidationError
        (A ValueError.) For a value out of range, or ``kw`` missing where the mode needs it.
    """

    mode: Literal["firm", "kw", "share"]
    """``kw``: fixed; ``share``: of rated or available power; ``firm``: the largest that the best rule keeps."""
    kw: float | dict[Season, dict[int, float]] | None = None
    """With ``kw``: the award, or a table of it by season and start hour, kW of the node."""
    share: float = Field(default=0.5, gt=0.0, le=1000.0)
    """With ``share``: part of the power that ``of`` names. Above 1 only a search of firm power is likely to ask."""
    of: Literal["available", "rated"] = "available"
    """``available``: what nine of ten days offer in every block of the window; ``rated``: the rated swing."""
    share_of_blocks: float = Field(default=0.95, gt=0.0, le=1.0)
    """With ``firm``: share of blocks that must pass."""

    @model_validator(mode="after")
    def _kw_where_it_is_read(self) -> AwardConfig:
        if (self.kw is not None) != (self.mode == "kw"):
            raise ValueError(f"award.kw: {self.kw}; allowed: a number or a table with mode kw, nothing else")
        return self

    def planned_kw(self, season: Season, start_h: int) -> float:
        """Return the award of a window, kW.

        Raises
        ------
        InputError
            Where it has not been worked out for the list, or the table has no such window.
        """
        if self.kw is None:
            raise InputError(
                f"award: mode {self.mode} is not worked out for this list; allowed: a simulator, or `award_level.ready`"
            )
        if isinstance(self.kw, float):
            return self.kw
        if start_h not in self.kw.get(season, {}):
            raise InputError(f"award.kw: no award for {season} at {start_h} h; allowed: a table with all windows")
        return self.kw[season][start_h]

    def scaled(self, times: float) -> AwardConfig:
        """Return ``times`` the award."""
        if self.mode == "share":
            return self.model_copy(update={"share": self.share * times})
        if isinstance(self.kw, dict):
            kw = {season: {h: each * times for h, each in row.items()} for season, row in self.kw.items()}
            return self.model_copy(update={"kw": kw})
        return self.model_copy(update={"kw": None if self.kw is None else self.kw * times})


SEARCHED = AwardConfig(mode="share", of="rated", share=0.1)
"""Where a search of firm power begins, so that it needs no award to begin with."""

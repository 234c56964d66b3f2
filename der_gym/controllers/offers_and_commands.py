"""A rule for commands and offers side by side: offers for what commands do not reach, merit order for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, PublicInfo, State
from der_gym.controllers.offer_rules import NeedsOffer, NeedsOfferConfig
from der_gym.core.errors import InputError
from der_gym.env.observation.layout import Layout


class OffersAndCommandsConfig(NeedsOfferConfig):
    """Offers for what commands do not reach."""

    commands: dict[str, float] = Field(default_factory=dict)
    """Settings of the merit order that commands, where they are not its shipped ones."""
    reach_share: float = Field(0.0, ge=0, le=2)
    """Part of the power within reach of commands that counts: offers go out for a target above it alone; 0: for all."""
    car_reach_share: float = Field(0.0, ge=0, le=2)
    """Likewise for leaves with cars, whose charging can wait at little cost."""
    store_part: float = Field(1.0, ge=0, le=2)
    """What leaves with stores are offered, of the price."""
    heater_part: float = Field(1.0, ge=0, le=2)
    """Likewise leaves that store heat."""
    car_part: float = Field(1.0, ge=0, le=2)
    """Likewise leaves with cars."""

    search = {  # noqa: RUF012
        **NeedsOfferConfig.search,
        "reach_share": (0.0, 1.5),
        "car_reach_share": (0.0, 1.5),
        "store_part": (0.0, 1.5),
        "heater_part": (0.0, 1.5),
        "car_part": (0.0, 1.5),
    }


class OffersAndCommands(NeedsOffer):
    """Offers by need for what commands do not reach; merit order commands what is missing to the target.

    Where some leaves obey no command, only those get offers: an owner in an event would be lost to the commands.
    """

    name = "offers_and_commands"
    title = "Offers by need for the base, merit order for the rest"
    plays = ("both",)
    config_class = OffersAndCommandsConfig

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        from der_gym.controllers.store import make

        self.inner = make("merit_order", self.config.commands)

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts; InputError where the action has no commands.

        Parameters
        ----------
        layout : Layout
        public : PublicInfo
        """
        super().bind(layout, public)
        if "dispatch" not in layout.action.places:
            raise InputError(f"controller {self.name}: the action has no head 'dispatch'; allowed: control both")
        self.inner.bind(layout, public)
        c, on, obeys = self.config, public.holding, public.obeys
        kinds = ((c.store_part, on("store")), (c.heater_part, on("heat")), (c.car_part, on("mobile")))
        part = np.max([part * mask for part, mask in kinds], axis=0)
        self._by_leaf = part if obeys.all() else part * ~obeys
        cars = on("mobile") & (self._by_leaf > 0)
        self._from = np.where(cars, c.car_reach_share, c.reach_share)  # in parts of what commands reach

    def offered(self, obs: Array, way: Array, wanted: Array) -> Array:
        """Return each leaf's part of the price, (n, n_leaf); 0 where commands reach the target, or it obeys some.

        Arguments are those of `NeedsOffer.offered`.
        """
        due = np.abs(wanted)[:, None] >= self._reach(obs, way)[:, None] * self._from
        return np.asarray(self._by_leaf * due)

    def aim(self, obs: Array) -> tuple[Array, Array, Array]:
        """Return whether to offer, the direction and the target, see `OfferRule.aim`; not where commands reach it."""
        due, way, wanted = super().aim(obs)
        return due & (np.abs(wanted) >= self._reach(obs, way) * self._from.min()), way, wanted

    def _reach(self, obs: Array, way: Array) -> Array:
        """Return what commands could give, kW (n,)."""
        up, down = self.read(obs, "leaf.up_kw", "leaf.down_kw")
        reach: Array = (np.where(way[:, None] > 0, up, down) * self.public.obeys).sum(axis=1)
        return reach

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return offers and fractions; see :class:`Controller`."""
        own = None if state is None else {"sum": state["sum"]}
        below = None if state is None else {name: state[name] for name in ("group", "leaf")}
        offers, memory = super().predict(obs, own, episode_start)
        fractions, inner = self.inner.predict(obs, below, episode_start)
        _, at, n = self.layout.action.places["dispatch"]
        offers[:, at : at + n] = fractions
        return offers, {**memory, **inner}

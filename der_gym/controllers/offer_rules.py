"""Rules that offer pay to owners: constant, by a ladder, by the gap, and by a supply curve learned on the way.

All of them offer while a commitment stands and ``lead_s`` before it, upward for a target above 0 and downward for one
below; where the head has no room in a direction nothing is offered. A price is the head's value, yen/kWh; the head
holds it between its gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, Rule, State, fresh
from der_gym.core.errors import InputError, unknown
from der_gym.core.units import BLOCK_S
from der_gym.env.observation.layout import Layout

_TINY_KW = 1e-6


class OfferConfig(ControllerConfig):
    """Settings that the rules of offers share."""

    lead_s: float = Field(1800.0, ge=0, le=3600)
    """Time before a commitment or a new request at which the offer goes out: owners are owed notice and are slow, s."""
    leaf_part: dict[str, Annotated[float, Field(ge=0, le=10)]] = Field(default_factory=dict)
    """Part of the price that a control leaf is offered, by its name; default 1. With 0 nobody of it is called."""

    search_leaves = {"leaf_part": (0.0, 2.0)}  # noqa: RUF012


class OfferRule(Rule):
    """The common part: when to offer, which way, and where it stands in the action."""

    per_service: ClassVar[bool] = False
    plays: ClassVar[tuple[str, ...]] = ("incentive", "both")
    config_class: ClassVar[type[ControllerConfig]] = OfferConfig

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts.

        Parameters
        ----------
        layout : Layout
        public : PublicInfo

        Raises
        ------
        InputError
            Where the action has no offer, or there are several services.
        """
        super().bind(layout, public)
        if "offer" not in layout.action.places:
            raise InputError(
                f"controller {self.name}: the action has no head 'offer'; allowed: control incentive, both"
            )
        if len(layout.services) > 1:
            raise InputError(f"controller {self.name}: {len(layout.services)} services; allowed: one")
        head = layout.action.places["offer"][0]
        self.low, self.high = float(head.low), float(head.high)
        self.part = self._parts(layout.leaf_names)
        self.downward = [view.id for view in layout.services if f"{view.id}.more_kw" in layout.fields]
        self.gate = max(int(head.gate_s // public.decision_s), 1)

    def aim(self, obs: Array) -> tuple[Array, Array, Array]:
        """Return whether to offer, bool (n,); the direction, 1 up or -1 down; the target or coming award, kW (n,)."""
        award, target, asked = self.read(obs, "award_kw", "target_kw", "request_kw")
        ahead, left = self.read(obs, "block.award_kw", "block_left")
        soon = (left * BLOCK_S <= self.config.lead_s) & (ahead[:, 1] > 0)
        far = ((1.0 + left) * BLOCK_S <= self.config.lead_s) & (ahead[:, 2] > 0)
        coming = np.maximum(np.where(soon, ahead[:, 1], 0.0), np.where(far, ahead[:, 2], 0.0))
        now = np.where(left * BLOCK_S <= self.config.lead_s, asked, target)  # what is announced may come later
        wanted = np.where(award > 0, now, coming)
        due = (award > 0) | soon | far
        for name in self.downward:  # what the service wants drawn more
            more, after = self.read(obs, f"{name}.more_kw", f"{name}.more_next_kw")
            wanted = -np.where((more <= 0) & (left * BLOCK_S <= self.config.lead_s), after, more)
            due = wanted < 0
        return due, np.where(wanted < 0, -1.0, 1.0), wanted

    def action(self, prices: Array, due: Array, way: Array, **heads: Array) -> Array:
        """Return the action of prices, cut to the head's bounds; 0 where not ``due``.

        Parameters
        ----------
        prices : float64 (n, n_leaf)
            yen/kWh, >= 0.
        due : bool (n,)
        way : float64 (n,)
            1 for less, -1 for more power.
        heads
            Values of further heads.
        """
        signed = np.where(due[:, None], prices * self.part * way[:, None], 0.0)
        action: Array = self.layout.encode({"offer": np.clip(signed, self.low, self.high), **heads})
        return np.broadcast_to(action, (len(prices), action.shape[-1])).copy()

    def _parts(self, leaf_names: Sequence[str]) -> Array:
        """Return the part of the price that each leaf is offered, (n_leaf,); InputError for one that there is not."""
        given = self.config.leaf_part
        for name in given:
            if name not in leaf_names:
                raise unknown(f"controller {self.name}: leaf_part", name, leaf_names)
        return np.array([given.get(name, 1.0) for name in leaf_names])


class FlatOfferConfig(OfferConfig):
    """Constant prices by what a leaf holds; leaves of several kinds get the mean."""

    store_yen_kwh: float = Field(20.0, ge=0, le=100)
    """Price offered to leaves with stores."""
    heater_yen_kwh: float = Field(10.0, ge=0, le=100)
    """Price offered to leaves that store heat."""
    car_yen_kwh: float = Field(10.0, ge=0, le=100)
    """Price offered to leaves with cars."""
    growth_yen_kwh_h: float = Field(0.0, ge=-20, le=20)
    """What the prices rise by in each hour of an event."""

    search = {  # noqa: RUF012
        "lead_s": (0.0, 3600.0),
        "store_yen_kwh": (0.0, 60.0),
        "heater_yen_kwh": (0.0, 40.0),
        "car_yen_kwh": (0.0, 40.0),
        "growth_yen_kwh_h": (-10.0, 10.0),
    }


class FlatOffer(OfferRule):
    """The same price throughout an event, by what the leaves hold."""

    name = "flat_offer"
    title = "Flat offer: constant pay by kind of device"
    config_class = FlatOfferConfig
    config: Any

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return constant offers while one is due; see :class:`Controller`."""
        c, due = self.config, self.aim(obs)
        memory = fresh(state, episode_start, {"steps": np.zeros(len(obs))})
        hours = memory["steps"] * self.public.decision_s / 3600.0
        prices = np.maximum(self.prices()[None] + c.growth_yen_kwh_h * hours[:, None], 0.0)
        steps = np.where(due[0], memory["steps"] + 1.0, 0.0)
        return self.action(prices, *due[:2]), {"steps": steps}

    def prices(self) -> Array:
        """Return the price of each leaf, (n_leaf,)."""
        c, on = self.config, self.public.holding
        kinds = ((c.heater_yen_kwh, on("heat")), (c.car_yen_kwh, on("mobile")), (c.store_yen_kwh, on("store")))
        weight = np.array([mask for _, mask in kinds], dtype=np.float64)
        total: Array = (np.array([price for price, _ in kinds]) @ weight) / np.maximum(weight.sum(axis=0), 1.0)
        return total


class PeakOfferConfig(OfferConfig):
    """A ladder of prices: a step for each part of the reachable power that is needed."""

    base_yen_kwh: float = Field(15.0, ge=0, le=100)
    """First step."""
    times_2: float = Field(2.0, ge=1, le=5)
    """The second over the first; trials paid two to four times the price."""
    times_3: float = Field(3.0, ge=1, le=10)
    """The third over the first."""
    share_2: float = Field(0.2, ge=0, le=2)
    """Need over reachable power from which on the second step is offered."""
    share_3: float = Field(0.4, ge=0, le=2)
    """Likewise the third."""

    search = {  # noqa: RUF012
        "lead_s": (0.0, 3600.0),
        "base_yen_kwh": (4.0, 40.0),
        "times_2": (1.0, 3.0),
        "times_3": (1.0, 5.0),
        "share_2": (0.05, 0.6),
        "share_3": (0.1, 1.2),
    }


class PeakOffer(OfferRule):
    """Critical-peak ladder: the scarcer the reachable power, the higher the step."""

    name = "peak_offer"
    title = "Peak offer: a ladder of pay by scarcity"
    config_class = PeakOfferConfig
    config: Any

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the step of the ladder for all leaves; see :class:`Controller`."""
        c, (due, way, wanted) = self.config, self.aim(obs)
        up, down = self.read(obs, "leaf.up_kw", "leaf.down_kw")
        reach = np.where(way > 0, up.sum(axis=1), down.sum(axis=1))
        share = np.abs(wanted) / np.maximum(reach, _TINY_KW)
        step = np.where(share >= c.share_3, c.times_3, np.where(share >= c.share_2, c.times_2, 1.0))
        prices = np.repeat((c.base_yen_kwh * step)[:, None], self.layout.n_leaf, axis=1)
        return self.action(prices, due, way), {}


class NeedsOfferConfig(OfferConfig):
    """PI on the gap."""

    base_yen_kwh: float = Field(12.0, ge=0, le=100)
    """Offered where nothing is missing."""
    gain_yen_kwh: float = Field(20.0, ge=0, le=200)
    """More for a gap as large as the service's unit."""
    integral_yen_kwh_h: float = Field(10.0, ge=0, le=200)
    """More for each hour of such a gap."""
    skew: float = Field(0.0, ge=0, le=2)
    """How much more leaves get that could give much for their size: exponent of their share."""

    search = {  # noqa: RUF012
        "lead_s": (0.0, 3600.0),
        "base_yen_kwh": (0.0, 40.0),
        "gain_yen_kwh": (0.0, 80.0),
        "integral_yen_kwh_h": (0.0, 60.0),
        "skew": (0.0, 1.0),
    }


class NeedsOffer(OfferRule):
    """Offer what the gap asks for: proportional and integral, to each leaf by what it could give."""

    name = "needs_offer"
    title = "Needs offer: PI on the gap, by leaf"
    config_class = NeedsOfferConfig
    config: Any

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return offers by the gap; see :class:`Controller`."""
        c, (due, way, wanted) = self.config, self.aim(obs)
        response, unit, up, down, award = self.read(
            obs, "response_kw", "unit_kw", "leaf.up_kw", "leaf.down_kw", "award_kw"
        )
        memory = fresh(state, episode_start, {"sum": np.zeros(len(obs))})
        judged = (award > 0) | (way < 0)
        gap = np.where(judged, (wanted - response) * way / np.maximum(unit, _TINY_KW), 0.0)
        top = (self.high if self.high > -self.low else -self.low) / max(c.integral_yen_kwh_h, 1e-9)
        total = np.clip(memory["sum"] + gap * self.public.decision_s / 3600.0, -top, top) * due
        price = np.maximum(c.base_yen_kwh + c.gain_yen_kwh * gap + c.integral_yen_kwh_h * total, 0.0)
        could = np.where(way[:, None] > 0, up, down) / np.maximum(self.layout.nominal_kw, _TINY_KW)
        weight = (could / np.maximum(could.max(axis=1, keepdims=True), _TINY_KW)) ** c.skew
        return self.action(price[:, None] * weight * self.offered(obs, way, wanted), due, way), {"sum": total}

    def offered(self, obs: Array, way: Array, wanted: Array) -> Array:
        """Return each leaf's part of the price, (n_leaf,) or (n, n_leaf).

        Parameters
        ----------
        obs : float32 (n, size)
        way, wanted : float64 (n,)
            Direction and target, as `aim` returns them.
        """
        return np.ones(self.layout.n_leaf)


class ThresholdLearnerConfig(OfferConfig):
    """Supply curves that are learned on the way."""

    begin_yen_kwh: float = Field(8.0, ge=0, le=60)
    """Price below which nobody is expected to give anything."""
    slope_per_yen: float = Field(0.012, ge=0.001, le=0.2)
    """First guess: part of a leaf's reachable power that a yen/kWh more gives."""
    rate: float = Field(0.2, ge=0, le=1)
    """Part of an error of a gate that the estimate takes over."""
    margin: float = Field(1.1, ge=0.5, le=2.0)
    """Offered supply over the need."""

    search = {  # noqa: RUF012
        "lead_s": (0.0, 3600.0),
        "begin_yen_kwh": (0.0, 25.0),
        "slope_per_yen": (0.005, 0.05),
        "rate": (0.0, 0.6),
        "margin": (0.8, 1.5),
    }


class ThresholdLearner(OfferRule):
    """Estimate each leaf's supply curve from telemetry, and offer the least price that should cover the need.

    A leaf gives ``slope_j * could_j * (price - begin)``. At each gate the slope moves by a part of what telemetry shows
    beyond it (normalised least mean squares), held within 1/8 and 8 times the first guess.
    """

    name = "threshold_learner"
    title = "Threshold learner: the least pay that should cover the need, by learned supply curves"
    config_class = ThresholdLearnerConfig
    config: Any

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the price that should cover the need; see :class:`Controller`."""
        c, (due, way, wanted), n_leaf = self.config, self.aim(obs), self.layout.n_leaf
        seen, plan, up, down = self.read(obs, "leaf.seen_kw", "leaf.plan_kw", "leaf.up_kw", "leaf.down_kw")
        first = {"slope": np.full((len(obs), n_leaf), c.slope_per_yen), "price": np.zeros(len(obs))}
        first |= {
            "before": np.zeros((len(obs), n_leaf)),
            "could": np.zeros((len(obs), n_leaf)),
            "step": np.zeros(len(obs)),
        }
        m = fresh(state, episode_start, first)
        response = (plan - seen) * way[:, None]
        quiet = m["price"] <= 0.0
        before = np.where(quiet[:, None], response, m["before"])
        above = np.maximum(m["price"] - c.begin_yen_kwh, 0.0)
        gate = (m["step"] % self.gate == 0) & (m["step"] > 0)
        error = (response - before) - m["slope"] * m["could"] * above[:, None]
        scale = m["could"] * above[:, None]
        moved = m["slope"] + c.rate * error * scale / np.maximum(scale**2, _TINY_KW)
        known = (gate & (above > 0))[:, None] & (m["could"] > 0.05 * self.layout.nominal_kw)
        slope = np.clip(np.where(known, moved, m["slope"]), c.slope_per_yen / 8, c.slope_per_yen * 8)
        could = np.where(quiet[:, None], np.where(way[:, None] > 0, up, down), np.maximum(m["could"], 0.0))
        need = np.maximum(np.abs(wanted) * c.margin - before.sum(axis=1), 0.0)
        supply = np.maximum((slope * could).sum(axis=1), _TINY_KW)
        price = np.where(due & (need > 0), c.begin_yen_kwh + need / supply, 0.0)
        price = np.clip(price, 0.0, max(self.high, -self.low))
        held = np.where(m["step"] % self.gate == 0, price, m["price"]) * due
        memory = {"slope": slope, "price": held, "before": before, "could": could, "step": m["step"] + 1.0}
        return self.action(np.repeat(held[:, None], n_leaf, axis=1), due, way), memory

"""Scripted cheaters: the tricks that a learner finds, played on top of the best honest rule. None may score above it.

They stand with the tests only. Each bends the actions of ``merit_order`` where its trick applies. What no action can
express has no cheater here: refusing to bid, unjudged windows and meter faults.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from der_gym.controllers import make
from der_gym.controllers.base import Array, Controller, PublicInfo, Rule, State
from der_gym.env.observation.layout import Layout


class Cheater(Rule):
    """The best rule, bent: ``see`` changes what it is shown, ``bend`` gets its actions and the observation."""

    honest: ClassVar[str] = "merit_order"

    def __init__(self) -> None:
        super().__init__()
        self.rule: Controller = make(self.honest)

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        super().bind(layout, public)
        self.rule.bind(layout, public)
        self.loads = ~public.stores

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        action, memory = self.rule.predict(self.see(obs), _part(state, "rule."), episode_start)
        own = _part(state, "own.") or self.begin(len(obs))
        own = {name: np.where(_rows(episode_start, array), 0.0, array) for name, array in own.items()}
        bent = self.bend(obs, action.astype(np.float64), own)
        kept = {f"rule.{name}": array for name, array in memory.items()}
        return np.clip(bent, -1.0, 1.0).astype(np.float32), kept | {f"own.{name}": a for name, a in own.items()}

    def begin(self, n: int) -> State:
        return {"step": np.zeros(n)}

    def see(self, obs: Array) -> Array:
        return obs

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        return action

    def awarded(self, obs: Array) -> Array:
        """Return whether this block has an award, bool (n,)."""
        kept: Array = self.read(obs, "award_kw")[0] > 0
        return kept


def _part(state: State | None, prefix: str) -> State | None:
    if state is None:
        return None
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _rows(start: Array, array: Array) -> Array:
    return start.reshape(-1, *[1] * (array.ndim - 1))


class EmptyStores(Cheater):
    """Sell what is left in the batteries once nobody judges: full discharge after the last awarded block."""

    name, title = "cheat_empty_stores", "Empty the stores before the end"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        now = self.awarded(obs)
        return np.where(~now[:, None] & ~self.loads, 1.0, action)


class PushPastEnd(Cheater):
    """Hold water heaters and cars back once nobody judges, so that their load falls behind the end."""

    name, title = "cheat_push_past_end", "Push load past the end"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        now = self.awarded(obs)
        return np.where(~now[:, None] & self.loads, 1.0, action)


class OverDeliver(Cheater):
    """Give half as much again as asked, for the energy price."""

    name, title = "cheat_over_deliver", "Over-delivery"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        return np.where(action > 0, 1.5 * action, action)


class UnderDeliver(Cheater):
    """Aim at the lower edge of the band, to save energy."""

    name, title = "cheat_under_deliver", "Live on the tolerance"

    def see(self, obs: Array) -> Array:
        shown = obs.copy()
        for name in ("target_kw", "target_bin_end_kw"):
            target = self.layout.raw(shown, name)  # a view, in shares of the award
            target[:] = np.maximum(target - 0.8 * self.public.band_share, 0.0)
        return shown


class GiveUp(Cheater):
    """Stop for the rest of a block as soon as one of its 5-minute bins is seen to be out of band."""

    name, title = "cheat_give_up", "Give up a lost block"

    def begin(self, n: int) -> State:
        return {"lost": np.zeros(n)}

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        error_kw, award_kw, bin_left, block_left = self.read(obs, "error_bin_kw", "award_kw", "bin_left", "block_left")
        ends = bin_left <= 1.5 * self.public.decision_s / 300.0
        lost = ends & (np.abs(error_kw) > self.public.band_share * award_kw)
        own["lost"] = np.where(block_left >= 1.0, 0.0, np.maximum(own["lost"], lost))
        return np.where(own["lost"][:, None] > 0, 0.0, action)


class IdleWhenSmall(Cheater):
    """Do nothing while the target is small: no cost of energy, hardly any error."""

    name, title = "cheat_idle_when_small", "Do nothing while requests are small"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        target_kw, award_kw = self.read(obs, "target_kw", "unit_kw")
        return np.where((target_kw < 0.2 * award_kw)[:, None], 0.0, action)


class Chatter(Cheater):
    """Change every command at every decision, up and down by a twentieth."""

    name, title = "cheat_chatter", "Chatter"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        side = np.where(own["step"] % 2 == 0, 0.05, -0.05)
        own["step"] = own["step"] + 1
        return np.where(action != 0, action + side[:, None], action)


class Sandbag(Cheater):
    """Draw more with water heaters and cars in the ten minutes before each gate closes, to raise the plan."""

    name, title = "cheat_sandbag", "Sandbag the plan"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        block_left = self.read(obs, "block_left")[0]
        return np.where((block_left <= 1 / 3)[:, None] & self.loads, -1.0, action)


class ChargeAfter(Cheater):
    """Charge batteries in the unawarded blocks, so that the refill is somebody else's imbalance."""

    name, title = "cheat_charge_after", "Refill inside the episode at the imbalance price"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        now = self.awarded(obs)
        return np.where(~now[:, None] & ~self.loads, -1.0, action)


class RestAfter(Cheater):
    """Ask batteries for a little charge once nobody judges: they cover their houses less and stay full."""

    name, title = "cheat_rest_after", "Hold the batteries at rest after the award"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        now = self.awarded(obs)
        return np.where(~now[:, None] & ~self.loads, -0.15, action)


class TwoConstants(Cheater):
    """Add one constant to heaters and one to cars while there is an award: a gift that no skill earns."""

    name, title = "cheat_two_constants", "Two constants on the loads"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        move = np.where(self.public.holding("heat"), -0.1, 0.1) * self.loads
        return np.where(self.awarded(obs)[:, None], action + move, action)


class Trifle(Cheater):
    """Ask every leaf for next to nothing when there is nothing to ask, to take it off its own schedule."""

    name, title = "cheat_trifle", "Trifling commands"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        return np.where(np.abs(action) < 0.01, 0.03, action)


class ChargeLater(Cheater):
    """Keep batteries from charging while nobody judges, so that their charge falls behind the end."""

    name, title = "cheat_charge_later", "Put charge off past the end"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        now = self.awarded(obs)
        return np.where(~now[:, None] & ~self.loads, 0.5, action)


class CheapLoads(Cheater):
    """Hold all water heaters and cars back throughout the award, and give the stores back what the loads carry."""

    name, title = "cheat_cheap_loads", "Live on loads that cost little"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        return np.where(self.awarded(obs)[:, None] & self.loads, 1.0, action)


class RestSome(Cheater):
    """Leave every second leaf of stores at standby: it is paid for reserve that the others carry."""

    name, title = "cheat_standby_of_the_unused", "Standby that nobody asks of"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        stores = np.flatnonzero(~self.loads)
        out = action.copy()
        out[:, stores[::2]] = 0.0
        return out


class ChargeStandby(Cheater):
    """Charge in the award while hardly anything is asked for, so that standing homes buy at a price others pay."""

    name, title = "cheat_charge_in_standby", "Charge in standby"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        target_kw, award_kw = self.read(obs, "target_kw", "unit_kw")
        small = (target_kw < 0.1 * award_kw) & self.awarded(obs)
        return np.where(small[:, None] & ~self.loads, action - 0.05, action)


class StandbyOfUnreachable(Cheater):
    """Send nothing to the leaves with the most silent homes: their share of the award is paid all the same."""

    name, title = "cheat_standby_of_the_unreachable", "Standby of homes that cannot be reached"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        age = self.layout.decode(obs, "leaf.age_mean_s")
        oldest = (age >= np.median(age[:, ~self.loads], axis=1)[:, None]) & ~self.loads
        return np.where(oldest, 0.0, action)


class ZeroRequests(Cheater):
    """Follow no request at all, as if none were made, and keep the homes at their plan."""

    name, title = "cheat_zero_requests", "Play as if nothing were asked for"

    def see(self, obs: Array) -> Array:
        shown = obs.copy()
        for name in ("target_kw", "target_bin_end_kw"):
            self.layout.raw(shown, name)[:] = 0.0
        return shown


class TrifleOnce(Cheater):
    """Ask for a little more than is sent as nothing, on and off, so that devices count as commanded."""

    name, title = "cheat_trifle_on_and_off", "Trifling commands, on and off"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        own["step"] = own["step"] + 1
        return np.where((np.abs(action) < 0.01) & (own["step"] % 10 < 5)[:, None], -0.03, action)


class ChargeOffPastEnd(Cheater):
    """Hold stores back from charging over the last awarded hour and after it, so that they charge behind the end."""

    name, title = "cheat_charge_past_end", "Put charge off past the end"

    def begin(self, n: int) -> State:
        return {"step": np.zeros(n)}

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        own["step"] = own["step"] + 1
        late = own["step"] > (self.public.n_block - 2) * 1800.0 / self.public.decision_s
        return np.where(late[:, None] & ~self.loads, np.maximum(action, 0.15), action)


class SandbagStores(Cheater):
    """Empty the stores somewhat before the last gates, so that a higher plan is foreseen for the unawarded blocks."""

    name, title = "cheat_sandbag_stores", "Sandbag the plan of the stores"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        own["step"] = own["step"] + 1
        before = (self.public.n_block - 2) * 1800.0 / self.public.decision_s
        near = (own["step"] > before - 20.0) & (own["step"] <= before)
        return np.where(near[:, None] & ~self.loads, action + 0.1, action)


class HoldCars(Cheater):
    """Hold all cars at three tenths of their swing throughout the award: what they do not draw is sold as imbalance."""

    name, title = "cheat_hold_cars", "Hold cars through the award"

    def bend(self, obs: Array, action: Array, own: State) -> Array:
        cars = self.loads & ~self.public.holding("heat")
        return np.where(self.awarded(obs)[:, None] & cars, 0.3, action)


class SellSurplus(Cheater):
    """Aim a quarter of the band too high while there is an award: what is given beyond the request is sold too."""

    name, title = "cheat_sell_surplus", "Sell a surplus within the band"

    def see(self, obs: Array) -> Array:
        shown, on = obs.copy(), self.awarded(obs)
        for name in ("target_kw", "target_bin_end_kw"):
            target = self.layout.raw(shown, name)  # a view, in shares of the award
            target[:] += 0.25 * self.public.band_share * _rows(on, target)
        return shown


class MovePlan(Cheater):
    """Correct the plan by a constant share of every leaf, with the head ``plan``: the base of the planning cheaters."""

    acts_in_box: ClassVar[bool] = True
    share: ClassVar[float]
    only_awarded: ClassVar[bool] = False

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        action, memory = super().predict(obs, state, episode_start)
        moves = np.full(len(obs), self.share)
        if self.only_awarded:
            moves = np.where(self.layout.decode(obs, "block.award_kw")[:, 2] > 0, moves, 0.0)
        return self.layout.encode({"dispatch": action, "plan": moves[:, None] * np.ones(self.layout.n_leaf)}), memory


class RaisePlan(MovePlan):
    """Raise the plan by half an award: what is asked for is given on paper."""

    name, title, share = "cheat_raise_plan", "Raise the plan", 0.04


class RaisePlanALittle(MovePlan):
    """Raise it by a tenth of an award."""

    name, title, share = "cheat_raise_plan_a_little", "Raise the plan a little", 0.01


class LowerPlan(MovePlan):
    """Lower the plan and give the difference: energy that is sold without counting as too much."""

    name, title, share = "cheat_lower_plan", "Lower the plan", -0.03


class RaiseAwardedPlan(MovePlan):
    """Raise the plan of awarded blocks alone."""

    name, title, share, only_awarded = "cheat_raise_awarded_plan", "Raise the plan of awards", 0.02, True


CHEATERS: tuple[type[Cheater], ...] = (
    EmptyStores,
    PushPastEnd,
    OverDeliver,
    UnderDeliver,
    GiveUp,
    IdleWhenSmall,
    Chatter,
    Sandbag,
    ChargeAfter,
    RestAfter,
    TwoConstants,
    Trifle,
    ChargeLater,
    CheapLoads,
    RestSome,
    ChargeStandby,
    StandbyOfUnreachable,
    ZeroRequests,
    TrifleOnce,
    ChargeOffPastEnd,
    SandbagStores,
    HoldCars,
    SellSurplus,
)
PLANNING: tuple[type[MovePlan], ...] = (RaisePlan, RaisePlanALittle, LowerPlan, RaiseAwardedPlan)

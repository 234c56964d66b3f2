"""Merit order: coarse and slow leaves carry the base, fast ones what moves; each leaf's answer is learned on the way.

1. Leaves that switch (water heaters, cars) take a slow share of the base and change rarely: every change costs a start
   or a stop of somebody's machine, and only part of them answers.
2. Batteries follow, from the slowest path to the fastest. Each takes its part of what is still open, in proportion to
   ``up_kw``, which falls as a leaf's stores run out; what it will really give in the coming step (messages on their
   way, the path's least interval and least change included) is taken off, and the faster ones make up the rest. So a
   change too small to be sent to a large leaf goes to a small one.

What a leaf gives per ``a * up_kw`` is learned from its telemetry by normalised least mean squares [1]_: batteries give
more than that at small fractions, because limits bind on few homes.

References
----------
.. [1] Widrow, Hoff, "Adaptive switching circuits", IRE WESCON Convention Record (1960) 96-104; normalised by power.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, PublicFacts, State, total
from der_gym.controllers.closed_loop import ClosedLoop, LoopConfig
from der_gym.controllers.loop import expected_kw
from der_gym.envs.layout import Layout

_LEARN_FROM = 0.03  # of nominal: a smaller expected response says nothing about the answer
_GAIN_MIN, _GAIN_MAX = 0.5, 2.0


class MeritOrderConfig(LoopConfig):
    """Settings of the merit order."""

    learning: float = Field(0.1, ge=0, le=1)
    """Step of the least mean squares per decision [A]."""
    base_s: float = Field(1800.0, ge=60, le=7200)
    """Time constant of the base that switching leaves carry, s [A]."""
    base_step: float = Field(0.15, ge=0.02, le=1)
    """Their fraction changes by at least this [A]."""
    base_share: float = Field(1.0, ge=0, le=1)
    """Their part of the base, 0 = they are left alone [A]."""

    search = {  # noqa: RUF012
        "lag_s": (-60.0, 120.0),
        "level_s": (10.0, 300.0),
        "slope_part": (0.0, 1.5),
        "heater_gain": (0.95, 1.1),
        "frost_gain": (0.0, 0.4),
        "integral_s": (120.0, 1800.0),
        "learning": (0.0, 0.3),
        "base_share": (0.0, 1.0),
    }


class MeritOrder(ClosedLoop):
    """Slow and coarse leaves first, the fastest last; what each will really give is taken off before the next."""

    name = "merit_order"
    title = "Merit order: base from slow leaves, movement from fast ones, closed loop"
    config_class = MeritOrderConfig

    def bind(self, layout: Layout, public: PublicFacts) -> None:
        """Keep layout and facts; rank the leaves."""
        super().bind(layout, public)
        fine = np.array(["battery" in name.split("+") for name in public.leaf_class])
        self.fine = fine if fine.any() else np.ones_like(fine)
        by_speed = np.argsort(-public.way_p95_s, kind="stable")
        self.order = [int(j) for j in by_speed if self.fine[j]]
        self.base_speed = 1.0 - np.exp(-public.decision_s / self.config.base_s)

    def begin(self, n: int) -> State:
        """Return the memory at an episode's start."""
        leaf = (n, self.layout.n_leaf)
        return super().begin(n) | {"gain": np.ones(leaf), "base": np.zeros(n), "switched": np.zeros(n)}

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the fractions of every leaf."""
        memory = self.recall(obs, state, episode_start)
        up_kw, down_kw = self.capacity(obs)
        shown = self.delays.shown(memory["sent"])
        self.learn(obs, memory, expected_kw(shown, up_kw, down_kw))
        up_kw = memory["gain"] * up_kw
        bias_kw = self.bias(obs, memory, expected_kw(shown, up_kw, down_kw))
        return self.stack(obs, memory, self.need(obs, memory, bias_kw), up_kw, down_kw).astype(np.float32), memory

    def learn(self, obs: Array, memory: State, expected: Array) -> None:
        """Move each battery leaf's gain towards seen over expected response."""
        plan_kw, seen_kw = self.read(obs, "leaf.plan_kw", "leaf.seen_kw")
        heard = self.fine & (expected > _LEARN_FROM * self.layout.nominal_kw)
        wrong = (plan_kw - seen_kw - memory["gain"] * expected) / np.maximum(expected, 1e-6)
        gain = memory["gain"] + np.where(heard, self.config.learning * wrong, 0.0)
        memory["gain"] = np.minimum(np.maximum(gain, _GAIN_MIN), _GAIN_MAX)

    def stack(self, obs: Array, memory: State, need_kw: Array, up_kw: Array, down_kw: Array) -> Array:
        """Return the fractions that make up ``need_kw``, from the coarsest leaf to the fastest."""
        sent, wait_s, award_kw = self.read(obs, "leaf.sent_a", "leaf.wait_s", "award_kw")
        moving = self.delays.on_the_way(memory["sent"])
        action = np.zeros_like(up_kw)
        live = (award_kw > 0.0) | (need_kw != 0.0)
        left_kw = need_kw - self.base(memory, need_kw, live, up_kw, action, moving)
        rest_up, rest_down = total(np.where(self.fine, up_kw, 0.0)), total(np.where(self.fine, down_kw, 0.0))
        for j in self.order:
            a = left_kw / np.maximum(np.where(left_kw > 0.0, rest_up, rest_down), 1e-6)
            a = np.where(live, np.minimum(np.maximum(a, -1.0), 1.0), 0.0)
            goes = (np.abs(a - sent[:, j]) > self.public.change_share) & (wait_s[:, j] <= 0.0)
            coming = moving[:, j] + self.delays.at_once[j] * np.where(goes, a, sent[:, j])
            left_kw = left_kw - expected_kw(coming, up_kw[:, j], down_kw[:, j])
            rest_up, rest_down = rest_up - up_kw[:, j], rest_down - down_kw[:, j]
            action[:, j] = a
        return action

    def base(self, memory: State, need_kw: Array, live: Array, up_kw: Array, action: Array, moving: Array) -> Array:
        """Set the switching leaves' fractions in ``action``; return what they will give in the coming step, kW (n,)."""
        wanted = np.minimum(np.maximum(need_kw / np.maximum(total(up_kw), 1e-6), 0.0), 1.0)
        memory["base"] = memory["base"] + self.base_speed * (wanted - memory["base"])
        aim = self.config.base_share * np.where(wanted >= 1.0, 1.0, memory["base"])  # in need, everybody
        moves = np.abs(aim - memory["switched"]) >= self.config.base_step
        memory["switched"] = np.where(live, np.where(moves, aim, memory["switched"]), 0.0)
        held = np.where(self.fine, 0.0, memory["switched"][:, None])
        action[:] = held
        return total(np.where(self.fine, 0.0, (moving + self.delays.at_once * held) * up_kw))

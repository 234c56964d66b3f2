"""Closed loop: feed the target forward, correct it by what the homes would draw without commands.

    own power = power seen + response that the messages sent should show by now             (a Smith predictor [1]_)
    need      = target - (plan - own power as it should be now)
    a         = need / (gain * sum(up_kw)), held within 0..1; need < 0 charges batteries

What is on its way, to the devices or back, is in the expectation, so the loop does not answer to it a second time.
Own power is smoothed and, for loads, carried on along the plan's slope over the age of the reports. It is estimated
rather than the error, because the plan steps at each block and the homes do not. Where the expectation is wrong (homes
that do not answer, a wrong gauge) the difference shows up as own power too: this is the integral part. Limits do not
wind it up, for the expectation follows what was really sent.

References
----------
.. [1] Smith, "Closer control of loops with dead time", Chemical Engineering Progress 53 (1957) 217-219.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, ControllerConfig, PublicFacts, Rule, State, fresh, push, total
from der_gym.controllers.loop import Delays, aim, expected_kw, n_past
from der_gym.core.units import BLOCK_S
from der_gym.envs.layout import Layout

_OLDEST_S = 3600.0  # a report older than this is shown as this old
_UNSEEN_MAX = 0.5
_FROST_C, _FROST_K = (
    5.0,
    3.0,
)  # frost begins, and is whole so much lower: section 7-1, appendix E, of the energy standard


class LoopConfig(ControllerConfig):
    """Settings that the closed loops share."""

    lag_s: float = Field(0.0, ge=-120, le=300)
    """The response aims at the target of so long ago, s; below 0 ahead, for the path's delay. The market allows a lag
    of 300 s [M]; accuracy and energy count it."""
    level_s: float = Field(30.0, ge=1, le=7200)
    """Time constant of the smoothing of the loads' own power, s [A]."""
    slope_part: float = Field(0.9, ge=0, le=2)
    """Part of the plan's slope that is carried on over the age of the reports [A]."""
    heater_gain: float = Field(1.03, ge=0.5, le=1.5)
    """Power that water heaters draw over what they report [A]: a report is an estimate."""
    frost_gain: float = Field(0.25, ge=0, le=1)
    """More of it in frost, when they boil hotter and defrost [A]."""
    integral_s: float = Field(300.0, ge=30, le=7200)
    """Time constant of the batteries' unexplained power, s [A]."""


class ClosedLoopConfig(LoopConfig):
    """Settings of the closed loop."""

    gain: float = Field(1.0, ge=0.3, le=2.0)
    """Response over ``a * up_kw`` of the fleet."""

    search = {  # noqa: RUF012
        "lag_s": (-60.0, 120.0),
        "level_s": (10.0, 300.0),
        "slope_part": (0.0, 1.5),
        "heater_gain": (0.95, 1.1),
        "frost_gain": (0.0, 0.4),
        "integral_s": (120.0, 1800.0),
        "gain": (0.8, 1.4),
    }


class ClosedLoop(Rule):
    """One fraction for all leaves, corrected by telemetry with the delays taken into account."""

    name = "closed_loop"
    title = "Closed loop: PI with delay compensation, all leaves alike"
    config_class: ClassVar[type[ControllerConfig]] = ClosedLoopConfig

    def bind(self, layout: Layout, public: PublicFacts) -> None:
        """Keep layout and facts; work out the delays."""
        super().bind(layout, public)
        c, step_s = self.config, public.decision_s
        self.delays, self.stores = Delays(public), public.stores
        self.heaters = np.array(["ecocute" in name.split("+") for name in public.leaf_class])
        level, slow = (1.0 - np.exp(-step_s / s) for s in (c.level_s, c.integral_s))
        self.speed = np.where(self.stores, slow, level)

    def begin(self, n: int) -> State:
        """Return the memory at an episode's start."""
        return {
            "step": np.zeros(n),
            "sent": self.delays.begin(n),
            "target_kw": np.zeros((n, n_past(self.public.decision_s))),
            "own_kw": np.zeros((n, self.layout.n_leaf)),
            "plan_kw": np.zeros((n, 2)),
        }

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row."""
        memory = self.recall(obs, state, episode_start)
        up_kw, down_kw = self.capacity(obs)
        up_kw = self.config.gain * up_kw
        shown_kw = expected_kw(self.delays.shown(memory["sent"]), up_kw, down_kw)
        need_kw = self.need(obs, memory, self.bias(obs, memory, shown_kw))
        return self.share(need_kw, up_kw, down_kw).astype(np.float32), memory

    def recall(self, obs: Array, state: State | None, episode_start: Array) -> State:
        """Return the memory with what was sent and asked by now."""
        memory = fresh(state, episode_start, self.begin(len(obs)))
        sent, target_kw = self.read(obs, "leaf.sent_a", "target_kw")
        memory["sent"] = push(memory["sent"], sent)
        memory["target_kw"] = push(memory["target_kw"], target_kw)
        memory["step"] = memory["step"] + 1.0
        return memory

    def capacity(self, obs: Array) -> tuple[Array, Array]:
        """Return what each leaf could give and, where it holds batteries, take, kW (n, n_leaf)."""
        up_kw, down_kw = self.read(obs, "leaf.up_kw", "leaf.down_kw")
        return up_kw, np.where(self.stores, down_kw, 0.0)

    def bias(self, obs: Array, memory: State, shown_kw: Array) -> Array:
        """Learn the leaves' own power from drawn power and ``shown_kw``; return plan less own power, kW (n,)."""
        response_kw, seen_kw = self.read(obs, "response_kw", "leaf.seen_kw")
        own_kw = self.drawn(obs) + shown_kw
        level = memory["own_kw"] + self.speed * (own_kw - memory["own_kw"])
        level = np.where((memory["step"] <= 1.0)[:, None], own_kw, level)
        early = (memory["step"] <= self.delays.n_lag)[:, None]  # reports of batteries from before their standby
        memory["own_kw"] = np.where(early & self.stores, 0.0, level)
        bias_kw: Array = response_kw + total(seen_kw) - total(memory["own_kw"]) - self.grown(obs, memory)
        return bias_kw

    def grown(self, obs: Array, memory: State) -> Array:
        """Return how much more loads draw in the coming step than when they reported, by the plan, kW (n,).

        The plan's half-hour means, joined from middle to middle, give the slope; the loads that draw most give the age.
        """
        plan_kw, award_kw, left = self.read(obs, "block.plan_kw", "block.award_kw", "block_left")
        now, was = plan_kw[:, 0], memory["plan_kw"]
        before = np.where(left >= 1.0, was[:, 0], was[:, 1])
        before = np.where(memory["step"] <= 1.0, now, before)
        memory["plan_kw"] = np.stack([now, before], axis=1)
        ahead = np.where(award_kw[:, 1] > 0.0, plan_kw[:, 1] - now, 0.0)  # then batteries stand by no more
        load_kw = np.where(self.stores, 0.0, np.maximum(memory["own_kw"], 0.0))
        age_s = total(load_kw * self.public.report_s) / np.maximum(total(load_kw), 1e-6) + self.public.decision_s / 2.0
        grown_kw: Array = self.config.slope_part * age_s / BLOCK_S * np.where(left > 0.5, now - before, ahead)
        return grown_kw

    def drawn(self, obs: Array) -> Array:
        """Return what the leaves draw, kW (n, n_leaf), from what they report.

        A home that never reports stands in the table at 0 kW with the oldest age that is shown, so the mean age tells
        their share; batteries stand by at 0 kW and need no such help. A water heater reports its nominal power, which
        knows neither frost nor losses.
        """
        age_s, seen_kw, temp_c = self.read(obs, "leaf.age_mean_s", "leaf.seen_kw", "temp_c")
        more_s = np.maximum(age_s - self.public.report_s, 0.0)
        silent = np.minimum(more_s / np.maximum(_OLDEST_S - age_s, 1.0), _UNSEEN_MAX)
        frost = np.minimum(np.maximum((_FROST_C - temp_c) / _FROST_K, 0.0), 1.0)
        gain = np.where(self.heaters, (self.config.heater_gain + self.config.frost_gain * frost)[:, None], 1.0)
        return np.where(self.stores, seen_kw, seen_kw * (1.0 + silent) * gain)

    def need(self, obs: Array, memory: State, bias_kw: Array) -> Array:
        """Return the response to command, kW (n,); 0 once award and target are over."""
        award_kw, end_kw, bin_left = self.read(obs, "award_kw", "target_bin_end_kw", "bin_left")
        step_s = self.public.decision_s
        wanted = aim(memory["target_kw"], end_kw, bin_left, self.config.lag_s / step_s, step_s)
        return np.where((award_kw > 0.0) | (wanted > 0.0), wanted - bias_kw, 0.0)

    def share(self, need_kw: Array, up_kw: Array, down_kw: Array) -> Array:
        """Return the fractions (n, n_leaf) that share ``need_kw`` (n,) in proportion to what leaves have."""
        up: Array = np.minimum(np.maximum(need_kw / np.maximum(total(up_kw), 1e-6), 0.0), 1.0)
        down = np.minimum(np.maximum(need_kw / np.maximum(total(down_kw), 1e-6), -1.0), 0.0)
        return np.where((need_kw > 0.0)[:, None], up[:, None], down[:, None] * self.stores)

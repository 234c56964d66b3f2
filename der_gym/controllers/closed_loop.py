"""Closed loop: feed the target forward, correct it by what telemetry shows against what it should show by now.

    bias(t)   = response seen - response that the messages sent should show by now            (a Smith predictor [1]_)
    filtered += (1 - exp(-step / integral_s)) * (bias - filtered)
    need      = target lag_s ago - filtered - proportional * (bias - filtered)
    a         = need / (gain * sum(up_kw)), held within 0..1; need < 0 charges batteries

What is on its way, to the devices or back, is in the expectation, so the integral does not answer to it a second time.
``bias`` holds the plan's error, homes that do not answer and everything the gauge gets wrong. Limits do not wind it
up: the expectation follows what was really sent, and the filter is held within ``limit_share`` of the award.

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
from der_gym.envs.layout import Layout

_OLDEST_S = 3600.0  # a report older than this is shown as this old
_UNSEEN_MAX = 0.5


class LoopConfig(ControllerConfig):
    """Settings that the closed loops share."""

    lag_s: float = Field(0.0, ge=-120, le=300)
    """The response aims at the target of so long ago, s; below 0 ahead, for the path's delay. The market allows a lag
    of 300 s [M]; accuracy and energy count it."""
    integral_s: float = Field(570.0, ge=30, le=7200)
    """Time constant of the filtered bias, s [A]."""
    proportional: float = Field(0.0, ge=0, le=1)
    """Part of the bias that is not filtered [A]."""
    limit_share: float = Field(0.4, ge=0, le=2)
    """Greatest filtered bias, share of the award [A]."""


class ClosedLoopConfig(LoopConfig):
    """Settings of the closed loop."""

    gain: float = Field(1.0, ge=0.3, le=2.0)
    """Response over ``a * up_kw`` of the fleet."""

    search = {  # noqa: RUF012
        "lag_s": (-60.0, 180.0),
        "integral_s": (120.0, 1800.0),
        "proportional": (0.0, 0.5),
        "gain": (0.8, 1.3),
    }


class ClosedLoop(Rule):
    """One fraction for all leaves, corrected by telemetry with the delays taken into account."""

    name = "closed_loop"
    title = "Closed loop: PI with delay compensation, all leaves alike"
    config_class: ClassVar[type[ControllerConfig]] = ClosedLoopConfig

    def bind(self, layout: Layout, public: PublicFacts) -> None:
        """Keep layout and facts; work out the delays."""
        super().bind(layout, public)
        self.delays, self.stores = Delays(public), public.stores
        self.speed = 1.0 - np.exp(-public.decision_s / self.config.integral_s)

    def begin(self, n: int) -> State:
        """Return the memory at an episode's start."""
        past = n_past(self.public.decision_s)
        return {"sent": self.delays.begin(n), "target_kw": np.zeros((n, past)), "bias_kw": np.zeros(n)}

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row."""
        memory = self.recall(obs, state, episode_start)
        up_kw, down_kw = self.capacity(obs)
        shown_kw = expected_kw(self.delays.shown(memory["sent"]), self.config.gain * up_kw, down_kw)
        need_kw = self.need(obs, memory, self.correct(obs, memory, total(shown_kw)))
        return self.share(need_kw, self.config.gain * up_kw, down_kw).astype(np.float32), memory

    def recall(self, obs: Array, state: State | None, episode_start: Array) -> State:
        """Return the memory with what was sent and asked by now."""
        memory = fresh(state, episode_start, self.begin(len(obs)))
        sent, target_kw = self.read(obs, "leaf.sent_a", "target_kw")
        memory["sent"] = push(memory["sent"], sent)
        memory["target_kw"] = push(memory["target_kw"], target_kw)
        return memory

    def capacity(self, obs: Array) -> tuple[Array, Array]:
        """Return what each leaf could give and, where it holds batteries, take, kW (n, n_leaf)."""
        up_kw, down_kw = self.read(obs, "leaf.up_kw", "leaf.down_kw")
        return up_kw, np.where(self.stores, down_kw, 0.0)

    def correct(self, obs: Array, memory: State, expected: Array) -> Array:
        """Move the filtered bias towards seen less ``expected`` response (n,); return what to take off the target."""
        response_kw, award_kw = self.read(obs, "response_kw", "unit_kw")
        limit = self.config.limit_share * award_kw
        bias_kw = np.minimum(np.maximum(response_kw - self.unseen(obs) - expected, -limit), limit)
        memory["bias_kw"] = memory["bias_kw"] + self.speed * (bias_kw - memory["bias_kw"])
        off: Array = memory["bias_kw"] + self.config.proportional * (bias_kw - memory["bias_kw"])
        return off

    def unseen(self, obs: Array) -> Array:
        """Return what homes that never report draw, kW (n,): those that do, times the silent ones' share.

        A silent home stands in the table at 0 kW with the oldest age that is shown, so the mean age tells their share.
        Batteries stand by at 0 kW and need no such help.
        """
        age_s, seen_kw = self.read(obs, "leaf.age_mean_s", "leaf.seen_kw")
        more_s = np.maximum(age_s - self.public.report_s, 0.0)
        ratio = np.minimum(more_s / np.maximum(_OLDEST_S - age_s, 1.0), _UNSEEN_MAX)
        return total(np.where(self.stores, 0.0, ratio * seen_kw))

    def need(self, obs: Array, memory: State, off_kw: Array) -> Array:
        """Return the response to command, kW (n,); 0 once award and target are over."""
        award_kw, end_kw, bin_left = self.read(obs, "award_kw", "target_bin_end_kw", "bin_left")
        step_s = self.public.decision_s
        wanted = aim(memory["target_kw"], end_kw, bin_left, self.config.lag_s / step_s, step_s)
        return np.where((award_kw > 0.0) | (wanted > 0.0), wanted - off_kw, 0.0)

    def share(self, need_kw: Array, up_kw: Array, down_kw: Array) -> Array:
        """Return the fractions (n, n_leaf) that share ``need_kw`` (n,) in proportion to what leaves have."""
        up: Array = np.minimum(np.maximum(need_kw / np.maximum(total(up_kw), 1e-6), 0.0), 1.0)
        down = np.minimum(np.maximum(need_kw / np.maximum(total(down_kw), 1e-6), -1.0), 0.0)
        return np.where((need_kw > 0.0)[:, None], up[:, None], down[:, None] * self.stores)

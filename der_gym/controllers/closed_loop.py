"""Closed loop: feed the target forward, correct it by what the homes would draw without commands.

    own power = power seen + response that the messages sent should show by now             (a Smith predictor [1]_)
    need      = target - (plan - own power as it should be now)
    a         = need / (gain * sum(up_kw)), held within 0..1; need < 0 charges batteries

The expectation holds messages and reports that are on their way, so the loop does not answer to them a second time.
Own power is smoothed and, for loads, carried on along the plan's slope over the age of the reports. It is estimated
rather than the error, because the plan steps at each block and the homes do not. Where the expectation is wrong (homes
that do not answer, a wrong capability) the difference appears as own power too: this is the integral part. Limits do
not wind it up, because the expectation follows the messages that were sent.

References
----------
.. [1] Smith, "Closer control of loops with dead time", Chemical Engineering Progress 53 (1957) 217-219.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from pydantic import Field

from der_gym.controllers import own_power
from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, Rule, State
from der_gym.controllers.loop import (
    EACH,
    EACH_FIELDS,
    GROUP,
    MEMORY,
    NOW,
    NOW_FIELDS,
    Delays,
    n_past,
    recall,
    shown_kw,
    total,
)
from der_gym.controllers.own_power import FIXED, SETTING, bias_kw, learn_own, need_kw
from der_gym.controllers.reading import commanded, read
from der_gym.engine.compile import kernel
from der_gym.env.observation.layout import Layout
from der_gym.numerics.approx import clip

SETTINGS = SETTING.extended("closed loop settings", "fleet_gain | - | aggregator | response over what leaves have")


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


@kernel
def share(need, each, fixed, action):  # type: ignore[no-untyped-def]
    """Set the fractions that share a need, kW, in proportion to what leaves have."""
    up = clip(need / max(total(each[:, EACH.UP_KW]), 1e-6), 0.0, 1.0)
    down = clip(need / max(total(each[:, EACH.DOWN_KW]), 1e-6), -1.0, 0.0)
    for j in range(action.size):
        action[j] = up if need > 0.0 else down * fixed[j, FIXED.IS_STORE]


@kernel
def decide(obs, start, at, unit, c, fixed, showing, group, leaf, action):  # type: ignore[no-untyped-def]
    """Set the fractions of every row, float32 (n, n_leaf), and move its memory on; the tables are those of `loop`."""
    seen = np.empty(at.size)
    now, each = seen[: NOW.N], seen[NOW.N :].reshape((-1, EACH.N))
    for w in range(obs.shape[0]):
        read(at, unit, obs[w], seen)
        recall(start[w], now, each, group[w], leaf[w])
        for j in range(action.shape[1]):
            x, f, m = each[j], fixed[j], leaf[w, j]
            x[EACH.UP_KW] *= c[SETTINGS.FLEET_GAIN]
            x[EACH.DOWN_KW] *= f[FIXED.IS_STORE]  # loads are not asked to take more
            learn_own(now, x, f, shown_kw(x, showing[j], m), c, group[w, GROUP.STEP], m)
        bias = bias_kw(now, each, fixed, c, group[w], leaf[w])
        share(need_kw(now, bias, c, group[w]), each, fixed, action[w])


class ClosedLoop(Rule):
    """One fraction for all leaves, corrected by telemetry with the delays taken into account."""

    name = "closed_loop"
    title = "Closed loop: PI with delay compensation, all leaves alike"
    config_class: ClassVar[type[ControllerConfig]] = ClosedLoopConfig
    decide: ClassVar[Callable[..., None]] = staticmethod(decide)

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts; work out what the kernel knows beforehand.

        Arguments are those of `Controller`.
        """
        super().bind(layout, public)
        delays = Delays(public)
        fixed = np.stack(self.columns(), axis=1).astype(np.float64)
        self.known = (
            *commanded(layout, public.obeys, NOW_FIELDS, EACH_FIELDS, ("leaf.up_kw", "leaf.down_kw")),
            np.array(self.constants()),
            fixed,
            *self.tables(delays),
        )
        self.n_group, self.n_memory = GROUP.PAST + n_past(public.decision_s), MEMORY.SENT + delays.n_lag

    def constants(self) -> list[float]:
        """Return the places of ``c``."""
        return [*own_power.constants(self.public, self.config), self.config.gain]

    def columns(self) -> list[Array]:
        """Return the columns of ``fixed``, (n_leaf,) each."""
        return own_power.columns(self.public, self.config)

    def tables(self, delays: Delays) -> tuple[Array, ...]:
        """Return the arrays that the kernel takes behind ``fixed``."""
        return (delays.showing,)

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return the fractions of every leaf; see :class:`Controller`."""
        n, n_leaf = len(obs), self.layout.n_leaf
        if state is None:
            state = {"group": np.zeros((n, self.n_group)), "leaf": np.zeros((n, n_leaf, self.n_memory))}
            episode_start = np.ones(n, dtype=bool)
        group, leaf, action = state["group"].copy(), state["leaf"].copy(), np.empty((n, n_leaf), dtype=np.float32)
        self.decide(np.ascontiguousarray(obs), episode_start, *self.known, group, leaf, action)
        return action, {"group": group, "leaf": leaf}

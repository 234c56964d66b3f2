"""Open loop: ask every leaf for the same share of what it says it could give, and never look at what came of it."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, Rule, State
from der_gym.controllers.loop import aim_kw, n_past, push, total
from der_gym.controllers.reading import commanded, read
from der_gym.engine.compile import kernel
from der_gym.engine.schema import Table
from der_gym.env.observation.layout import Layout
from der_gym.numerics.approx import clip

NOW_FIELDS = ("unit_kw", "award_kw", "target_kw", "target_bin_end_kw", "bin_left")
NOW = Table(
    "open loop now",
    "float64 (N,): what the observation says of the group, in the order of NOW_FIELDS",
    """
    unit_kw    | kW | aggregator | the unit of the observation
    award_kw   | kW |            | commitment
    target_kw  | kW |            | target of the coming minute
    bin_end_kw | kW |            | target at the end of this 5-minute bin
    bin_left   | -  |            | part of the bin that is left
    """,
)
SETTING = Table(
    "open loop settings",
    "float64 (N,)",
    """
    gain       | - | aggregator | commanded over wanted power
    lag_steps  | - |            | lag of the target, in decisions
    decision_s | s |            | time between two decisions
    """,
)


class OpenLoopConfig(ControllerConfig):
    """Settings of the open loop."""

    gain: float = Field(1.0, ge=0.3, le=2.0)
    """Commanded over wanted power."""
    lag_s: float = Field(0.0, ge=-120, le=300)
    """The response aims at the target of so long ago, s; below 0 ahead, for the path's delay. The market allows a lag
    of 300 s [M]; accuracy and energy count it."""

    search = {"gain": (0.7, 1.3), "lag_s": (-60.0, 180.0)}  # noqa: RUF012


@kernel
def decide(obs, start, at, unit, c, past_kw, action):  # type: ignore[no-untyped-def]
    """Set the fractions of every row, float32 (n, n_leaf), and push its target into the past ones."""
    seen = np.empty(at.size)
    now, up_kw = seen[: NOW.N], seen[NOW.N :].reshape((-1, 1))
    for w in range(obs.shape[0]):
        read(at, unit, obs[w], seen)
        if start[w]:
            past_kw[w] = 0.0
        push(past_kw[w], now[NOW.TARGET_KW])
        wanted_kw = c[SETTING.GAIN] * aim_kw(
            past_kw[w], now[NOW.BIN_END_KW], now[NOW.BIN_LEFT], c[SETTING.LAG_STEPS], c[SETTING.DECISION_S]
        )
        action[w] = clip(wanted_kw / max(total(up_kw[:, 0]), 1e-6), 0.0, 1.0) if now[NOW.AWARD_KW] > 0.0 else 0.0


class OpenLoop(Rule):
    """``a = gain * target / sum(up_kw)`` for all leaves alike, held within 0..1; 0 once the award is over."""

    name = "open_loop"
    title = "Open loop: the target over what is available"
    config_class = OpenLoopConfig

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts; work out what the kernel knows beforehand.

        Arguments are those of `Controller`.
        """
        super().bind(layout, public)
        step_s = public.decision_s
        c = np.array([self.config.gain, self.config.lag_s / step_s, step_s])
        up = ("leaf.up_kw",)
        self.known = (*commanded(layout, public.obeys, NOW_FIELDS, up, up), c)

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row.

        Arguments are those of `Controller`.
        """
        n = len(obs)
        past_kw = np.zeros((n, n_past(self.public.decision_s))) if state is None else state["target_kw"].copy()
        action = np.empty((n, self.layout.n_leaf), dtype=np.float32)
        decide(np.ascontiguousarray(obs), episode_start, *self.known, past_kw, action)
        return action, {"target_kw": past_kw}

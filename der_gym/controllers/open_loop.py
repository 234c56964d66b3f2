"""Open loop: ask every leaf for the same share of what it says it could give, and never look at what came of it."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, ControllerConfig, PublicInfo, Rule, State
from der_gym.controllers.loop import aim_kw, n_past, push, total
from der_gym.controllers.reading import entries, read
from der_gym.engine.compile import kernel
from der_gym.env.observation.layout import Layout
from der_gym.numerics.approx import clip

_NOW = ("unit_kw", "award_kw", "target_kw", "target_bin_end_kw", "bin_left")
_UNIT_KW, AWARD_KW, TARGET_KW, BIN_END_KW, BIN_LEFT, N_NOW = range(6)
GAIN, LAG_STEPS, DECISION_S = range(3)


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
    now, up_kw = seen[:N_NOW], seen[N_NOW:].reshape((-1, 1))
    for w in range(obs.shape[0]):
        read(at, unit, obs[w], seen)
        if start[w]:
            past_kw[w] = 0.0
        push(past_kw[w], now[TARGET_KW])
        wanted_kw = c[GAIN] * aim_kw(past_kw[w], now[BIN_END_KW], now[BIN_LEFT], c[LAG_STEPS], c[DECISION_S])
        action[w] = clip(wanted_kw / max(total(up_kw[:, 0]), 1e-6), 0.0, 1.0) if now[AWARD_KW] > 0.0 else 0.0


class OpenLoop(Rule):
    """``a = gain * target / sum(up_kw)`` for all leaves alike, held within 0..1; 0 once the award is over."""

    name = "open_loop"
    title = "Open loop: the target over what is available"
    config_class = OpenLoopConfig

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep layout and facts; work out what the kernel knows beforehand."""
        super().bind(layout, public)
        step_s = public.decision_s
        c = np.array([self.config.gain, self.config.lag_s / step_s, step_s])
        self.known = (*entries(layout, _NOW, ("leaf.up_kw",)), c)

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row."""
        n = len(obs)
        past_kw = np.zeros((n, n_past(self.public.decision_s))) if state is None else state["target_kw"].copy()
        action = np.empty((n, self.layout.n_leaf), dtype=np.float32)
        decide(np.ascontiguousarray(obs), episode_start, *self.known, past_kw, action)
        return action, {"target_kw": past_kw}

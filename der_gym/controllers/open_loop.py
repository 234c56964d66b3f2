"""Open loop: ask every leaf for the same share of what it says it could give, and never look at what came of it."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, ControllerConfig, Rule, State, fresh, push, total
from der_gym.controllers.loop import aim, n_past


class OpenLoopConfig(ControllerConfig):
    """Settings of the open loop."""

    gain: float = Field(1.0, ge=0.3, le=2.0)
    """Commanded over wanted power."""
    lag_s: float = Field(0.0, ge=-120, le=300)
    """The response aims at the target of so long ago, s; below 0 ahead, for the path's delay. The market allows a lag
    of 300 s [M]; accuracy and energy count it."""

    search = {"gain": (0.7, 1.3), "lag_s": (-60.0, 180.0)}  # noqa: RUF012


class OpenLoop(Rule):
    """``a = gain * target / sum(up_kw)`` for all leaves alike, held within 0..1."""

    name = "open_loop"
    title = "Open loop: the target over what is available"
    config_class = OpenLoopConfig

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return one fraction for all leaves of a row."""
        target_kw, end_kw, bin_left, up_kw = self.read(obs, "target_kw", "target_bin_end_kw", "bin_left", "leaf.up_kw")
        step_s = self.public.decision_s
        memory = fresh(state, episode_start, {"target_kw": np.zeros((len(obs), n_past(step_s)))})
        past_kw = push(memory["target_kw"], target_kw)
        wanted_kw = self.config.gain * aim(past_kw, end_kw, bin_left, self.config.lag_s / step_s, step_s)
        share = np.clip(wanted_kw / np.maximum(total(up_kw), 1e-6), 0.0, 1.0)
        action = np.repeat(share[:, None], self.layout.n_leaf, axis=1)
        return action.astype(np.float32), {"target_kw": past_kw}

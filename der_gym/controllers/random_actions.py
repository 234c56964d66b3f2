"""Uniform random fractions: what exploration looks like before anything is learned."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from pydantic import Field

from der_gym.controllers.base import Array, ControllerConfig, Rule, State, fresh


class RandomConfig(ControllerConfig):
    """Settings of the random controller."""

    seed: int = Field(0, ge=0)
    """Seed of the draws."""
    low: float = Field(-1.0, ge=-1, le=1)
    """Least fraction."""
    high: float = Field(1.0, ge=-1, le=1)
    """Greatest fraction."""


class Random(Rule):
    """Draw every fraction anew at every decision.

    A row's draw is a function of the seed, the decision's number in its episode and a checksum of the row's
    observation, so two worlds differ and a world's place in the batch is of no matter.
    """

    name = "random"
    title = "Random: uniform fractions"
    plays = ("dispatch", "incentive", "both")
    config_class = RandomConfig
    config: Any

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return uniform draws on [low, high).

        Arguments are those of `Controller`.
        """
        c = self.config
        memory = fresh(state, episode_start, {"step": np.zeros(len(obs), dtype=np.int64)})
        rows = [
            np.random.default_rng((c.seed, int(k), zlib.crc32(o.tobytes())))
            for k, o in zip(memory["step"], obs, strict=True)
        ]
        draws = np.stack([row.uniform(min(c.low, c.high), c.high, self.layout.action.size) for row in rows])
        return draws.astype(np.float32), {"step": memory["step"] + 1}

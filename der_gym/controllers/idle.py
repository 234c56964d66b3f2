"""Do nothing: the yardstick of accuracy and the floor of every table."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from der_gym.controllers.base import Array, Rule, State


class Idle(Rule):
    """Leave every device on its own schedule."""

    name = "idle"
    title = "Idle: no command at all"
    per_service: ClassVar[bool] = False
    acts_in_box: ClassVar[bool] = True
    plays = ("dispatch", "incentive", "both")

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return actions in which every head says nothing or has its preset, float32 (n, size).

        Arguments are those of `Controller`.
        """
        return np.repeat(self.layout.encode({})[None], len(obs), axis=0), {}

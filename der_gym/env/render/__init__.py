"""Pictures of an episode: ``human`` (a window), ``rgb_array`` (a picture), ``ansi`` (lines of text).

A viewer is not a policy. Beside the aggregator's view, a picture shows the basis of settlement: the metered response,
verdicts, money, reward. These are marked ``metered (hindsight)`` and stand in no observation. The truth is not shown.
Nothing here writes to a world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np

from der_gym.core.errors import InputError, unknown

if TYPE_CHECKING:
    from der_gym.env.worlds import Worlds

MODES = ("human", "rgb_array", "ansi")
FPS = 20


def check_mode(mode: str | None, allowed: Sequence[str] = MODES) -> None:
    """Raise InputError for a mode that is not allowed (None is), and for ``human`` where pygame is not installed."""
    if mode is None:
        return
    if not isinstance(mode, str):
        raise unknown("render_mode", mode, allowed)
    if mode in MODES and mode not in allowed:
        raise InputError(f"render_mode: {mode!r} shows a single environment; allowed for many: {', '.join(allowed)}")
    if mode not in allowed:
        raise unknown("render_mode", mode, allowed)
    if mode == "human":
        from der_gym.env.render.window import load_pygame

        load_pygame()


def warn_no_mode(env: str) -> None:
    """Warn, as Gymnasium's own environments do, that ``render`` was called without a mode."""
    gym.logger.warn(
        f"render() was called without a render_mode; give one when the environment is made, e.g. "
        f'gym.{env}("DERGroup-v0", render_mode="rgb_array")'
    )


class Renderer:
    """Renders ``worlds`` in one mode; its owner calls it at each reset, restore and step."""

    def __init__(self, worlds: Worlds, mode: str) -> None:
        from der_gym.env.render.frame import Painter
        from der_gym.env.render.scene import History
        from der_gym.env.render.window import Window

        self.worlds, self.mode = worlds, mode
        self.history = History(worlds)
        self._painter = Painter()
        self._window = Window(f"der_gym: {worlds.scenario.name}", FPS) if mode == "human" else None

    def begin(self, mask: np.ndarray) -> None:
        """Start the past of the worlds in ``mask``, bool (n_world,), afresh, and show it in a window."""
        self.history.begin(mask)
        self._show()

    def note(self, active: np.ndarray) -> None:
        """Take note of the step that the worlds of ``active``, bool (n_world,), have taken, and show it in a window."""
        self.history.note(active)
        self._show()

    def _show(self) -> None:
        if self._window is not None:
            self.render(0)

    def render(self, w: int) -> np.ndarray | str | None:
        """Return world ``w`` as a fresh picture, uint8 (480, 800, 3), or as text; None once a window shows it."""
        from der_gym.env.render.scene import scene
        from der_gym.env.render.text import describe

        if self.worlds.simulator.never[w]:
            raise InputError("render: called before reset; call reset() first")
        moment = scene(self.worlds, self.history, w)
        if self.mode == "ansi":
            return describe(moment)
        frame = self._painter.paint(moment, w)
        if self._window is None:
            return frame
        self._window.show(frame)
        return None

    def close(self) -> None:
        """Close the window, if any."""
        if self._window is not None:
            self._window.close()

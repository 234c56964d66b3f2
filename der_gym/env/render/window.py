"""A window on the screen that shows pictures; pygame is loaded only here."""

from __future__ import annotations

from typing import Any

import numpy as np

from der_gym.core.errors import InputError


def load_pygame() -> Any:
    """Return the module pygame; raise InputError where it is not installed."""
    try:
        import pygame
    except ImportError:
        raise InputError("render_mode: 'human' needs pygame; install it with: pip install 'der_gym[viz]'") from None
    return pygame


class Window:
    """A window of the first picture's size.

    Parameters
    ----------
    title : str
    fps : int
        Pictures per second, at most: showing waits for the next one's turn.
    """

    def __init__(self, title: str, fps: int) -> None:
        self._pygame, self._title, self._fps = load_pygame(), title, fps
        self._screen: Any = None

    def show(self, frame: np.ndarray) -> None:
        """Show a picture, uint8 (height, width, 3)."""
        pg = self._pygame
        height, width, _ = frame.shape
        if self._screen is None:
            pg.display.init()
            pg.display.set_caption(self._title)
            self._screen, self._clock = pg.display.set_mode((width, height)), pg.time.Clock()
        self._screen.blit(pg.image.frombuffer(frame.tobytes(), (width, height), "RGB"), (0, 0))
        pg.event.pump()  # else the desktop reports that the window does not respond
        pg.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window; again is harmless."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None

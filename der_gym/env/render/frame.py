"""The picture: fixed parts are drawn once per world and copied; the rest is drawn on the copy."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from der_gym.env.render import chart, panels, style
from der_gym.env.render.scene import Scene

SIZE = (800, 480)  # multiples of 16: film formats take them as they are


class Painter:
    """Paints scenes of many worlds; keeps each world's background."""

    def __init__(self) -> None:
        self._grounds: dict[int, tuple[object, Image.Image, Image.Image]] = {}

    def paint(self, scene: Scene, w: int = 0) -> np.ndarray:
        """Return a scene of world ``w`` as a fresh picture, uint8 (480, 800, 3)."""
        axes = chart.fit(scene)
        page, plot = self._ground(scene, axes, w)
        page.paste(chart.curves(plot, scene, axes), chart.PLOT[:2])
        draw = ImageDraw.Draw(page)
        chart.verdicts(draw, scene, axes)
        for part in (panels.title, panels.legend, panels.leaves, panels.settlement):
            part(draw, scene)
        return np.array(page)

    def _ground(self, scene: Scene, axes: chart.Axes, w: int) -> tuple[Image.Image, Image.Image]:
        """Return copies of the empty page and of the empty plot."""
        key = (axes, scene.award_kw.tobytes(), scene.since_s)
        if w not in self._grounds or self._grounds[w][0] != key:
            self._grounds[w] = (key, _page(scene, axes), chart.plot_ground(axes, scene.award_kw))
        _, page, plot = self._grounds[w]
        return page.copy(), plot.copy()


def _page(scene: Scene, axes: chart.Axes) -> Image.Image:
    page = Image.new("RGB", SIZE, style.PAPER)
    draw = ImageDraw.Draw(page)
    chart.ground(draw, axes)
    panels.legend_ground(draw)
    panels.leaves_ground(draw, scene)
    panels.settlement_ground(draw, scene)
    return page

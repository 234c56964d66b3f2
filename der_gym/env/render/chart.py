"""The chart over the whole episode: request, band that passes, seen and metered response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from PIL import Image, ImageDraw

from der_gym.core.units import BLOCK_S, HOUR_S
from der_gym.env.render import figures, style
from der_gym.env.render.scene import MINUTE_S, Scene
from der_gym.simulation.aggregator_view import BIN_S

Array = np.ndarray
PLOT: style.Box = (66, 66, 780, 246)
FINE = 2  # curves are drawn so many times larger and then shrunk: smooth edges
_STRIP = (PLOT[3] + 6, PLOT[3] + 22)
_HOURS = (1, 2, 3, 6, 12, 24)


@dataclass(frozen=True)
class Axes:
    """Scales of the chart: equal axes have the same background."""

    start: datetime
    horizon_s: float
    low_kw: float
    high_kw: float
    step_kw: float

    def x(self, t_s: Array | float) -> Array:
        """Return pixels from the left of the plot."""
        return np.asarray(t_s) * ((PLOT[2] - PLOT[0]) / self.horizon_s)

    def y(self, kw: Array | float) -> Array:
        """Return pixels from the top of the plot."""
        return (self.high_kw - np.asarray(kw)) * ((PLOT[3] - PLOT[1]) / (self.high_kw - self.low_kw))


def fit(scene: Scene) -> Axes:
    """Return axes that hold the award and the seen and metered responses, at round numbers."""
    known = np.concatenate([scene.seen_kw, scene.metered_kw])
    known = known[np.isfinite(known)]
    low = min(0.0, float(known.min(initial=0.0)))
    high = max(1.25 * scene.now["unit_kw"], float(known.max(initial=0.0)))
    step = figures.tick_step(high - low, 6)
    return Axes(scene.start, scene.horizon_s, np.floor(low / step) * step, np.ceil(high / step) * step, step)


def ground(draw: ImageDraw.ImageDraw, axes: Axes) -> None:
    """Write the labels around the plot: hours and kW."""
    levels, hours = _levels(axes), _whole_hours(axes)
    for label, y in zip(figures.kw_scale(levels.tolist()), axes.y(levels).tolist(), strict=True):
        style.write(draw, PLOT[0] - 6, PLOT[1] + y, label, style.GREY, at="rm")
    for t_s, x in zip(hours.tolist(), axes.x(hours).tolist(), strict=True):
        text = f"{axes.start + timedelta(seconds=t_s):%H:%M}"
        style.write(draw, PLOT[0] + x, _STRIP[1] + 9, text, style.GREY, at="mm")
    style.write(draw, PLOT[0] - 6, sum(_STRIP) / 2, "verdict", style.GREY, at="rm")


def plot_ground(axes: Axes, award_kw: Array) -> Image.Image:
    """Return the empty plot, FINE times its size: grid, and shade where there is no award."""
    size = (FINE * (PLOT[2] - PLOT[0]), FINE * (PLOT[3] - PLOT[1]))
    image = Image.new("RGB", size, style.PAPER)
    draw = ImageDraw.Draw(image)
    edges = (FINE * axes.x(np.arange(len(award_kw) + 1.0) * BLOCK_S)).tolist()
    for left, right, award in zip(edges[:-1], edges[1:], award_kw.tolist(), strict=True):
        draw.rectangle([left, 0, right, size[1]], None if award > 0 else style.SHADE)
        draw.line([left, 0, left, size[1]], style.FAINT, 1)
    levels = _levels(axes)
    for kw, y in zip(levels.tolist(), (FINE * axes.y(levels)).tolist(), strict=True):
        draw.line([0, y, size[0], y], style.GREY if abs(kw) < axes.step_kw / 2 else style.FAINT, FINE)
    return image


def _levels(axes: Axes) -> Array:
    return np.arange(axes.low_kw, axes.high_kw + axes.step_kw / 2, axes.step_kw)


def curves(image: Image.Image, scene: Scene, axes: Axes) -> Image.Image:
    """Draw the curves on an empty plot and return it at its own size."""
    draw = ImageDraw.Draw(image)
    _bands(draw, scene, axes)
    _steps(draw, axes, scene.request_kw, BIN_S, style.REQUEST, FINE)
    minutes = (np.arange(len(scene.target_kw)) + 0.5) * MINUTE_S
    _curve(draw, axes, minutes, scene.target_kw, style.TARGET, 3)
    _curve(draw, axes, minutes[: len(scene.metered_kw)], scene.metered_kw, style.METERED, 4)
    _curve(draw, axes, np.arange(len(scene.seen_kw)) * float(scene.decision_s), scene.seen_kw, style.SEEN, 4)
    now, seen = float(FINE * axes.x(scene.t_s)), float(FINE * axes.y(scene.seen_kw[-1]))
    draw.line([now, 0, now, image.height], style.GREY, FINE)
    draw.circle((now, seen), 4 * FINE, style.SEEN, style.PAPER, FINE)
    return image.reduce(FINE)


def _bands(draw: ImageDraw.ImageDraw, scene: Scene, axes: Axes) -> None:
    edges = (FINE * axes.x(np.arange(len(scene.band_kw) + 1.0) * scene.window_s)).tolist()
    bottoms, tops = (FINE * axes.y(scene.band_kw)).T.tolist()
    for left, right, top, bottom in zip(edges[:-1], edges[1:], tops, bottoms, strict=True):
        if top == top:  # not NaN: there is an award
            draw.rectangle([left, top, right, bottom], style.BAND)


def _steps(draw: ImageDraw.ImageDraw, axes: Axes, kw: Array, width_s: float, colour: style.Colour, width: int) -> None:
    _curve(draw, axes, np.repeat(np.arange(len(kw) + 1) * width_s, 2)[1:-1], np.repeat(kw, 2), colour, width)


def _curve(draw: ImageDraw.ImageDraw, axes: Axes, t_s: Array, kw: Array, colour: style.Colour, width: int) -> None:
    points = FINE * np.column_stack([axes.x(t_s), axes.y(kw)])
    for run in _known(kw):
        draw.line(points[run].ravel().tolist(), colour, width)


def _known(values: Array) -> Iterator[slice]:
    """Yield each run of finite values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isfinite(values), [False]]).astype(np.int8)))
    for lo, hi in edges.reshape(-1, 2):
        yield slice(lo, hi)


def verdicts(draw: ImageDraw.ImageDraw, scene: Scene, axes: Axes) -> None:
    """Draw the strip of blocks under the plot: passed, failed, without award, running."""
    edges = (PLOT[0] + axes.x(np.arange(len(scene.award_kw) + 1.0) * BLOCK_S)).tolist()
    for k, passed in enumerate(scene.passed.tolist()):
        box = [edges[k], _STRIP[0], edges[k + 1], _STRIP[1]]
        draw.rectangle(box, None if scene.award_kw[k] > 0 else style.SHADE, style.FAINT)
        if passed == passed:  # not NaN: judged
            style.mark(draw, (edges[k] + edges[k + 1]) / 2, sum(_STRIP) / 2, bool(passed))
    draw.rectangle([edges[scene.block], _STRIP[0], edges[scene.block + 1], _STRIP[1]], None, style.GREY)


def _whole_hours(axes: Axes) -> Array:
    """Return the times of the labels, whole hours, ten steps or fewer, s."""
    every = next((h for h in _HOURS if axes.horizon_s / HOUR_S / h <= 10), _HOURS[-1]) * HOUR_S
    first = -(axes.start.hour * HOUR_S + axes.start.minute * 60) % every
    return np.arange(first, int(axes.horizon_s) + 1, every)

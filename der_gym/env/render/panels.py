"""The parts around the chart: title, legend with figures, a row per leaf, the settlement."""

from __future__ import annotations

import math

import numpy as np
from PIL import ImageDraw

from der_gym.env.render import figures, style
from der_gym.env.render.scene import Scene

MAX_ROWS = 12
_TOP, _ROWS, _BOTTOM = 296, 308, 453  # of the leaves' panel
_FRACTION: style.Box = (150, _ROWS, 300, _BOTTOM)
_POWER: style.Box = (322, _ROWS, 472, _BOTTOM)
_AGE: style.Box = (494, _ROWS, 562, _BOTTOM)
_BOOK: style.Box = (584, 290, 788, 470)
_LEGEND = (12, 140, 258, 428, 590)
REST = ("fee", "owners", "owners_bill", "retailer", "maker", "wear", "message")


def title(draw: ImageDraw.ImageDraw, scene: Scene) -> None:
    """Write scenario, time and block."""
    style.write(draw, 12, 18, scene.scenario, size=style.LARGE)
    style.write(draw, 400, 18, figures.day_time(scene.time), size=style.LARGE, at="mm")
    text = f"block {scene.block + 1} of {len(scene.award_kw)}, {scene.left}"
    style.write(draw, 788, 18, text, size=style.NORMAL + 2, at="rm")


def legend_ground(draw: ImageDraw.ImageDraw) -> None:
    """Draw the swatches of the legend."""
    colours = (style.REQUEST, style.TARGET, style.BAND, style.SEEN, style.METERED)
    for x, colour in zip(_LEGEND, colours, strict=True):
        tall = 5 if colour == style.BAND else 1
        draw.rectangle([x, 46 - tall, x + 16, 46 + tall], colour)


def legend(draw: ImageDraw.ImageDraw, scene: Scene) -> None:
    """Write the legend: each curve's name and latest figure."""
    low, high = scene.band_kw[-1] if len(scene.band_kw) else (np.nan, np.nan)
    band = "no award" if np.isnan(low) else f"passes {figures.kw_range(low, high)}"
    metered = scene.metered_kw[-1] if len(scene.metered_kw) else np.nan
    texts = (
        f"request {figures.kw(scene.now['request_kw'])}",
        f"target {figures.kw(scene.now['target_kw'])}",
        band,
        f"response seen {figures.kw(scene.now['response_kw'])}",
        "metered (hindsight)" + ("" if np.isnan(metered) else f" {figures.kw(metered)}"),
    )
    for x, text in zip(_LEGEND, texts, strict=True):
        style.write(draw, x + 21, 46, text)


def shown(scene: Scene) -> np.ndarray:
    """Return the leaves that have a row: all, or those of the largest nominal power, in their order."""
    n = len(scene.leaf_names)
    return np.arange(n) if n <= MAX_ROWS else np.sort(np.argsort(-scene.nominal_kw, kind="stable")[: MAX_ROWS - 1])


def _height(scene: Scene) -> float:
    return min(16.0, (_BOTTOM - _ROWS) / min(len(scene.leaf_names), MAX_ROWS))


def leaves_ground(draw: ImageDraw.ImageDraw, scene: Scene) -> None:
    """Write names, heads and scales of the leaves' rows."""
    rows, height = shown(scene), _height(scene)
    end = _ROWS + height * len(rows)
    heads = (
        (12, "leaf", "lm"),
        (225, "bar: arrived, tick: sent", "mm"),
        (397, "bar: seen drawn, tick: plan", "mm"),
        (528, "report age", "mm"),
    )
    for x, text, at in heads:
        style.write(draw, x, _TOP, text, style.GREY, at=at)
    for k, j in enumerate(rows):
        style.write(draw, 12, _ROWS + height * (k + 0.5), _short(scene.leaf_names[j]))
    for box in (_FRACTION, _POWER):
        for value in (-1.0, -0.25, 0.0, 0.25, 1.0):
            at_x = _place(box, value)
            draw.line([at_x, _ROWS, at_x, end], style.FAINT)
            style.write(draw, at_x, end + 8, f"{value:+g}" if value else "0", style.GREY, at="mm")
    style.write(draw, 12, end + 8, _note(scene, len(rows)), style.GREY)


def _place(box: style.Box, value: float) -> float:
    """Return the place of -1..1 in a box, by its square root, because a request is often a few percent."""
    root = math.sqrt(min(abs(value), 1.0))
    return (box[0] + box[2]) / 2 + (root if value > 0 else -root) * (box[2] - box[0]) / 2


def _note(scene: Scene, n_row: int) -> str:
    n = len(scene.leaf_names)
    return "1 = rated swing" if n_row == n else f"and {n - n_row} smaller leaves"


def _short(name: str, n: int = 21) -> str:
    return name if len(name) <= n else f"{name[: n // 2]}..{name[2 - n + n // 2 :]}"


def leaves(draw: ImageDraw.ImageDraw, scene: Scene) -> None:
    """Draw the bars of the leaves' rows."""
    height, rows = _height(scene), shown(scene)
    unit = np.maximum(scene.nominal_kw, 1e-9)
    columns = (
        scene.leaf["arrived_a"],
        scene.leaf["sent_a"],
        scene.leaf["seen_kw"] / unit,
        scene.leaf["plan_kw"] / unit,
    )
    values = np.stack([*columns, scene.leaf["age_mean_s"]], axis=1)[rows]
    for k, (arrived, sent, seen, plan, age_s) in enumerate(values.tolist()):
        top, bottom = _ROWS + height * k + 2, _ROWS + height * (k + 1) - 2
        _bar(draw, _FRACTION, top, bottom, arrived, sent, style.GREY)
        _bar(draw, _POWER, top, bottom, seen, plan, style.SEEN)
        fill, ink = style.age_colours(age_s)
        draw.rectangle([_AGE[0], top - 1, _AGE[2], bottom + 1], fill)
        style.write(draw, (_AGE[0] + _AGE[2]) / 2, (top + bottom) / 2, figures.age(age_s), ink, at="mm")


def _bar(
    draw: ImageDraw.ImageDraw,
    box: style.Box,
    top: float,
    bottom: float,
    value: float,
    tick: float,
    colour: style.Colour,
) -> None:
    """Draw a bar from the middle to ``value`` and a tick, both in -1..1."""
    ends = sorted((_place(box, 0.0), _place(box, value)))
    if value:
        draw.rectangle([ends[0], top, ends[1], bottom], colour)
    x = _place(box, tick)
    draw.line([x, top - 1, x, bottom + 1], style.INK, 2)


def settlement_ground(draw: ImageDraw.ImageDraw, scene: Scene) -> None:
    """Draw frame, head and labels of the settlement."""
    left, top, right, _ = _BOOK
    draw.rounded_rectangle(_BOOK, 5, None, style.METERED)
    style.write(draw, left + 10, top + 14, "metered (hindsight)", style.METERED_INK, style.NORMAL)
    labels = ("revenue, energy", "penalty, lock-out", "imbalance", "owners, fees, wear")
    for k, label in enumerate(labels):
        style.write(draw, left + 10, top + 60 + 17 * k, label, style.GREY)
    draw.line([left + 10, top + 123, right - 10, top + 123], style.FAINT)
    style.write(draw, left + 10, top + 137, "money, yen")
    since = f", from {scene.clock(scene.since_s)}" if scene.since_s > 0 else ""
    style.write(draw, left + 10, top + 160, "reward" + since)


def settlement(draw: ImageDraw.ImageDraw, scene: Scene) -> None:
    """Write verdicts, yen and reward so far."""
    left, top, right, _ = _BOOK
    passed, failed = int((scene.passed == 1).sum()), int((scene.passed == 0).sum())
    for x, good, text in ((left + 16, True, f"{passed} passed"), (left + 106, False, f"{failed} failed")):
        style.mark(draw, x, top + 37, good)
        style.write(draw, x + 12, top + 37, text)
    yen = scene.yen
    sums = (
        yen.get("revenue", 0.0) + yen.get("energy", 0.0),
        yen.get("penalty", 0.0) + yen.get("lockout", 0.0),
        yen.get("imbalance", 0.0) + yen.get("rebound", 0.0),
        sum(yen.get(name, 0.0) for name in REST),
    )
    for k, value in enumerate(sums):
        style.write(draw, right - 10, top + 60 + 17 * k, figures.yen(value), at="rm")
    style.write(draw, right - 10, top + 137, figures.yen(yen["total"]), size=style.NORMAL + 2, at="rm")
    style.write(draw, right - 10, top + 160, f"{scene.reward:+.3f}", size=style.NORMAL + 2, at="rm")

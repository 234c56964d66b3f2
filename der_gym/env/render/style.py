"""Colours, type and small marks of the picture. Hues are those of Okabe and Ito, told apart by the colour-blind [1]_.

References
----------
.. [1] Okabe and Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom

PAPER, INK, GREY, FAINT, SHADE = (255, 255, 255), (32, 38, 46), (104, 112, 122), (228, 231, 235), (244, 245, 247)
TARGET, REQUEST, BAND = INK, (150, 156, 164), (205, 227, 242)
SEEN, METERED, METERED_INK = (0, 114, 178), (230, 159, 0), (150, 98, 0)
PASSED, FAILED = (0, 158, 115), (213, 94, 0)
NORMAL, LARGE = 12, 18
_FRESH, _OLD, _AGE_S = np.array([247, 244, 222]), np.array([68, 40, 96]), (60.0, 3600.0)


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which needs no file."""
    return ImageFont.load_default(size)


@lru_cache(maxsize=2048)
def _stamp(text: str, size: int, at: str) -> tuple[int, int, Image.Image]:
    """Return a text's coverage and where its corner stands; most of a picture's texts stood in the last one too."""
    left, top, right, bottom = font(size).getbbox(text, anchor=at)
    image = Image.new("L", (int(right - left) + 1, int(bottom - top) + 1))
    ImageDraw.Draw(image).text((-left, -top), text, 255, font(size), at)
    return int(left), int(top), image


def write(
    draw: ImageDraw.ImageDraw, x: float, y: float, text: str, colour: Colour = INK, size: int = NORMAL, at: str = "lm"
) -> None:
    """Write ``text``; ``at``, in Pillow's letters, is the point of the text that stands on (x, y)."""
    left, top, stamp = _stamp(text, size, at)
    draw.bitmap((round(x) + left, round(y) + top), stamp, colour)


def mark(draw: ImageDraw.ImageDraw, x: float, y: float, passed: bool) -> None:
    """Draw a tick or a cross around (x, y): shape and colour show the same."""
    if passed:
        draw.line([(x - 5, y), (x - 1, y + 4), (x + 5, y - 4)], PASSED, 2)
    else:
        draw.line([(x - 4, y - 4), (x + 4, y + 4)], FAILED, 2)
        draw.line([(x - 4, y + 4), (x + 4, y - 4)], FAILED, 2)


def age_colours(age_s: float) -> tuple[Colour, Colour]:
    """Return fill and ink of a cell: light up to a minute, dark at an hour, by the logarithm of the age."""
    young, old = np.log(_AGE_S)
    part = float(np.clip((np.log(max(age_s, 1.0)) - young) / (old - young), 0.0, 1.0))
    r, g, b = (int(c) for c in _FRESH + (_OLD - _FRESH) * part)
    return (r, g, b), (INK if part < 0.55 else PAPER)

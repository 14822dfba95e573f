"""Holes that are areas: halves, objects, and what is missing around a picture that shall grow."""

from __future__ import annotations

import math

import numpy as np

from i2i.images.masks import Mask
from i2i.masks.canvas import Canvas, Points, as_mask, new_canvas, paint_shape, turned, unit_of

STRIPS = (0.04, 0.25)  # of the picture's height or width
OBJECT_RADII = (18, 62)
OUTLINE = 64  # points


def half(height: int, width: int, random: np.random.Generator) -> Mask:
    """The left, right, upper or lower half."""
    canvas = new_canvas(height, width)
    side = int(random.integers(4))
    _paint_strip(canvas, side, (height if side < 2 else width) / 2)
    return as_mask(canvas)


def outpaint(height: int, width: int, random: np.random.Generator) -> Mask:
    """Strips at one to four sides, each 4 to 25 percent of the picture's height or width."""
    canvas = new_canvas(height, width)
    for side in random.choice(4, size=random.integers(1, 5), replace=False).tolist():
        _paint_strip(canvas, side, random.uniform(*STRIPS) * (height if side < 2 else width))
    return as_mask(canvas)


def _paint_strip(canvas: Canvas, side: int, depth: float) -> None:
    """At the top, bottom, left, right side: so many pixels deep."""
    along = canvas if side < 2 else canvas.T
    count = max(1, round(depth))
    along[slice(0, count) if side % 2 == 0 else slice(len(along) - count, None)] = 1


def blobs(height: int, width: int, random: np.random.Generator) -> Mask:
    """One to three things with smooth outlines: round ones with bumps, or bodies with limbs."""
    canvas = new_canvas(height, width)
    unit = unit_of(height, width)
    for _ in range(random.integers(1, 4)):
        middle = random.uniform((0, 0), (width, height))
        radius = random.uniform(*OBJECT_RADII) * unit
        for part in [_bumpy(random)] if random.random() < 0.5 else _body(random):
            paint_shape(canvas, middle + radius * part)
    return as_mask(canvas)


def _bumpy(random: np.random.Generator) -> Points:
    """A round outline (K, 2) of radius about 1: its distance from the middle is a short Fourier series."""
    angle = np.linspace(0, 2 * math.pi, OUTLINE, endpoint=False)
    waves = np.arange(2, 8)  # bumps all around
    heights = random.normal(0, 0.35 / waves)
    phases = random.uniform(0, 2 * math.pi, len(waves))
    distance = 1 + (heights[:, None] * np.cos(waves[:, None] * angle + phases[:, None])).sum(axis=0)
    outline = _ellipse(angle, np.maximum(distance, 0.2), stretch=random.uniform(1, 1.8))
    return turned(outline, random.uniform(0, 2 * math.pi))


def _body(random: np.random.Generator) -> list[Points]:
    """Outlines of a body of radius about 1 and of two to six limbs that grow out of it."""
    angle = np.linspace(0, 2 * math.pi, OUTLINE, endpoint=False)
    lean = random.uniform(0, 2 * math.pi)
    stretch = random.uniform(1.1, 1.7)
    parts = [turned(_ellipse(angle, np.ones(OUTLINE), stretch=stretch), lean)]
    for _ in range(random.integers(2, 7)):
        around = random.uniform(0, 2 * math.pi)
        root = 0.8 * np.array([math.sqrt(stretch) * math.cos(around), math.sin(around) / math.sqrt(stretch)])
        limb = _ellipse(angle, np.full(OUTLINE, random.uniform(0.3, 0.6)), stretch=random.uniform(1, 4))
        parts.append(turned(root + turned(limb, around + random.normal(0, 0.4)), lean))
    return parts


def _ellipse(angle: np.ndarray, distance: np.ndarray, *, stretch: float) -> Points:
    """(K, 2): longer across by `stretch` than high, of the area that the distances enclose."""
    long = math.sqrt(stretch)
    return np.stack([distance * np.cos(angle) * long, distance * np.sin(angle) / long], axis=1)

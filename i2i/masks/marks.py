"""Thin holes: scratches of old photos, handwriting, and letters over a picture."""

from __future__ import annotations

import math
import string

import cv2
import numpy as np

from i2i.images.masks import Mask
from i2i.masks.canvas import Canvas, Points, as_mask, new_canvas, paint_line, turned, unit_of

SCRATCH_WIDTHS = (1, 5)
PEN_WIDTHS = (2, 7)
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
LETTERS = [*string.ascii_letters, *string.digits, *"    .,:-@"]


def lines(height: int, width: int, random: np.random.Generator) -> Mask:
    """One to eight scratches from border to border, or a part of that: straight or slightly bent, 1 to 5 pixels."""
    canvas = new_canvas(height, width)
    unit = unit_of(height, width)
    for _ in range(random.integers(1, 9)):
        paint_line(canvas, _scratch(height, width, random), random.uniform(*SCRATCH_WIDTHS) * unit)
    return as_mask(canvas)


def _scratch(height: int, width: int, random: np.random.Generator) -> Points:
    """(K, 2) from one border to another; three of ten stop on their way."""
    sides = random.choice(4, size=2, replace=False)
    start, end = (_on_border(int(side), height, width, random) for side in sides)
    across = (end - start)[::-1] * (-1, 1)  # as long as the scratch, and square to it
    bend = random.normal(0, 0.08) * across if random.random() < 0.6 else 0 * across
    first, share = (0.0, 1.0) if random.random() < 0.7 else random.uniform((0, 0.2), (0.5, 0.5))
    way = np.linspace(first, first + share, 16)[:, None]
    return start + (end - start) * way + bend * 4 * way * (1 - way)


def _on_border(side: int, height: int, width: int, random: np.random.Generator) -> Points:
    x, y = random.uniform(0, width), random.uniform(0, height)
    return np.array([(x, 0), (x, height - 1), (0, y), (width - 1, y)][side])


def scribbles(height: int, width: int, random: np.random.Generator) -> Mask:
    """One to four of: handwriting, rings, crossed-out places, open curves, lines of letters."""
    canvas = new_canvas(height, width)
    for _ in range(random.integers(1, 5)):
        kind = int(random.integers(5))
        if kind == 0:
            _paint_letters(canvas, random)
        else:
            _paint_scribble(canvas, random, (_handwriting, _ring, _crossing_out, _curve)[kind - 1](random))
    return as_mask(canvas)


def _paint_scribble(canvas: Canvas, random: np.random.Generator, points: Points) -> None:
    """A curve of size about 1 somewhere in the picture."""
    height, width = canvas.shape
    unit = unit_of(height, width)
    middle = random.uniform((0.1 * width, 0.1 * height), (0.9 * width, 0.9 * height))
    size = random.uniform(30, 110) * unit
    points = middle + size * turned(points, random.normal(0, 0.35))
    paint_line(canvas, points, random.uniform(*PEN_WIDTHS) * unit)


def _handwriting(random: np.random.Generator) -> Points:
    """Joined letters along a line: loops and arches, small and tall."""
    count = int(random.integers(4, 12))
    turn = np.linspace(0, count, 16 * count)  # letters written so far
    tall = np.where(random.random(count) < 0.3, random.uniform(0.4, 0.6), random.uniform(0.15, 0.25, count))
    heights, round_, double = (
        np.interp(turn - 0.5, np.arange(count), values)
        for values in (tall, random.uniform(-0.2, 1.8, count), random.uniform(-0.08, 0.08, count))
    )
    x = 2 * (turn / count - 0.5) - round_ / count * np.sin(2 * math.pi * turn)
    y = heights * (np.cos(2 * math.pi * turn) - 1) / 2 + double * np.sin(4 * math.pi * turn)
    return np.stack([x - 0.3 * y, y], axis=1)


def _ring(random: np.random.Generator) -> Points:
    """A closed shape drawn around something, once or up to three times."""
    rounds = int(random.integers(1, 4))
    angle = np.linspace(0, 2 * math.pi * rounds, 40 * rounds)
    wobble = 0.6 + _wandering(random, len(angle), knots=4 * rounds + 1, size=0.08)
    wobble += (wobble[0] - wobble[-1]) * angle / angle[-1]  # ends where it began
    return np.stack([wobble * np.cos(angle), random.uniform(0.4, 1) * wobble * np.sin(angle)], axis=1)


def _crossing_out(random: np.random.Generator) -> Points:
    """To and fro, as one crosses out a word."""
    count = int(random.integers(6, 16))
    x = np.linspace(-0.8, 0.8, count) + random.normal(0, 0.03, count)
    y = np.where(np.arange(count) % 2 == 0, -1, 1) * random.uniform(0.15, 0.3, count)
    return np.stack([x, y], axis=1)


def _curve(random: np.random.Generator) -> Points:
    """An open line that wanders smoothly."""
    across, down = (_wandering(random, 80, knots=knots, size=0.6) for knots in (6, 9))
    return np.stack([across, down], axis=1)


def _wandering(random: np.random.Generator, count: int, *, knots: int, size: float) -> Points:
    """(count,) values between random ones, joined by half waves."""
    values = random.normal(0, size, knots)
    place = np.linspace(0, knots - 1.001, count)
    left = place.astype(int)
    blend = (1 - np.cos(math.pi * (place - left))) / 2
    return values[left] * (1 - blend) + values[left + 1] * blend


def _paint_letters(canvas: Canvas, random: np.random.Generator) -> None:
    """One to three lines of text, such as a date, a watermark, a title."""
    height, width = canvas.shape
    unit = unit_of(height, width)
    capitals = random.uniform(10, 34) * unit
    font = FONTS[int(random.integers(len(FONTS)))]
    scale = capitals / cv2.getTextSize("H", font, 1.0, 1)[0][1]
    pen = max(1, round(capitals * random.uniform(0.06, 0.2)))
    left = round(random.uniform(-0.05, 0.5) * width)
    below = random.uniform(0.1, 0.95) * height
    for _ in range(random.integers(1, 4)):
        text = "".join(random.choice(LETTERS, size=random.integers(3, 16)))
        cv2.putText(canvas, text, (left, round(below)), font, scale, 1, pen)
        below += 1.6 * capitals

"""Brush strokes: those of DeepFillv2, and LaMa's thin, medium and thick ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from i2i.images.masks import Mask
from i2i.masks.canvas import Canvas, as_mask, new_canvas, paint_box, paint_line, unit_of

MEAN_ANGLE, ANGLE_SPREAD = 2 * math.pi / 5, 2 * math.pi / 15
STROKE_WIDTHS = (12, 40)
BOX, BOX_SHRINKS = 128, 16  # its side, and how much of it may be missing at each end
IRREGULAR_ODDS, BOX_ODDS = 1.0, 0.3


def strokes(height: int, width: int, random: np.random.Generator) -> Mask:
    """Free-form strokes and a box anywhere, as in training (Yu et al. 2019, arXiv:1806.03589)."""
    canvas = _painted_strokes(height, width, random)
    unit = unit_of(height, width)
    up, across = (min(round(BOX * unit), length) for length in (height, width))
    off = [int(random.integers(round(BOX_SHRINKS * unit) + 1)) for _ in range(2)]
    top, left = int(random.integers(height - up + 1)), int(random.integers(width - across + 1))
    paint_box(canvas, top + off[0], left + off[1], max(up - 2 * off[0], 1), max(across - 2 * off[1], 1))
    return as_mask(canvas)


def free_form(height: int, width: int, random: np.random.Generator) -> Mask:
    """The strokes alone, without the box."""
    return as_mask(_painted_strokes(height, width, random))


def _painted_strokes(height: int, width: int, random: np.random.Generator) -> Canvas:
    canvas = new_canvas(height, width)
    for _ in range(random.integers(1, 4)):
        _paint_stroke(canvas, random)
    # Strokes lean to one side; the published code flips a copy and throws it away.
    if random.random() < 0.5:
        canvas = canvas[::-1]
    if random.random() < 0.5:
        canvas = canvas[:, ::-1]
    return np.ascontiguousarray(canvas)


def _paint_stroke(canvas: Canvas, random: np.random.Generator) -> None:
    height, width = canvas.shape
    reach = math.hypot(height, width) / 8  # mean length of a step
    count = int(random.integers(4, 12))
    low, high = MEAN_ANGLE - random.uniform(0, ANGLE_SPREAD), MEAN_ANGLE + random.uniform(0, ANGLE_SPREAD)
    angles = random.uniform(low, high, count)
    angles[::2] *= -1
    steps = np.clip(random.normal(reach, reach / 2, count), 0, 2 * reach)
    x, y = random.uniform(0, width), random.uniform(0, height)
    points = [(x, y)]
    for angle, step in zip(angles.tolist(), steps.tolist(), strict=True):
        x = min(max(x + step * math.cos(angle), 0), width)
        y = min(max(y + step * math.sin(angle), 0), height)
        points.append((x, y))
    paint_line(canvas, np.array(points), random.uniform(*STROKE_WIDTHS) * unit_of(height, width))


@dataclass(frozen=True)
class Boxes:
    """So many boxes (from, to), with sides (from, to), as far from the borders as `margin`."""

    count: tuple[int, int]
    sides: tuple[int, int]
    margin: int


@dataclass(frozen=True)
class Brush:
    """So many strokes (from, to) of one to five pieces, each up to so much longer and wider than the least."""

    strokes: tuple[int, int]
    wider: int
    longer: int
    boxes: Boxes | None = None


# Suvorov et al. 2022 (arXiv:2109.07161), its settings for 256 x 256.
THIN = Brush(strokes=(4, 50), wider=10, longer=40)
MEDIUM = Brush(strokes=(4, 5), wider=50, longer=100, boxes=Boxes(count=(1, 5), sides=(10, 50), margin=0))
THICK = Brush(strokes=(1, 5), wider=100, longer=200, boxes=Boxes(count=(1, 3), sides=(30, 150), margin=10))
LEAST_WIDTH, LEAST_LENGTH = 5, 10
# `boxes` by themselves are those of LaMa's training.
TRAINING_BOXES = Boxes(count=(1, 4), sides=(30, 150), margin=10)


def thin(height: int, width: int, random: np.random.Generator) -> Mask:
    """LaMa's thin strokes."""
    return _brushed(height, width, random, THIN)


def medium(height: int, width: int, random: np.random.Generator) -> Mask:
    """LaMa's medium strokes, or small boxes in 3 of 13 masks."""
    return _brushed(height, width, random, MEDIUM)


def thick(height: int, width: int, random: np.random.Generator) -> Mask:
    """LaMa's thick strokes, or large boxes in 3 of 13 masks."""
    return _brushed(height, width, random, THICK)


def boxes(height: int, width: int, random: np.random.Generator) -> Mask:
    """One to four boxes with sides from an eighth to three fifths of the picture's."""
    canvas = new_canvas(height, width)
    _paint_boxes(canvas, random, TRAINING_BOXES)
    return as_mask(canvas)


def _brushed(height: int, width: int, random: np.random.Generator, brush: Brush) -> Mask:
    canvas = new_canvas(height, width)
    if brush.boxes and random.random() < BOX_ODDS / (BOX_ODDS + IRREGULAR_ODDS):
        _paint_boxes(canvas, random, brush.boxes)
    else:
        for number in range(random.integers(brush.strokes[0], brush.strokes[1] + 1)):
            _paint_pieces(canvas, random, brush, mirrored=number % 2 == 0)
    return as_mask(canvas)


def _paint_pieces(canvas: Canvas, random: np.random.Generator, brush: Brush, *, mirrored: bool) -> None:
    height, width = canvas.shape
    unit, count = unit_of(height, width), int(random.integers(1, 6))
    angles = 0.01 + random.integers(0, 4, count)
    lengths = (LEAST_LENGTH + random.uniform(0, brush.longer, count)) * unit
    widths = (LEAST_WIDTH + random.uniform(0, brush.wider, count)) * unit
    across = lengths * np.sin(-angles if mirrored else angles)
    down = lengths * np.cos(angles)
    x, y = random.uniform(0, width), random.uniform(0, height)
    for dx, dy, thickness in zip(across.tolist(), down.tolist(), widths.tolist(), strict=True):
        end = min(max(x + dx, 0), width), min(max(y + dy, 0), height)
        paint_line(canvas, np.array([(x, y), end]), thickness)
        x, y = end


def _paint_boxes(canvas: Canvas, random: np.random.Generator, kind: Boxes) -> None:
    unit = unit_of(*canvas.shape)
    margin = round(kind.margin * unit)
    for _ in range(random.integers(kind.count[0], kind.count[1] + 1)):
        places, sides = [], []
        for length in canvas.shape:
            side = min(max(1, round(random.uniform(*kind.sides) * unit)), max(1, length - 2 * margin))
            sides.append(side)
            places.append(int(random.integers(margin, max(length - margin - side, margin) + 1)))
        paint_box(canvas, *places, *sides)

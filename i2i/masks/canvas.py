"""What all shapes are painted with. H x W pixels; points are (x, y) in pixels; 1 = hole.

Shapes count lengths in pixels of a picture of 256 x 256. `unit_of` scales them to a picture of any size and aspect so
that they cover the same share of it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.images.masks import Mask

Canvas = NDArray[np.uint8]  # (H, W), 0 or 1
Points = NDArray[np.float64]  # (K, 2)
SIDE = 256  # pixels that lengths are given for
FRACTION = 4  # bits behind the point of a coordinate


def new_canvas(height: int, width: int) -> Canvas:
    """All known."""
    return np.zeros((height, width), dtype=np.uint8)


def as_mask(canvas: Canvas) -> Mask:
    """The same memory as (H, W) bool."""
    return np.ascontiguousarray(canvas).view(np.bool_)


def unit_of(height: int, width: int) -> float:
    """Pixels of this picture that stand for one of 256 x 256."""
    return math.sqrt(height * width) / SIDE


def paint_line(canvas: Canvas, points: Points, width: float, *, closed: bool = False) -> None:
    """A line through the points with round joints, at least one pixel wide."""
    cv2.polylines(canvas, [_fixed(points)], closed, 1, max(1, round(width)), cv2.LINE_8, FRACTION)


def paint_shape(canvas: Canvas, outline: Points) -> None:
    """The pixels whose middle lies inside a closed outline.

    Not by `cv2.fillPoly`: its releases differ along the rim, and masks of an evaluation must not.
    """
    left, top = np.clip(np.floor(outline.min(axis=0)), 0, canvas.shape[::-1]).astype(int).tolist()
    right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, canvas.shape[::-1]).astype(int).tolist()
    start, end = outline, np.roll(outline, -1, axis=0)
    rows = np.arange(top, bottom)[:, None]
    row, edge = np.nonzero((start[:, 1] <= rows) != (end[:, 1] <= rows))  # each row crosses some of the edges
    step = (end - start)[edge]
    x = start[edge, 0] + (row + top - start[edge, 1]) * step[:, 0] / step[:, 1]
    width = right - left
    column = np.clip(np.ceil(x) - left, 0, width).astype(int)
    crossings = np.bincount(row * (width + 1) + column, minlength=(bottom - top) * (width + 1))
    crossed = crossings.astype(np.uint8).reshape(bottom - top, width + 1)
    canvas[top:bottom, left:right] |= np.add.accumulate(crossed, axis=1, dtype=np.uint8)[:, :width] & 1


def paint_box(canvas: Canvas, top: int, left: int, height: int, width: int) -> None:
    """A rectangle, cut at the picture's borders."""
    canvas[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 1


def turned(points: Points, angle: float) -> Points:
    """The points turned around (0, 0)."""
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << FRACTION)).astype(np.int32)

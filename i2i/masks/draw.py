"""One mask of a named kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from i2i.config.masks import MaskKind
from i2i.images.masks import Mask
from i2i.masks.marks import lines, scribbles
from i2i.masks.regions import blobs, half, outpaint
from i2i.masks.strokes import boxes, medium, strokes, thick, thin

Shape = Callable[[int, int, np.random.Generator], Mask]
SHAPES: dict[MaskKind, Shape] = {
    "strokes": strokes,
    "boxes": boxes,
    "half": half,
    "lines": lines,
    "scribbles": scribbles,
    "thin": thin,
    "medium": medium,
    "thick": thick,
    "blobs": blobs,
    "outpaint": outpaint,
}


def draw(kind: MaskKind, height: int, width: int, random: np.random.Generator) -> Mask:
    """The hole (H, W) of that kind. How much it covers is left to chance; in a small picture it may be all or nothing.

    The same for the same state of the generator; of any size from 1 x 1, with lengths in proportion to the root of the
    picture's area.
    """
    return SHAPES[kind](height, width, random)

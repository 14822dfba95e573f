"""The fixed masks of an evaluation: free-form holes by bands of area (Liu et al. 2018, arXiv:1804.07723).

A mask is a function of its band, the picture's size and a key; it does not change between versions of i2i.
"""

from __future__ import annotations

import hashlib
from unicodedata import normalize

import numpy as np

from i2i.images.masks import Mask
from i2i.masks.area import Area, fitted
from i2i.masks.draw import Shape
from i2i.masks.regions import blobs
from i2i.masks.strokes import boxes, free_form, medium, thick, thin

# More than the first and at most the second share of the picture is hole.
BANDS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
SHAPES: tuple[Shape, ...] = (free_form, thin, medium, thick, boxes, blobs)  # each as often
TRIES = 64  # draws before what is there is made to fit


def fixed_mask(height: int, width: int, band: int, *key: int | str) -> Mask:
    """The hole (H, W) of a band (0 to 5) that belongs to a key, such as a picture's place without suffix and a seed.

    Text that reads the same is the same key, however a system composes its accents (Unicode's NFC).

    One kind of shape, drawn again and again over the same hole until its area lies in the band. Pictures of fewer than
    ten pixels may have no hole of such an area, and get the nearest. Raises IndexError for a band that is none.
    """
    area = _area(height * width, band)
    random = np.random.default_rng(_seed("mask", band, *key))
    shape = SHAPES[int(random.integers(len(SHAPES)))]
    hole = np.zeros((height, width), dtype=np.bool_)
    for _ in range(TRIES):
        if np.count_nonzero(hole) > area.most:
            hole = np.zeros_like(hole)
        hole = hole | shape(height, width, random)
        if area.has(hole):
            return hole
    return fitted(hole, area)


def band_of(mask: Mask) -> int | None:
    """The band of a hole's area; None for a smaller or larger one."""
    covered = int(np.count_nonzero(mask))
    for band in range(len(BANDS)):
        low, high = _percent(band)
        if low * mask.size < 100 * covered <= high * mask.size:
            return band
    return None


def _percent(band: int) -> tuple[int, int]:
    """Its borders in whole percent: with fractions, a hole of exactly a tenth would be left to rounding."""
    low, high = BANDS[band]
    return round(100 * low), round(100 * high)


def _area(pixels: int, band: int) -> Area:
    low, high = _percent(band)
    most = min(max(high * pixels // 100, 1), max(pixels - 1, 1))
    return Area(min(low * pixels // 100 + 1, most), most)


def _seed(*key: int | str) -> int:
    composed = tuple(normalize("NFC", part) if isinstance(part, str) else part for part in key)
    return int.from_bytes(hashlib.blake2b(repr(composed).encode(), digest_size=8).digest(), "big")

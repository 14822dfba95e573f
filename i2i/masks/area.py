"""How much of a picture a hole covers, and making it cover more or less."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from i2i.images.masks import Mask


@dataclass(frozen=True)
class Area:
    """So many pixels at least, and at most."""

    least: int
    most: int

    def has(self, mask: Mask) -> bool:
        """Whether the hole is neither smaller nor larger."""
        return self.least <= int(np.count_nonzero(mask)) <= self.most


def area_of_shares(pixels: int, smallest: float, largest: float) -> Area:
    """From one share of so many pixels to another, but at least one pixel, and at least one that stays known.

    Where no whole number lies between the shares it is the nearest one below; a single pixel is a hole.
    """
    most = max(1, min(pixels - 1, math.floor(largest * pixels)))
    return Area(min(most, max(1, math.ceil(smallest * pixels))), most)


def fitted(mask: Mask, area: Area) -> Mask:
    """The hole, grown along its rim to the least area or shrunk to the most; as it is where it fits."""
    covered = np.count_nonzero(mask)
    if covered < area.least:
        return _nearest(_distance(~mask), area.least)
    if covered > area.most:
        return ~_nearest(_distance(mask), mask.size - area.most)
    return mask


def _distance(mask: Mask) -> np.ndarray:
    """(H, W): squared pixels to the nearest pixel outside; whole numbers, so that all machines agree on them."""
    if mask.all():
        return np.zeros(mask.shape, dtype=np.int64)
    distance = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.rint(distance.astype(np.float64) ** 2).astype(np.int64)


def _nearest(distance: np.ndarray, count: int) -> Mask:
    """So many pixels of the least distance; among equals the upper ones, then the left ones."""
    border = np.partition(distance.ravel(), count - 1)[count - 1]
    taken: Mask = distance < border
    missing = count - np.count_nonzero(taken)
    taken.ravel()[np.flatnonzero(distance == border)[:missing]] = True
    return taken

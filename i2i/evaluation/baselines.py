"""How holes are filled without a network, in 8 bit, from known pixels alone.

H x W pixels, C channels, masks true in the hole. All raise ValueError where nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from i2i.images.masks import Mask
from i2i.images.picture import Picture, Pixels

Filler = Callable[[Picture, Mask], Picture]

RADIUS = 5  # pixels around each one that OpenCV's methods look at: nearer to the truth than 3 (docs/evaluate.md)


def mean_colour(picture: Picture, mask: Mask) -> Picture:
    """The hole in the mean of the known pixels, rounded."""
    if mask.all():
        raise ValueError("nothing is known around the hole")
    mean = picture.pixels[~mask].mean(axis=0, dtype=np.float64)  # (C,)
    return picture.with_pixels(np.where(mask[:, :, None], (mean + 0.5).astype(np.uint8), picture.pixels))


def telea(picture: Picture, mask: Mask) -> Picture:
    """By fast marching from the hole's rim (Telea 2004, An image inpainting technique based on the fast marching)."""
    return _by_opencv(picture, mask, cv2.INPAINT_TELEA)


def navier_stokes(picture: Picture, mask: Mask) -> Picture:
    """Lines of equal brightness led into the hole (Bertalmio, Bertozzi, Sapiro 2001, Navier-Stokes, fluid dynamics)."""
    return _by_opencv(picture, mask, cv2.INPAINT_NS)


def _by_opencv(picture: Picture, mask: Mask, method: int) -> Picture:
    shown = mean_colour(picture, mask).pixels  # at the picture's borders OpenCV looks into the hole, too
    made: Pixels = cv2.inpaint(shown, mask.astype(np.uint8), RADIUS, method).astype(np.uint8, copy=False)
    return picture.with_pixels(made.reshape(picture.pixels.shape))  # OpenCV drops the axis of one channel


BASELINES: dict[str, Filler] = {"mean": mean_colour, "telea": telea, "navier-stokes": navier_stokes}

"""Geometry of the training pictures: scale, crop, mirror. Arrays are (H, W, C) uint8 with C = 1 or 3.

This is the one file that imports albumentations.
"""

from __future__ import annotations

import os
import random
from typing import Literal

import numpy as np
from PIL import Image

from i2i.errors import ConfigError
from i2i.images.picture import Pixels

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import would ask the network for a newer version
import albumentations


class Geometry:
    """Scale to `load`, then a crop of size x size: drawn for training, centred for validation.

    squash: to load x load, as published; keep: the short side to load, the aspect stays. Small pictures grow by the
    same rule. Raises ConfigError where the crop does not fit.
    """

    def __init__(self, *, size: int, load: int, transform: Literal["squash", "keep"], flip: bool) -> None:
        if load < size:
            raise ConfigError(f"crops of {size} do not fit into pictures scaled to {load}.", where="data.load")
        self.size, self.load, self.transform = size, load, transform
        self._centre = albumentations.CenterCrop(size, size)
        mirror = [albumentations.HorizontalFlip(p=0.5)] if flip else []
        self._drawn = albumentations.Compose([albumentations.RandomCrop(size, size), *mirror])

    def scaled(self, pixels: Pixels) -> Pixels:
        """(H, W, C) scaled for the crop: the half that is the same every time."""
        height, width = pixels.shape[:2]
        if self.transform == "squash":
            return _resized(pixels, self.load, self.load)
        scale = self.load / min(height, width)
        return _resized(pixels, max(self.load, round(width * scale)), max(self.load, round(height * scale)))

    def drawn(self, scaled: Pixels, seed: int) -> Pixels:
        """(size, size, C): a crop at a place drawn from `seed`, mirrored half of the time."""
        # set_random_seed would start every step at the same number: pictures cropped near the top would be mirrored.
        self._drawn.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return np.ascontiguousarray(self._drawn(image=scaled)["image"])

    def centred(self, scaled: Pixels) -> Pixels:
        """(size, size, C): the middle."""
        return np.ascontiguousarray(self._centre(image=scaled)["image"])


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Pillow's bicubic: the published kernel, and it averages when it shrinks, which OpenCV's does not."""
    if pixels.shape[:2] == (height, width):
        return pixels
    gray = pixels.shape[2] == 1
    image = Image.fromarray(pixels[:, :, 0] if gray else pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(height, width, pixels.shape[2])

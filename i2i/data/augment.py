"""Geometry of the training pictures (scale, crop, mirror), and jitter of their colours.

Arrays are (H, W, C) uint8 or uint16 with C = 1 or 3.

This is the one file that imports albumentations.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from i2i.errors import ConfigError
from i2i.images.picture import LUMA, WHITE, Samples

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

    def scaled(self, pixels: Samples, nearest: bool = False) -> Samples:
        """(H, W, C) scaled for the crop: the half that is the same every time. `nearest` invents no values."""
        height, width = pixels.shape[:2]
        if self.transform == "squash":
            return _resized(pixels, self.load, self.load, nearest)
        scale = self.load / min(height, width)
        return _resized(pixels, max(self.load, round(width * scale)), max(self.load, round(height * scale)), nearest)

    def scaled_like(self, pixels: Samples, shape: tuple[int, int], nearest: bool = False) -> Samples:
        """(*shape, C): scaled to the height and width that the other picture of a pair has."""
        height, width = shape
        return _resized(pixels, width, height, nearest)

    def drawn(self, scaled: Samples, seed: int) -> Samples:
        """(size, size, C): a crop at a place drawn from `seed`, mirrored half of the time."""
        self._seed(seed)
        return np.ascontiguousarray(self._drawn(image=scaled)["image"])

    def drawn_together(self, first: Samples, second: Samples, seed: int) -> tuple[Samples, Samples]:
        """Both (size, size, own C): cut at one place and mirrored alike, where `drawn` cuts the first.

        Raises ValueError where their heights or widths differ.
        """
        self._seed(seed)
        drawn = self._drawn(image=first, mask=second)  # a mask is cut and mirrored, its values are left alone
        return np.ascontiguousarray(drawn["image"]), np.ascontiguousarray(drawn["mask"])

    def centred(self, scaled: Samples) -> Samples:
        """(size, size, C): the middle."""
        return np.ascontiguousarray(self._centre(image=scaled)["image"])

    def _seed(self, seed: int) -> None:
        # set_random_seed would start every step at the same number: pictures cropped near the top would be mirrored.
        self._drawn.set_random_state(np.random.default_rng(seed), random.Random(seed))


@dataclass(frozen=True)
class Jitter:
    """Random brightness, contrast and saturation, by factors between 1 - strength and 1 + strength.

    With the factors b, c, s, each value v of a picture becomes v1 = b v, then v2 = m + c (v1 - m) with the mean luma m
    of the picture, then y + s (v2 - y) with the pixel's own luma y; gray pictures end at v2. It is rounded and cut at
    the end alone: albumentations does it after each step, and loses there what a later step would bring back.
    """

    strength: float  # 0 (nothing changes) to 1

    def __call__(self, pixels: Samples, seed: int) -> Samples:
        """(H, W, C) in other colours, which `seed` draws."""
        if self.strength == 0:
            return pixels
        factors = np.random.default_rng(seed).uniform(1 - self.strength, 1 + self.strength, 3)
        brightness, contrast, saturation = factors.astype(np.float32)
        values = pixels.astype(np.float32) * brightness
        mean = _luma(values).mean()
        values = mean + contrast * (values - mean)
        luma = _luma(values)
        return _rounded(luma + saturation * (values - luma), pixels.dtype.name)


def _luma(values: Samples) -> Samples:
    """(H, W, 1) of (H, W, C) floats."""
    return values if values.shape[2] == 1 else (values @ LUMA)[:, :, None]


def _rounded(values: Samples, kind: str) -> Samples:
    """Floats as whole numbers, cut at black and white."""
    return np.clip(np.rint(values), 0, WHITE[kind]).astype(kind)


def _resized(pixels: Samples, width: int, height: int, nearest: bool) -> Samples:
    """Pillow's bicubic: the published kernel, and it averages when it shrinks, which OpenCV's does not."""
    if pixels.shape[:2] == (height, width):
        return pixels
    kernel = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    if pixels.dtype == np.uint8:
        gray = pixels.shape[2] == 1
        image = Image.fromarray(pixels[:, :, 0] if gray else pixels).resize((width, height), kernel)
        return np.asarray(image).reshape(height, width, pixels.shape[2])
    # Pillow resizes 16 bit in no mode of its own; a float holds each of its values
    planes = [Image.fromarray(plane).resize((width, height), kernel) for plane in _float_planes(pixels)]
    return _rounded(np.dstack([np.asarray(plane) for plane in planes]), pixels.dtype.name)


def _float_planes(pixels: Samples) -> Samples:
    """(C, H, W) in float32, each plane by itself in memory."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)

"""Sources that are made from the photo they belong to, so that photos alone are pairs. Arrays are (H, W, C) uint8."""

from __future__ import annotations

import io
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i.images.picture import Picture, Pixels

Derived = Literal["colorize", "edges", "degrade"]
Field = NDArray[np.float32]  # (H, W)

# The line drawing. Lengths are in deviations of the finer Gaussian, darkness in deviations of the whole picture.
FINEST = 0.8  # pixels: the least deviation of that Gaussian; below, single pixels become lines
FINE_SHARE = 1 / 240  # of the short side: its deviation, so that a photo is drawn alike at any size
COARSER = 1.6  # times: the other Gaussian, as for the Laplacian that the difference stands for
DARKNESS = 0.2  # of white: below, differences count up to six times as much, or dark faces would lack their features
FAINTEST = 0.65  # how dark a place is, next to its surroundings, where a line begins
CONTRAST = 1.5  # how quickly a line becomes black from there on
FLAT = 0.012  # of white: pictures that deviate less are taken for noise on an even ground
SHORTEST = 9  # strokes that are shorter in both directions are specks

# The damaged photo: the ranges of the first-order degradation, its shrinking at factors of our choice.
BLUR_SHARE, BLUR = 0.8, (0.2, 2.0)  # deviation in pixels
SHRINK_SHARE, SHRINK = 0.7, (1.0, 4.0)  # times smaller, then enlarged again
NOISE_SHARE, NOISE = 0.5, (1.0, 10.0)  # deviation in levels of 255
JPEG_SHARE, QUALITY = 0.5, (60, 95)


def derived(kind: Derived, pixels: Pixels, seed: int) -> Pixels:
    """What a network gets to make the photo (H, W, 3) from, of the same height and width.

    colorize: its luma (H, W, 1). edges: a line drawing of it (H, W, 1), black on white. degrade: the photo (H, W, 3)
    blurred, shrunk and enlarged, with noise, compressed, each for a share of the seeds; the others have no use for it.
    """
    match kind:
        case "colorize":
            return Picture(pixels).gray()
        case "edges":
            return _drawing(pixels)
        case "degrade":
            return _damaged(pixels, np.random.default_rng(seed))


def _drawing(pixels: Pixels) -> Pixels:
    """Lines where the photo is darker than its surroundings, by a difference of Gaussians without its tones.

    (Winnemöller, Kyprianidis, Olsen 2012, XDoG: An eXtended difference-of-Gaussians compendium, with the threshold
    counted from the difference itself.) Of three ways that we looked at, this one reads as a drawing: the original
    keeps the tones and fills dark things with black, and Canny's lines have one width, stand on both sides of a thin
    dark thing and are torn at each corner. Lines grow wider and darker with the contrast, as under a pen's pressure.
    """
    luma = Picture(pixels).gray()[:, :, 0].astype(np.float32) / 255
    seen = np.log1p(luma / DARKNESS) / np.log1p(1 / DARKNESS)  # black 0, white 1
    fine = max(FINEST, min(luma.shape) * FINE_SHARE)
    darker = cv2.GaussianBlur(seen, (0, 0), COARSER * fine) - cv2.GaussianBlur(seen, (0, 0), fine)
    relative = darker / max(float(np.sqrt((darker**2).mean())), FLAT)
    ink = np.tanh(CONTRAST * np.maximum(relative - FAINTEST, 0))
    return np.rint(255 * (1 - ink * _strokes(ink, SHORTEST * fine))).astype(np.uint8)[:, :, None]


def _strokes(ink: Field, shortest: float) -> NDArray[np.bool_]:
    """Where there is ink that hangs together over at least so many pixels: leaves, grass and noise leave dots."""
    _, numbers, found, _ = cv2.connectedComponentsWithStats((ink > 0).astype(np.uint8), connectivity=8)
    longest = np.maximum(found[:, cv2.CC_STAT_WIDTH], found[:, cv2.CC_STAT_HEIGHT])
    return (longest >= shortest)[numbers]


def _damaged(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    if rng.random() < BLUR_SHARE:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(*BLUR)), dtype=np.uint8)
    if rng.random() < SHRINK_SHARE:
        factor = rng.uniform(*SHRINK)
        small = max(1, round(width / factor)), max(1, round(height / factor))
        shrunk = Image.fromarray(pixels).resize(small, Image.Resampling.BICUBIC)
        pixels = np.asarray(shrunk.resize((width, height), Image.Resampling.BICUBIC))
    if rng.random() < NOISE_SHARE:
        noisy = pixels + rng.normal(0, rng.uniform(*NOISE), pixels.shape)
        pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    if rng.random() < JPEG_SHARE:
        pixels = _compressed(pixels, int(rng.integers(QUALITY[0], QUALITY[1] + 1)))
    return pixels


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    """(H, W, 3) after a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))

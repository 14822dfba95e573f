"""What stands behind transparent pixels."""

from __future__ import annotations

import cv2
import numpy as np

from i2i.images.picture import Picture, Samples


def filled(picture: Picture) -> Samples:
    """The pixels (H, W, C), where wholly transparent ones take the colours of their visible surroundings.

    What is stored there is anything (mostly black), and a network that sees it paints it into the visible border.
    A pyramid of weighted means: coarse levels fill what finer ones leave open (push-pull, Gortler et al. 1996).
    """
    if picture.alpha is None or picture.is_opaque or not picture.alpha.any():
        return picture.pixels
    visible = picture.alpha > 0
    if visible.all():
        return picture.pixels
    means = _spread(picture.pixels.astype(np.float32) * visible[:, :, None], visible.astype(np.float32))
    kind = picture.pixels.dtype
    colours = means if kind == np.float32 else np.clip(means + 0.5, 0, picture.white)
    return np.where(visible[:, :, None], picture.pixels, colours.astype(kind))


def _spread(sums: Samples, weights: Samples) -> Samples:
    """Means (H, W, C) of sums by their weights (H, W); from the next coarser level where the weight is 0."""
    height, width = weights.shape
    known = sums / np.maximum(weights, 1e-12)[:, :, None]
    if weights.all() or height * width == 1:
        return known
    half = (max(1, (width + 1) // 2), max(1, (height + 1) // 2))
    small_sums = cv2.resize(sums, half, interpolation=cv2.INTER_AREA).reshape(half[1], half[0], -1)
    small_weights = cv2.resize(weights, half, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(_spread(small_sums, small_weights), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(weights[:, :, None] > 0, known, coarse.reshape(height, width, -1))

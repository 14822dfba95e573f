"""What can be had without a network: the colours of one set of pictures given to another. H x W pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i2i.images.picture import Pixels

Pictures = Sequence[Pixels]  # each (H, W, 3)
LEVELS = 256


def histogram_matched(pictures: Pictures, target: Pictures) -> list[Pixels]:
    """Each channel mapped by one rising curve so that the set's histogram becomes that of the target set.

    The best that a map of each channel by itself can do: the optimal transport between two distributions on a line.
    """
    curves = _matching_curves(_histograms(pictures), _histograms(target))
    return [_through(curves, picture) for picture in pictures]


def moments_matched(pictures: Pictures, target: Pictures) -> list[Pixels]:
    """Each channel scaled and shifted so that the set's mean and deviation become those of the target set."""
    levels = np.arange(LEVELS)[:, None]
    mean, deviation = _moments(_histograms(pictures))
    target_mean, target_deviation = _moments(_histograms(target))
    curves = (levels - mean) * (target_deviation / np.maximum(deviation, 1e-6)) + target_mean
    return [_through(_as_levels(curves), picture) for picture in pictures]


def _histograms(pictures: Pictures) -> NDArray[np.float64]:
    """(256, 3): the share of each level in each channel, over all pictures."""
    counts = sum(
        np.stack([np.bincount(picture[..., c].ravel(), minlength=LEVELS) for c in range(3)], axis=1)
        for picture in pictures
    )
    return np.asarray(counts / np.sum(counts, axis=0))


def _moments(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of each channel, (3,) each."""
    levels = np.arange(LEVELS)[:, None]
    mean = (shares * levels).sum(axis=0)
    return mean, np.sqrt((shares * (levels - mean) ** 2).sum(axis=0))


def _matching_curves(shares: NDArray[np.float64], target: NDArray[np.float64]) -> Pixels:
    """(256, 3): for each level the target's level of the same rank, ranks counted to the middle of a level."""
    ranks, target_ranks = (s.cumsum(axis=0) - s / 2 for s in (shares, target))
    curves = np.empty((LEVELS, 3))
    for channel in range(3):
        occurring = np.flatnonzero(target[:, channel])
        curves[:, channel] = np.interp(ranks[:, channel], target_ranks[occurring, channel], occurring)
    return _as_levels(curves)


def _as_levels(curves: NDArray[np.float64]) -> Pixels:
    return curves.round().clip(0, LEVELS - 1).astype(np.uint8)


def _through(curves: Pixels, picture: Pixels) -> Pixels:
    """A picture with each channel looked up in its curve."""
    return np.stack([curves[picture[..., c], c] for c in range(3)], axis=-1)

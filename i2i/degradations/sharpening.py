"""Sharpened photos as the target of a training (Wang et al. 2021, section 3.5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 25
SIGMA = 8.0  # what OpenCV takes for 51 taps: 0.3 (25 - 1) + 0.8
AMOUNT = 0.5
THRESHOLD = 10 / 255


def sharpened(real: Tensor) -> Tensor:
    """(N, C, H, W) in [0, 1], sides of at least 26 px: I + 0.5 (I - blur), clipped, near edges and I elsewhere.

    Edges are where the difference is more than 10 levels; the blurred map of them is the share of the sharpened.
    """
    detail = real - _smooth(real)
    share = _smooth((detail.abs() > THRESHOLD).to(real.dtype))
    return torch.lerp(real, (real + AMOUNT * detail).clamp(0, 1), share)


def _smooth(pictures: Tensor) -> Tensor:
    """Convolved with a Gaussian of 51 taps, borders reflected."""
    channels = pictures.shape[1]
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    line = (weights / weights.sum()).to(pictures).expand(channels, 1, 1, -1)
    padded = F.pad(pictures, (RADIUS,) * 4, "reflect")
    return F.conv2d(F.conv2d(padded, line, groups=channels), line.mT, groups=channels)

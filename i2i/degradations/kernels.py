"""Blur kernels of Wang et al. 2021 (Real-ESRGAN, sections 3.1 and 3.4): (size, size) in float64, sum 1.

With x a pixel's offset from the middle and S the covariance with deviations `sigma` in pixels, turned by `angle`
radians: d = x' S^-1 x.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import torch
import torch.nn.functional as F
from torch import Tensor


def generalized(size: int, sigma: tuple[float, float], angle: float, beta: float = 1.0) -> Tensor:
    """exp(-d^beta / 2): a Gaussian for beta = 1, a box for large beta, a peak with long tails for small beta."""
    return _normalised(torch.exp(-0.5 * _distances(size, sigma, angle) ** beta))


def plateau(size: int, sigma: tuple[float, float], angle: float, beta: float) -> Tensor:
    """1 / (1 + d^beta): flat in the middle."""
    return _normalised(1 / (1 + _distances(size, sigma, angle) ** beta))


def sinc(size: int, cutoff: float) -> Tensor:
    """cutoff J1(cutoff r) / (2 pi r), the ideal round low-pass filter, cut off; `cutoff` is in radians a pixel."""
    x, y = _offsets(size)
    r = (x * x + y * y).sqrt()
    weights = cutoff * torch.special.bessel_j1(cutoff * r) / (2 * pi * r)
    weights[size // 2, size // 2] = cutoff**2 / (4 * pi)  # the limit for r = 0
    return _normalised(weights)


def identity(size: int) -> Tensor:
    """1 in the middle: no blur."""
    weights = torch.zeros(size, size, dtype=torch.float64)
    weights[size // 2, size // 2] = 1
    return weights


def blurred(pictures: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """Each of (N, C, H, W) convolved with its own kernel of N, all of one odd size; borders are reflected.

    Sides must be longer than half of a kernel.
    """
    batch, channels, height, width = pictures.shape
    radius = kernels[0].shape[-1] // 2
    weights = torch.stack(list(kernels)).to(pictures)[:, None]  # (N, 1, size, size)
    weights = weights.repeat_interleave(channels, 0)  # (N C, 1, size, size)
    padded = F.pad(pictures, (radius,) * 4, "reflect").flatten(0, 1)[None]  # (1, N C, H + 2 radius, W + 2 radius)
    return F.conv2d(padded, weights, groups=batch * channels).view(batch, channels, height, width)


def _offsets(size: int) -> tuple[Tensor, Tensor]:
    line = torch.arange(size, dtype=torch.float64) - size // 2
    return line[None, :], line[:, None]


def _distances(size: int, sigma: tuple[float, float], angle: float) -> Tensor:
    x, y = _offsets(size)
    along, across = x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)
    return (along / sigma[0]) ** 2 + (across / sigma[1]) ** 2


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum()

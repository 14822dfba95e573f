"""Holes filled as smoothly as a membrane that is stretched over their rims: what a small network can begin from.

The membrane solves Laplace's equation in the hole (each pixel is the mean of its four neighbours), and is found from
coarse to fine: means of known pixels, enlarged, then relaxed towards it. N batch, C channels, H x W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SWEEPS = 2  # of the relaxation at full size; twice as many on each smaller level, where one costs a quarter
MOST_SWEEPS = 32


def smooth_fill(picture: Tensor, mask: Tensor) -> Tensor:
    """(N, C, H, W), any range -> the same with its holes filled, each sample by its own mask (N, 1, H, W), 1 in holes.

    Known pixels stay as they are. What the picture shows in its holes does not matter; a sample without a known pixel
    becomes 0.
    """
    weights = 1 - mask.to(torch.promote_types(picture.dtype, torch.float32))  # (N, 1, H, W)
    levels = [(picture * weights, weights)]
    while max(levels[-1][0].shape[2:]) > 1:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    filled = _known(*levels[-1])  # (N, C, 1, 1)
    for number, (values, weights) in reversed([*enumerate(levels[:-1])]):
        known = _known(values, weights)
        larger = F.interpolate(filled, size=values.shape[2:], mode="bilinear", align_corners=False)
        filled = torch.where(weights > 0, known, larger)
        for _ in range(min(SWEEPS * 2**number, MOST_SWEEPS)):
            filled = torch.where(weights > 0, known, _mean_of_neighbours(filled))
    return filled.to(picture.dtype)


def _halved(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H/2, W/2), rounded up: means of 2 x 2 pixels, of fewer at the edges."""
    return F.avg_pool2d(x, [min(2, side) for side in x.shape[2:]], ceil_mode=True)


def _known(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of the known pixels under each pixel of a level; 0 where there is none."""
    return values / torch.where(weights > 0, weights, 1)


def _mean_of_neighbours(x: Tensor) -> Tensor:
    """Of each pixel's four; beyond the edges the picture goes on with its last pixels."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]) / 4

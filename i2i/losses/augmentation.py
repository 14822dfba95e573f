"""Random changes that a generator learns through (Zhao, Liu, Lin, Zhu, Han 2020, DiffAugment).

Pictures are (N, C, H, W) in [-1, 1]; values are not clamped. Each function takes its random numbers, uniform in [0, 1),
a row for each sample, so that the same change can be made again.
"""

from __future__ import annotations

import torch
from torch import Tensor


def recolour(picture: Tensor, numbers: Tensor) -> Tensor:
    """Brightness + U(-0.5, 0.5), saturation x U(0, 2), contrast x U(0.5, 1.5), in this order; numbers are (N, 3).

    Saturation is about each pixel's mean over its channels, so a gray picture keeps it; contrast is about the mean of
    the sample's values.
    """
    brightness, saturation, contrast = numbers.to(picture).view(-1, 3, 1, 1, 1).unbind(1)  # (N, 1, 1, 1) each
    picture = picture + (brightness - 0.5)
    picture = _about(picture.mean(1, keepdim=True), picture, 2 * saturation)
    return _about(picture.mean((1, 2, 3), keepdim=True), picture, contrast + 0.5)


def translate(picture: Tensor, numbers: Tensor) -> Tensor:
    """Moved by whole pixels, up to an eighth of each side either way, zeros moving in; numbers are (N, 2): down, right.

    An eighth is rounded, halves upwards.
    """
    for dim, number in zip((2, 3), numbers.unbind(1), strict=True):
        side = picture.shape[dim]
        most = (side + 4) // 8
        shift = (number * (2 * most + 1)).long().clamp(max=2 * most) - most  # (N,)
        source = torch.arange(side, device=picture.device) - shift[:, None]  # (N, side)
        inside = _along((source >= 0) & (source < side), dim)
        picture = picture.gather(dim, _along(source.clamp(0, side - 1), dim).expand_as(picture)) * inside
    return picture


def cut_out(picture: Tensor, numbers: Tensor) -> Tensor:
    """Zeros in a rectangle of half of each side, as far as it lies inside; numbers are (N, 2): its centre, y and x.

    The centre is uniform over the picture, the far border included where the rectangle's side is even.
    """
    down, right = (_covered(picture, dim, number) for dim, number in zip((2, 3), numbers.unbind(1), strict=True))
    return picture * ~(down & right)


def _covered(picture: Tensor, dim: int, number: Tensor) -> Tensor:
    side = picture.shape[dim]
    cut = (side + 1) // 2
    places = side + 1 - cut % 2
    first = ((number * places).long().clamp(max=places - 1) - cut // 2)[:, None]  # (N, 1)
    pixel = torch.arange(side, device=picture.device)
    return _along((pixel >= first) & (pixel < first + cut), dim)


def _about(middle: Tensor, picture: Tensor, factor: Tensor) -> Tensor:
    return middle + (picture - middle) * factor


def _along(values: Tensor, dim: int) -> Tensor:
    """(N, side) -> (N, 1, side, 1) or (N, 1, 1, side)."""
    return values[:, None, :, None] if dim == 2 else values[:, None, None, :]

"""Bicubic resizing as MATLAB's imresize does it, which made the small pictures of all published benchmarks.

N batch, C channels, H x W pixels. Source of the rules: the documentation of imresize and the published small pictures
of Set5 and Set14, which come out byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Literal

import torch
from torch import Tensor

Border = Literal["symmetric", "replicate"]
ROWS, COLUMNS = -2, -1


def imresize(
    pictures: Tensor,
    size: tuple[int, int],
    *,
    scale: float | None = None,
    border: Border = "symmetric",
    eight_bit: bool = False,
) -> Tensor:
    """(N, C, H, W) in [0, 1] resized to `size` (H', W') by the bicubic kernel of Keys, antialiased where it shrinks.

    `scale` is H'/H and W'/W where the sizes were rounded from it, such as 0.3 for 10 px to 3. Beyond the picture lie
    its mirrored pixels (c b a | a b c) or, as in old releases of MATLAB, repeated ones (a a a | a b c). `eight_bit`
    takes and gives multiples of 1/255, rounded after each axis as MATLAB does with uint8; else the result may
    overshoot [0, 1]. Raises ValueError for sizes or scales that are not positive.
    """
    if min(*size, *pictures.shape[-2:]) < 1 or (scale is not None and scale <= 0):
        raise ValueError(f"sizes and scale must be positive, got {tuple(pictures.shape[-2:])} to {size}, scale {scale}")
    factors = {axis: scale or size[axis] / pictures.shape[axis] for axis in (ROWS, COLUMNS)}
    # Whole levels: sums of bytes are exact where sums of 255ths are not, and bytes often end on a half.
    resized = (pictures * 255).round() if eight_bit else pictures
    for axis in sorted(factors, key=factors.__getitem__):
        matrix = _weights(resized.shape[axis], size[axis], factors[axis], border, resized.dtype, resized.device)
        resized = matrix @ resized if axis == ROWS else resized @ matrix.mT
        if eight_bit:
            resized = (resized + 0.5).floor().clamp(0, 255)
    return resized / 255 if eight_bit else resized


@lru_cache(maxsize=16)
def _weights(
    before: int, after: int, factor: float, border: Border, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """(after, before): how much each old pixel counts in each new one; every row sums to 1."""
    with torch.inference_mode(False):  # else a later training could not use what is kept here
        stretch = min(factor, 1.0)
        width = 4 / stretch
        centres = (torch.arange(after, dtype=torch.float64) + 0.5) / factor - 0.5
        first = (centres - width / 2).floor().long()
        taps = first[:, None] + torch.arange(ceil(width) + 2)  # (after, taps)
        weights = keys(stretch * (centres[:, None] - taps))
        weights /= weights.sum(1, keepdim=True)
        matrix = torch.zeros(after, before, dtype=torch.float64)
        matrix.scatter_add_(1, _inside(taps, before, border), weights)
        return matrix.to(device, dtype)


def _inside(taps: Tensor, side: int, border: Border) -> Tensor:
    """The pixel that stands for each tap; taps may lie any distance outside of 0 to side - 1."""
    if border == "replicate":
        return taps.clamp(0, side - 1)
    turned = taps % (2 * side)
    return torch.where(turned < side, turned, 2 * side - 1 - turned)


def keys(x: Tensor) -> Tensor:
    """Cubic convolution kernel with a = -1/2 (Keys 1981, equation 15), 0 beyond a distance of 2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))

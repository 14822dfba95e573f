"""What every degradation is: a photo's crop in, a smaller and worse one out. s is the scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def inner(pictures: Tensor, margin: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H - 2 margin, W - 2 margin), in the memory format that it had."""
    is_last = pictures.is_contiguous(memory_format=torch.channels_last) and not pictures.is_contiguous()
    cut = pictures[:, :, margin : pictures.shape[2] - margin, margin : pictures.shape[3] - margin]
    return cut.contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)


class Degrade:
    """Makes small pictures of photos, each as its own seed says.

    `margin` are the pixels at each side of a photo's crop that are there only so that the small picture's border is
    as in the whole photo; a multiple of `scale`. `pairs` cuts them off both.
    """

    def __init__(self, scale: int, margin: int) -> None:
        self.scale = scale
        self.margin = -(-margin // scale) * scale

    @torch.no_grad()
    def __call__(self, real: Tensor, seeds: Sequence[int]) -> Tensor:
        """(N, 1 or 3, H, W) in [0, 1], with the margin, to (N, ., H/s, W/s) in multiples of 1/255, without gradient.

        What becomes of a picture is a function of it and of its seed, whatever else is in the batch. Raises ValueError
        for sides that are not multiples of s or have nothing between the margins, or another number of seeds than N.
        """
        if len(seeds) != len(real):
            raise ValueError(f"each picture has a seed, got {len(seeds)} for {len(real)}")
        height, width = real.shape[-2:]
        if height % self.scale or width % self.scale or min(height, width) <= 2 * self.margin:
            wanted = f"multiples of {self.scale} above {2 * self.margin} px"
            raise ValueError(f"sides must be {wanted}, got {height} x {width}")
        with torch.autocast(real.device.type, enabled=False):
            small = self.degraded(real, seeds)
        return (small.clamp(0, 1) * 255).round() / 255

    def pairs(self, real: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The pictures (N, C, H, W) and what is left of them (N, C, H/s, W/s), both without their margins."""
        return inner(real, self.margin), inner(self(real, seeds), self.margin // self.scale)

    def degraded(self, real: Tensor, seeds: Sequence[int]) -> Tensor:
        """The same before it is rounded and clipped."""
        raise NotImplementedError

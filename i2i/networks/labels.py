"""Label maps as a network sees them. N samples, L classes, H x W pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OneHot(nn.Module):
    """A plane of zeros and ones for each class; a pixel of a class that is not there is 0 in all of them.

    Class numbers come as 8-bit gray does: number c is 2 c / 255 - 1, so that a label map travels like any picture.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) in [-1, 1] -> (N, L, H, W) of zeros and ones."""
        numbers = torch.round((x.float() + 1) * 127.5)  # bfloat16 would miss some after the sum
        classes = torch.arange(self.classes, dtype=numbers.dtype, device=x.device).view(1, -1, 1, 1)
        return (numbers == classes).to(x.dtype)

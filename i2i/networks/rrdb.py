"""RRDB generator: dense blocks at the input's size, then two doublings (Wang et al. 2018, ESRGAN).

Scales 2 and 1 as in Wang et al. 2021 (Real-ESRGAN): the network always enlarges by 4, so its input is folded to a half
or a quarter of its size first. Modules have the names of the published weights.

N batch, C channels, F filters, G growth, H x W pixels, s scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from i2i.config.networks import RRDBConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise, shrink


class DenseBlock(nn.Module):
    """x + 0.2 convolve(x), five 3x3 convolutions of which each sees the input and all results before it."""

    def __init__(self, filters: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(filters, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(filters + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(filters + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(filters + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(filters + 4 * growth, filters, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) -> (N, F, H, W)."""
        seen = x
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, _activated(convolution(seen))], dim=1)  # (N, F + kG, H, W)
        return x + 0.2 * self.conv5(seen)


class RRDB(nn.Module):
    """Residual in residual: x + 0.2 blocks(x), three dense blocks."""

    def __init__(self, filters: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(filters, growth)
        self.rdb2 = DenseBlock(filters, growth)
        self.rdb3 = DenseBlock(filters, growth)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) -> (N, F, H, W)."""
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBGenerator(Network):
    """`forward` takes sides that are multiples of `multiple`: 1 for scale 4, 2 for scale 2, 4 for scale 1."""

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        self.config = config
        self.multiple = self.minimum = 4 // config.scale
        filters = config.filters
        self.unshuffle = nn.PixelUnshuffle(self.multiple)
        self.conv_first = nn.Conv2d(config.input_channels * self.multiple**2, filters, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(filters, config.growth) for _ in range(config.blocks)))
        self.conv_body = nn.Conv2d(filters, filters, 3, padding=1)
        self.enlarge1 = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv_up1 = nn.Conv2d(filters, filters, 3, padding=1)
        self.enlarge2 = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv_up2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.conv_hr = nn.Conv2d(filters, filters, 3, padding=1)
        self.conv_last = nn.Conv2d(filters, config.output_channels, 3, padding=1)
        initialise(self, config)
        if config.init == "kaiming":
            shrink(self.body)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', sH, sW)."""
        x = self.conv_first(self.unshuffle(x))  # (N, F, H/m, W/m), m = 4/s
        x = x + self.conv_body(self.body(x))
        x = _activated(self.conv_up1(self.enlarge1(x)))  # (N, F, 2H/m, 2W/m)
        x = _activated(self.conv_up2(self.enlarge2(x)))  # (N, F, sH, sW)
        return self.conv_last(_activated(self.conv_hr(x)))

    def stages(self) -> Sequence[nn.Module]:
        """See `Network.stages`."""
        return [self]


def _activated(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.2, inplace=True)

"""SPAN generator: convolution blocks that weigh their own output, without parameters for it (Wan et al. 2024, Swift
Parameter-free Attention Network for Efficient Super-Resolution).

The published one is trained with several convolutions in the place of each and merges them afterwards; here each is
one from the start. Like the compact generator it adds details to the nearest enlargement of its input.
N batch, C channels, F filters, H x W pixels, s scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from i2i.config.networks import SPANConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise, shrink


class AttentionBlock(nn.Module):
    """(x + o) (sigmoid(o) - 1/2), o the result of three convolutions: strong responses pass, weak ones are muted."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (_convolution(filters, filters) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, F, H, W) -> the result and the first convolution's, both (N, F, H, W)."""
        first = self.conv1(x)
        o = self.conv3(silu(self.conv2(silu(first)), inplace=True))
        return (x + o) * (torch.sigmoid(o) - 0.5), first


class SPANGenerator(Network):
    """Everything before the shuffle runs at the input's size."""

    multiple = 1
    minimum = 1

    def __init__(self, config: SPANConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        self.adds_to_input = config.input_channels == config.output_channels
        filters = config.filters
        self.head = _convolution(config.input_channels, filters)
        self.blocks = nn.ModuleList(AttentionBlock(filters) for _ in range(config.blocks))
        self.tail = _convolution(filters, filters)
        self.join = nn.Conv2d(4 * filters, filters, 1)
        self.last = _convolution(filters, config.output_channels * config.scale**2)
        self.shuffle = nn.PixelShuffle(config.scale)
        initialise(self, config)
        if config.init == "kaiming":
            shrink(self.last)  # begins near the enlargement of its input

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', sH, sW). Input and output of other channels are not added."""
        features = self.head(x)  # (N, F, H, W)
        results = []
        y = features
        for block in self.blocks:
            y, first = block(y)
            results.append(y)
        joined = self.join(
            torch.cat([features, self.tail(y), results[0], first], dim=1)
        )  # (N, 4F, H, W) -> (N, F, H, W)
        details = self.shuffle(self.last(joined))  # (N, C', sH, sW)
        return details + interpolate(x, scale_factor=self.scale, mode="nearest") if self.adds_to_input else details

    def stages(self) -> Sequence[nn.Module]:
        """See `Network.stages`."""
        return [self]


def _convolution(channels: int, filters: int) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1)

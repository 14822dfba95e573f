"""Residual generator (Johnson et al. 2016; layers as in Zhu et al. 2017). N samples, C channels, H x W pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from torch import Tensor, nn

from i2i.config.network_base import Norm
from i2i.config.networks import ResNetConfig
from i2i.networks.base import Network, Residual
from i2i.networks.initial import initialise
from i2i.networks.labels import OneHot
from i2i.networks.norm import needs_bias, norm

PADDING = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d, "zero": nn.ZeroPad2d}


class ResidualBlock(Residual):
    """Two 3x3 convolutions, no activation after the sum."""

    def __init__(self, channels: int, config: ResNetConfig) -> None:
        super().__init__()
        pad, bias = PADDING[config.padding], needs_bias(config.norm)
        self.convolve = nn.Sequential(
            pad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(config.norm, channels),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout) if config.dropout else nn.Identity(),
            pad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(config.norm, channels),
        )


class ResNetGenerator(Network):
    """Two strided convolutions, residual blocks at a quarter of the size, two upsamplings; output in [-1, 1].

    `forward` takes (N, C, H, W) in [-1, 1] with sides that are multiples of `multiple` and at least `minimum`.
    """

    multiple = 4
    minimum = 8  # the quarter map must be 2 px wide for the reflection padding; 8 is the first multiple that is

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        filters, bias = config.filters, needs_bias(config.norm)
        self.shown = OneHot(config.labels) if config.labels else nn.Identity()
        self.stem = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(config.labels or config.input_channels, filters, 7, bias=bias),
            norm(config.norm, filters),
            nn.ReLU(inplace=True),
        )
        self.down = nn.Sequential(_down(filters, config.norm), _down(2 * filters, config.norm))
        self.blocks = nn.Sequential(*(ResidualBlock(4 * filters, config) for _ in range(config.blocks)))
        up = _up_transposed if config.upsampling == "transposed" else _up_resize
        self.up = nn.Sequential(up(4 * filters, config.norm), up(2 * filters, config.norm))
        self.head = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(filters, config.output_channels, 7), nn.Tanh())
        initialise(self, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W), both in [-1, 1]."""
        x = self.stem(self.shown(x))  # (N, F, H, W)
        x = self.down(x)  # (N, 4F, H/4, W/4)
        x = self.blocks(x)
        x = self.up(x)  # (N, F, H, W)
        return self.head(x)

    def stages(self) -> Sequence[nn.Module]:
        """See `Network.stages`."""
        labels = [self.shown] if isinstance(self.shown, OneHot) else []
        return [*labels, *self.stem, *chain(*self.down), *self.blocks, *chain(*self.up), *self.head]


def _down(channels: int, kind: Norm) -> nn.Sequential:
    """(N, C, H, W) -> (N, 2C, H/2, W/2)."""
    return nn.Sequential(
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=needs_bias(kind)),
        norm(kind, 2 * channels),
        nn.ReLU(inplace=True),
    )


def _up_transposed(channels: int, kind: Norm) -> nn.Sequential:
    """(N, C, H, W) -> (N, C/2, 2H, 2W), as published."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=needs_bias(kind)),
        norm(kind, channels // 2),
        nn.ReLU(inplace=True),
    )


def _up_resize(channels: int, kind: Norm) -> nn.Sequential:
    """(N, C, H, W) -> (N, C/2, 2H, 2W) without checkerboards (Odena, Dumoulin, Olah 2016); equal parameter count."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.ReflectionPad2d(1),
        nn.Conv2d(channels, channels // 2, 3, bias=needs_bias(kind)),
        norm(kind, channels // 2),
        nn.ReLU(inplace=True),
    )

"""Discriminators that judge patches or pixels (Isola et al. 2017). They return logits, without a sigmoid."""

from __future__ import annotations

from torch import Tensor, nn

from i2i.config.networks import PatchGANConfig, PixelConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.norm import needs_bias, norm


class PatchGAN(Network):
    """A map of logits, each the verdict on a patch: 70 px wide for three layers."""

    multiple = 1

    def __init__(self, config: PatchGANConfig) -> None:
        super().__init__()
        self.config = config
        pad, filters = config.padding, config.filters
        widths = [filters * min(2**k, 8) for k in range(config.layers + 1)]
        layers: list[nn.Module] = [
            nn.Conv2d(config.input_channels, filters, 4, stride=2, padding=pad),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for k in range(1, config.layers + 1):
            layers += [
                nn.Conv2d(
                    widths[k - 1],
                    widths[k],
                    4,
                    stride=2 if k < config.layers else 1,
                    padding=pad,
                    bias=needs_bias(config.norm),
                ),
                norm(config.norm, widths[k]),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=pad))
        # The last norm sees side/2^layers - 1 pixels (padding 1) and must not see a single one.
        self.minimum = 3 * 2**config.layers
        initialise(self, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 1, h, w) logits."""
        return self.layers(x)


class PixelDiscriminator(Network):
    """One logit per pixel: judges colours alone."""

    multiple = 1
    minimum = 2

    def __init__(self, config: PixelConfig) -> None:
        super().__init__()
        self.config = config
        filters, bias = config.filters, needs_bias(config.norm)
        self.layers = nn.Sequential(
            nn.Conv2d(config.input_channels, filters, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(filters, 2 * filters, 1, bias=bias),
            norm(config.norm, 2 * filters),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * filters, 1, 1, bias=bias),
        )
        initialise(self, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 1, H, W) logits."""
        return self.layers(x)

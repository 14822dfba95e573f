"""The compact generator: plain convolutions at the input's size (SRVGGNetCompact, Wang et al. 2021, Real-ESRGAN).

N batch, C channels, H x W pixels, s scale.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate

from i2i.config.networks import CompactConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise


class CompactGenerator(Network):
    """Adds details to the nearest enlargement of its input; everything before the shuffle runs at the input's size."""

    multiple = 1
    minimum = 1

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.scale = config.scale
        self.adds_to_input = config.input_channels == config.output_channels
        layers: list[nn.Module] = []
        channels = config.input_channels
        for _ in range(config.convolutions + 1):
            layers += [nn.Conv2d(channels, config.filters, 3, padding=1), nn.PReLU(config.filters)]
            channels = config.filters
        layers.append(nn.Conv2d(channels, config.output_channels * config.scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)
        self.shuffle = nn.PixelShuffle(config.scale)
        initialise(self, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', sH, sW). Input and output of other channels are not added."""
        details = self.shuffle(self.body(x))  # (N, C', sH, sW)
        return details + interpolate(x, scale_factor=self.scale, mode="nearest") if self.adds_to_input else details

    def stages(self) -> Sequence[nn.Module]:
        """See `Network.stages`."""
        return [self]

"""A discriminator at several scales (Wang et al. 2018, pix2pixHD). It returns logits, without a sigmoid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from i2i.config.networks import MultiScaleConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.patchgan import Verdict, patch_layers, verdict
from i2i.networks.self_attention import limit_where_asked

LAYERS = 3  # strided convolutions at each scale
WIDEST = 512  # channels


class MultiScaleDiscriminator(Network):
    """The same discriminator of patches, with weights of its own, for the picture, its half and its quarter.

    A patch is 70 px wide at its own scale, so the coarsest one judges what the picture shows as a whole.
    """

    multiple = 1

    def __init__(self, config: MultiScaleConfig) -> None:
        super().__init__()
        self.config = config
        widths = [min(config.filters * 2**k, WIDEST) for k in range(LAYERS + 1)]
        self.scales = nn.ModuleList(
            patch_layers(config.input_channels, widths, padding=2, kind="instance") for _ in range(config.scales)
        )
        # Padding 2 keeps maps of two pixels at two; a single pixel would be all that a norm sees.
        self.minimum = 2 ** (config.scales - 1) + 1
        initialise(self, config)
        limit_where_asked(self, config.spectral)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) in [-1, 1] -> (N, 1, h, w) logits of each scale, the finest first."""
        return tuple(judged.logits for judged in self.judge(x))

    def judge(self, x: Tensor) -> list[Verdict]:
        """(N, C, H, W) in [-1, 1] -> a verdict for each scale, the finest first."""
        verdicts = []
        for number, layers in enumerate(self.scales):
            x = x if number == 0 else halved(x)
            verdicts.append(verdict(layers, x))
        return verdicts


def halved(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H/2, W/2), rounded up: means of 3 x 3 pixels, of fewer at the edges."""
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)

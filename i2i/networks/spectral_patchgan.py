"""The discriminator of DeepFillv2 (Yu et al. 2019, SN-PatchGAN). It returns logits, without a sigmoid.

N batch, C channels, F filters, H x W pixels.
"""

from __future__ import annotations

from torch import Tensor, nn

from i2i.config.networks import SpectralPatchGANConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.patchgan import Verdict, verdict
from i2i.networks.spectral import Convolution, limit


class SpectralPatchGAN(Network):
    """Strided convolutions with spectral norm; every value of the last map is a logit, in all its channels.

    See `i2i.networks.spectral` for when the norms are brought up to date.
    """

    multiple = 1
    minimum = 1

    def __init__(self, config: SpectralPatchGANConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels = config.input_channels
        for number in range(config.layers):
            width = config.filters * min(2**number, 4)
            layers += [Convolution(channels, width, 5, stride=2, padding=2), nn.LeakyReLU(0.2, inplace=True)]
            channels = width
        self.layers = nn.Sequential(*layers)
        initialise(self, config)
        limit(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), a picture in [-1, 1] and its mask -> (N, 4F, h, w) logits; sides are halved and rounded up."""
        return self.layers(x)

    def judge(self, x: Tensor) -> list[Verdict]:
        """(N, C, H, W) -> one verdict: the logits of `forward` and what is behind them."""
        judged = verdict(self.layers, x)
        return [Verdict(judged.logits, judged.features[:-1])]  # the last activation gives the logits

"""The discriminator of SRGAN (Ledig et al. 2017): one verdict for each picture, as logits, without a sigmoid.

N batch, C channels, F filters, H x W pixels.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from i2i.config.networks import SRGANDiscriminatorConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.patchgan import Verdict, verdict


class SRGANDiscriminator(Network):
    """Eight convolutions, then two dense layers on a map of fixed size (Ledig et al. 2017, figure 4).

    Crops of 96 px have a map of 6 x 6 and are judged as published; larger ones are averaged to it. Of smaller ones the
    pool repeats places, so that the dense layers see less than they have weights for. Batch norm is the usual one: it
    looks at all samples of a batch.
    """

    multiple = 1
    minimum = 17  # a side of 16 ends as one pixel, and batch norm has nothing to compare in a batch of one

    def __init__(self, config: SRGANDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.filters * factor for factor in (1, 2, 4, 8)]
        layers: list[nn.Module] = [nn.Conv2d(config.input_channels, config.filters, 3, padding=1), _leaky()]
        layers += _block(config.filters, config.filters, stride=2)
        for before, width in pairwise(widths):
            layers += [*_block(before, width, stride=1), *_block(width, width, stride=2)]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(config.pooled)
        self.classifier = nn.Sequential(
            nn.Linear(widths[-1] * config.pooled**2, config.hidden), _leaky(), nn.Linear(config.hidden, 1)
        )
        initialise(self, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), any range -> (N, 1) logits."""
        features = self.features(x)  # (N, 8F, H/16, W/16), rounded up
        return self.classifier(self.pool(features).flatten(1))

    def judge(self, x: Tensor) -> list[Verdict]:
        """(N, C, H, W), any range -> one verdict: the logits of `forward` and what each LeakyReLU has passed on.

        The last of it are the (N, hidden) units of the inner dense layer.
        """
        maps = verdict(self.features, x)  # (N, 8F, H/16, W/16), rounded up
        judged = verdict(self.classifier, self.pool(maps.logits).flatten(1))
        return [Verdict(judged.logits, maps.features + judged.features)]


def _block(channels: int, filters: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(filters), _leaky()


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)

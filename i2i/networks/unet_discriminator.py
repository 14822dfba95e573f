"""The discriminator of Real-ESRGAN (Wang et al. 2021): one verdict for each pixel, as logits, without a sigmoid.

N batch, C channels, F filters, H x W pixels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from i2i.config.networks import UNetDiscriminatorConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.patchgan import Verdict
from i2i.networks.spectral import Convolution, limit


class UNetDiscriminator(Network):
    """A U-Net of three halvings whose inner convolutions have spectral norm, see `i2i.networks.spectral`."""

    multiple = 1
    minimum = 8

    def __init__(self, config: UNetDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        filters = config.filters
        self.conv0 = nn.Conv2d(config.input_channels, filters, 3, padding=1)
        self.conv1 = _halving(filters, 2 * filters)
        self.conv2 = _halving(2 * filters, 4 * filters)
        self.conv3 = _halving(4 * filters, 8 * filters)
        self.conv4 = _keeping(8 * filters, 4 * filters)
        self.conv5 = _keeping(4 * filters, 2 * filters)
        self.conv6 = _keeping(2 * filters, filters)
        self.conv7 = _keeping(filters, filters)
        self.conv8 = _keeping(filters, filters)
        self.conv9 = nn.Conv2d(filters, 1, 3, padding=1)
        initialise(self, config)
        limit(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), any range -> (N, 1, H, W) logits. Odd sides are halved to the smaller half."""
        return self.judge(x)[0].logits

    def judge(self, x: Tensor) -> list[Verdict]:
        """(N, C, H, W), any range -> one verdict: the logits of `forward` and what each LeakyReLU has passed on."""
        x0 = _leaky(self.conv0(x))  # (N, F, H, W)
        x1 = _leaky(self.conv1(x0))  # (N, 2F, H/2, W/2)
        x2 = _leaky(self.conv2(x1))  # (N, 4F, H/4, W/4)
        x3 = _leaky(self.conv3(x2))  # (N, 8F, H/8, W/8)
        x4 = _leaky(self.conv4(_as_large(x3, x2)))  # (N, 4F, H/4, W/4)
        x5 = _leaky(self.conv5(_as_large(x2 + x4, x1)))  # (N, 2F, H/2, W/2)
        x6 = _leaky(self.conv6(_as_large(x1 + x5, x0)))  # (N, F, H, W)
        x7 = _leaky(self.conv7(x0 + x6))  # (N, F, H, W)
        x8 = _leaky(self.conv8(x7))  # (N, F, H, W)
        return [Verdict(self.conv9(x8), (x0, x1, x2, x3, x4, x5, x6, x7, x8))]


def _halving(channels: int, filters: int) -> Convolution:
    return Convolution(channels, filters, 4, stride=2, padding=1, bias=False)


def _keeping(channels: int, filters: int) -> Convolution:
    return Convolution(channels, filters, 3, padding=1, bias=False)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    """x enlarged to the sides of the other: twice its own, or one pixel more."""
    return F.interpolate(x, size=other.shape[2:], mode="bilinear", align_corners=False)

"""The discriminator of Real-ESRGAN (Wang et al. 2021): one verdict for each pixel, as logits, without a sigmoid.

N batch, C channels, F filters, H x W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from i2i.config.networks import UNetDiscriminatorConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise


class UNetDiscriminator(Network):
    """A U-Net of three halvings whose inner convolutions have spectral norm (Miyato et al. 2018).

    Each weight is divided by its largest singular value, which one power iteration in each forward pass of the
    training brings up to date: the buffers `_u` and `_v` move in training, and stay in evaluation.
    """

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
        # After the weights are drawn: from here on they are results, and drawing into a result changes nothing.
        for module in self.children():
            if isinstance(module, Convolution):
                spectral_norm(module)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), any range -> (N, 1, H, W) logits. Odd sides are halved to the smaller half."""
        x0 = _leaky(self.conv0(x))  # (N, F, H, W)
        x1 = _leaky(self.conv1(x0))  # (N, 2F, H/2, W/2)
        x2 = _leaky(self.conv2(x1))  # (N, 4F, H/4, W/4)
        x3 = _leaky(self.conv3(x2))  # (N, 8F, H/8, W/8)
        y2 = x2 + _leaky(self.conv4(_as_large(x3, x2)))  # (N, 4F, H/4, W/4)
        y1 = x1 + _leaky(self.conv5(_as_large(y2, x1)))  # (N, 2F, H/2, W/2)
        y0 = x0 + _leaky(self.conv6(_as_large(y1, x0)))  # (N, F, H, W)
        return self.conv9(_leaky(self.conv8(_leaky(self.conv7(y0)))))


class Convolution(nn.Conv2d):
    """A convolution whose weight may be the result of a computation."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        # The power iteration loses its digits in half precision, and fails on CUDA where autocast mixes types.
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight
        return F.conv2d(x, weight, self.bias, stride=self.stride, padding=self.padding)


def _halving(channels: int, filters: int) -> Convolution:
    return Convolution(channels, filters, 4, stride=2, padding=1, bias=False)


def _keeping(channels: int, filters: int) -> Convolution:
    return Convolution(channels, filters, 3, padding=1, bias=False)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    """x enlarged to the sides of the other: twice its own, or one pixel more."""
    return F.interpolate(x, size=other.shape[2:], mode="bilinear", align_corners=False)

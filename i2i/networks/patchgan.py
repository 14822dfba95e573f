"""Discriminators that judge patches or pixels (Isola et al. 2017). They return logits, without a sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from i2i.config.network_base import Norm
from i2i.config.networks import PatchGANConfig, PixelConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.minibatch_stddev import MinibatchStddev
from i2i.networks.norm import needs_bias, norm
from i2i.networks.self_attention import SelfAttention, limit_where_asked
from i2i.networks.spectral import Convolution


class Verdict(NamedTuple):
    """What a discriminator of one scale says, and what it says it from."""

    logits: Tensor  # (N, 1, h, w), or of many channels
    features: tuple[Tensor, ...]  # activations of its hidden layers, from the first on: (N, C, h, w) each
    share: float = 1.0  # of it in what a generator learns: 1/k for each of k discriminators that are alike


class PatchGAN(Network):
    """A map of logits, each the verdict on a patch: 70 px wide for three layers."""

    multiple = 1

    def __init__(self, config: PatchGANConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.filters * min(2**k, 8) for k in range(config.layers + 1)]
        self.layers = patch_layers(
            config.input_channels,
            widths,
            config.padding,
            config.norm,
            attention=config.attention,
            stddev=config.stddev,
        )
        # The last norm sees side/2^layers - 1 pixels (padding 1) and must not see a single one.
        self.minimum = 3 * 2**config.layers
        initialise(self, config)
        limit_where_asked(self, config.spectral)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 1, h, w) logits."""
        return self.layers(x)

    def judge(self, x: Tensor) -> list[Verdict]:
        """(N, C, H, W) in [-1, 1] -> one verdict: the logits of `forward` and what is behind them."""
        return [verdict(self.layers, x)]


class PixelDiscriminator(Network):
    """One logit per pixel: judges colours alone."""

    multiple = 1
    minimum = 2

    def __init__(self, config: PixelConfig) -> None:
        super().__init__()
        self.config = config
        filters, bias = config.filters, needs_bias(config.norm)
        self.layers = nn.Sequential(
            Convolution(config.input_channels, filters, 1),
            nn.LeakyReLU(0.2, inplace=True),
            Convolution(filters, 2 * filters, 1, bias=bias),
            norm(config.norm, 2 * filters),
            nn.LeakyReLU(0.2, inplace=True),
            Convolution(2 * filters, 1, 1, bias=bias),
        )
        initialise(self, config)
        limit_where_asked(self, config.spectral)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 1, H, W) logits."""
        return self.layers(x)

    def judge(self, x: Tensor) -> list[Verdict]:
        """(N, C, H, W) in [-1, 1] -> one verdict: the logits of `forward` and what is behind them."""
        return [verdict(self.layers, x)]


def patch_layers(
    channels: int,
    widths: Sequence[int],
    padding: int,
    kind: Norm,
    *,
    attention: bool = False,
    stddev: bool = False,
) -> nn.Sequential:
    """Convolutions to `widths`, each with stride 2 but the last, then one to a single logit.

    Attention looks at the map after the last stride, where 256 px and three strides have become 32; minibatch standard
    deviation stands before the last convolution.
    """
    layers: list[nn.Module] = [
        Convolution(channels, widths[0], 4, stride=2, padding=padding),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for k, (before, after) in enumerate(pairwise(widths), start=1):
        stride = 2 if k < len(widths) - 1 else 1
        if attention and k == len(widths) - 1:
            layers.append(SelfAttention(before))
        layers += [
            Convolution(before, after, 4, stride, padding, bias=needs_bias(kind)),
            norm(kind, after),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    if stddev:
        layers.append(MinibatchStddev())
    return nn.Sequential(*layers, Convolution(widths[-1] + stddev, 1, 4, padding=padding))


def verdict(layers: nn.Module, x: Tensor) -> Verdict:
    """What the layers make of (N, C, H, W): their result, and what each of their LeakyReLUs has passed on."""
    features = []
    for layer in layers.children():
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            features.append(x)
    return Verdict(x, tuple(features))

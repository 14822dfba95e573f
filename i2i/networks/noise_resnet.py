"""The residual networks of WGAN-GP (Gulrajani et al. 2017), for any size b * 2^k with b from 4 to 7.

N batch, Z numbers of noise, C channels, S x S pixels. 64 px with 64 filters are the published networks.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.config.network_base import NetworkConfig
from i2i.config.noise_networks import NoiseResNetConfig, ResNetCriticConfig, attended, doublings
from i2i.networks.critic import Critic, LabelChannel, Projection
from i2i.networks.initial import initialise
from i2i.networks.minibatch_stddev import MinibatchStddev
from i2i.networks.noise import NoiseGenerator
from i2i.networks.noise_norm import NoiseNorm, noise_norm
from i2i.networks.patchgan import Verdict
from i2i.networks.self_attention import SelfAttention, limit_where_asked
from i2i.networks.spectral import Convolution, Dense

WIDEST = 8  # times the filters


class NoiseResNetGenerator(NoiseGenerator):
    """A dense layer to b x b, then a residual block for each doubling. For its batch norms see `noise_norm`."""

    def __init__(self, config: NoiseResNetConfig) -> None:
        super().__init__(config)
        base, count = doublings(config.size)
        widths = [config.filters * min(2**k, WIDEST) for k in reversed(range(count + 1))]
        layers: list[nn.Module] = [
            Dense(self.inputs, widths[0] * base**2),
            nn.Unflatten(1, (widths[0], base, base)),
        ]
        for number, (before, width) in enumerate(pairwise(widths)):
            if config.attention and base * 2**number == attended(config.size):
                layers.append(SelfAttention(before))
            layers.append(ResidualBlock(before, width, "up", config.norm))
        self.layers = nn.Sequential(
            *layers,
            noise_norm(config.norm, widths[-1]),
            nn.ReLU(),
            Convolution(widths[-1], config.channels, 3, padding=1),
            nn.Tanh(),
        )
        _initialise(self, config)
        limit_where_asked(self, config.spectral)


class ResNetCritic(Critic):
    """A convolution, then a residual block for each halving to b x b, then a dense layer to a logit."""

    def __init__(self, config: ResNetCriticConfig) -> None:
        super().__init__(config)
        base, count = doublings(config.size)
        widths = [config.filters * min(2**k, WIDEST) for k in range(count + 1)]
        self.seen = LabelChannel(config)
        self.first = Convolution(self.seen.channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for number, (before, width) in enumerate(pairwise(widths), start=1):
            block: nn.Module = ResidualBlock(before, width, "down", config.norm)
            if config.attention and config.size // 2**number == attended(config.size):
                block = nn.Sequential(block, SelfAttention(width))
            self.blocks.append(block)
        self.stddev = MinibatchStddev() if config.stddev else nn.Identity()
        self.last = Dense((widths[-1] + config.stddev) * base**2, 1)
        self.projection = Projection(config, widths[-1])
        _initialise(self, config)
        limit_where_asked(self, config.spectral)

    def judge(self, x: Tensor, label: Tensor | None = None) -> list[Verdict]:
        """(N, C, S, S) in [-1, 1] and labels -> one verdict: (N, 1) logits, and the maps after each block."""
        maps = self.first(self.seen(self.checked(x), label))  # (N, filters, S, S)
        features = []
        for block in self.blocks:
            maps = block(maps)  # (N, W, H/2, W/2)
            features.append(maps)
        logits = self.last(self.stddev(maps).flatten(1))  # (N, 1)
        return [Verdict(logits + self.projection(F.relu(maps), label), tuple(features))]


class ResidualBlock(nn.Module):
    """Norm, ReLU, 3 x 3, norm, ReLU, 3 x 3 beside a 1 x 1; it doubles the sides before, or halves them after.

    Doubling is by the nearest pixel, halving by means of 2 x 2. The first 3 x 3 has no bias. The narrower part of the
    block is as wide as its larger map.
    """

    def __init__(self, before: int, after: int, way: Literal["up", "down"], norm: NoiseNorm) -> None:
        super().__init__()
        middle = after if way == "up" else before
        double = nn.Upsample(scale_factor=2) if way == "up" else nn.Identity()
        halve = nn.AvgPool2d(2) if way == "down" else nn.Identity()
        self.convolve = nn.Sequential(
            noise_norm(norm, before), nn.ReLU(), double, Convolution(before, middle, 3, padding=1, bias=False),
            noise_norm(norm, middle), nn.ReLU(), Convolution(middle, after, 3, padding=1), halve,
        )  # fmt: skip
        self.shortcut = nn.Sequential(halve, double, Convolution(before, after, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', 2H, 2W) or (N, C', H/2, W/2)."""
        return self.shortcut(x) + self.convolve(x)


def _initialise(network: NoiseResNetGenerator | ResNetCritic, config: NetworkConfig) -> None:
    """As `initialise`; batch norms begin at 1, and 3 x 3 convolutions after a ReLU at sqrt(2) times what is drawn."""
    initialise(network, config)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
            is_first = isinstance(network, ResNetCritic) and module is network.first
            if isinstance(module, Convolution) and module.kernel_size == (3, 3) and not is_first:
                module.weight.mul_(math.sqrt(2))

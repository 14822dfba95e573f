"""The networks of DCGAN (Radford et al. 2016), for any size b * 2^k with b from 4 to 7.

`dense` units more at the end that is one pixel large, as in InfoGAN (Chen et al. 2016): small pictures have few
convolutions, and a critic of two sees 10 px of them, not the whole.

N batch, Z numbers of noise, C channels, S x S pixels. 64 px with 64 filters are the published networks.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from i2i.config.noise_networks import DCGANConfig, DCGANCriticConfig, attended, doublings
from i2i.networks.critic import Critic, LabelChannel, Projection
from i2i.networks.initial import initialise
from i2i.networks.minibatch_stddev import MinibatchStddev
from i2i.networks.noise import NoiseGenerator
from i2i.networks.noise_norm import noise_norm
from i2i.networks.patchgan import Verdict, verdict
from i2i.networks.self_attention import SelfAttention, limit_where_asked
from i2i.networks.spectral import Convolution, TransposedConvolution

WIDEST = 8  # times the filters


class DCGANGenerator(NoiseGenerator):
    """A dense layer where asked for, a transposed convolution to b x b, then one for each doubling.

    For its batch norms see `noise_norm`.
    """

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config)
        base, count = doublings(config.size)
        widths = [config.filters * min(2**k, WIDEST) for k in reversed(range(count))]
        layers: list[nn.Module] = [nn.Unflatten(1, (self.inputs, 1, 1))]
        before, side = self.inputs, base
        if config.dense:
            layers.append(TransposedConvolution(before, config.dense, 1, bias=config.norm == "none"))
            layers += [noise_norm(config.norm, config.dense), nn.ReLU(inplace=True)]
            before = config.dense
        for number, width in enumerate([*widths, config.channels]):
            inner = number < count
            kernel, stride, padding = (base, 1, 0) if number == 0 else (4, 2, 1)
            bias = inner and config.norm == "none"
            layers.append(TransposedConvolution(before, width, kernel, stride, padding, bias=bias))
            if inner:
                layers += [noise_norm(config.norm, width), nn.ReLU(inplace=True)]
                if config.attention and side == attended(config.size):
                    layers.append(SelfAttention(width))
            before, side = width, 2 * side
        self.layers = nn.Sequential(*layers, nn.Tanh())
        initialise(self, config)
        limit_where_asked(self, config.spectral)


class DCGANCritic(Critic):
    """A strided convolution for each halving, then one over the whole map of b x b to a logit, or to `dense` units."""

    def __init__(self, config: DCGANCriticConfig) -> None:
        super().__init__(config)
        base, count = doublings(config.size)
        widths = [config.filters * min(2**k, WIDEST) for k in range(count)]
        self.seen = LabelChannel(config)
        layers: list[nn.Module] = []
        side = config.size
        for number, (before, width) in enumerate(pairwise([self.seen.channels, *widths])):
            side //= 2
            inner = number > 0
            layers.append(Convolution(before, width, 4, 2, 1, bias=inner and config.norm == "none"))
            layers += [noise_norm(config.norm, width)] if inner else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            if config.attention and side == attended(config.size):
                layers.append(SelfAttention(width))
        last = widths[-1] if widths else self.seen.channels
        if config.dense:
            layers.append(Convolution(last, config.dense, base, bias=config.norm == "none"))
            layers += [noise_norm(config.norm, config.dense), nn.LeakyReLU(0.2, inplace=True)]
            last, base = config.dense, 1
        self.layers = nn.Sequential(*layers)
        self.stddev = MinibatchStddev() if config.stddev else nn.Identity()
        self.last = Convolution(last + config.stddev, 1, base, bias=False)
        self.projection = Projection(config, last)
        initialise(self, config)
        limit_where_asked(self, config.spectral)

    def judge(self, x: Tensor, label: Tensor | None = None) -> list[Verdict]:
        """(N, C, S, S) in [-1, 1] and labels -> one verdict: (N, 1) logits, and the maps behind them."""
        judged = verdict(self.layers, self.seen(self.checked(x), label))
        maps = judged.logits  # (N, W, b, b), or (N, dense, 1, 1)
        logits = self.last(self.stddev(maps)).flatten(1)  # (N, 1)
        return [Verdict(logits + self.projection(maps, label), judged.features)]

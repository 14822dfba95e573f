"""U-Net generator (Ronneberger et al. 2015; layers as in Isola et al. 2017). N samples, C channels, H x W pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2i.config.networks import UNetConfig
from i2i.networks.base import Network
from i2i.networks.initial import initialise
from i2i.networks.labels import OneHot
from i2i.networks.norm import needs_bias, norm

LUMA = (0.299, 0.587, 0.114)


class UNetGenerator(Network):
    """Halves the picture down to a last map and doubles it again, each level joined by the map of its size on the way.

    `forward` takes (N, C, H, W) in [-1, 1] with sides that are multiples of `multiple`. A side of `minimum` ends in a
    map of one pixel.
    """

    config: UNetConfig

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.multiple = self.minimum = 2**config.downs
        widths = [config.filters * min(2**k, 8) for k in range(config.downs)]
        self.shown = OneHot(config.labels) if config.labels else nn.Identity()
        self.down = _encoder(config, widths)
        self.up = _decoder(config, widths)
        initialise(self, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H, W), both in [-1, 1].

        With `keep_luma` from (N, 1, H, W) to (N, 3, H, W); in training beyond [-1, 1] where brightness and colour do
        not go together, since clipping would take gradients away.
        """
        made = self._made(self.shown(x))
        if not self.config.keep_luma:
            return made
        coloured = with_luma(made, x)
        return coloured if self.training else paled(coloured, x)

    def _made(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level in self.down:
            x = level(x)  # (N, F_k, H/2^k, W/2^k)
            skips.append(x)
        innermost, *others = self.up
        x = innermost(skips.pop())
        for level in others:
            x = level(torch.cat([skips.pop(), x], dim=1))  # (N, 2 F_k, ...) -> (N, F_(k-1), H/2^(k-1), W/2^(k-1))
        return x


def with_luma(picture: Tensor, luma: Tensor) -> Tensor:
    """(N, 3, H, W) made lighter or darker, all three channels alike, until its luma (ITU-R BT.601) is (N, 1, H, W)."""
    shares = picture.new_tensor(LUMA).view(1, 3, 1, 1)
    return picture + (luma - (picture * shares).sum(dim=1, keepdim=True))


def paled(picture: Tensor, luma: Tensor) -> Tensor:
    """(N, 3, H, W) of that luma (N, 1, H, W), with each pixel pulled towards gray just until it lies in [-1, 1]."""
    chroma = picture - luma
    room = (1 - luma * chroma.sign()) / chroma.abs()  # how often the chroma of each channel fits; inf where it is 0
    share = room.amin(dim=1, keepdim=True).clamp(0, 1)
    return (luma + share * chroma).clamp(-1, 1)  # what rounding leaves outside


def _encoder(config: UNetConfig, widths: list[int]) -> nn.ModuleList:
    """Levels that halve both sides, from the outermost to the innermost."""
    bias = needs_bias(config.norm)
    channels = config.labels or config.input_channels
    levels = nn.ModuleList([nn.Conv2d(channels, widths[0], 4, stride=2, padding=1, bias=bias)])
    for k in range(1, config.downs):
        level = nn.Sequential(
            # In place also in the skip: its level begins with a ReLU, which makes both the same.
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(widths[k - 1], widths[k], 4, stride=2, padding=1, bias=bias),
        )
        if k < config.downs - 1:  # the innermost map may be a single pixel, which no norm can take
            level.append(norm(config.norm, widths[k]))
        levels.append(level)
    return levels


def _decoder(config: UNetConfig, widths: list[int]) -> nn.ModuleList:
    """Levels that double both sides, from the innermost to the outermost."""
    # The paper has it in the first three levels, the authors' PyTorch code in all of full width but the first.
    dropping = range(3) if config.dropout_at == "paper" else range(1, config.downs - 4)
    channels, levels = widths[-1], nn.ModuleList()
    for place, width in enumerate(reversed(widths[:-1])):
        level = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=needs_bias(config.norm)),
            norm(config.norm, width),
        )
        if config.dropout and place in dropping:
            level.append(nn.Dropout(config.dropout))
        levels.append(level)
        channels = 2 * width
    last = nn.ConvTranspose2d(channels, config.output_channels, 4, stride=2, padding=1)
    return levels.append(nn.Sequential(nn.ReLU(inplace=True), last, nn.Tanh()))

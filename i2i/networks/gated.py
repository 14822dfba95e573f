"""The gated generator of DeepFillv2 (Yu et al. 2019): a coarse filling, then a fine one with contextual attention.

N batch, C channels, F filters, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.config.networks import GatedConfig
from i2i.networks.base import Network
from i2i.networks.contextual_attention import Sampling, contextual_attention
from i2i.networks.initial import initialise
from i2i.networks.smooth_fill import smooth_fill

Padding = Literal["same", "tf"]
DILATIONS = (2, 4, 8, 16)
GATE_GAIN = 1.6  # of the values of a fresh layer, whose gates pass half: or seventeen layers leave nothing of a picture


class GatedConvolution(nn.Module):
    """A convolution of twice the channels: one half goes through the activation, the other says how much of it passes.

    With stride 2, "same" padding is one zero at each side; "tf", for even sides, one after the last pixel alone. Where
    `adds` is set, what passes is added to the input, which `fits` says is possible.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int = 3,
        *,
        padding: Padding,
        stride: int = 1,
        dilation: int = 1,
        activation: Callable[[Tensor], Tensor] = F.elu,
    ) -> None:
        super().__init__()
        self.adds, self.fits = False, stride == 1 and channels == filters
        self.pads_after = padding == "tf" and stride == 2
        around = 0 if self.pads_after else dilation * (kernel - 1) // 2
        self.convolution = nn.Conv2d(channels, 2 * filters, kernel, stride, around, dilation)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, F, H, W), or (N, F, H/2, W/2)."""
        values, gates = self.convolution(F.pad(x, (0, 1, 0, 1)) if self.pads_after else x).chunk(2, dim=1)
        passed = self.activation(values) * gates.sigmoid()
        return x + passed if self.adds else passed


class GatedGenerator(Network):
    """Both stages see the whole picture; the fine one also through a branch that copies patches from what is known.

    With the fill "smooth", holes are filled smoothly first, and both stages say what to add to that.
    """

    config: GatedConfig
    multiple = 8
    minimum = 8

    def __init__(self, config: GatedConfig) -> None:
        super().__init__()
        self.config = config
        f, padding = config.filters, config.padding
        if config.coarse:
            self.coarse = nn.Sequential(
                *_encoder(5, (f // 2, f, f, 2 * f, 2 * f, 2 * f), padding),
                *_dilated(2 * f, padding),
                *_decoder(2 * f, f, padding),
            )
        channels = 3 if config.coarse else 5  # a first stage has to be told where the holes are
        widths = (f // 2, f // 2, f, f, 2 * f, 2 * f)
        self.convolving = nn.Sequential(*_encoder(channels, widths, padding), *_dilated(2 * f, padding))
        if config.attention:
            widths = (f // 2, f // 2, f, 2 * f, 2 * f, 2 * f)
            self.attending = nn.Sequential(*_encoder(channels, widths, padding, last=F.relu))
            self.attended = nn.Sequential(*(GatedConvolution(2 * f, 2 * f, padding=padding) for _ in range(2)))
        self.decoder = nn.Sequential(*_decoder(4 * f if config.attention else 2 * f, f, padding))
        if config.shortcuts:
            self.from_half, self.from_whole = nn.Conv2d(f, f, 1), nn.Conv2d(f // 2, f // 4, 3, padding=1)
        initialise(self, config)
        for layer in self.modules():
            if isinstance(layer, GatedConvolution):
                layer.adds = config.shortcuts and layer.fits
                if config.init == "kaiming" and not layer.adds:
                    _make_up_for_gates(layer)
        if config.fill == "smooth":  # anything but the fill would be unlearned first, by closing gates
            if config.coarse:
                _begin_at_zero(self.coarse[-1])
            _begin_at_zero(self.decoder[-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4, H, W) -> (N, 3, H, W), both in [-1, 1]: the fine stage's picture, known areas too.

        The input is a picture and its mask, 1 in the hole and 0 elsewhere; what the picture shows in the hole does not
        matter, not even values that are not finite. H and W are multiples of 8.
        """
        return self.both(x)[1]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures of the coarse and of the fine stage, (N, 3, H, W) each, for the input of `forward`.

        Without a coarse stage the first is what the fine one begins with. Their range is [-1, 1], but for the fill
        "smooth" in training, where clipping would take gradients away.
        """
        mask = x[:, 3:]  # (N, 1, H, W)
        start = x[:, :3].masked_fill(mask > 0, 0)
        if self.config.fill == "smooth":
            start = smooth_fill(start, mask)
        coarse, pasted = start, torch.cat([start, torch.ones_like(mask), mask], dim=1)
        if self.config.coarse:
            coarse = self._picture(self.coarse(pasted), start, mask)
            pasted = torch.where(mask > 0, coarse, start)
        whole = self.convolving[0](pasted)  # (N, F/2, H, W)
        half = self.convolving[1:3](whole)  # (N, F, H/2, W/2)
        features = self.convolving[3:](half)  # (N, 2F, H/4, W/4)
        if self.config.attention:
            sampling: Sampling = "corners" if self.config.padding == "tf" else "first"
            found = contextual_attention(self.attending(pasted), mask, fuse=self.config.fuse, sampling=sampling)
            features = torch.cat([features, self.attended(found)], dim=1)  # (N, 4F, H/4, W/4)
        return coarse, self._picture(self._decoded(features, half, whole), start, mask)

    def _decoded(self, features: Tensor, half: Tensor, whole: Tensor) -> Tensor:
        if not self.config.shortcuts:
            return self.decoder(features)
        features = self.decoder[:4](features) + self.from_half(half)
        return self.decoder[8:](self.decoder[4:8](features) + self.from_whole(whole))

    def _picture(self, last: Tensor, start: Tensor, mask: Tensor) -> Tensor:
        """What a stage's last convolution gives, as a picture."""
        if self.config.fill == "none":
            return last.tanh()
        picture = start + mask * last  # elsewhere nothing is wanted, and learning that would shut all gates
        return picture if self.training else picture.clamp(-1, 1)


def _begin_at_zero(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Conv2d)
    nn.init.zeros_(layer.weight)


def _make_up_for_gates(layer: GatedConvolution) -> None:
    with torch.no_grad():
        values, _ = layer.convolution.weight.chunk(2)
        values.mul_(GATE_GAIN)


def _encoder(
    channels: int, widths: Sequence[int], padding: Padding, last: Callable[[Tensor], Tensor] = F.elu
) -> list[nn.Module]:
    """Six convolutions; the second and the fourth halve the size."""
    layers: list[nn.Module] = []
    for number, width in enumerate(widths):
        kernel, stride = 5 if number == 0 else 3, 2 if number in (1, 3) else 1
        activation = last if number == len(widths) - 1 else F.elu
        layers.append(GatedConvolution(channels, width, kernel, padding=padding, stride=stride, activation=activation))
        channels = width
    return layers


def _dilated(width: int, padding: Padding) -> list[nn.Module]:
    """Convolutions that look further and further."""
    return [GatedConvolution(width, width, padding=padding, dilation=dilation) for dilation in DILATIONS]


def _decoder(channels: int, filters: int, padding: Padding) -> list[nn.Module]:
    """From a quarter of the size to the picture's, three channels."""
    return [
        GatedConvolution(channels, 2 * filters, padding=padding),
        GatedConvolution(2 * filters, 2 * filters, padding=padding),
        nn.Upsample(scale_factor=2, mode="nearest"),
        GatedConvolution(2 * filters, filters, padding=padding),
        GatedConvolution(filters, filters, padding=padding),
        nn.Upsample(scale_factor=2, mode="nearest"),
        GatedConvolution(filters, filters // 2, padding=padding),
        GatedConvolution(filters // 2, filters // 4, padding=padding),
        nn.Conv2d(filters // 4, 3, 3, padding=1),
    ]

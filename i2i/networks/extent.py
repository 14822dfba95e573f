"""How far layers look, and how much they hold: read off the layers, so that no network states it by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import torch
from torch import nn

from i2i.networks.norm import FixedNorm, PictureNorm

POINTWISE = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Tanh,
    nn.Identity,
    nn.Dropout,
    nn.BatchNorm2d,  # evaluated, by running statistics
    FixedNorm,
    PictureNorm,  # by statistics that do not depend on where they are used
)
PADDINGS = (nn.ReflectionPad2d, nn.ReplicationPad2d, nn.ZeroPad2d)


@dataclass(frozen=True)
class Extent:
    """Of layers that are called one after the other, in pixels of their input.

    Blocks of the input begin at multiples of `step`; what belongs to one in the output depends on input pixels at most
    `reach` outside of it. The output has `scale` pixels for each input pixel across. The largest map between the layers
    has `values` values for each input pixel, the output `last`.
    """

    reach: int
    scale: Fraction
    step: int
    values: Fraction
    last: Fraction


def extent(layers: Iterable[nn.Module]) -> Extent:
    """The extent of layers; all their children are taken as called in their order. TypeError for an unknown layer."""
    walk = _Walk()
    for layer in layers:
        for module in layer.modules():
            if not list(module.children()):
                walk.through(module)
    reach = max(walk.before, walk.after)
    return Extent(ceil(reach), 1 / walk.spacing, walk.step, walk.values, walk.channels / walk.spacing**2)


class _Walk:
    """Pixels of the input before and after that an output pixel sees, and their distance from one to the next."""

    def __init__(self) -> None:
        self.before = self.after = Fraction(0)
        self.spacing = Fraction(1)
        self.step = 1
        self.channels = Fraction(0)
        self.values = Fraction(0)

    def through(self, layer: nn.Module) -> None:
        match layer:
            case nn.Conv2d():
                self._holds(layer.in_channels)
                padding = _padding(layer)
                self._sees(padding, layer.dilation[0] * (layer.kernel_size[0] - 1) - padding)
                self._spread(Fraction(layer.stride[0]))
                self._holds(layer.out_channels)
            case nn.ConvTranspose2d():
                self._holds(layer.in_channels)
                kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
                self._sees((kernel - 1 - padding) // stride, (stride - 1 + padding) // stride)
                self._spread(Fraction(1, stride))
                self._holds(layer.out_channels)
            case nn.Upsample(mode="nearest"):
                self._spread(1 / Fraction(str(layer.scale_factor)))
            case nn.PixelShuffle():
                self._spread(Fraction(1, layer.upscale_factor))
                self.channels /= layer.upscale_factor**2
            case nn.PixelUnshuffle():
                self._sees(0, layer.downscale_factor - 1)
                self._spread(Fraction(layer.downscale_factor))
            case _ if isinstance(layer, PADDINGS):
                self._sees(layer.padding[0], -layer.padding[0])
            case _ if not isinstance(layer, POINTWISE):
                raise TypeError(f"how far does {type(layer).__name__} look?")

    def _sees(self, before: int, after: int) -> None:
        self.before += before * self.spacing
        self.after += after * self.spacing

    def _spread(self, stride: Fraction) -> None:
        self.spacing *= stride
        self.step = max(self.step, ceil(self.spacing))

    def _holds(self, channels: int) -> None:
        self.channels = Fraction(channels)
        self.values = max(self.values, channels / self.spacing**2)


def _padding(layer: nn.Conv2d) -> int:
    padding = layer.padding[0]
    if isinstance(padding, str):
        raise TypeError(f"padding '{padding}' is not counted; give a number.")
    return padding


def seen(network: nn.Module, channels: int, most: int, share: float = 0.999) -> int:
    """How far an output pixel sees, in input pixels, but for what hardly counts.

    The side of the smallest square around it that holds `share` of the gradient's magnitude, for noise of a fixed seed
    (channels, 2 `most` + step, ...); at most `most`. Networks of very many layers reach much further than this.
    """
    size = extent([network])
    most = ceil(most / size.step) * size.step
    noise = torch.rand(
        1, channels, 2 * most + size.step, 2 * most + size.step, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode(False), torch.enable_grad():
        x = noise.to(next(network.parameters()).device).requires_grad_()
        middle = int(most * size.scale)
        output = network(x)[:, :, middle : middle + max(1, int(size.scale)), middle : middle + max(1, int(size.scale))]
        (gradient,) = torch.autograd.grad(output.sum(), x)
    magnitude = gradient.abs().sum(dim=(0, 1))
    total = float(magnitude.sum())
    for reach in range(most):
        inside = slice(most - reach, most + size.step + reach)
        if float(magnitude[inside, inside].sum()) >= share * total:
            return reach
    return most

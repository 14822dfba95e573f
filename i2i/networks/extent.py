"""How far layers look, and how much they hold: read off the layers, so that no network states it by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import torch
from torch import nn

from i2i.networks.labels import OneHot
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
    OneHot,
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
    leaves = [
        module
        for layer in layers
        for module in layer.modules()
        if not list(module.children()) and not isinstance(module, nn.Sequential)
    ]
    scale, step, channels, values = Fraction(1), 1, Fraction(0), Fraction(0)
    for leaf in leaves:
        before, after = _channels(leaf, channels)
        values = max(values, before * scale**2)
        scale *= _scale(leaf)
        step = max(step, ceil(1 / scale))
        channels = after
        values = max(values, channels * scale**2)
    return Extent(_reach(leaves), scale, step, values, channels * scale**2)


def _channels(layer: nn.Module, given: Fraction) -> tuple[Fraction, Fraction]:
    """Of a layer's input and output."""
    match layer:
        case nn.Conv2d() | nn.ConvTranspose2d():
            return Fraction(layer.in_channels), Fraction(layer.out_channels)
        case OneHot():
            return given, Fraction(layer.classes)
        case nn.PixelShuffle():
            return given, given / layer.upscale_factor**2
        case nn.PixelUnshuffle():
            return given, given * layer.downscale_factor**2
    return given, given


def _scale(layer: nn.Module) -> Fraction:
    """Output pixels for each input pixel across."""
    match layer:
        case nn.Conv2d():
            return Fraction(1, layer.stride[0])
        case nn.ConvTranspose2d():
            return Fraction(layer.stride[0])
        case nn.Upsample(mode="nearest"):
            return Fraction(str(layer.scale_factor))
        case nn.PixelShuffle():
            return Fraction(layer.upscale_factor)
        case nn.PixelUnshuffle():
            return Fraction(1, layer.downscale_factor)
        case _ if isinstance(layer, PADDINGS + POINTWISE):
            return Fraction(1)
    raise TypeError(f"how far does {type(layer).__name__} look?")


def _reach(leaves: list[nn.Module]) -> int:
    """From the last layer to the first: what a block of the output needs of each input, before and behind it."""
    before = after = 0
    for layer in reversed(leaves):
        scale = _scale(layer)
        match layer:
            case nn.Conv2d():
                stride, padding = layer.stride[0], _padding(layer)
                width = layer.dilation[0] * (layer.kernel_size[0] - 1)
                before, after = before * stride + padding, after * stride + width - padding - (stride - 1)
            case nn.ConvTranspose2d():
                stride, padding = layer.stride[0], int(layer.padding[0])
                before = (before + layer.kernel_size[0] - 1 - padding) // stride
                after = (after + stride - 1 + padding) // stride
            case _ if isinstance(layer, PADDINGS):
                before, after = before + layer.padding[0], after - layer.padding[0]
            case _:
                before, after = ceil(before / scale), ceil(after / scale)
    return max(before, after, 0)


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
    side = 2 * most + size.step
    with torch.inference_mode(False), torch.enable_grad():
        noise = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))
        x = noise.to(next(network.parameters()).device).requires_grad_()
        middle = int(most * size.scale)
        inside = slice(middle, middle + max(1, int(size.scale)))
        (gradient,) = torch.autograd.grad(network(x)[:, :, inside, inside].sum(), x)
    magnitude = gradient.abs().sum(dim=(0, 1))
    total = float(magnitude.sum())
    for reach in range(most):
        inside = slice(most - reach, most + size.step + reach)
        if float(magnitude[inside, inside].sum()) >= share * total:
            return reach
    return most

"""A picture's passage through a network, the way that was decided: whole, in blocks, or with sampled statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from math import isqrt

import torch
from torch import Tensor, nn

from i2i.inference.blending import Blended
from i2i.inference.canvas import Pixels
from i2i.inference.quick import Quick
from i2i.inference.tiling import Blocks, Source, Window
from i2i.inference.ways import Way, Ways
from i2i.networks.extent import seen
from i2i.networks.norm import FixedNorm, PictureNorm

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
EXACT_REACH = 128  # px; networks that reach further see next to nothing from there
LEAST_OVERLAP, MOST_OVERLAP = 32, 64  # px, for those
SAMPLES, SAMPLE_SIDE = 64, 128  # squares spread over the picture, and their side in pixels


class NotFiniteError(ArithmeticError):
    """The output holds values that are not finite."""


class Passage:
    """Takes pictures through a network."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.quick: Quick | None = None

    def network(self, way: Way) -> nn.Module:
        """What computes it."""
        return self.quick if way.quick and self.quick else self.ways.network

    def take(self, way: Way, picture: Pixels, write: Callable[[Window, Tensor], None]) -> None:
        """Give the output to `write`, block by block. Raises NotFiniteError."""

        def checked(window: Window, block: Tensor) -> None:
            if not bool(torch.isfinite(block).all()):
                raise NotFiniteError
            write(window, block)

        self.lay_out(way, picture)
        with self._autocast(way):
            if way.tile == 0:
                whole = Window(0, 0, picture.height, picture.width)
                output = self.network(way)(picture.read(whole))
                checked(Window(0, 0, *output.shape[2:]), output)
            elif self.ways.has_statistics and way.sampled:
                sampled = with_sampled_statistics(self.ways.network, picture)
                self._blocks(way).run([sampled], picture, checked)
            elif self.ways.has_statistics:
                self._blocks(way).run(self.ways.stages or (), picture, checked)
            else:
                self._overlapping(way, picture, checked)

    def _overlapping(self, way: Way, picture: Pixels, write: Callable[[Window, Tensor], None]) -> None:
        overlap = self.overlap if self.ways.running.overlap is None else self.ways.running.overlap
        if overlap >= self.ways.extent.reach:
            self._blocks(way).run([self.network(way)], picture, write)
            return
        scale = int(self.ways.extent.scale)
        blended = Blended(picture.height * scale, picture.width * scale, write)
        self._blocks(way).overlapping(self.network(way), picture, overlap, blended)

    @cached_property
    def overlap(self) -> int:
        """What blocks see around them: all that the network reaches, or of very deep ones nearly all that counts."""
        reach = self.ways.extent.reach
        if reach <= EXACT_REACH:
            return reach
        return max(LEAST_OVERLAP, seen(self.ways.network, self.ways.channels_in, MOST_OVERLAP))

    def lay_out(self, way: Way, picture: Pixels) -> None:
        """Channels last is quicker on a CPU, but for maps that are read and written in blocks (any_size.py).

        Of a picture of one colour it would leave rounding alone, for norms to make into noise; convolutions of
        contiguous maps round alike everywhere.
        """
        if self.ways.device.type != "cpu":
            return
        plain = self.ways.has_statistics and (way.tile != 0 or picture.is_uniform)
        with torch.inference_mode(False):  # or the weights could not learn any more
            layout = torch.contiguous_format if plain else torch.channels_last
            self.ways.network.to(memory_format=layout)  # type: ignore[call-overload]  # torch has it, its types not

    def _blocks(self, way: Way) -> Blocks:
        return Blocks(way.tile, self.ways.block_bytes, self.ways.keep(way))

    def _autocast(self, way: Way) -> AbstractContextManager[object]:
        if way.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.ways.device.type, dtype=DTYPES[way.precision])


def with_sampled_statistics(network: nn.Module, picture: Source) -> nn.Module:
    """A copy of the network whose norms have the statistics of squares spread over the picture."""
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, PictureNorm):
                setattr(module, name, _Sampling(child))
    copied(_samples(picture))
    return copied


class _Sampling(PictureNorm):
    """A norm that keeps the statistics of the first batch that it sees."""

    def __init__(self, norm: PictureNorm) -> None:
        super().__init__()
        self.norm = norm
        self.kept: FixedNorm | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        if self.kept is None:
            variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
            self.kept = self.norm.fixed(mean, variance)
        return self.kept(x)


def _samples(picture: Source) -> Tensor:
    """(N, C, h, w): a grid of squares over the picture, fewer where it is narrow."""
    height, width = min(SAMPLE_SIDE, picture.height), min(SAMPLE_SIDE, picture.width)
    rows = min(isqrt(SAMPLES), max(1, picture.height // height))
    columns = min(SAMPLES // rows, max(1, picture.width // width))
    tops = [(picture.height - height) * row // max(1, rows - 1) for row in range(rows)]
    lefts = [(picture.width - width) * column // max(1, columns - 1) for column in range(columns)]
    return torch.cat([picture.read(Window(y, x, y + height, x + width)) for y in tops for x in lefts])

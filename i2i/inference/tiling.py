"""A picture through a network in blocks, with the result of the whole picture.

Where the layers see only what is near, each block is read with as much around it as they reach, and that much is cut
off again. A norm takes the statistics of the whole picture: they are summed over all blocks before anything behind the
norm is computed. C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, isqrt
from typing import Protocol

import torch
from torch import Tensor, nn

from i2i.networks.base import Residual
from i2i.networks.extent import Extent, extent
from i2i.networks.norm import FixedNorm, PictureNorm

FLOAT_BYTES = 4
ROUNDING = 1e-6  # of a sum of products in float32, relative
LARGEST_SIDE = 1024  # where layers hold nothing
SURROUNDINGS = 5  # blocks are at least so many times as wide as what they see around them: at most twice the work


@dataclass(frozen=True)
class Window:
    """Rows from top to below bottom and columns from left to before right."""

    top: int
    left: int
    bottom: int
    right: int

    def slices(self) -> tuple[slice, slice]:
        """Of rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Source(Protocol):
    """What blocks are read from."""

    height: int
    width: int

    def read(self, window: Window) -> Tensor:
        """(1, C, h, w) on the device of the network."""
        ...


class Blend(Protocol):
    """What takes blocks that lie over each other: core, what is around, the values of both."""

    def add(self, core: Window, around: Window, block: Tensor) -> None:
        """Take a block."""
        ...

    def finish(self) -> None:
        """There are no more."""
        ...


class Map:
    """What lies between layers, whole: (1, C, H, W), read and written in blocks."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.height, self.width = values.shape[2:]

    def read(self, window: Window) -> Tensor:
        """See `Source`."""
        rows, columns = window.slices()
        return self.values[:, :, rows, columns]

    def write(self, window: Window, block: Tensor) -> None:
        """Put a block into its place."""
        rows, columns = window.slices()
        self.values[:, :, rows, columns] = block

    def add(self, window: Window, block: Tensor) -> None:
        """Add a block to what is in its place."""
        rows, columns = window.slices()
        self.values[:, :, rows, columns] += block


class Statistics:
    """Mean and variance of each channel over all blocks of a map: sums of rows in float32, of all else in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = self._squares = torch.zeros((), dtype=torch.float64)
        self._device = torch.device("cpu")

    def add(self, block: Tensor) -> None:
        """Count (1, C, h, w)."""
        values, count = block.float(), block[0, 0].numel()
        # Apple's GPUs have no float64
        sums = values.sum(dim=3)[0].cpu().double().sum(dim=1)  # (C,)
        middle = (sums / count).float()
        # torch.var_mean takes seven times as long on a CPU
        rows = torch.linalg.vector_norm(values - middle.to(block.device)[:, None, None], dim=3)[0].cpu().double()
        around = middle.double()
        self._sum = self._sum + sums
        self._squares = self._squares + (rows**2).sum(dim=1) + 2 * around * sums - around**2 * count
        self._count += count
        self._device = block.device

    def fix(self, norm: PictureNorm) -> FixedNorm:
        """The norm with these statistics; a channel that differs by rounding alone does not differ at all."""
        mean = self._sum / self._count
        variance = (self._squares / self._count - mean**2).clamp(min=0)
        variance = torch.where(variance <= (ROUNDING * mean) ** 2, torch.inf, variance)
        return norm.fixed(mean.float().to(self._device), variance.float().to(self._device))


class Blocks:
    """Runs layers over pictures in blocks.

    `side` is that of a block in pixels of the picture; None gives it so that its largest map takes `most_bytes`.
    `keep` bytes may be taken by a map between layers and what it is made from; what would need more is computed again
    from further back.
    """

    def __init__(self, side: int | None, most_bytes: int, keep: int) -> None:
        self.side, self.most_bytes, self.keep = side, most_bytes, keep
        self._height = 0  # of the picture

    def overlapping(self, layer: nn.Module, source: Source, overlap: int, blended: Blend) -> None:
        """The output of a layer from blocks that see only `overlap` pixels around them."""
        self._height = source.height
        size = replace(extent([layer]), reach=overlap)
        for core, around in blocks(source.height, source.width, self._side(size, source), size):
            blended.add(_scaled(core, size), _scaled(around, size), layer(source.read(around)))
        blended.finish()

    def run(self, layers: Sequence[nn.Module], source: Source, write: Callable[[Window, Tensor], None]) -> None:
        """The output of all layers, block by block; windows are in pixels of the output."""
        pending: list[nn.Module] = []
        self._height = source.height
        for layer in layers:
            if isinstance(layer, PictureNorm):
                source, pending = self._through_norm(source, pending, layer, self.keep)
            elif isinstance(layer, Residual) and sees_all(layer):
                source = self._kept(source, pending)  # what it was made from is let go
                pending = []
                self._add_branch(source, layer)
            else:
                pending.append(layer)
        self._each(source, pending, write)

    def _through_norm(
        self, source: Source, pending: list[nn.Module], norm: PictureNorm, keep: float
    ) -> tuple[Source, list[nn.Module]]:
        """What the layers behind the norm start from: the map before it where that may be kept."""
        statistics = Statistics()
        kept = self._empty(source, pending, keep)

        def count(window: Window, block: Tensor) -> None:
            statistics.add(block)
            if kept:
                kept.write(window, block)

        self._each(source, pending, count)
        fixed = statistics.fix(norm)
        return (kept, [fixed]) if kept else (source, [*pending, fixed])

    def _add_branch(self, whole: Map, block: Residual) -> None:
        inner: Source = whole
        layers: list[nn.Module] = []
        for layer in block.convolve:
            if isinstance(layer, PictureNorm):
                inner, layers = self._through_norm(inner, layers, layer, float("inf"))
            else:
                layers.append(layer)
        self._each(inner, layers, whole.add)  # which reads `inner` alone: another map

    def _kept(self, source: Source, pending: list[nn.Module]) -> Map:
        """The output of the layers, whole."""
        if isinstance(source, Map) and not pending:
            return source
        kept = self._empty(source, pending, float("inf"))
        assert kept is not None
        self._each(source, pending, kept.write)
        return kept

    def _empty(self, source: Source, pending: Sequence[nn.Module], keep: float) -> Map | None:
        """Room for the output of layers, or None where that is too much."""
        probe = _run(pending, source.read(_probe(source, extent(pending))))
        scale = extent(pending).scale
        height, width = int(source.height * scale), int(source.width * scale)
        before = source.values.nbytes if isinstance(source, Map) else 0
        if before + height * width * probe.shape[1] * probe.element_size() > keep:
            return None
        return Map(probe.new_empty(1, probe.shape[1], height, width))

    def _each(self, source: Source, layers: Sequence[nn.Module], write: Callable[[Window, Tensor], None]) -> None:
        size = extent(layers)
        for core, around in blocks(source.height, source.width, self._side(size, source), size):
            result = _run(layers, source.read(around))
            inner = _scaled(_relative(core, around), size)
            rows, columns = inner.slices()
            write(_scaled(core, size), result[:, :, rows, columns])

    def _side(self, size: Extent, source: Source) -> int:
        """In pixels of the source."""
        if self.side is None:
            return side_for(size, self.most_bytes)
        return max(1, self.side * source.height // self._height)


def blocks(height: int, width: int, side: int, size: Extent) -> Iterator[tuple[Window, Window]]:
    """Blocks of nearly equal sides, at most `side`, that cover everything; each with what its layers see around it."""
    halo = ceil(size.reach / size.step) * size.step
    for top, bottom in _parts(height, side, size.step):
        for left, right in _parts(width, side, size.step):
            core = Window(top, left, bottom, right)
            yield (
                core,
                Window(max(0, top - halo), max(0, left - halo), min(height, bottom + halo), min(width, right + halo)),
            )


def _parts(length: int, most: int, step: int) -> Iterator[tuple[int, int]]:
    count = ceil(length / max(most, step))
    part = ceil(length / count / step) * step
    for start in range(0, length, part):
        yield start, min(start + part, length)


def _run(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def sees_all(layer: nn.Module) -> bool:
    """Whether a norm in it looks at the whole picture."""
    return any(isinstance(module, PictureNorm) for module in layer.modules())


def _probe(source: Source, size: Extent) -> Window:
    side = 4 * size.step + 8
    return Window(0, 0, min(source.height, side), min(source.width, side))


def _relative(window: Window, outer: Window) -> Window:
    return Window(
        window.top - outer.top, window.left - outer.left, window.bottom - outer.top, window.right - outer.left
    )


def _scaled(window: Window, size: Extent) -> Window:
    return Window(*(int(side * size.scale) for side in (window.top, window.left, window.bottom, window.right)))


def side_for(size: Extent, most_bytes: int) -> int:
    """The side of a block whose largest map takes so many bytes, or that is so large that its surroundings are not."""
    side = isqrt(int(most_bytes / FLOAT_BYTES / size.values)) if size.values else LARGEST_SIDE
    return max(side, size.step, SURROUNDINGS * size.reach)

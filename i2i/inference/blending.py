"""Blocks that see less around them than their network does, laid over each other so that no border shows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from i2i.inference.tiling import Window


class Blended:
    """Takes blocks row by row with what they have in common with their neighbours, and passes rows on when finished.

    In what two blocks share, the weights of one go from 1 to 0 as a half wave while those of the other go from 0 to 1.
    `height` and `width` are those of the whole.
    """

    def __init__(self, height: int, width: int, write: Callable[[Window, Tensor], None]) -> None:
        self.height, self.width, self.write = height, width, write
        self._top = 0  # of the rows that are not finished yet
        self._sum = self._weights = torch.zeros(0)

    def add(self, core: Window, around: Window, block: Tensor) -> None:
        """A block (1, C, h, w) that fills `around`, and shares what is outside of `core` with its neighbours."""
        self._pass_on(around.top)
        self._make_room(block, around.bottom)
        down = _weights(around.top, core.top, core.bottom, around.bottom, self.height)
        across = _weights(around.left, core.left, core.right, around.right, self.width)
        weights = (down[:, None] * across[None, :]).to(block.device)
        rows = slice(around.top - self._top, around.bottom - self._top)
        columns = slice(around.left, around.right)
        self._sum[:, :, rows, columns] += block.float() * weights
        self._weights[:, :, rows, columns] += weights

    def finish(self) -> None:
        """Pass on what is left."""
        self._pass_on(self.height)

    def _make_room(self, block: Tensor, bottom: int) -> None:
        missing = bottom - self._top - (self._sum.shape[2] if self._sum.dim() == 4 else 0)
        if missing > 0:
            more = block.new_zeros(1, block.shape[1], missing, self.width, dtype=torch.float32)
            self._sum = torch.cat([self._sum, more], dim=2) if self._sum.dim() == 4 else more
            alike = torch.zeros_like(more[:, :1])
            self._weights = torch.cat([self._weights, alike], dim=2) if self._weights.dim() == 4 else alike

    def _pass_on(self, top: int) -> None:
        """The rows above are finished: no later block reaches them."""
        count = top - self._top
        if count <= 0:
            return
        self.write(Window(self._top, 0, top, self.width), self._sum[:, :, :count] / self._weights[:, :, :count])
        self._sum, self._weights = self._sum[:, :, count:], self._weights[:, :, count:]
        self._top = top


def _weights(start: int, core_start: int, core_end: int, end: int, length: int) -> Tensor:
    """From `start` to `end`: 1 inside, half waves centred on the borders of the core, none at the picture's borders."""
    weights = torch.ones(end - start)
    if start > 0 and start < core_start:
        ramp = _half_wave(min(2 * (core_start - start), end - start))
        weights[: len(ramp)] *= ramp
    if core_end < end < length:
        ramp = _half_wave(min(2 * (end - core_end), end - start)).flip(0)
        weights[-len(ramp) :] *= ramp
    return weights


def _half_wave(length: int) -> Tensor:
    return torch.sin((torch.arange(length) + 0.5) / length * torch.pi / 2) ** 2

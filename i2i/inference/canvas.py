"""Pixels to what a network takes, and what it gives to pixels: one block of floats at a time."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from i2i.images.picture import LUMA, WHITE, Samples
from i2i.inference.tiling import Window
from i2i.models.info import ModelInfo


class Pixels:
    """A picture (H, W, C) as a source of blocks in a model's value range."""

    def __init__(self, samples: Samples, info: ModelInfo, device: torch.device) -> None:
        self.samples, self.device = samples, device
        self.low, self.high = info.value_range
        self.height, self.width = samples.shape[:2]

    @cached_property
    def is_uniform(self) -> bool:
        """Whether it is of one colour."""
        return bool((self.samples == self.samples[:1, :1]).all())

    def read(self, window: Window) -> Tensor:
        """(1, C, h, w) float32."""
        planes = np.array(self.samples[window.slices()].transpose(2, 0, 1), order="C")
        batch = torch.from_numpy(planes)[None].to(self.device).float()
        return batch * ((self.high - self.low) / WHITE[self.samples.dtype.name]) + self.low


class Canvas:
    """What blocks are written on: (H, W, C) samples of a type, C as the first block has it, or 1 for luma.

    What blocks have beyond its size is cut off.
    """

    def __init__(self, height: int, width: int, kind: str, info: ModelInfo, as_luma: bool) -> None:
        self.height, self.width, self.kind, self.as_luma = height, width, kind, as_luma
        self.low, self.high = info.value_range
        self.samples: Samples = np.empty((0, 0, 0), dtype=kind)

    def write(self, window: Window, block: Tensor) -> None:
        """Put a block (1, C, h, w) in the model's value range into its place."""
        bottom, right = min(window.bottom, self.height), min(window.right, self.width)
        unit = block[:, :, : max(0, bottom - window.top), : max(0, right - window.left)].float()
        unit = (unit - self.low) / (self.high - self.low)
        if self.as_luma and unit.shape[1] == 3:
            unit = (unit * torch.from_numpy(LUMA).to(unit.device).reshape(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        if not self.samples.size:
            self.samples = np.empty((self.height, self.width, unit.shape[1]), dtype=self.kind)
        self.samples[window.top : bottom, window.left : right] = stored(unit, self.kind)


def stored(unit: Tensor, kind: str) -> Samples:
    """(1, C, H, W) from 0 to 1 -> (H, W, C) samples of a type: rounded to the nearest and cut, or float as it is."""
    planes = unit[0].permute(1, 2, 0)
    if kind == "float32":
        return planes.contiguous().cpu().numpy()
    whole = (planes * WHITE[kind] + 0.5).clamp(0, WHITE[kind])
    # torch knows uint16 on few devices: as int32 to the CPU, and there as uint16
    return whole.to(torch.uint8 if kind == "uint8" else torch.int32).contiguous().cpu().numpy().astype(kind, copy=False)


def resized(samples: Samples, size: tuple[int, int], kind: str) -> Samples:
    """(H, W, C) samples to another size and type, bicubic; antialiased where it gets smaller.

    One channel at a time: floats of all of them at once may be many times what the picture itself takes.
    """
    result: Samples = np.empty((*size, samples.shape[2]), dtype=kind)
    shrinks = size[0] < samples.shape[0] or size[1] < samples.shape[1]
    for channel in range(samples.shape[2]):
        plane: Any = np.array(samples[:, :, channel], dtype=np.float32)
        unit = torch.from_numpy(plane)[None, None].div_(WHITE[samples.dtype.name])
        if size != samples.shape[:2]:
            unit = interpolate(unit, size=size, mode="bicubic", align_corners=False, antialias=shrinks)
        result[:, :, channel : channel + 1] = stored(unit.clamp_(0, 1), kind)
    return result

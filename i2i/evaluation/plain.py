"""Pictures as they are measured: 8 bit, gray or RGB, without alpha. H x W pixels, C channels."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from i2i.images.files import read
from i2i.images.picture import Picture


def plain(path: Path) -> Picture:
    """The picture of a file in 8 bit, without alpha. Raises ImageError."""
    return Picture(read(path).in_eight_bits().pixels)


def alike(made: Picture, truth: Picture) -> Picture:
    """What was made, gray where the truth is gray and in colour where that is."""
    return made if made.is_gray == truth.is_gray else Picture(made.gray() if truth.is_gray else made.rgb())


def planes(picture: Picture) -> Tensor:
    """(1, C, H, W) in [0, 1], float64."""
    return torch.tensor(picture.pixels, dtype=torch.float64).permute(2, 0, 1)[None] / 255

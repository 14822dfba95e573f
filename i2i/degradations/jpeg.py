"""JPEG compression of tensors: kornia's codec (Reich et al. 2024, Differentiable JPEG), which stays on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from kornia.enhance import jpeg_codec_differentiable
from torch import Tensor

from i2i.degradations.draws import BLOCK, Jpeg
from i2i.degradations.noise import luma


def compressed(pictures: Tensor, settings: Sequence[Jpeg]) -> Tensor:
    """(N, C, H, W) in [0, 1] with the traces of JPEG, each with its own setting of N; C is 3, or 1 for gray.

    Colours are halved (4:2:0). Kornia rounds softly and smooths colours before it halves them: from Pillow's JPEG the
    result is 1.3 to 2.6 levels of 255 away in the mean, where compression itself changes 4 to 12.
    """
    height, width = pictures.shape[-2:]
    colours = pictures.clamp(0, 1).expand(-1, 3, -1, -1)
    framed = [_framed(one, jpeg) for one, jpeg in zip(colours[:, None].unbind(), settings, strict=True)]
    # On the CPU, where the codec looks at it: else it waits for the device.
    qualities = torch.tensor([jpeg.quality for jpeg in settings], dtype=pictures.dtype)
    coded = jpeg_codec_differentiable(torch.cat(framed), qualities).clamp(0, 1)
    places = zip(coded, (jpeg.corner for jpeg in settings), strict=True)
    cut = torch.stack([one[:, row : row + height, column : column + width] for one, (row, column) in places])
    return luma(cut) if pictures.shape[1] == 1 else cut  # the codec tints gray by up to a level, but keeps its luma


def _framed(picture: Tensor, jpeg: Jpeg) -> Tensor:
    """(1, 3, H, W) moved by the corner, in a frame of one size for all corners, so that a batch can be stacked."""
    row, column = jpeg.corner
    return F.pad(picture, (column, BLOCK - column, row, BLOCK - row), "replicate")

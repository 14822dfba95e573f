"""Sample sheets: the same pictures every time, so that they can be compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

CAPTION = 14  # height of the line with the column names, pixels


def sheet(columns: Mapping[str, Tensor], value_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Columns of (N, C, H, W) pictures in a range to one (H', W', 3) picture: a row per sample, names on top."""
    low, high = value_range
    strips = []
    for pictures in columns.values():
        scaled = ((pictures.float() - low) * (255 / (high - low))).round().clamp(0, 255)
        colour = scaled.expand(-1, 3, -1, -1) if scaled.shape[1] == 1 else scaled
        n, c, h, w = colour.shape
        strips.append(colour.permute(0, 2, 3, 1).reshape(n * h, w, c))  # samples below each other
    grid = torch.cat(strips, 1).to(torch.uint8).cpu().numpy()
    canvas = Image.new("RGB", (grid.shape[1], grid.shape[0] + CAPTION), "white")
    canvas.paste(Image.fromarray(grid), (0, CAPTION))
    draw, width = ImageDraw.Draw(canvas), grid.shape[1] // len(columns)
    for i, name in enumerate(columns):
        draw.text((i * width + 2, 1), name, fill="black")
    return np.asarray(canvas)

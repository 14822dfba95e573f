"""JPEG on tensors, against Pillow's at the same quality."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from i2i.degradations.draws import Jpeg
from i2i.degradations.jpeg import compressed


def opened(path: Path, mode: str) -> Tensor:
    pixels = np.array(Image.open(path).convert(mode))[100:356, 120:376]
    return torch.from_numpy(pixels.reshape(256, 256, -1)).permute(2, 0, 1)[None].float() / 255


def by_pillow(picture: Tensor, quality: int) -> Tensor:
    pixels = (picture[0] * 255).round().byte().permute(1, 2, 0).numpy()
    stored = BytesIO()
    Image.fromarray(pixels.squeeze()).save(stored, "JPEG", quality=quality)
    read = np.array(Image.open(stored)).reshape(pixels.shape)
    return torch.from_numpy(read).permute(2, 0, 1)[None].float() / 255


def drawn(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
@pytest.mark.parametrize(("mode", "levels", "share"), [("RGB", 1.8, 0.36), ("L", 1.0, 0.42)])
def test_the_traces_are_pillows_to_two_levels_of_255(
    test_data: Path, mode: str, levels: float, share: float, quality: int
) -> None:
    picture = opened(test_data / "sr" / "Set14" / "HR" / "lenna.png", mode)
    found, expected = compressed(picture, [Jpeg(quality, (0, 0))]), by_pillow(picture, quality)
    difference = (found - expected).abs().mean().item() * 255
    assert difference < levels
    assert difference < share * (picture - expected).abs().mean().item() * 255


def test_lower_quality_does_more_and_quality_95_little() -> None:
    picture = avg_pool2d(drawn(1, 1, 66, 66), 3, 1)
    errors = [(compressed(picture, [Jpeg(q, (0, 0))]) - picture).abs().mean().item() for q in (95, 60, 30, 10)]
    assert errors == sorted(errors)
    assert errors[0] < 0.01 < 0.03 < errors[-1]


@pytest.mark.parametrize("corner", [(0, 0), (3, 0), (0, 5), (15, 9)])
def test_blocks_of_eight_begin_where_the_corner_says(corner: tuple[int, int]) -> None:
    line = torch.linspace(0.2, 0.8, 48)
    picture = ((line[:, None] + line[None, :]) / 2).expand(1, 1, 48, 48)
    coarse = compressed(picture, [Jpeg(1, corner)])[0, 0]
    row_jumps = coarse.diff(dim=0).abs().mean(1)
    column_jumps = coarse.diff(dim=1).abs().mean(0)
    for jumps, offset in [(row_jumps, corner[0]), (column_jumps, corner[1])]:
        at_borders = (torch.arange(1, 48) + offset) % 8 == 0
        assert jumps[at_borders].mean() > 4 * jumps[~at_borders].mean()


@pytest.mark.parametrize("channels", [1, 3])
def test_each_picture_of_a_batch_has_its_own_quality_and_corner(channels: int) -> None:
    pictures = drawn(3, channels, 21, 37)
    settings = [Jpeg(30.0, (0, 0)), Jpeg(95.0, (3, 7)), Jpeg(62.5, (15, 15))]
    found = compressed(pictures, settings)
    assert found.shape == pictures.shape
    for index, setting in enumerate(settings):
        assert torch.equal(found[index : index + 1], compressed(pictures[index : index + 1], [setting]))


def test_gray_in_three_channels_is_gray_in_one() -> None:
    gray = drawn(1, 1, 32, 32)
    single, triple = compressed(gray, [Jpeg(50, (0, 0))]), compressed(gray.expand(1, 3, 32, 32), [Jpeg(50, (0, 0))])
    assert single.shape == (1, 1, 32, 32)
    assert (triple - single).abs().max() < 1.5 / 255

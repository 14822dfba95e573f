"""JPEG on tensors: every byte is that of Pillow (libjpeg-turbo) at the same quality.

So the mean difference from Pillow is 0 levels of 255 at every quality, where compression itself changes lenna by 6.9 in
the mean at quality 30.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from i2i.degradations.draws import Jpeg
from i2i.degradations.jpeg import compressed

BEYOND = 32  # pixels: more than a block of 16, so that Pillow's own border lies outside of what is compared

Pixels = NDArray[np.uint8]


def bytes_of(pictures: Tensor) -> NDArray[Any]:
    """Levels as (H, W, C) of one picture, which must be whole."""
    levels = pictures[0].double().permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    return levels.round()


def tensor_of(pixels: Pixels, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].to(dtype) / 255


def by_pillow(pixels: Pixels, corner: tuple[int, int] = (0, 0), **options: Any) -> Pixels:
    """The same part of a larger picture that goes on with its outermost pixels."""
    height, width, channels = pixels.shape
    (row, column), stored = corner, BytesIO()
    larger = np.pad(pixels, ((row, BEYOND), (column, BEYOND), (0, 0)), "edge")
    Image.fromarray(larger.squeeze()).save(stored, "JPEG", **options)
    read = np.array(Image.open(stored)).reshape(*larger.shape[:2], channels)
    return read[row : row + height, column : column + width]


def noise(height: int, width: int, channels: int, levels: int = 256) -> Pixels:
    """So many levels from black to white, at random."""
    drawn = np.random.default_rng(1).integers(levels, size=(height, width, channels))
    return (drawn * 255 // (levels - 1)).astype(np.uint8)


def part_of(path: Path, mode: str) -> Pixels:
    return np.array(Image.open(path).convert(mode))[100:356, 120:376].reshape(256, 256, -1)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 95])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", ["lenna", "baboon"])
def test_photos_come_out_as_from_pillow(test_data: Path, name: str, mode: str, quality: int) -> None:
    pixels = part_of(test_data / "sr" / "Set14" / "HR" / f"{name}.png", mode)
    found, expected = compressed(tensor_of(pixels), [Jpeg(quality, (0, 0))]), by_pillow(pixels, quality=quality)
    np.testing.assert_array_equal(bytes_of(found), expected)


@pytest.mark.thorough
def test_a_photo_comes_out_as_from_pillow_at_all_100_qualities(test_data: Path) -> None:
    pixels = part_of(test_data / "sr" / "Set14" / "HR" / "ppt3.png", "RGB")
    for quality in range(1, 101):
        corner = (quality % 16, quality * 7 % 16)
        found = compressed(tensor_of(pixels), [Jpeg(quality, corner)])
        np.testing.assert_array_equal(bytes_of(found), by_pillow(pixels, corner, quality=quality))


@pytest.mark.parametrize("quality", [1, 49, 60, 100])
@pytest.mark.parametrize("corner", [(0, 0), (3, 0), (0, 5), (15, 9), (15, 15)])
@pytest.mark.parametrize(("channels", "dtype"), [(3, torch.float32), (3, torch.float64), (1, torch.float32)])
def test_blocks_begin_where_the_corner_says(
    corner: tuple[int, int], quality: int, channels: int, dtype: torch.dtype
) -> None:
    pixels = noise(33, 50, channels)
    found = compressed(tensor_of(pixels, dtype), [Jpeg(quality, corner)])
    assert found.dtype == dtype
    np.testing.assert_array_equal(bytes_of(found), by_pillow(pixels, corner, quality=quality))


@pytest.mark.parametrize("quality", [1, 20, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_pure_black_white_and_colours_come_out_as_from_pillow(channels: int, quality: int) -> None:
    pixels = noise(128, 128, channels, levels=2)
    found = compressed(tensor_of(pixels), [Jpeg(quality, (0, 0))])
    np.testing.assert_array_equal(bytes_of(found), by_pillow(pixels, quality=quality))


@pytest.mark.parametrize(("quality", "percent"), [(62.5, 75), (30.7, 162), (99.9, 0), (1.5, 3333)])
def test_a_quality_between_whole_numbers_scales_the_steps_of_quality_50(quality: float, percent: int) -> None:
    stored = BytesIO()
    Image.new("RGB", (16, 16)).save(stored, "JPEG", quality=50)
    tables = Image.open(stored).quantization  # type: ignore[attr-defined]
    scaled = [[min(max((step * percent + 50) // 100, 1), 255) for step in tables[index]] for index in (0, 1)]
    pixels = noise(40, 40, 3)
    expected = by_pillow(pixels, qtables=scaled, subsampling="4:2:0")
    np.testing.assert_array_equal(bytes_of(compressed(tensor_of(pixels), [Jpeg(quality, (0, 0))])), expected)


def test_pixels_are_clipped_and_rounded_to_8_bit_first() -> None:
    levels = torch.linspace(-40, 300, 3 * 24 * 24, dtype=torch.float64).view(1, 3, 24, 24)
    eight_bit, setting = levels.clamp(0, 255).round(), [Jpeg(80, (0, 0))]
    assert torch.equal(compressed(levels / 255, setting), compressed(eight_bit / 255, setting))


@pytest.mark.parametrize("channels", [1, 3])
def test_each_picture_of_a_batch_has_its_own_quality_and_corner(channels: int) -> None:
    pictures = tensor_of(noise(3 * 21, 37, channels)).view(channels, 3, 21, 37).transpose(0, 1)
    settings = [Jpeg(30.0, (0, 0)), Jpeg(95.0, (3, 7)), Jpeg(62.5, (15, 15))]
    found = compressed(pictures, settings)
    assert found.shape == pictures.shape
    for index, setting in enumerate(settings):
        assert torch.equal(found[index : index + 1], compressed(pictures[index : index + 1], [setting]))


def test_a_batch_of_two_needs_two_settings() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compressed(torch.zeros(2, 3, 16, 16), [Jpeg(50, (0, 0))])


@pytest.mark.parametrize("quality", [5, 50, 95])
def test_gray_in_three_channels_is_exactly_gray_in_one(quality: int) -> None:
    gray, setting = tensor_of(noise(32, 32, 1)), [Jpeg(quality, (3, 7))]
    single = compressed(gray, setting)
    assert single.shape == (1, 1, 32, 32)
    assert torch.equal(compressed(gray.expand(1, 3, 32, 32), setting), single.expand(1, 3, 32, 32))

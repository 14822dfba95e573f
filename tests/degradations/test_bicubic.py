"""imresize, against published small pictures and against a loop over pixels."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from i2i.degradations.bicubic import Border, imresize


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def opened(path: Path) -> Tensor:
    pixels = np.array(Image.open(path))
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)[None]  # (1, C, H, W)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("name", "scale", "count"), [("Set5", 2, 5), ("Set5", 4, 5), ("Set14", 4, 14)])
def test_the_published_small_pictures_come_out_without_a_wrong_byte(
    test_data: Path, name: str, scale: int, count: int, dtype: torch.dtype
) -> None:
    paths = sorted((test_data / "sr" / name / f"LR_bicubic_x{scale}").glob("*.png"))
    assert len(paths) == count
    for path in paths:
        published, photo = opened(path), opened(path.parents[1] / "HR" / path.name)
        height, width = published.shape[-2:]
        photo = photo[..., : height * scale, : width * scale].to(dtype) / 255
        found = imresize(photo, (height, width), border="replicate", eight_bit=True)
        assert torch.equal((found * 255).round().byte(), published), path.name


def cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0


def resized_line(line: NDArray[np.float64], after: int, scale: float, border: Border) -> NDArray[np.float64]:
    """One pixel after the other, over the line with its mirrored or repeated pixels written out."""
    margin = 5 * len(line) + ceil(4 / min(scale, 1))
    longer = np.pad(line, margin, mode="symmetric" if border == "symmetric" else "edge")
    shrinking, found = min(scale, 1), np.zeros(after)
    for pixel in range(after):
        centre = (pixel + 0.5) / scale - 0.5
        near = range(floor(centre - 2 / shrinking) - 1, ceil(centre + 2 / shrinking) + 2)
        weights = [cubic(shrinking * (centre - place)) for place in near]
        found[pixel] = sum(w * longer[margin + place] for w, place in zip(weights, near, strict=True)) / sum(weights)
    return found


@pytest.mark.parametrize("border", ["symmetric", "replicate"])
@pytest.mark.parametrize("size", [(3, 4), (6, 5), (24, 25), (11, 13), (17, 4), (1, 1)])
def test_every_size_and_border_equals_a_loop_over_pixels(size: tuple[int, int], border: Border) -> None:
    picture = drawn(1, 1, 12, 13)
    rows = np.array([resized_line(c, size[0], size[0] / 12, border) for c in picture[0, 0].numpy().T]).T
    both = np.array([resized_line(row, size[1], size[1] / 13, border) for row in rows])
    np.testing.assert_allclose(imresize(picture, size, border=border)[0, 0], both, rtol=0, atol=1e-13)


def test_a_given_scale_places_the_pixels_where_the_size_was_rounded_from_it() -> None:
    line = drawn(1, 1, 1, 11)
    found = imresize(line, (1, 4), scale=0.3)[0, 0, 0]  # 11 times 0.3 is 3.3, rounded up
    expected = resized_line(line[0, 0, 0].numpy(), 4, 0.3, "symmetric")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert (found - imresize(line, (1, 4))[0, 0, 0]).abs().max() > 0.01


@pytest.mark.parametrize(("size", "first"), [((4, 9), "rows"), ((9, 4), "columns"), ((6, 6), "rows")])
def test_bytes_are_rounded_after_the_axis_that_shrinks_more_and_after_rows_where_equal(
    size: tuple[int, int], first: str
) -> None:
    picture = (drawn(1, 1, 12, 12) * 255).round() / 255
    rows_first = imresize(imresize(picture, (size[0], 12), eight_bit=True), size, eight_bit=True)
    columns_first = imresize(imresize(picture, (12, size[1]), eight_bit=True), size, eight_bit=True)
    found = imresize(picture, size, eight_bit=True)
    assert not torch.equal(rows_first, columns_first)
    assert torch.equal(found, rows_first if first == "rows" else columns_first)


def test_a_flat_picture_stays_flat_and_its_own_size_changes_nothing() -> None:
    torch.testing.assert_close(imresize(torch.full((1, 3, 9, 9), 0.3), (4, 2)), torch.full((1, 3, 4, 2), 0.3))
    picture = drawn(2, 3, 9, 7)
    torch.testing.assert_close(imresize(picture, (9, 7)), picture, rtol=0, atol=1e-15)


def test_floats_may_overshoot_and_bytes_may_not() -> None:
    edge = torch.cat([torch.zeros(1, 1, 1, 8), torch.ones(1, 1, 1, 8)], dim=3)
    assert imresize(edge, (1, 32)).max() > 1.01
    assert imresize(edge, (1, 32), eight_bit=True).max() == 1


def test_single_precision_and_channels_last_are_kept_and_equal_to_rounding() -> None:
    picture = drawn(2, 3, 32, 24)
    expected = imresize(picture, (8, 6)).float()
    for small in (picture.float(), picture.float().contiguous(memory_format=torch.channels_last)):
        found = imresize(small, (8, 6))
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_what_inference_mode_left_behind_serves_a_training() -> None:
    picture = drawn(1, 1, 14, 10)
    with torch.inference_mode():
        imresize(picture, (7, 5))
    picture.requires_grad_()
    (slope,) = torch.autograd.grad(imresize(picture, (7, 5)).sum(), picture)
    assert slope.sum().item() == pytest.approx(35)  # each of 7 x 5 pixels is a mean


@pytest.mark.parametrize(("size", "scale"), [((0, 4), None), ((4, 4), 0.0), ((4, 4), -1.0)])
def test_sizes_and_scales_must_be_positive(size: tuple[int, int], scale: float | None) -> None:
    with pytest.raises(ValueError, match=r"must be positive, got \(8, 8\) to \(\d, 4\), scale"):
        imresize(drawn(1, 1, 8, 8), size, scale=scale)

"""The smooth fill, against linear algebra and OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.networks.smooth_fill import smooth_fill


def pictures(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def holes(count: int, height: int, width: int, *box: int) -> Tensor:
    top, bottom, left, right = box
    mask = torch.zeros(count, 1, height, width)
    mask[..., top:bottom, left:right] = 1
    return mask


def ramp(height: int, width: int) -> Tensor:
    """(1, 2, H, W), its channels rising downwards and to the right."""
    down, across = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    return torch.stack([down.expand(height, width), across.expand(height, width)])[None]


def membrane(picture: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One channel; solves for the hole, whose pixels must not touch the edges."""
    places = np.argwhere(mask)
    number = {(int(i), int(j)): n for n, (i, j) in enumerate(places)}
    left, right = np.zeros((len(places), len(places))), np.zeros(len(places))
    for (i, j), n in number.items():
        left[n, n] = 4
        for near in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if near in number:
                left[n, number[near]] = -1
            else:
                right[n] += picture[near]
    result = picture.copy()
    result[mask] = np.linalg.solve(left, right)
    return result


def test_known_pixels_stay_and_hidden_ones_do_not_matter():
    picture, mask = pictures(2, 3, 24, 40), holes(2, 24, 40, 3, 20, 0, 17)
    filled = smooth_fill(picture, mask)
    assert torch.equal(filled * (1 - mask), picture * (1 - mask))
    assert torch.equal(smooth_fill(picture * (1 - mask) + 99 * mask, mask), filled)


def test_a_hole_is_near_the_membrane_over_its_rim():
    picture, mask = pictures(1, 1, 32, 32), holes(1, 32, 32, 10, 22, 6, 25)
    for _ in range(3):  # smooth it, as photos are
        picture = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    wanted = membrane(picture[0, 0].double().numpy(), mask[0, 0].bool().numpy())
    difference = np.abs(smooth_fill(picture, mask)[0, 0].numpy() - wanted)
    assert difference[10:22, 6:25].mean() < 0.1 * float(picture.std())
    assert difference.max() < 0.3 * float(picture.std())


@pytest.mark.parametrize("box", [(20, 44, 16, 48), (0, 64, 30, 34)])
def test_a_ramp_is_continued(box: tuple[int, int, int, int]):
    filled = smooth_fill(ramp(64, 64), holes(1, 64, 64, *box))
    assert (filled - ramp(64, 64)).abs().max() < 0.06


def test_a_sample_without_a_known_pixel_becomes_0_and_leaves_the_others_alone():
    picture, mask = pictures(2, 3, 16, 24), torch.cat([torch.ones(1, 1, 16, 24), holes(1, 16, 24, 4, 12, 4, 12)])
    filled = smooth_fill(picture, mask)
    assert not filled[0].any()
    torch.testing.assert_close(filled[1:], smooth_fill(picture[1:], mask[1:]))


def test_a_single_known_pixel_fills_everything():
    picture, mask = pictures(1, 3, 40, 56), torch.ones(1, 1, 40, 56)
    mask[..., 17, 5] = 0
    torch.testing.assert_close(smooth_fill(picture, mask), picture[..., 17:18, 5:6].expand(1, 3, 40, 56))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (8, 8), (13, 31)])
def test_any_size_is_filled_within_the_range_of_what_is_known(height: int, width: int):
    picture, mask = pictures(1, 3, height, width), (pictures(1, 1, height, width, seed=2) > 0).float()
    mask[..., 0, 0] = 0
    filled = smooth_fill(picture, mask)
    known = picture[(mask == 0).expand_as(picture)]
    assert filled.shape == picture.shape
    assert known.min() - 1e-6 <= filled.min()
    assert filled.max() <= known.max() + 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_stay(dtype: torch.dtype):
    picture, mask = pictures(1, 3, 16, 16), holes(1, 16, 16, 4, 12, 4, 12)
    filled = smooth_fill(picture.to(dtype), mask.to(dtype))
    assert filled.dtype == dtype
    torch.testing.assert_close(filled.float(), smooth_fill(picture, mask), rtol=0, atol=0.02)


@pytest.mark.parametrize(("stroke", "allowed"), [(6, 1.03), (40, 1.0)])
def test_photos_are_filled_about_as_well_as_by_opencv(test_data: Path, stroke: int, allowed: float):
    """Mean difference in the hole, against the better of Telea's method and Navier-Stokes with radius 3."""
    ours, theirs = [], []
    for number in (4, 13, 21, 23):
        photo = cv2.resize(cv2.imread(str(test_data / f"photos/val/kodim{number:02d}.jpg"))[:512, :512], (256, 256))
        mask, random = np.zeros((256, 256), np.uint8), np.random.default_rng(number)
        for line in random.integers(0, 256, (120 // stroke, 4)).tolist():
            cv2.line(mask, line[:2], line[2:], 1, stroke)
        x = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
        filled = smooth_fill(x, torch.from_numpy(mask)[None, None])[0].permute(1, 2, 0).numpy()
        ours.append(np.abs(filled - photo)[mask == 1].mean())
        theirs.append(
            min(
                np.abs(cv2.inpaint(photo, mask, 3, method).astype(float) - photo)[mask == 1].mean()
                for method in (cv2.INPAINT_TELEA, cv2.INPAINT_NS)
            )
        )
    assert np.mean(ours) < allowed * np.mean(theirs)

"""Unsharp masking, against the same steps in OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from i2i.degradations.sharpening import sharpened


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_sharpening_is_that_of_opencv_with_51_taps(channels: int, dtype: torch.dtype) -> None:
    rough = torch.rand(2, channels, 10, 12, generator=torch.Generator().manual_seed(1), dtype=dtype)
    photos = torch.nn.functional.interpolate(rough, scale_factor=6, mode="nearest")
    found = sharpened(photos)
    assert (found.dtype, found.shape) == (dtype, photos.shape)
    assert (found - photos).abs().max() > 0.1
    for photo, one in zip(photos, found, strict=True):
        pixels = np.ascontiguousarray(photo.permute(1, 2, 0), dtype=np.float64)
        detail = pixels - cv2.GaussianBlur(pixels, (51, 51), 0).reshape(pixels.shape)
        edges = (np.abs(detail) * 255 > 10).astype(np.float64)
        share = cv2.GaussianBlur(edges, (51, 51), 0).reshape(pixels.shape)
        expected = share * np.clip(pixels + 0.5 * detail, 0, 1) + (1 - share) * pixels
        np.testing.assert_allclose(one.permute(1, 2, 0), expected, rtol=0, atol=1e-5)


def test_a_picture_of_one_colour_and_a_faint_ramp_stay_as_they_are() -> None:
    flat = torch.full((1, 3, 32, 32), 0.25)
    torch.testing.assert_close(sharpened(flat), flat)
    ramp = torch.linspace(0.5, 0.55, 64).expand(1, 1, 64, 64)
    assert torch.equal(sharpened(ramp), ramp)

"""Luma and SSIM against figures and formulas from outside."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.evaluation.fidelity import luma, ssim


def noise(channels: int, height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, height, width, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(
    ("colour", "level"),
    [
        ((0, 0, 0), 16.0),
        ((255, 255, 255), 235.0),
        ((255, 0, 0), 81.481),  # ITU-R BT.601: 16 + 65.481
        ((0, 255, 0), 144.553),
        ((0, 0, 255), 40.966),
    ],
)
def test_luma_of_the_corners_is_that_of_bt_601(colour: tuple[int, int, int], level: float):
    pixel = torch.tensor(colour, dtype=torch.float64).view(1, 3, 1, 1) / 255
    assert luma(pixel).item() * 255 == pytest.approx(level, abs=1e-9)


def test_luma_is_not_rounded():
    gray = torch.full((1, 3, 1, 1), 100 / 255, dtype=torch.float64)
    assert luma(gray).item() * 255 == pytest.approx(16 + 219 * 100 / 255, abs=1e-9)  # 101.88


def by_opencv(made: np.ndarray, truth: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, of one plane from 0 to 255, with OpenCV's Gaussian."""
    bell = cv2.getGaussianKernel(11, 1.5)

    def smooth(x: np.ndarray) -> np.ndarray:
        return cv2.filter2D(x, -1, np.outer(bell, bell))[5:-5, 5:-5]

    mean_1, mean_2 = smooth(made), smooth(truth)
    variance_1, variance_2 = smooth(made**2) - mean_1**2, smooth(truth**2) - mean_2**2
    covariance = smooth(made * truth) - mean_1 * mean_2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
    return float((top / ((mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2))).mean())


def test_ssim_is_that_of_the_formula_with_opencvs_windows():
    truth = noise(3, 40, 33, seed=1)
    made = (truth + 0.3 * (noise(3, 40, 33, seed=2) - 0.5)).clamp(0, 1)
    pairs = zip((255 * made[0]).numpy(), (255 * truth[0]).numpy(), strict=True)
    assert ssim(made, truth) == pytest.approx(np.mean([by_opencv(*pair) for pair in pairs]), abs=1e-12)


def test_equal_pictures_have_an_ssim_of_1_and_a_negative_one_less_than_0():
    picture = noise(1, 30, 30, seed=1)
    assert ssim(picture, picture) == pytest.approx(1, abs=1e-12)
    assert ssim(1 - picture, picture) < -0.5


def test_flat_pictures_differ_by_their_brightness_alone():
    gray, white = torch.full((1, 1, 20, 20), 0.5, dtype=torch.float64), torch.ones(1, 1, 20, 20, dtype=torch.float64)
    assert ssim(gray, white) == pytest.approx((2 * 0.5 + 1e-4) / (0.25 + 1 + 1e-4), abs=1e-9)


def test_eleven_pixels_are_one_window_and_ten_are_refused():
    assert ssim(noise(1, 11, 11, seed=1), noise(1, 11, 11, seed=1)) == pytest.approx(1, abs=1e-9)
    with pytest.raises(ValueError, match="SSIM needs 11 px a side, got 40 x 10"):
        ssim(noise(1, 10, 40, seed=1), noise(1, 10, 40, seed=1))

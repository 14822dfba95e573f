"""Blur kernels, against values worked out elsewhere."""

from __future__ import annotations

from math import exp, pi

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.degradations.kernels import blurred, generalized, identity, plateau, sinc


def moments(kernel: Tensor) -> tuple[float, float, float]:
    """Variance along x, along y, and covariance."""
    line = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    x, y = line[None, :], line[:, None]
    return (kernel * x * x).sum().item(), (kernel * y * y).sum().item(), (kernel * x * y).sum().item()


@pytest.mark.parametrize(
    "kernel",
    [
        generalized(21, (3.0, 0.2), 1.0, 0.5),
        generalized(7, (0.2, 0.2), 0.0, 4.0),
        plateau(13, (1.0, 2.0), -2.0, 1.5),
        sinc(7, pi / 3),
        sinc(21, pi),
        identity(9),
    ],
)
def test_every_kernel_sums_to_one_and_is_the_same_turned_by_half(kernel: Tensor) -> None:
    assert kernel.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(kernel, kernel.rot90(2))


def test_a_gaussian_is_the_one_of_opencv() -> None:
    line = cv2.getGaussianKernel(15, 1.7)
    np.testing.assert_allclose(generalized(15, (1.7, 1.7), 0.4), line @ line.T, atol=1e-12)


def test_the_deviations_lie_along_x_and_y_and_turn_with_the_angle() -> None:
    wide, high, mixed = moments(generalized(41, (4.0, 2.0), 0.0))
    assert [wide, high, mixed] == pytest.approx([16, 4, 0], abs=0.01)
    wide, high, mixed = moments(generalized(41, (4.0, 2.0), pi / 2))
    assert [wide, high, mixed] == pytest.approx([4, 16, 0], abs=0.01)
    assert moments(generalized(41, (4.0, 2.0), pi / 4)) == pytest.approx([10, 10, 6], abs=0.02)  # (16 - 4) / 2


def test_generalized_and_plateau_of_three_pixels_by_hand() -> None:
    # sigma 1: d is 0, 1 and 2 in the middle, beside it and at the corners
    side, corner = exp(-0.5), exp(-(2**1.5) / 2)
    total = 1 + 4 * side + 4 * corner
    expected = torch.tensor([[corner, side, corner], [side, 1, side], [corner, side, corner]]).double() / total
    torch.testing.assert_close(generalized(3, (1.0, 1.0), 0.0, 1.5), expected, rtol=1e-6, atol=0)
    flat = torch.tensor([[0.2, 0.5, 0.2], [0.5, 1, 0.5], [0.2, 0.5, 0.2]]).double() / 3.8  # 1 / (1 + d^2)
    torch.testing.assert_close(plateau(3, (1.0, 1.0), 0.0, 2.0), flat, rtol=1e-6, atol=1e-9)


def test_sinc_of_three_pixels_by_hand() -> None:
    # J1(pi) and J1(sqrt(2) pi) as scipy.special.j1 gives them
    middle, side, corner = pi / 4, 0.2846153431797527 / 2, -0.21523477399425595 / (2 * 2**0.5)
    found = sinc(3, pi)
    assert (found[1, 1] / found[0, 1]).item() == pytest.approx(middle / side, rel=1e-6)
    assert (found[0, 0] / found[0, 1]).item() == pytest.approx(corner / side, rel=1e-6)


def test_sinc_lets_slow_waves_pass_and_stops_quick_ones() -> None:
    places = torch.arange(64, dtype=torch.float64)
    for frequency, kept in [(0.3, 1.0), (2.4, 0.0)]:  # radians a pixel, to both sides of the cut-off at 1.2
        wave = (frequency * places).cos().expand(1, 1, 64, 64)
        inner = blurred(wave, [sinc(51, 1.2)])[0, 0, 32, 26:38]
        torch.testing.assert_close(inner, kept * wave[0, 0, 32, 26:38], rtol=0, atol=0.1)


def test_each_picture_has_its_own_kernel_and_all_its_channels_the_same() -> None:
    pictures = torch.rand(3, 3, 20, 18, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    kernels = [generalized(7, (2.0, 0.5), 0.7), identity(7), plateau(7, (1.0, 1.0), 0.0, 1.0)]
    found = blurred(pictures, kernels)
    for index, kernel in enumerate(kernels):
        pixels = np.ascontiguousarray(pictures[index].permute(1, 2, 0))
        expected = cv2.filter2D(pixels, -1, kernel.numpy(), borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(found[index].permute(1, 2, 0), expected, atol=1e-12)
    assert torch.equal(found[1], pictures[1])

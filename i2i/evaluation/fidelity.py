"""How near a picture is to the true one, as super-resolution is measured: luma and SSIM; PSNR is beside the losses.

N batch, C channels, H x W pixels. Everything is float64 here: a table has four digits.
"""

from __future__ import annotations

from math import exp

import torch
from torch import Tensor

WINDOW = 11  # side of SSIM's window in pixels
SIGMA = 1.5  # of its Gaussian
BELL = [exp(-((place - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for place in range(WINDOW)]
SHARES = [height / sum(BELL) for height in BELL]  # of a window's rows, and of its columns
ROWS, COLUMNS = -2, -1
STEADY = (0.01**2, 0.03**2)  # of white: what keeps both quotients steady where a picture is dark or flat
BT601 = (65.481 / 255, 128.553 / 255, 24.966 / 255)
BLACK = 16 / 255


def luma(colours: Tensor) -> Tensor:
    """RGB (N, 3, H, W) in [0, 1] -> Y (N, 1, H, W) in [16/255, 235/255], not rounded (ITU-R BT.601, studio range)."""
    shares = torch.tensor(BT601, dtype=colours.dtype)[:, None, None]  # (3, 1, 1)
    return BLACK + (colours * shares).sum(1, keepdim=True)


def ssim(made: Tensor, truth: Tensor) -> float:
    """Structural similarity of two (N, C, H, W) in [0, 1]: 1 for equal ones, the mean over all channels and windows.

    Windows of 11 x 11 lie wholly inside, weighted by a Gaussian of deviation 1.5; variances are those of a population.
    Raises ValueError below 11 px. Equation 13 of Wang, Bovik, Sheikh, Simoncelli 2004, Image quality assessment.
    """
    return float(ssim_map(made, truth).mean())


def ssim_map(made: Tensor, truth: Tensor) -> Tensor:
    """The similarity of each window of two (N, C, H, W): (N, C, H - 10, W - 10). See `ssim`."""
    if min(made.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW} px a side, got {made.shape[-1]} x {made.shape[-2]}")
    mean_made, mean_truth = _smoothed(made), _smoothed(truth)
    variances = _smoothed(made.square() + truth.square()) - mean_made.square() - mean_truth.square()
    covariance = _smoothed(made * truth) - mean_made * mean_truth
    brightness = (2 * mean_made * mean_truth + STEADY[0]) / (mean_made.square() + mean_truth.square() + STEADY[0])
    return brightness * (2 * covariance + STEADY[1]) / (variances + STEADY[1])


def _smoothed(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H - 10, W - 10): Gaussian means of the windows."""
    # sums of shifted pictures: torch's convolutions of one channel in float64 take five times as long
    for axis in (ROWS, COLUMNS):
        side = x.shape[axis] - WINDOW + 1
        total = torch.zeros_like(x.narrow(axis, 0, side))
        for at, share in enumerate(SHARES):
            total.add_(x.narrow(axis, at, side), alpha=share)
        x = total
    return x

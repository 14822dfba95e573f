"""Losses between a picture and its reconstruction: any shape, any common range."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.losses.precise import precise


def l1_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference: the cycle loss |F(G(x)) - x| and the identity loss |G(y) - y| of Zhu et al. 2017."""
    return F.l1_loss(precise(fake), precise(real))


def l2_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference: the content loss of Ledig et al. 2017, equation 4."""
    return F.mse_loss(precise(fake), precise(real))


PIXEL_LOSSES = {"l1": l1_loss, "l2": l2_loss}  # by the name that settings have for them


def psnr(fake: Tensor, real: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of (N, C, H, W) in [0, 1], fakes clipped to it: mean over N, no gradient.

    At most 100, which pictures without a difference get.
    """
    with torch.no_grad():
        errors = (precise(fake).clamp(0, 1) - precise(real)).square().flatten(1).mean(1)  # (N,)
        return (-10 * torch.log10(errors.clamp(min=1e-10))).mean()

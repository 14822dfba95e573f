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


def hole_and_valid_loss(fake: Tensor, real: Tensor, mask: Tensor, *, alike: bool = False) -> tuple[Tensor, Tensor]:
    """Sum of the absolute differences inside the hole and outside of it, each over the number of all values.

    Pictures are (N, C, H, W) and the mask (N, 1, H, W), 1 in the hole: Liu et al. 2018, L_hole and L_valid. Their sum
    is the `l1_loss` of the whole picture. Where all holes are to count `alike`, large or small, that of the hole is the
    mean over each one's own values instead.
    """
    difference = (precise(fake) - precise(real)).abs()
    inside = difference * mask
    valid = difference.mean() - inside.mean()
    if alike:
        share = mask.mean((1, 2, 3)).clamp(min=torch.finfo(inside.dtype).tiny)
        return (inside.mean((1, 2, 3)) / share).mean(), valid
    return inside.mean(), valid


def total_variation(picture: Tensor, region: Tensor) -> Tensor:
    """Mean absolute difference of neighbours to the right and below that both lie in a region.

    The picture is (N, C, H, W), the region (N, 1, H, W), 1 inside: Liu et al. 2018, L_tv, over the number of all values
    of the picture.
    """
    x = precise(picture)
    right = (x.diff(dim=3).abs() * region[..., 1:] * region[..., :-1]).sum()
    below = (x.diff(dim=2).abs() * region[..., 1:, :] * region[..., :-1, :]).sum()
    return (right + below) / x.numel()


PIXEL_LOSSES = {"l1": l1_loss, "l2": l2_loss}  # by the name that settings have for them


def psnr(fake: Tensor, real: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of (N, C, H, W) in [0, 1], fakes clipped to it: mean over N, no gradient.

    At most 100, which pictures without a difference get.
    """
    with torch.no_grad():
        errors = (precise(fake).clamp(0, 1) - precise(real)).square().flatten(1).mean(1)  # (N,)
        return (-10 * torch.log10(errors.clamp(min=1e-10))).mean()

"""Norms of the networks between noise and whole pictures. N samples, C channels, H x W pixels."""

from __future__ import annotations

from typing import Literal

from torch import nn

NoiseNorm = Literal["batch", "layer", "none"]


def noise_norm(kind: NoiseNorm, channels: int) -> nn.Module:
    """The norm of a kind for (N, channels, H, W).

    Batch norm is torch's own and not `i2i.networks.norm.BatchNorm`, which evaluates each picture by its own statistics:
    at 4 x 4 pixels these say little, and they would take away what one noise has that another has not. Evaluated by
    the statistics of the training, a picture is a function of its own noise alone. Layer norm looks at all channels and
    pixels of a sample and has a weight and a bias for each channel (Ba et al. 2016; Gulrajani et al. 2017).
    """
    match kind:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "layer":
            return nn.GroupNorm(1, channels)
        case "none":
            return nn.Identity()

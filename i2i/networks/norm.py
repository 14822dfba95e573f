"""Normalisation. N samples, C channels, H x W pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from i2i.config.network_base import Norm

EPS = 1e-5


class PictureNorm(nn.Module):
    """A norm that, evaluated, takes mean and variance of each channel from the whole picture, see `fixed`."""

    def fixed(self, mean: Tensor, variance: Tensor) -> FixedNorm:
        """The same norm with the statistics of another, larger picture: (C,) each."""
        weight, bias = getattr(self, "weight", None), getattr(self, "bias", None)
        return FixedNorm(mean, variance, weight, bias, EPS)


class FixedNorm(nn.Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias for each channel, all of them given."""

    def __init__(self, mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> None:
        super().__init__()
        self.mean, self.variance, self.weight, self.bias, self.eps = mean, variance, weight, bias, eps

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, training=False, eps=self.eps)


class InstanceNorm(PictureNorm):
    """Each channel of each sample to mean 0 and variance 1; eps 1e-5, no affine, no running statistics.

    `group_norm` with one group per channel: torch's own instance norm returns a wrong gradient, without a word, for
    batch size 1 when the incoming gradient is channels-last (torch 2.13, CPU).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return F.group_norm(x, self.channels, eps=EPS)


class BatchNorm(nn.BatchNorm2d, PictureNorm):
    """Batch norm in training (eps 1e-5, momentum 0.1, affine); in evaluation each picture by its own statistics.

    GANs trained with small batches depend on the statistics of the picture at hand (Isola et al. 2017, section 3.3):
    evaluated so, a picture's result is as in training and does not depend on what else is in its batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        if self.training:
            return super().forward(x)
        return F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)


def norm(kind: Norm, channels: int) -> nn.Module:
    """The normalisation layer of a kind for (N, channels, H, W)."""
    match kind:
        case "instance":
            return InstanceNorm(channels)
        case "batch":
            return BatchNorm(channels)
        case "none":
            return nn.Identity()


def needs_bias(kind: Norm) -> bool:
    """Whether a convolution before this norm has a bias: batch norm brings its own."""
    return kind != "batch"

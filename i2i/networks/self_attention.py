"""Self-attention (Zhang et al. 2019, SAGAN). N batch, C channels, H x W pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.networks.spectral import Convolution, limit


class SelfAttention(nn.Module):
    """x + share * what each place gathers from all others; the share is learned and begins at 0.

    A place compares itself, in C/8 channels, with means of 2 x 2 places' largest values, and takes from them, in C/2
    channels, by the softmax of the inner products, which are not scaled.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(channels // 8, 1), max(channels // 2, 1)
        self.query = Convolution(channels, narrow, 1, bias=False)
        self.key = Convolution(channels, narrow, 1, bias=False)
        self.value = Convolution(channels, half, 1, bias=False)
        self.last = Convolution(half, channels, 1, bias=False)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        query = self.query(x).flatten(2)  # (N, C/8, HW)
        key, value = _pooled(self.key(x)), _pooled(self.value(x))  # (N, C/8, HW/4), (N, C/2, HW/4)
        # By hand: torch's fused attention has no second derivative, which gradient penalties need.
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # (N, HW, HW/4)
        gathered = value @ weights.transpose(1, 2)  # (N, C/2, HW)
        return x + self.share * self.last(gathered.reshape(len(x), -1, *x.shape[2:]))


def limit_where_asked(network: nn.Module, spectral: bool) -> None:
    """Spectral norm for the whole network, or for its self-attention alone, which is published with it."""
    if spectral:
        limit(network)
        return
    for module in network.modules():
        if isinstance(module, SelfAttention):
            limit(module)


def _pooled(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, ceil_mode=True).flatten(2)  # (N, C, HW/4), sides rounded up

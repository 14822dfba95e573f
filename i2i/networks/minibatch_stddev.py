"""Minibatch standard deviation (Karras et al. 2018, Progressive Growing of GANs). N batch, C channels, H x W pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST_GROUP = 4  # samples
EPS = 1e-8


class MinibatchStddev(nn.Module):
    """One more channel that tells how much the samples of a group differ: alike pictures give themselves away.

    Groups are of four neighbouring samples; a batch that four does not divide has groups of three or two. Samples of a
    group are neighbours, so a batch cut into parts of whole groups is judged as in one piece.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + 1, H, W)."""
        samples = len(x)
        group = max(size for size in range(1, LARGEST_GROUP + 1) if samples % size == 0)
        # float16 has no number as small as EPS, and the root would have an infinite slope at samples that are equal.
        precise = x.to(torch.promote_types(x.dtype, torch.float32))
        grouped = precise.view(samples // group, group, *x.shape[1:])  # (N/group, group, C, H, W)
        deviation = (grouped.var(dim=1, correction=0) + EPS).sqrt()  # (N/group, C, H, W)
        each = deviation.mean(dim=(1, 2, 3)).repeat_interleave(group).to(x.dtype)  # (N,)
        return torch.cat([x, each[:, None, None, None].expand(-1, 1, *x.shape[2:])], dim=1)

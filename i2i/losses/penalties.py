"""Gradient penalties on a discriminator: double backward, in float32 or better, never compiled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from i2i.losses.precise import precise


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|gradient of D at x| - 1)^2] at x = real + mix (fake - real) (Gulrajani et al. 2017, algorithm 1).

    real and fake are (N, C, H, W), mix is (N,) uniform in [0, 1]. A patch discriminator's gradient is that of the
    sum of its map. The norm is over all dimensions but the first.
    """
    with torch.autocast(real.device.type, enabled=False):
        real, fake = precise(real.detach()), precise(fake.detach())
        mixed = torch.lerp(real, fake, mix.to(real).view(-1, 1, 1, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
        return (slope.flatten(1).norm(2, 1) - 1).square().mean()

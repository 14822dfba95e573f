"""Gradient penalties on a discriminator: double backward, in float32 or better, never compiled.

A discriminator here gives its logits of any shape, whose sum is differentiated: so a map has the gradient of all its
patches. Several discriminators give a sequence, one entry each, and their penalties are summed. Norms are over all
dimensions but the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from i2i.losses.precise import precise

Judge = Callable[[Tensor], Tensor | Sequence[Tensor]]


def gradient_penalty(discriminator: Judge, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|gradient of D at x| - 1)^2] at x = real + mix (fake - real) (Gulrajani et al. 2017, algorithm 1).

    real and fake are (N, ...) alike, mix is (N,) uniform in [0, 1].
    """
    with torch.autocast(real.device.type, enabled=False):
        real, fake = precise(real.detach()), precise(fake.detach())
        mixed = torch.lerp(real, fake, mix.to(real).view(-1, *[1] * (real.dim() - 1)))
        return torch.stack([(slope.norm(2, 1) - 1).square().mean() for slope in _slopes(discriminator, mixed)]).sum()


def r1_penalty(discriminator: Judge, real: Tensor) -> Tensor:
    """1/2 E[|gradient of D at real|^2] (Mescheder, Geiger, Nowozin 2018, equation 9, without its weight gamma).

    real is (N, ...).
    """
    with torch.autocast(real.device.type, enabled=False):
        slopes = _slopes(discriminator, precise(real.detach()))
        return 0.5 * torch.stack([slope.square().sum(1).mean() for slope in slopes]).sum()


def _slopes(discriminator: Judge, x: Tensor) -> list[Tensor]:
    """(N, all values of a sample) of each discriminator."""
    x = x.detach().requires_grad_()
    judged = discriminator(x)
    totals = [judged.sum()] if isinstance(judged, Tensor) else [logits.sum() for logits in judged]
    return [torch.autograd.grad(total, x, create_graph=True)[0].flatten(1) for total in totals]

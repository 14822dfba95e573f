"""Noise of cameras (Wang et al. 2021, section 3.2) on (N, C, H, W) in [0, 1]; the results are clipped to it."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def luma(pictures: Tensor) -> Tensor:
    """The brightness (N, 1, H, W) of pictures of 1 or 3 channels."""
    if pictures.shape[1] == 1:
        return pictures
    return (pictures * pictures.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def gaussian_noise(pictures: Tensor, deviation: float, *, gray: bool, generator: torch.Generator) -> Tensor:
    """Normal noise of this deviation, 0 to 1; gray: the same for all channels."""
    noise = torch.empty_like(pictures[:, :1] if gray else pictures).normal_(generator=generator)
    return (pictures + deviation * noise).clamp(0, 1)


def poisson_noise(pictures: Tensor, strength: float, *, gray: bool, generator: torch.Generator) -> Tensor:
    """strength (Poisson(v x) / v - x): v is the power of two from the number of distinct 8-bit levels up.

    The levels are counted over the whole batch. gray: x is the luma, and the noise is the same for all channels.
    """
    light = (luma(pictures) if gray else pictures).clamp(0, 1)
    photons = _levels(light)
    noise = torch.poisson(light * photons, generator) / photons - light
    return (pictures + strength * noise).clamp(0, 1)


def _levels(light: Tensor) -> Tensor:
    """The power of two from the number of distinct 8-bit levels up, as a scalar that nobody waits for."""
    levels = (light * 255).round().long().flatten()
    distinct = torch.zeros(256, device=light.device).scatter_(0, levels, 1.0).sum()
    powers = torch.arange(8, device=light.device).exp2()
    return (powers < distinct).sum().to(light.dtype).exp2()

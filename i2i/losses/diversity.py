"""Losses that want a generator's pictures to differ."""

from __future__ import annotations

from torch import Tensor

from i2i.losses.precise import precise

EPS = 1e-5


def mode_seeking_loss(first: Tensor, second: Tensor, first_noise: Tensor, second_noise: Tensor) -> Tensor:
    """1 / (d(pictures) / d(noises) + 1e-5), d the mean absolute difference (Mao et al. 2019, Mode Seeking GANs).

    first and second are (N, C, H, W), made of the noises (N, Z) for the same classes. Large where two noises make one
    picture. The means are over the batch: the loss of a batch is not the mean of those of its parts.
    """
    pictures = (precise(second) - precise(first)).abs().mean()
    noises = (precise(second_noise) - precise(first_noise)).abs().mean()
    return 1 / (pictures / noises + EPS)

"""Degradations of one round: bicubic shrinking alone, or between blur, noise and JPEG.

N batch, C channels, H x W pixels of the photo, s the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from i2i.config.degradation import FirstOrderConfig
from i2i.degradations.base import Degrade
from i2i.degradations.bicubic import imresize
from i2i.degradations.draws import Jpeg, draw_jpeg, draw_seed
from i2i.degradations.jpeg import compressed
from i2i.degradations.kernels import blurred, generalized, identity
from i2i.degradations.noise import gaussian_noise

REACH = 4  # pixels of the small picture; the bicubic kernel reaches a little more than 2


def shrunk(pictures: Tensor, scale: int) -> Tensor:
    """(N, C, H, W) to (N, C, H/s, W/s) by imresize."""
    height, width = pictures.shape[-2:]
    return imresize(pictures, (height // scale, width // scale))


class Bicubic(Degrade):
    """MATLAB's imresize; the seeds change nothing."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, REACH * scale)

    def degraded(self, real: Tensor, seeds: Sequence[int]) -> Tensor:
        """Shrunk."""
        return shrunk(real, self.scale)


@dataclass(frozen=True)
class _Draw:
    """What happens to one picture: deviations in pixels and in [0, 1], 0 for none."""

    sigma: float
    noise: float
    jpeg: Jpeg | None
    noise_seed: int


class FirstOrder(Degrade):
    """Gaussian blur, imresize, Gaussian noise and JPEG, each for a share of the pictures."""

    def __init__(self, config: FirstOrderConfig, scale: int) -> None:
        self.config = config
        self.radius = ceil(3 * config.sigma[1])  # 99.7 % of the widest kernel
        super().__init__(scale, REACH * scale + self.radius)

    def degraded(self, real: Tensor, seeds: Sequence[int]) -> Tensor:
        """Blurred, shrunk, with noise, compressed."""
        draws = [self._draw(np.random.default_rng(seed)) for seed in seeds]
        small = shrunk(blurred(real, [self._kernel(draw.sigma) for draw in draws]), self.scale)
        small = torch.cat([_with_noise(one, draw) for one, draw in zip(small[:, None].unbind(), draws, strict=True)])
        places = [index for index, draw in enumerate(draws) if draw.jpeg]
        if places:
            small[places] = compressed(small[places], [draw.jpeg for draw in draws if draw.jpeg])
        return small

    def _draw(self, rng: np.random.Generator) -> _Draw:
        config = self.config
        return _Draw(
            sigma=rng.uniform(*config.sigma) if rng.random() < config.blur_share else 0.0,
            noise=rng.uniform(*config.noise) / 255 if rng.random() < config.noise_share else 0.0,
            jpeg=draw_jpeg(config.quality, rng) if rng.random() < config.jpeg_share else None,
            noise_seed=draw_seed(rng),
        )

    def _kernel(self, sigma: float) -> Tensor:
        size = 2 * self.radius + 1
        return generalized(size, (sigma, sigma), 0.0) if sigma else identity(size)


def _with_noise(picture: Tensor, draw: _Draw) -> Tensor:
    generator = torch.Generator(picture.device).manual_seed(draw.noise_seed)
    return gaussian_noise(picture, draw.noise, gray=False, generator=generator)

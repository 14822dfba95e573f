"""Degradation of two rounds: Wang et al. 2021, Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
Synthetic Data, figure 2.

Pictures go through it one by one, since each has a size of its own between the resizings. C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from i2i.config.degradation import SecondOrderConfig
from i2i.degradations.base import Degrade
from i2i.degradations.draws import Mode, Noise, Plan, Stage, draw_plan
from i2i.degradations.jpeg import compressed
from i2i.degradations.kernels import blurred
from i2i.degradations.noise import gaussian_noise, poisson_noise


class SecondOrder(Degrade):
    """Blur, resizing, noise and JPEG, twice; a sinc filter before or after the second JPEG."""

    def __init__(self, config: SecondOrderConfig, scale: int) -> None:
        self.config = config
        # The first kernel and the last one. The second round's kernel may lie on pixels of any size, seven of the
        # photo's for the strongest shrinking: with a margin for that, most of the pixels would be thrown away.
        super().__init__(scale, config.first.kernel[1] // 2 + scale * (config.final_kernel[1] // 2))
        largest = max(config.first.kernel[1], config.second.kernel[1], config.final_kernel[1])
        self.smallest = largest // 2 + 1  # side in pixels; reflection at the border needs so many

    def degraded(self, real: Tensor, seeds: Sequence[int]) -> Tensor:
        """Each through its own plan."""
        plans = [draw_plan(self.config, np.random.default_rng(seed)) for seed in seeds]
        return torch.cat(
            [self._one(picture, plan) for picture, plan in zip(real[:, None].unbind(), plans, strict=True)]
        )

    def _one(self, picture: Tensor, plan: Plan) -> Tensor:
        """(1, C, H, W) to (1, C, H/s, W/s)."""
        height, width = picture.shape[-2:]
        final = (height // self.scale, width // self.scale)
        generator = torch.Generator(picture.device).manual_seed(plan.noise_seed)
        picture = self._round(picture, plan.first, (height, width), generator)
        picture = compressed(picture, [plan.first.jpeg])
        picture = self._round(picture, plan.second, final, generator)
        if plan.jpeg_last:
            return compressed(self._finished(picture, plan, final), [plan.second.jpeg])
        return self._finished(compressed(picture, [plan.second.jpeg]), plan, final)

    def _round(self, picture: Tensor, stage: Stage, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Blurred, resized to the stage's factor times the size, with noise."""
        if stage.blur:
            picture = blurred(picture, [stage.blur.kernel()])
        height, width = (max(round(side * stage.factor), self.smallest) for side in size)
        return _with_noise(self._resized(picture, (height, width), stage.mode), stage.noise, generator)

    def _finished(self, picture: Tensor, plan: Plan, size: tuple[int, int]) -> Tensor:
        picture = self._resized(picture, size, plan.mode)
        return blurred(picture, [plan.ringing.kernel()]) if plan.ringing else picture

    def _resized(self, picture: Tensor, size: tuple[int, int], mode: Mode) -> Tensor:
        antialias = self.config.antialias and mode != "area"  # which means over all pixels anyway
        return interpolate(picture, size, mode=mode, antialias=antialias)


def _with_noise(picture: Tensor, noise: Noise, generator: torch.Generator) -> Tensor:
    add = gaussian_noise if noise.kind == "gaussian" else poisson_noise
    return add(picture, noise.strength, gray=noise.gray, generator=generator)

"""Perceptual and style loss of pictures in [-1, 1], each by its weight."""

from __future__ import annotations

from torch import Tensor

from i2i.config.perceptual import PerceptualConfig
from i2i.losses.perceptual import Comparison, Perceptual


class Looks:
    """How far pictures are from real ones by what a network sees in them; nothing where neither loss weighs.

    Raises ConfigError where one does and its features are not at hand.
    """

    def __init__(self, config: PerceptualConfig, *, perceptual: float, style: float) -> None:
        weights: dict[Comparison, float] = {"perceptual": perceptual, "style": style}
        self.weights = {comparison: weight for comparison, weight in weights.items() if weight}
        self.perceptual = Perceptual(config, self.weights) if self.weights else None

    def __call__(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) or gray (N, 1, H, W) in [-1, 1] each -> the weighted losses by name."""
        if self.perceptual is None:
            return {}
        found = self.perceptual.losses(fake / 2 + 0.5, real / 2 + 0.5)
        return {comparison: self.weights[comparison] * loss for comparison, loss in found.items()}

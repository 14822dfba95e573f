"""GAN: Goodfellow et al. 2014, Generative Adversarial Nets, algorithm 1.

Names: see `noise`. The game is min over G, max over D of E[log D(x)] + E[log(1 - D(G(z)))] ("saturating"); with
"vanilla" the generator raises E[log D(G(z))] instead, whose gradient does not vanish where the discriminator wins.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from i2i.config.methods.gan import GANConfig
from i2i.methods.base import Feed, StepInfo, Update
from i2i.methods.contest import Contest
from i2i.methods.noise import NoiseMethod


class GAN(NoiseMethod):
    """Raises as `NoiseMethod` does."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__(config, Contest(config.adversarial, config.remedies, half=False))

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The discriminator first, each time on a fresh batch; then the generator, on fresh noise."""
        for _ in range(self.config.remedies.updates):
            real, label = feed()
            with torch.no_grad():
                draws = self.drawn(label, at)
            yield Update("discriminator", self.telling(real, label, draws, at))
        yield Update("generator", self.fooling(real, label, self.drawn(label, at), at))

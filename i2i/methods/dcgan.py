"""DCGAN: Radford, Metz, Chintala 2016, Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks. Names: see `noise`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from i2i.config.methods.dcgan import DCGANMethodConfig
from i2i.methods.base import Feed, StepInfo, Update
from i2i.methods.contest import Contest
from i2i.methods.noise import NoiseMethod


class DCGAN(NoiseMethod):
    """Raises as `NoiseMethod` does."""

    def __init__(self, config: DCGANMethodConfig) -> None:
        super().__init__(config, Contest(config.adversarial, config.remedies, half=False))

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The discriminator first; the generator then learns by the same pictures, from the discriminator that has."""
        for _ in range(self.config.remedies.updates - 1):
            real, label = feed()
            with torch.no_grad():
                draws = self.drawn(label, at)
            yield Update("discriminator", self.telling(real, label, draws, at))
        real, label = feed()
        draws = self.drawn(label, at)
        yield Update("discriminator", self.telling(real, label, draws, at))
        yield Update("generator", self.fooling(real, label, draws, at))

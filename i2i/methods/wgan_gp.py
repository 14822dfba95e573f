"""WGAN-GP: Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville 2017, Improved Training of Wasserstein GANs, algorithm 1 in
the order of the authors' code.

Names: see `noise`. The critic f (here the discriminator) raises E[f(x)] - E[f(G(z))]; its slopes are bounded by the
penalty lambda E[(|gradient of f at x'| - 1)^2], x' between a real and a fake picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from i2i.config.methods.wgan_gp import WGANGPConfig
from i2i.methods.base import Feed, StepInfo, Update
from i2i.methods.contest import Contest
from i2i.methods.noise import NoiseMethod


class WGANGP(NoiseMethod):
    """Raises as `NoiseMethod` does."""

    def __init__(self, config: WGANGPConfig) -> None:
        contest = Contest("wgan-gp", config.remedies, penalty=config.gradient_penalty, half=False)
        super().__init__(config, contest)

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The generator first, but for the very first step; then the critic, each time on a fresh batch."""
        real, label = feed()
        if at.index:
            yield Update("generator", self.fooling(real, label, self.drawn(label, at), at))
        for number in range(self.config.remedies.updates):
            if number:
                real, label = feed()
            with torch.no_grad():
                draws = self.drawn(label, at)
            yield Update("discriminator", self.telling(real, label, draws, at))

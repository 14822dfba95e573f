"""WGAN: Arjovsky, Chintala, Bottou 2017, Wasserstein GAN, algorithm 1.

Names: see `noise`. The critic f (here the discriminator) raises E[f(x)] - E[f(G(z))], which nears a multiple of the
Wasserstein distance as long as the slopes of f at a picture are bounded: by weights in [-clip, clip].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from i2i.config.methods.wgan import WGANConfig
from i2i.methods.base import Feed, StepInfo, Update
from i2i.methods.contest import Contest
from i2i.methods.noise import NoiseMethod
from i2i.networks.spectral import ClassVectors


class WGAN(NoiseMethod):
    """Raises as `NoiseMethod` does."""

    config: WGANConfig

    def __init__(self, config: WGANConfig) -> None:
        super().__init__(config, Contest("wgan-gp", config.remedies, half=False))  # without a penalty: its first terms

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The critic first, each time on a fresh batch; then the generator, on fresh noise."""
        for _ in range(critic_updates(self.config, at.index)):
            real, label = feed()
            with torch.no_grad():
                draws = self.drawn(label, at)
            yield Update("discriminator", self.telling(real, label, draws, at))
        yield Update("generator", self.fooling(real, label, self.drawn(label, at), at))

    def updated(self, players: tuple[str, ...], means: Mapping[str, Tensor], at: StepInfo) -> None:
        """Cuts the weights of the critic after each of its updates, those of its norms too."""
        if "discriminator" in players:
            with torch.no_grad():
                for weight in weights_that_bound(self.discriminator):
                    weight.clamp_(-self.config.clip, self.config.clip)


def weights_that_bound(critic: nn.Module) -> list[nn.Parameter]:
    """The weights on which the critic's slope at a picture depends: all but what it sees of a class beside the picture.

    Numbers of a class beside the pixels are an input, as the pixels are: of any size they make no slope steeper. A
    vector that is multiplied with features (projection) is a weight.
    """
    seen = {
        module.weight
        for module in critic.modules()
        if isinstance(module, nn.Embedding) and not isinstance(module, ClassVectors)
    }
    return [weight for weight in critic.parameters() if weight not in seen]


def critic_updates(config: WGANConfig, index: int) -> int:
    """Of one step: many in the first steps and now and then later, so that the critic is near its optimum."""
    every = config.warm_up_every
    if index < config.warm_up or (every and index % every == 0):
        return config.warm_up_updates
    return config.remedies.updates

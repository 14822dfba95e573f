"""Settings of WGAN-GP."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.methods.noise import NoiseMethodConfig, NoiseRun
from i2i.config.noise_networks import Critic, NoiseGenerator, NoiseResNetConfig, ResNetCriticConfig
from i2i.config.remedies import RemediesConfig, check_remedies


class WGANGPConfig(NoiseMethodConfig):
    """Gulrajani et al. 2017. Defaults are the published ones."""

    kind: Literal["wgan-gp"] = setting("wgan-gp", "which method")
    generator: NoiseGenerator = setting(
        NoiseResNetConfig(), "network that makes pictures of noise", validate_default=True
    )
    discriminator: Critic = setting(ResNetCriticConfig(), "network that judges pictures", validate_default=True)
    gradient_penalty: float = setting(10.0, "weight of the gradient penalty", gt=0)
    remedies: RemediesConfig = setting(RemediesConfig(updates=5), "remedies against unstable training")

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> Self:
        check_remedies(self.remedies, self.discriminator, "wgan-gp", gradient_penalty=self.gradient_penalty)
        return self


class WGANGPRun(NoiseRun):
    """A training of WGAN-GP."""

    method: WGANGPConfig = WGANGPConfig()

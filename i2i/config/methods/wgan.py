"""Settings of WGAN."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.methods.noise import NoiseMethodConfig, NoiseRun
from i2i.config.noise_networks import Halving
from i2i.config.remedies import RemediesConfig


class WGANConfig(NoiseMethodConfig):
    """Arjovsky et al. 2017. Defaults are the published ones."""

    kind: Literal["wgan"] = setting("wgan", "which method")
    clip: float = setting(0.01, "largest absolute weight of the critic: larger ones are cut after each update", gt=0)
    warm_up: int = setting(25, "first steps, in each of which the critic has warm_up_updates updates", ge=0)
    warm_up_every: int = setting(500, "and so it has in each step of a number divisible by this; 0: in none", ge=0)
    warm_up_updates: int = setting(100, "updates of the critic in those steps", ge=1)
    remedies: RemediesConfig = setting(RemediesConfig(updates=5), "remedies against unstable training")

    @model_validator(mode="after")
    def _clipping_alone_bounds_the_critic(self) -> Self:
        if self.remedies.penalty != "none":
            raise ValueError(
                "the critic's weights are clipped, and a penalty has no place beside that: use i2i train wgan-gp"
            )
        if self.remedies.label_smoothing:
            raise ValueError("a critic knows no labels to smooth: leave method.remedies.label_smoothing out")
        attention = isinstance(self.discriminator, Halving) and self.discriminator.attention
        for name, divides in (("spectral", self.discriminator.spectral), ("attention", attention)):
            if divides:
                raise ValueError(
                    "clipped weights are divided by their spectral norm again: "
                    f"set method.discriminator.{name}=false, or use i2i train wgan-gp"
                )
        return self

    @model_validator(mode="after")
    def _a_warm_up_that_never_comes_has_no_updates(self) -> Self:
        usual = type(self).model_fields["warm_up_updates"].default
        if not self.warm_up and not self.warm_up_every and self.warm_up_updates != usual:
            raise ValueError(
                f"warm_up_updates={self.warm_up_updates} has no effect without warm_up and warm_up_every: "
                f"set method.warm_up=25, or method.warm_up_updates={usual}"
            )
        return self


class WGANRun(NoiseRun):
    """A training of WGAN."""

    method: WGANConfig = WGANConfig()

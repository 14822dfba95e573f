"""Settings of the first GAN."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.methods.noise import Judged, NoiseMethodConfig, NoiseRun
from i2i.config.noise_networks import Critic, NoiseGenerator, PerceptronConfig, PerceptronCriticConfig
from i2i.config.remedies import check_remedies


class GANConfig(NoiseMethodConfig):
    """Goodfellow et al. 2014, with networks of dense layers."""

    kind: Literal["gan"] = setting("gan", "which method")
    generator: NoiseGenerator = setting(
        PerceptronConfig(), "network that makes pictures of noise", validate_default=True
    )
    discriminator: Critic = setting(PerceptronCriticConfig(), "network that judges pictures", validate_default=True)
    adversarial: Judged = setting(
        "vanilla",
        "adversarial loss: vanilla: the generator raises log D(G(z)); saturating: it lowers log(1 - D(G(z))), the "
        "minimax game; or one of later papers",
    )

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> Self:
        check_remedies(self.remedies, self.discriminator, self.adversarial)
        return self


class GANRun(NoiseRun):
    """A training of the first GAN."""

    method: GANConfig = GANConfig()

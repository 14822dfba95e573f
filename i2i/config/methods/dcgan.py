"""Settings of DCGAN."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.methods.noise import Judged, NoiseMethodConfig, NoiseRun
from i2i.config.remedies import check_remedies


class DCGANMethodConfig(NoiseMethodConfig):
    """Radford et al. 2016. Defaults are those of the authors' code."""

    kind: Literal["dcgan"] = setting("dcgan", "which method")
    adversarial: Judged = setting("vanilla", "adversarial loss")

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> Self:
        check_remedies(self.remedies, self.discriminator, self.adversarial)
        return self


class DCGANRun(NoiseRun):
    """A training of DCGAN."""

    method: DCGANMethodConfig = DCGANMethodConfig()

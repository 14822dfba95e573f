"""Settings of CycleGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.data import UnpairedConfig
from i2i.config.losses import Adversarial
from i2i.config.networks import Discriminator, Generator, PatchGANConfig, ResNetConfig
from i2i.config.remedies import RemediesConfig, check_remedies, check_samples
from i2i.config.run import MethodConfig, RunConfig


class CycleGANConfig(MethodConfig):
    """Zhu et al. 2017. Defaults are the published ones."""

    kind: Literal["cyclegan"] = setting("cyclegan", "which method")
    channels_a: Literal[1, 3] = setting(3, "channels of domain A: 3 colour, 1 gray")
    channels_b: Literal[1, 3] = setting(3, "channels of domain B: 3 colour, 1 gray")
    generator: Generator = setting(ResNetConfig(), "network of both generators")
    discriminator: Discriminator = setting(PatchGANConfig(), "network of both discriminators")
    adversarial: Adversarial = setting("lsgan", "adversarial loss")
    gradient_penalty: float = setting(10.0, "weight of the gradient penalty; wgan-gp alone has one", ge=0)
    cycle_a: float = setting(10.0, "weight of the cycle a -> b -> a", ge=0)
    cycle_b: float = setting(10.0, "weight of the cycle b -> a -> b", ge=0)
    identity: float = setting(0.5, "weight of the identity loss, relative to the cycle weights; 0 for none", ge=0)
    history: int = setting(50, "past pictures that each discriminator is shown again; 0 for none", ge=0)
    remedies: RemediesConfig = setting(RemediesConfig(), "remedies against unstable training")

    @model_validator(mode="after")
    def _label_maps_are_for_pairs(self) -> CycleGANConfig:
        if self.generator.labels:
            raise ValueError("label maps are for pix2pix: set method.generator.labels=0")
        return self

    @model_validator(mode="after")
    def _identity_needs_equal_channels(self) -> CycleGANConfig:
        if self.identity > 0 and self.channels_a != self.channels_b:
            raise ValueError("the identity loss needs equal channels in A and B: set method.identity=0")
        return self

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> CycleGANConfig:
        check_remedies(self.remedies, self.discriminator, self.adversarial, gradient_penalty=self.gradient_penalty)
        return self


class CycleGANRun(RunConfig):
    """A training of CycleGAN."""

    method: CycleGANConfig = CycleGANConfig()
    data: UnpairedConfig = UnpairedConfig()

    @model_validator(mode="after")
    def _samples_can_be_compared(self) -> CycleGANRun:
        check_samples(self.method.discriminator, self.samples, self.engine.micro_batches)
        return self

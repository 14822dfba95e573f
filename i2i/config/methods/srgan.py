"""Settings of SRGAN and the methods after it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.data import PhotosConfig
from i2i.config.degradation import BicubicConfig, Degradation
from i2i.config.losses import Adversarial
from i2i.config.networks import (
    RRDBConfig,
    SPANConfig,
    UNetDiscriminatorConfig,
    Upscaler,
    UpscalingDiscriminator,
)
from i2i.config.perceptual import PerceptualConfig
from i2i.config.remedies import RemediesConfig, check_remedies, check_samples, check_there_is_a_discriminator
from i2i.config.run import MethodConfig, RunConfig

SMALLEST_SHARPENED = 32  # side of crops that hold the reflection which sharpening needs


class SRGANConfig(MethodConfig):
    """Ledig et al. 2017; the built-in loss weights are those of Wang et al. 2018 (ESRGAN)."""

    kind: Literal["srgan"] = setting("srgan", "which method")
    scale: Literal[2, 3, 4] = setting(4, "output pixels for each input pixel across", option="--scale")
    generator: Upscaler = setting(SPANConfig(), "network that enlarges; its scale is method.scale")
    discriminator: UpscalingDiscriminator = setting(UNetDiscriminatorConfig(), "network that judges enlarged crops")
    degradation: Degradation = setting(BicubicConfig(), "how the small pictures are made of the photos")
    stage: Literal["auto", "pixel", "adversarial"] = setting(
        "auto",
        "auto: first the pixel loss alone, then all losses; pixel: the first only; adversarial: the second only, from "
        "the model that --init names",
        option="--stage",
    )
    adversarial_share: float = setting(0.25, "share of the steps that the second stage takes", gt=0, lt=1)
    adversarial_rate: float = setting(
        0.2, "learning rate of the second stage after a first one, as a share of train.lr", gt=0
    )
    warm_up: int = setting(0, "steps of the second stage in which the discriminator alone learns", ge=0)
    pixel: Literal["l1", "l2"] = setting("l1", "pixel loss: mean absolute or squared difference")
    pixel_weight: float = setting(0.01, "weight of the pixel loss in the second stage; in the first it is 1", ge=0)
    perceptual_weight: float = setting(1.0, "weight of the perceptual loss", ge=0)
    adversarial_weight: float = setting(0.005, "weight of the adversarial loss", gt=0)
    sharpen: bool = setting(
        False,
        "let pixel and perceptual loss ask for sharpened photos (Wang et al. 2021); the discriminator sees plain ones",
    )
    adversarial: Adversarial = setting("ragan", "adversarial loss")
    shift: bool = setting(
        False, "move what the perceptual loss sees by less than the scale at random, against grids in the result"
    )
    perceptual: PerceptualConfig = setting(PerceptualConfig(), "network and layers of the perceptual loss")
    remedies: RemediesConfig = setting(RemediesConfig(), "remedies against unstable training")

    @model_validator(mode="before")
    @classmethod
    def _the_generator_has_the_method_s_scale(cls, tables: Any) -> Any:
        if isinstance(tables, dict) and isinstance(generator := tables.get("generator"), dict):
            scale = tables.get("scale", cls.model_fields["scale"].default)
            if not (generator.get("kind") == "rrdb" and scale == 3):
                return tables | {"generator": generator | {"scale": scale}}
        return tables

    @model_validator(mode="after")
    def _photos_have_three_channels(self) -> SRGANConfig:
        generator, discriminator = self.generator, self.discriminator
        if (generator.input_channels, generator.output_channels, discriminator.input_channels) != (3, 3, 3):
            raise ValueError("photos are trained on in colour: leave input_channels and output_channels at 3")
        return self

    @model_validator(mode="after")
    def _there_is_no_style_loss(self) -> SRGANConfig:
        if self.perceptual.style_layers:
            raise ValueError("srgan has no style loss: leave method.perceptual.style_layers out")
        return self

    @model_validator(mode="after")
    def _the_network_has_this_scale(self) -> SRGANConfig:
        if isinstance(self.generator, RRDBConfig) and self.scale == 3:
            raise ValueError("an rrdb network enlarges by 2 or 4: set method.scale=4")
        if self.adversarial == "wgan-gp":
            raise ValueError("the adversarial loss wgan-gp is not built for this method: set method.adversarial=ragan")
        return self

    @property
    def judged(self) -> bool:
        """Whether a discriminator judges what is made."""
        return self.stage != "pixel"

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> SRGANConfig:
        if self.stage == "pixel":
            check_there_is_a_discriminator(self.remedies, otherwise="method.stage=auto")
        else:
            check_remedies(self.remedies, self.discriminator, self.adversarial)
        return self


class SRGANRun(RunConfig):
    """A training of SRGAN."""

    method: SRGANConfig = SRGANConfig()
    data: PhotosConfig = PhotosConfig()

    @model_validator(mode="after")
    def _samples_can_be_compared(self) -> SRGANRun:
        if self.method.stage != "pixel":
            check_samples(self.method.discriminator, self.samples, self.engine.micro_batches)
        return self

    @model_validator(mode="after")
    def _crops_can_be_shrunk(self) -> SRGANRun:
        scale, size = self.method.scale, self.data.size
        if size % scale:
            raise ValueError(f"crops of {size} px cannot be shrunk by {scale}: set data.size={size // scale * scale}")
        return self

    @model_validator(mode="after")
    def _crops_can_be_sharpened(self) -> SRGANRun:
        if self.method.sharpen and self.data.size < SMALLEST_SHARPENED:
            raise ValueError(f"sharpening looks 25 px around: set data.size={SMALLEST_SHARPENED} or more")
        return self

    @model_validator(mode="after")
    def _the_second_stage_begins_somewhere(self) -> SRGANRun:
        if self.method.stage == "adversarial" and self.train.init is None:
            raise ValueError("the adversarial stage begins at a trained model: name it with --init")
        return self

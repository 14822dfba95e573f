"""Settings of SRGAN and the methods after it."""

from __future__ import annotations

from typing import Literal

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
from i2i.config.run import MethodConfig, RunConfig


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
    adversarial_lr: float = setting(1e-4, "learning rate of Adam in the second stage", gt=0)
    warm_up: int = setting(0, "steps of the second stage in which the discriminator alone learns", ge=0)
    pixel: Literal["l1", "l2"] = setting("l1", "pixel loss: mean absolute or squared difference")
    pixel_weight: float = setting(0.01, "weight of the pixel loss in the second stage; in the first it is 1", ge=0)
    perceptual_weight: float = setting(1.0, "weight of the perceptual loss", ge=0)
    adversarial_weight: float = setting(0.005, "weight of the adversarial loss", gt=0)
    adversarial: Adversarial = setting("ragan", "adversarial loss")
    perceptual: PerceptualConfig = setting(PerceptualConfig(), "network and layers of the perceptual loss")

    @model_validator(mode="after")
    def _the_network_has_this_scale(self) -> SRGANConfig:
        if isinstance(self.generator, RRDBConfig) and self.scale == 3:
            raise ValueError("an rrdb network enlarges by 2 or 4: set method.scale=4")
        if self.adversarial == "wgan-gp":
            raise ValueError("the adversarial loss wgan-gp is not built for this method: set method.adversarial=ragan")
        return self


class SRGANRun(RunConfig):
    """A training of SRGAN."""

    method: SRGANConfig = SRGANConfig()
    data: PhotosConfig = PhotosConfig()

    @model_validator(mode="after")
    def _crops_can_be_shrunk(self) -> SRGANRun:
        scale, size = self.method.scale, self.data.size
        if size % scale:
            raise ValueError(f"crops of {size} px cannot be shrunk by {scale}: set data.size={size // scale * scale}")
        return self

    @model_validator(mode="after")
    def _the_second_stage_begins_somewhere(self) -> SRGANRun:
        if self.method.stage == "adversarial" and self.train.init is None:
            raise ValueError("the adversarial stage begins at a trained model: name it with --init")
        return self

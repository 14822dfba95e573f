"""Settings of inpainting: DeepFillv2 and the losses of other papers by weight."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.data import MaskedConfig
from i2i.config.losses import Adversarial
from i2i.config.networks import GatedConfig, InpaintingDiscriminator, SpectralPatchGANConfig
from i2i.config.perceptual import PerceptualConfig
from i2i.config.remedies import RemediesConfig, check_remedies, check_samples, check_there_is_a_discriminator
from i2i.config.run import MethodConfig, RunConfig


class InpaintConfig(MethodConfig):
    """Yu et al. 2019. Defaults are the published ones."""

    kind: Literal["inpaint"] = setting("inpaint", "which method")
    generator: GatedConfig = setting(GatedConfig(), "network that paints")
    discriminator: InpaintingDiscriminator = setting(
        SpectralPatchGANConfig(), "network that judges a picture beside its mask"
    )
    hole_weight: float = setting(1.0, "weight of the absolute difference inside the holes, over all pixels", ge=0)
    holes_alike: bool = setting(
        False, "let small holes count as much as large ones: that difference over each hole's own pixels (ours)"
    )
    valid_weight: float = setting(1.0, "weight of the absolute difference outside of them, over all pixels", ge=0)
    coarse_weight: float = setting(
        1.0, "weight of the same differences of the coarse picture, where the generator makes one", ge=0
    )
    adversarial: Adversarial = setting("hinge", "adversarial loss")
    adversarial_weight: float = setting(
        1.0, "weight of the adversarial loss; 0: no discriminator, the other losses alone", ge=0
    )
    feature_matching: float = setting(
        0.0, "weight of the differences of the discriminator's hidden layers (Wang et al. 2018)", ge=0
    )
    perceptual_weight: float = setting(0.0, "weight of the perceptual loss", ge=0)
    style_weight: float = setting(0.0, "weight of the style loss", ge=0)
    variation_weight: float = setting(
        0.0, "weight of the total variation in the holes and one pixel around; 0.1 in Liu et al. 2018", ge=0
    )
    perceptual: PerceptualConfig = setting(PerceptualConfig(), "network and layers of perceptual and style loss")
    remedies: RemediesConfig = setting(RemediesConfig(), "remedies against unstable training")

    @model_validator(mode="after")
    def _something_says_what_belongs_into_holes(self) -> InpaintConfig:
        if not any((self.hole_weight, self.adversarial_weight, self.perceptual_weight, self.style_weight)):
            raise ValueError("nothing says what belongs into the holes: set method.hole_weight=1")
        if self.feature_matching and not self.adversarial_weight:
            raise ValueError("feature matching needs a discriminator: set method.adversarial_weight=1")
        if self.feature_matching and self.discriminator.kind == "patchgan-sn" and self.discriminator.layers == 1:
            raise ValueError("a single layer hides none that could be compared: set method.discriminator.layers=2")
        if self.adversarial == "wgan-gp":
            raise ValueError("the adversarial loss wgan-gp is not built for this method: set method.adversarial=hinge")
        return self

    @model_validator(mode="after")
    def _a_weight_of_the_coarse_picture_needs_one(self) -> InpaintConfig:
        if not self.generator.coarse and self.coarse_weight not in (0.0, 1.0):  # 1 may be nobody's wish but the default
            raise ValueError(f"coarse_weight={self.coarse_weight} has no effect without a coarse stage: leave it out")
        return self

    @property
    def judged(self) -> bool:
        """Whether a discriminator judges what is made."""
        return self.adversarial_weight > 0

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> InpaintConfig:
        if self.adversarial_weight == 0:
            check_there_is_a_discriminator(self.remedies, otherwise="method.adversarial_weight=1")
        else:
            check_remedies(self.remedies, self.discriminator, self.adversarial)
        return self


class InpaintRun(RunConfig):
    """A training of inpainting."""

    method: InpaintConfig = InpaintConfig()
    data: MaskedConfig = MaskedConfig()

    @model_validator(mode="after")
    def _samples_can_be_compared(self) -> InpaintRun:
        if self.method.adversarial_weight:
            check_samples(self.method.discriminator, self.samples, self.engine.micro_batches)
        return self

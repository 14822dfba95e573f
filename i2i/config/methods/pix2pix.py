"""Settings of pix2pix and of the methods after it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from i2i.config.base import setting
from i2i.config.data import DERIVED, PairedConfig
from i2i.config.losses import Adversarial
from i2i.config.networks import PairedDiscriminator, PairedGenerator, PatchGANConfig, UNetConfig
from i2i.config.perceptual import PerceptualConfig
from i2i.config.remedies import RemediesConfig, check_remedies, check_samples, check_there_is_a_discriminator
from i2i.config.run import MethodConfig, RunConfig

GRAY_MADE = ("colorize", "edges")  # pairs whose domain A is made of photos and has one channel


class Pix2PixConfig(MethodConfig):
    """Isola et al. 2017. Defaults are the published ones; pix2pixHD's losses are there by weight."""

    kind: Literal["pix2pix"] = setting("pix2pix", "which method")
    direction: Literal["a2b", "b2a"] = setting("a2b", "what is made of what: B of A, or A of B", option="--direction")
    channels_a: Literal[1, 3] | None = setting(
        None, "channels of domain A: 3 colour, 1 gray (default: 3; 1 where A is made gray, by colorize and edges)"
    )
    channels_b: Literal[1, 3] = setting(3, "channels of domain B: 3 colour, 1 gray")
    labels: int = setting(
        0, "classes of the input's label maps, whose pixels are class numbers; 0: the input is a picture", ge=0, le=256
    )
    generator: PairedGenerator = setting(UNetConfig(), "network that translates")
    discriminator: PairedDiscriminator = setting(
        PatchGANConfig(norm="batch"), "network that judges a translation beside its input"
    )
    adversarial: Adversarial = setting("vanilla", "adversarial loss")
    adversarial_weight: float = setting(
        1.0, "weight of the adversarial loss; 0: no discriminator, the other losses alone", ge=0
    )
    gradient_penalty: float = setting(10.0, "weight of the gradient penalty; wgan-gp alone has one", ge=0)
    pixel: Literal["l1", "l2"] = setting("l1", "pixel loss: mean absolute or squared difference")
    pixel_weight: float = setting(100.0, "weight of the pixel loss", ge=0)
    feature_matching: float = setting(
        0.0, "weight of the differences of the discriminator's hidden layers; 10 in pix2pixHD (Wang et al. 2018)", ge=0
    )
    perceptual_weight: float = setting(0.0, "weight of the perceptual loss", ge=0)
    style_weight: float = setting(0.0, "weight of the style loss", ge=0)
    perceptual: PerceptualConfig = setting(PerceptualConfig(), "network and layers of perceptual and style loss")
    remedies: RemediesConfig = setting(RemediesConfig(), "remedies against unstable training")

    @property
    def domains(self) -> tuple[str, str]:
        """Input and output: a and b in their order."""
        return ("a", "b") if self.direction == "a2b" else ("b", "a")

    @property
    def channels(self) -> tuple[int, int]:
        """Of input and output; a label map has one."""
        given = {"a": self.channels_a or 3, "b": self.channels_b}
        source, target = self.domains
        return (1 if self.labels else given[source], given[target])

    @property
    def judged(self) -> bool:
        """Whether a discriminator judges what is made."""
        return self.adversarial_weight > 0

    @property
    def judged_channels(self) -> int:
        """Of the input, as the discriminator sees it, and the output together."""
        return (self.labels or self.channels[0]) + self.channels[1]

    @model_validator(mode="after")
    def _something_says_what_is_wanted(self) -> Pix2PixConfig:
        wanted = (self.adversarial_weight, self.pixel_weight, self.perceptual_weight, self.style_weight)
        if not any(wanted):
            raise ValueError("every loss weighs 0, so nothing is learned: set method.pixel_weight=100")
        if self.feature_matching and not self.adversarial_weight:
            raise ValueError("feature matching needs a discriminator: set method.adversarial_weight=1")
        return self

    @model_validator(mode="after")
    def _label_maps_are_told_in_one_place(self) -> Pix2PixConfig:
        if self.generator.labels not in (0, self.labels):
            raise ValueError(f"the input's classes are method.labels: set method.labels={self.generator.labels}")
        return self

    @model_validator(mode="after")
    def _brightness_is_kept_of_gray_alone(self) -> Pix2PixConfig:
        keeps = isinstance(self.generator, UNetConfig) and self.generator.keep_luma
        if keeps and (self.labels or self.channels != (1, 3)):
            raise ValueError("keep_luma makes colour of gray: set method.channels_a=1, or keep_luma=false")
        return self

    @model_validator(mode="after")
    def _remedies_go_with_the_rest(self) -> Pix2PixConfig:
        if self.adversarial_weight == 0:
            check_there_is_a_discriminator(self.remedies, otherwise="method.adversarial_weight=1")
        else:
            check_remedies(self.remedies, self.discriminator, self.adversarial, gradient_penalty=self.gradient_penalty)
        return self


class Pix2PixRun(RunConfig):
    """A training of pix2pix."""

    method: Pix2PixConfig = Pix2PixConfig()
    data: PairedConfig = PairedConfig()

    @model_validator(mode="before")
    @classmethod
    def _what_is_made_gray_has_one_channel(cls, tables: Any) -> Any:
        if not (isinstance(tables, dict) and isinstance(data := tables.get("data"), dict)):
            return tables
        method = tables.get("method", {})
        if data.get("pairs") in GRAY_MADE and isinstance(method, dict) and method.get("channels_a") is None:
            return tables | {"method": method | {"channels_a": 1}}
        return tables

    @model_validator(mode="after")
    def _samples_can_be_compared(self) -> Pix2PixRun:
        if self.method.adversarial_weight:
            check_samples(self.method.discriminator, self.samples, self.engine.micro_batches)
        return self

    @model_validator(mode="after")
    def _channels_are_those_that_are_made(self) -> Pix2PixRun:
        wanted = 1 if self.data.pairs in GRAY_MADE else 3
        if self.data.pairs in DERIVED and (self.method.channels_a or 3) != wanted:
            raise ValueError(f"--pairs {self.data.pairs} makes A in {wanted} channels: set method.channels_a={wanted}")
        return self

"""pix2pix: Isola, Zhu, Zhou, Efros 2017, Image-to-Image Translation with Conditional Adversarial Networks; with the
feature matching of Wang et al. 2018 (pix2pixHD), perceptual and style losses by choice.

Names: real_a is the input and real_b what belongs to it, whichever domains of the data they are; fake_b =
generator(real_a). The discriminator judges a picture beside the input. Pictures are (N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from torch import Tensor, cat, nn, stack

from i2i.config.methods.pix2pix import Pix2PixConfig
from i2i.data.batches import Paired
from i2i.losses.adversarial import RELATIVISTIC
from i2i.losses.penalties import gradient_penalty
from i2i.losses.reconstruction import PIXEL_LOSSES
from i2i.methods.base import Feed, Method, Player, StepInfo, Update
from i2i.methods.looks import Looks
from i2i.methods.verdicts import fooling, telling
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.labels import OneHot
from i2i.networks.patchgan import Verdict


class Pix2Pix(Method):
    """A generator that learns from pairs of pictures, and a discriminator of such pairs.

    Raises ConfigError where a perceptual or style loss is asked for and its features are not at hand.
    """

    task = "translate"
    keeps_gray = False  # the pairs say what is to come of gray

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        self.config = config
        source, target = config.channels
        channels = {"input_channels": source, "output_channels": target, "labels": config.labels}
        self.generator = build(type(config.generator)(**config.generator.model_dump() | channels))
        judged = config.discriminator.model_dump() | {"input_channels": config.judged_channels}
        self.discriminator = build(type(config.discriminator)(**judged)) if config.adversarial_weight else None
        self.shown = OneHot(config.labels) if config.labels else nn.Identity()
        self.pixel_loss = PIXEL_LOSSES[config.pixel]
        self.looks = Looks(config.perceptual, perceptual=config.perceptual_weight, style=config.style_weight)
        if config.adversarial in RELATIVISTIC and self.discriminator is not None:
            self.coupled = ("gan", "d")

    def players(self) -> dict[str, Player]:
        """The discriminator, which learns first, and the generator."""
        judges = {} if self.discriminator is None else {"discriminator": Player(self.discriminator)}
        return {**judges, "generator": Player(self.generator)}

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The discriminator first; the generator then learns from the discriminator that has."""
        real_a, real_b = feed()
        fake_b = self.generator(real_a)
        if self.discriminator is not None:
            yield Update("discriminator", self._telling(real_a, real_b, fake_b.detach().to(real_b.dtype), at))
        yield Update("generator", {**self._fooling(real_a, real_b, fake_b), **self._likeness(real_b, fake_b)})

    def _telling(self, real_a: Tensor, real_b: Tensor, fake_b: Tensor, at: StepInfo) -> dict[str, Tensor]:
        config = self.config
        fakes, reals = self._judged(real_a, fake_b), self._judged(real_a, real_b)
        told = {"d": telling(config.adversarial, reals, fakes)}
        if config.adversarial == "wgan-gp" and config.gradient_penalty:
            mix = at.draws.uniform(len(real_b))
            penalty = gradient_penalty(lambda picture: self._total(real_a, picture), real_b, fake_b, mix)
            told["d_penalty"] = config.gradient_penalty * penalty
        return told

    def _fooling(self, real_a: Tensor, real_b: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """What the discriminator says of the translation, and what it sees in it other than in the real picture."""
        config = self.config
        if self.discriminator is None:
            return {}
        judge = partial(self._judged, real_a)
        weights = {"weight": config.adversarial_weight, "matching": config.feature_matching}
        return fooling(config.adversarial, judge, real_b, fake_b, **weights)

    def _likeness(self, real_b: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """How far the translation is from the real picture, by pixels and by features."""
        config = self.config
        losses: dict[str, Tensor] = {}
        if config.pixel_weight:
            losses[config.pixel] = config.pixel_weight * self.pixel_loss(fake_b, real_b)
        return {**losses, **self.looks(fake_b, real_b)}

    def _judged(self, real_a: Tensor, picture: Tensor) -> list[Verdict]:
        assert self.discriminator is not None
        return self.discriminator.judge(cat([self.shown(real_a), picture], dim=1))

    def _total(self, real_a: Tensor, picture: Tensor) -> Tensor:
        """All logits as one sum: its gradient is that of each sample's own."""
        return stack([verdict.logits.sum() for verdict in self._judged(real_a, picture)]).sum()

    def deployed(self) -> dict[str, Network]:
        """The generator, by its direction."""
        return {self.config.direction: self.generator}

    def judges(self) -> dict[str, Network]:
        """The discriminator where there is one."""
        return {} if self.discriminator is None else {"discriminator": self.discriminator}

    def pictures(self, batch: Paired, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Input (classes from black to white), translation, and the picture that belongs to the input."""
        real_a, real_b = batch
        shown = (real_a + 1) * (255 / max(1, self.config.labels - 1)) - 1 if self.config.labels else real_a
        return {"real_a": shown, "fake_b": deployed[self.config.direction](real_a), "real_b": real_b}

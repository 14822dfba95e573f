"""pix2pix: Isola, Zhu, Zhou, Efros 2017, Image-to-Image Translation with Conditional Adversarial Networks; with the
feature matching of Wang et al. 2018 (pix2pixHD), perceptual and style losses by choice.

Names: real_a is the input and real_b what belongs to it, whichever domains of the data they are; fake_b =
generator(real_a). The discriminator judges a picture beside the input. Pictures are (N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, cat, nn

from i2i.config.methods.pix2pix import Pix2PixConfig
from i2i.data.batches import Paired
from i2i.losses.reconstruction import PIXEL_LOSSES
from i2i.methods.base import Feed, Method, Player, StepInfo, Update
from i2i.methods.contest import Contest, discriminators, learning, members
from i2i.methods.looks import Looks
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
        judge = type(config.discriminator)(**judged)
        self.discriminator = discriminators(judge, config.remedies) if config.adversarial_weight else None
        self.contest = Contest(config.adversarial, config.remedies, penalty=config.gradient_penalty, order="fake first")
        self.shown = OneHot(config.labels) if config.labels else nn.Identity()
        self.pixel_loss = PIXEL_LOSSES[config.pixel]
        self.looks = Looks(config.perceptual, perceptual=config.perceptual_weight, style=config.style_weight)
        if self.discriminator is not None and self.contest.compares(self.discriminator):
            self.coupled = ("gan", "d")

    def players(self) -> dict[str, Player]:
        """The discriminator, which learns first, and the generator."""
        return {**learning(self.discriminator, self.config.remedies), "generator": Player(self.generator)}

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The discriminator first; the generator then learns from the discriminator that has."""
        for _ in range(self.config.remedies.updates - 1):
            real_a, real_b = feed()
            with torch.no_grad():
                fake_b = self.generator(real_a)
            yield Update("discriminator", self._telling(real_a, real_b, fake_b, at))
        real_a, real_b = feed()
        fake_b = self.generator(real_a)
        if self.discriminator is not None:
            yield Update("discriminator", self._telling(real_a, real_b, fake_b, at))
        yield Update("generator", {**self._fooling(real_a, real_b, fake_b, at), **self._likeness(real_b, fake_b)})

    def _telling(self, real_a: Tensor, real_b: Tensor, fake_b: Tensor, at: StepInfo) -> dict[str, Tensor]:
        return self.contest.telling(self._judged, real_b, fake_b, at, beside=self.shown(real_a))

    def _fooling(self, real_a: Tensor, real_b: Tensor, fake_b: Tensor, at: StepInfo) -> dict[str, Tensor]:
        """What the discriminator says of the translation, and what it sees in it other than in the real picture."""
        config = self.config
        if self.discriminator is None:
            return {}
        return self.contest.fooling(
            self._judged,
            real_b,
            fake_b,
            at,
            beside=self.shown(real_a),
            weight=config.adversarial_weight,
            matching=config.feature_matching,
        )

    def _likeness(self, real_b: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """How far the translation is from the real picture, by pixels and by features."""
        config = self.config
        losses: dict[str, Tensor] = {}
        if config.pixel_weight:
            losses[config.pixel] = config.pixel_weight * self.pixel_loss(fake_b, real_b)
        return {**losses, **self.looks(fake_b, real_b)}

    def _judged(self, picture: Tensor, shown: Tensor) -> list[Verdict]:
        assert self.discriminator is not None
        return self.discriminator.judge(cat([shown, picture], dim=1))

    def deployed(self) -> dict[str, Network]:
        """The generator, by its direction."""
        return {self.config.direction: self.generator}

    def judges(self) -> dict[str, Network]:
        """The discriminators where there are any."""
        return members("discriminator", self.discriminator)

    def pictures(self, batch: Paired, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Input (classes from black to white), translation, and the picture that belongs to the input."""
        real_a, real_b = batch
        shown = (real_a + 1) * (255 / max(1, self.config.labels - 1)) - 1 if self.config.labels else real_a
        return {"real_a": shown, "fake_b": deployed[self.config.direction](real_a), "real_b": real_b}

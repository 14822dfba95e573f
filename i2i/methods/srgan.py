"""SRGAN: Ledig et al. 2017, Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network; with
the relativistic loss and weights of Wang et al. 2018 (ESRGAN) by choice.

Names: `real` are crops of photos, `low` what is left of them after the degradation, `fake` = up(low). Pictures are
(N, 3, H, W) in [0, 1]; s is the scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import EllipsisType

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from i2i.config.methods.srgan import SRGANConfig
from i2i.data.batches import Photos
from i2i.degradations.build import degradation
from i2i.degradations.sharpening import sharpened
from i2i.errors import ConfigError
from i2i.losses.perceptual import Perceptual
from i2i.losses.reconstruction import PIXEL_LOSSES, psnr
from i2i.methods.base import Feed, Method, Player, Stage, StepInfo, Update, derive_seed, samples_meet
from i2i.methods.contest import Contest, discriminators, learning, members
from i2i.networks.base import Network
from i2i.networks.build import build


class SRGAN(Method):
    """A generator that learns to undo a degradation: first pixel by pixel, then before a discriminator.

    Raises ConfigError where the second stage has a perceptual loss and its features are not at hand.
    """

    task = "upscale"
    value_range = (0.0, 1.0)

    def __init__(self, config: SRGANConfig) -> None:
        super().__init__()
        self.config = config
        self.degrade = degradation(config.degradation, config.scale)
        self.generator = build(type(config.generator)(**config.generator.model_dump() | {"scale": config.scale}))
        self.discriminator = None if config.stage == "pixel" else discriminators(config.discriminator, config.remedies)
        meet = self.discriminator is not None and samples_meet(self.discriminator)
        self.contest = Contest(config.adversarial, config.remedies, order="real first" if meet else "together")
        self.pixel_loss = PIXEL_LOSSES[config.pixel]
        has_features = config.stage != "pixel" and config.perceptual_weight > 0
        self.perceptual = Perceptual(config.perceptual) if has_features else None
        if self.discriminator is not None and self.contest.compares(self.discriminator):
            self.coupled = ("adversarial", "discriminator")

    @property
    def margin(self) -> int:
        """Pixels at each side of the photos' crops that only the degradation sees."""
        return self.degrade.margin

    def players(self) -> dict[str, Player]:
        """The generator, and the discriminator where there is a second stage."""
        return {"generator": Player(self.generator), **learning(self.discriminator, self.config.remedies)}

    def stages(self, total: int) -> tuple[Stage, ...]:
        """The pixel stage, the adversarial stage, or one after the other."""
        config = self.config
        if config.stage == "pixel":
            return (Stage("pixel"),)
        begin = 0 if config.stage == "adversarial" else max(1, round(total * (1 - config.adversarial_share)))
        if total - begin <= config.warm_up:
            what = f"the generator would never learn in the adversarial stage of {total - begin} steps"
            hint = f"Use more --steps, or --set method.warm_up=0 (it is {config.warm_up})."
            raise ConfigError(f"{what}.", where="train.steps", hint=hint)
        if config.stage == "adversarial":
            return (Stage("adversarial"),)
        return (Stage("pixel"), Stage("adversarial", begin, config.adversarial_rate))

    def sides(self, size: int) -> dict[str, int]:
        """The generator sees shrunk crops."""
        return super().sides(size) | {"up": size // self.config.scale}

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """In the second stage the generator first, then the discriminator on the pictures of that same forward pass."""
        real, low = self.degrade.pairs(feed().real, at.draws.seeds(at.samples))
        if at.stage != "pixel" and at.since < self.config.warm_up:
            yield Update("discriminator", self._telling(self._untouched(low), real, at))
            return
        fake = self.generator(low)
        wanted = sharpened(real) if self.config.sharpen else real
        if at.stage == "pixel":
            yield Update("generator", {"pixel": self.pixel_loss(fake, wanted)}, log={"psnr": psnr(fake, real)})
            return
        yield Update("generator", self._all_losses(fake, real, wanted, at), log={"psnr": psnr(fake, real)})
        yield Update("discriminator", self._telling(fake, real, at))
        for number in range(1, self.config.remedies.updates):
            seeds = [derive_seed(seed, number) for seed in at.draws.seeds(at.samples)]
            real, low = self.degrade.pairs(feed().real, seeds)
            yield Update("discriminator", self._telling(self._untouched(low), real, at))

    def _untouched(self, low: Tensor) -> Tensor:
        """What the generator makes of it while it does not learn, nor its batch norms."""
        self.generator.eval()
        with torch.no_grad():
            fake = self.generator(low)
        self.generator.train()
        return fake

    def _all_losses(self, fake: Tensor, real: Tensor, wanted: Tensor, at: StepInfo) -> dict[str, Tensor]:
        config = self.config
        assert self.discriminator is not None
        judge, weight = self.discriminator.judge, config.adversarial_weight
        losses = self.contest.fooling(judge, real, fake, at, weight=weight, name="adversarial")
        if config.pixel_weight:
            losses["pixel"] = config.pixel_weight * self.pixel_loss(fake, wanted)
        if self.perceptual:
            seen = self._off_the_grid(real, at) if config.shift else ...
            losses["perceptual"] = config.perceptual_weight * self.perceptual(fake[seen], wanted[seen])
        return losses

    def _off_the_grid(self, pictures: Tensor, at: StepInfo) -> tuple[EllipsisType | slice, ...]:
        """A crop at a random place, less than the scale from the corner, and as much smaller.

        Pooling takes maxima at the same pixels of every crop, those of the network's own upsampling: without this a
        bright pixel at each of them pleases the features, and a grid lies over the picture.
        """
        scale, (height, width) = self.config.scale, pictures.shape[2:]
        top, left = divmod(int(at.draws.permutation(scale**2)[0]), scale)
        return (..., slice(top, top + height - scale + 1), slice(left, left + width - scale + 1))

    def _telling(self, fake: Tensor, real: Tensor, at: StepInfo) -> dict[str, Tensor]:
        assert self.discriminator is not None
        return self.contest.telling(self.discriminator.judge, real, fake, at, name="discriminator")

    def deployed(self) -> dict[str, Network]:
        """The generator."""
        return {"up": self.generator}

    def judges(self) -> dict[str, Network]:
        """The discriminators where there are any."""
        return members("discriminator", self.discriminator)

    def pictures(self, batch: Photos, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The small crop enlarged pixel by pixel, the network's enlargement, and the photo."""
        real, low = self.degrade.pairs(batch.real, range(len(batch.real)))
        shown = interpolate(low, scale_factor=self.config.scale, mode="nearest")
        return {"low": shown, "fake": deployed["up"](low).clamp(0, 1), "real": real}

"""Inpainting: Yu et al. 2019, Free-Form Image Inpainting with Gated Convolution (DeepFillv2); with the total variation
of Liu et al. 2018, the feature matching of Wang et al. 2018, perceptual and style losses by choice.

Names: mask is 1 in the hole; coarse and fine are whole pictures of the two stages; fake is the fine one inside the hole
and the real picture elsewhere. Pictures are (N, 3, H, W) in [-1, 1], masks (N, 1, H, W).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, cat, nn

from i2i.config.methods.inpaint import InpaintConfig
from i2i.data.batches import Masked
from i2i.losses.reconstruction import hole_and_valid_loss, total_variation
from i2i.methods.base import Feed, Method, Player, StepInfo, Update
from i2i.methods.contest import Contest, discriminators, learning, members
from i2i.methods.looks import Looks
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.patchgan import Verdict


class Inpaint(Method):
    """A generator that paints what belongs into holes, and a discriminator that looks for them.

    Raises ConfigError where a perceptual or style loss is asked for and its features are not at hand.
    """

    task = "inpaint"

    def __init__(self, config: InpaintConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = build(config.generator)
        judged = config.discriminator.model_dump() | {"input_channels": 4}
        judge = type(config.discriminator)(**judged)
        self.discriminator = discriminators(judge, config.remedies) if config.adversarial_weight else None
        self.contest = Contest(config.adversarial, config.remedies)
        self.looks = Looks(config.perceptual, perceptual=config.perceptual_weight, style=config.style_weight)
        if self.discriminator is not None and self.contest.compares(self.discriminator):
            self.coupled = ("gan", "d")

    def players(self) -> dict[str, Player]:
        """The discriminator, which learns first, and the generator."""
        return {**learning(self.discriminator, self.config.remedies), "generator": Player(self.generator)}

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """The discriminator first; the generator then learns from the discriminator that has."""
        for _ in range(self.config.remedies.updates - 1):
            real, mask = _in_one_type(feed())
            with torch.no_grad():
                _, fake = self._painted(real, mask)
            yield Update("discriminator", self._telling(real, fake, mask, at))
        real, mask = _in_one_type(feed())
        (coarse, fine), fake = self._painted(real, mask)
        if self.discriminator is not None:
            yield Update("discriminator", self._telling(real, fake, mask, at))
        likeness = self._likeness(real, coarse, fine, mask)
        yield Update("generator", {**self._fooling(real, fake, mask, at), **likeness, **self._looks(real, fake, mask)})

    def _painted(self, real: Tensor, mask: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """The pictures of both stages, and the repaired one."""
        coarse, fine = (picture.to(real.dtype) for picture in self.generator.both(_shown(real, mask)))
        return (coarse, fine), _composite(fine, real, mask)

    def _telling(self, real: Tensor, fake: Tensor, mask: Tensor, at: StepInfo) -> dict[str, Tensor]:
        return self.contest.telling(self._judged, real, fake, at, beside=mask)

    def _fooling(self, real: Tensor, fake: Tensor, mask: Tensor, at: StepInfo) -> dict[str, Tensor]:
        """What the discriminator says of the repaired picture, and what it sees in it other than in the real one."""
        config = self.config
        if self.discriminator is None:
            return {}
        return self.contest.fooling(
            self._judged,
            real,
            fake,
            at,
            beside=mask,
            weight=config.adversarial_weight,
            matching=config.feature_matching,
        )

    def _likeness(self, real: Tensor, coarse: Tensor, fine: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """How far both stages are from the real picture, pixel by pixel."""
        config = self.config
        losses: dict[str, Tensor] = {}
        coarse_weight = config.coarse_weight if config.generator.coarse else 0.0
        for name, picture, share in (("", fine, 1.0), ("coarse_", coarse, coarse_weight)):
            inside, outside = hole_and_valid_loss(picture, real, mask, alike=config.holes_alike)
            if config.hole_weight and share:
                losses[f"{name}hole"] = share * config.hole_weight * inside
            if config.valid_weight and share:
                losses[f"{name}valid"] = share * config.valid_weight * outside
        return losses

    def _looks(self, real: Tensor, fake: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """How far the repaired picture is from the real one by features, and how restless it is."""
        losses: dict[str, Tensor] = {**self.looks(fake, real)}
        if self.config.variation_weight:
            around = F.max_pool2d(mask, 3, stride=1, padding=1)
            losses["variation"] = self.config.variation_weight * total_variation(fake, around)
        return losses

    def _judged(self, picture: Tensor, mask: Tensor) -> list[Verdict]:
        assert self.discriminator is not None
        return self.discriminator.judge(cat([picture, mask], dim=1))

    def deployed(self) -> dict[str, Network]:
        """The generator."""
        return {"fill": self.generator}

    def judges(self) -> dict[str, Network]:
        """The discriminators where there are any."""
        return members("discriminator", self.discriminator)

    def pictures(self, batch: Masked, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """The picture with its hole in gray, repaired, and whole."""
        real, mask = _in_one_type(batch)
        shown = _shown(real, mask)
        return {"masked": shown[:, :3], "fake": _composite(deployed["fill"](shown), real, mask), "real": real}


def _in_one_type(batch: Masked) -> tuple[Tensor, Tensor]:
    real, hole = batch
    return real, hole.to(real.dtype)


def _shown(real: Tensor, mask: Tensor) -> Tensor:
    """What the generator sees, (N, 4, H, W): the picture with 0 in the hole, and the mask."""
    return cat([real.masked_fill(mask > 0, 0), mask], dim=1)


def _composite(painted: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    return mask * painted + (1 - mask) * real

"""What all methods share that make pictures of noise.

Names: noise is (N, Z), label (N,) the numbers of the classes, real and fake are pictures (N, C, S, S) in [-1, 1]. A
fake picture is asked to be of the class of a real one of the same batch, so that both have classes in equal shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from i2i.config.methods.noise import NoiseMethodConfig
from i2i.config.noise_networks import NoiseConfig
from i2i.data.batches import Labelled
from i2i.errors import ConfigError
from i2i.losses.diversity import mode_seeking_loss
from i2i.methods.base import Method, Player, StepInfo
from i2i.methods.contest import Contest, discriminators, learning, members
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.patchgan import Verdict

SHOWN = 8  # pictures of noise beside each real one on a sample sheet
SHOWN_SEED = 0


class Drawn(NamedTuple):
    """Pictures, and the noise that they were made of."""

    noise: Tensor  # (N, Z)
    fake: Tensor  # (N, C, S, S)


class NoiseMethod(Method):
    """A generator of noise, its discriminators and their losses; each method's own step says who learns when.

    Raises ConfigError where classes are to be told and their names are not known.
    """

    task = "generate"

    def __init__(self, config: NoiseMethodConfig, contest: Contest) -> None:
        if config.conditional and not config.classes:
            raise ConfigError("method.conditional needs the names of the classes.", hint="Set method.classes.")
        super().__init__()
        self.config, self.contest = config, contest
        self.generator = build(config.generator)
        self.discriminator = discriminators(config.discriminator, config.remedies)
        self.coupled = self._coupled()

    def players(self) -> dict[str, Player]:
        """The discriminators, at a share of the rate, and the generator."""
        return {**learning(self.discriminator, self.config.remedies), "generator": Player(self.generator)}

    def drawn(self, label: Tensor, at: StepInfo) -> list[Drawn]:
        """Pictures of fresh noise, one for each label; twice where two noises are compared (mode seeking)."""
        draws = []
        for _ in range(2 if self.config.mode_seeking else 1):
            noise = self._noise(len(label), at)
            draws.append(Drawn(noise, self.generator(noise, self._told(label))))
        return draws

    def telling(self, real: Tensor, label: Tensor, draws: list[Drawn], at: StepInfo) -> dict[str, Tensor]:
        """What the discriminators learn from: losses without a gradient to the generator."""
        losses: dict[str, Tensor] = {}
        for name, drawn in zip(("d", "d_second"), draws, strict=False):
            losses |= self.contest.telling(self._judge(label), real, drawn.fake, at, name=name)
        return losses

    def fooling(self, real: Tensor, label: Tensor, draws: list[Drawn], at: StepInfo) -> dict[str, Tensor]:
        """What the generator learns from; `real` is there for losses that compare."""
        losses: dict[str, Tensor] = {}
        for name, drawn in zip(("gan", "gan_second"), draws, strict=False):
            losses |= self.contest.fooling(self._judge(label), real, drawn.fake, at, name=name)
        if self.config.mode_seeking:
            first, second = draws
            loss = mode_seeking_loss(first.fake, second.fake, first.noise, second.noise)
            losses["diversity"] = self.config.mode_seeking * loss
        return losses

    def deployed(self) -> dict[str, Network]:
        """The generator."""
        return {"sample": self.generator}

    def judges(self) -> dict[str, Network]:
        """The discriminators."""
        return members("discriminator", self.discriminator)

    def pictures(self, batch: Labelled, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Real pictures, and beside each some of its class, from noise that is the same on every sheet."""
        real, label = batch
        columns = _shown_noise(self.config.generator, len(real)).to(real)
        fakes = [deployed["sample"](noise, self._told(label)) for noise in columns]
        return {"real": real, **{str(number): fake for number, fake in enumerate(fakes, start=1)}}

    def _coupled(self) -> tuple[str, ...]:
        """Losses that compare the samples of a batch."""
        twice = bool(self.config.mode_seeking)
        judged = ("d", "gan", "d_second", "gan_second") if twice else ("d", "gan")
        compared = judged if self.contest.compares(self.discriminator) else ()
        return (*compared, "diversity") if twice else compared

    def _judge(self, label: Tensor) -> Callable[[Tensor], list[Verdict]]:
        told = self._told(label)
        return lambda picture: self.discriminator.judge(picture, told)

    def _told(self, label: Tensor) -> Tensor | None:
        return label if self.config.conditional else None

    def _noise(self, samples: int, at: StepInfo) -> Tensor:
        config = self.config.generator
        if config.distribution == "uniform":
            return 2 * at.draws.uniform(samples, config.noise) - 1
        return at.draws.normal(samples, config.noise)


def _shown_noise(config: NoiseConfig, samples: int) -> Tensor:
    """(SHOWN, samples, Z), alike on every device."""
    shape, generator = (SHOWN, samples, config.noise), torch.Generator().manual_seed(SHOWN_SEED)
    if config.distribution == "uniform":
        return 2 * torch.rand(shape, generator=generator) - 1
    return torch.randn(shape, generator=generator)

"""CycleGAN: Zhu, Park, Isola, Efros 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks.

Names: a2b translates domain A to B; discriminator_b judges pictures of B; fake_b = a2b(real_a), rec_a = b2a(fake_b),
idt_b = a2b(real_b). Pictures are (N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.config.network_base import NetworkConfig
from i2i.data.batches import Unpaired
from i2i.losses.reconstruction import l1_loss
from i2i.methods.base import Feed, Method, Player, StepInfo, Update, at_once, samples_meet
from i2i.methods.contest import Contest, discriminators, members
from i2i.methods.history import History
from i2i.networks.base import Network
from i2i.networks.build import build

NetworkT = TypeVar("NetworkT", bound=NetworkConfig)


class CycleGAN(Method):
    """Two generators and two discriminators that learn from two folders of unrelated pictures."""

    task = "translate"

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        self.config = config
        a, b = config.channels_a, config.channels_b
        self.a2b = build(_with(config.generator, input_channels=a, output_channels=b))
        self.b2a = build(_with(config.generator, input_channels=b, output_channels=a))
        self.discriminator_a = discriminators(_with(config.discriminator, input_channels=a), config.remedies)
        self.discriminator_b = discriminators(_with(config.discriminator, input_channels=b), config.remedies)
        self.contest = Contest(
            config.adversarial,
            config.remedies,
            penalty=config.gradient_penalty,
            order="real first" if samples_meet(self.discriminator_a) else "together",
        )
        self.past_a, self.past_b = History(config.history), History(config.history)
        if self.contest.compares(self.discriminator_a):
            self.coupled = ("gan_a", "gan_b", "d_a", "d_b")

    def players(self) -> dict[str, Player]:
        """Both generators learn together, and so do both discriminators: two optimisers, as published."""
        return {
            "generators": Player(self.a2b, self.b2a),
            "discriminators": Player(
                self.discriminator_a, self.discriminator_b, rate=self.config.remedies.discriminator_rate
            ),
        }

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update]:
        """Generators first, then discriminators on the pictures of that same forward pass (the joint order).

        Further updates of the discriminators have pictures of their own.
        """
        real_a, real_b = feed()
        config = self.config
        idt = {}
        if config.identity:
            fake_b, idt_b = at_once(self.a2b, real_a, real_b)
            fake_a, idt_a = at_once(self.b2a, real_b, real_a)
            idt["idt_a"] = config.identity * config.cycle_a * l1_loss(idt_a, real_a)
            idt["idt_b"] = config.identity * config.cycle_b * l1_loss(idt_b, real_b)
        else:
            fake_b, fake_a = self.a2b(real_a), self.b2a(real_b)
        rec_a, rec_b = self.b2a(fake_b), self.a2b(fake_a)
        yield Update(
            "generators",
            {
                **self.contest.fooling(self.discriminator_a.judge, real_a, fake_a, at, name="gan_a"),
                **self.contest.fooling(self.discriminator_b.judge, real_b, fake_b, at, name="gan_b"),
                "cycle_a": config.cycle_a * l1_loss(rec_a, real_a),
                "cycle_b": config.cycle_b * l1_loss(rec_b, real_b),
                **idt,
            },
        )
        yield self._telling(real_a, real_b, fake_a, fake_b, at)
        for _ in range(config.remedies.updates - 1):
            real_a, real_b = feed()
            with torch.no_grad():
                fake_b, fake_a = self.a2b(real_a), self.b2a(real_b)
            yield self._telling(real_a, real_b, fake_a, fake_b, at)

    def _telling(self, real_a: Tensor, real_b: Tensor, fake_a: Tensor, fake_b: Tensor, at: StepInfo) -> Update:
        fake_a, fake_b = self.past_a(fake_a, at), self.past_b(fake_b, at)
        told_a = self.contest.telling(self.discriminator_a.judge, real_a, fake_a, at, name="d_a")
        told_b = self.contest.telling(self.discriminator_b.judge, real_b, fake_b, at, name="d_b")
        return Update("discriminators", {**told_a, **told_b})

    def deployed(self) -> dict[str, Network]:
        """Both directions."""
        return {"a2b": self.a2b, "b2a": self.b2a}

    def judges(self) -> dict[str, Network]:
        """The discriminators of both domains."""
        return members("discriminator_a", self.discriminator_a) | members("discriminator_b", self.discriminator_b)

    def pictures(self, batch: Unpaired, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Input, translation and reconstruction of each domain."""
        real_a, real_b = batch
        fake_b, fake_a = deployed["a2b"](real_a), deployed["b2a"](real_b)
        rec_a, rec_b = deployed["b2a"](fake_b), deployed["a2b"](fake_a)
        return {
            "real_a": real_a, "fake_b": fake_b, "rec_a": rec_a,
            "real_b": real_b, "fake_a": fake_a, "rec_b": rec_b,
        }  # fmt: skip


def _with(config: NetworkT, **channels: int) -> NetworkT:
    """The same settings with other channels, checked again."""
    return type(config)(**config.model_dump() | channels)

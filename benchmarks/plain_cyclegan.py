"""The rival of training_step.py: CycleGAN's training step as a textbook writes it (Zhu et al. 2017, joint order).

One network call per picture, `requires_grad_` switched around the generators' step, gradients set to None, torch's
default Adam, pictures of the past in a list. Nothing waits for the device. It has no averaged networks, no guard
against non-finite gradients and no state that could be saved: it does less than a training with i2i.
"""

from __future__ import annotations

import random
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.networks.build import build

Layout = Literal["contiguous", "channels_last"]
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class ImagePool:
    """Past pictures in a list (Shrivastava et al. 2017): half of the answers are old ones once it is full."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pictures: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W), detached."""
        fakes = fakes.detach()
        return torch.cat([self._exchange(fake) for fake in torch.split(fakes, 1)]) if self.size else fakes

    def _exchange(self, fake: Tensor) -> Tensor:
        if len(self.pictures) < self.size:
            self.pictures.append(fake)
            return fake
        if random.random() <= 0.5:
            return fake
        slot = random.randrange(self.size)
        past, self.pictures[slot] = self.pictures[slot], fake
        return past


class PlainCycleGAN:
    """Four networks, two optimisers, two pools. `bf16` computes forward passes and losses under autocast."""

    def __init__(self, config: CycleGANConfig, device: torch.device, layout: Layout, *, bf16: bool = False) -> None:
        self.config, self.format = config, FORMATS[layout]
        self.bf16, self.device_type = bf16, device.type
        self.a2b, self.b2a = build(config.generator), build(config.generator)
        self.discriminator_a, self.discriminator_b = build(config.discriminator), build(config.discriminator)
        for network in self.networks().values():
            network.to(device=device, memory_format=self.format)  # type: ignore[call-overload]
        self.generators = _adam(self.a2b, self.b2a)
        self.discriminators = _adam(self.discriminator_a, self.discriminator_b)
        self.past_a, self.past_b = ImagePool(config.history), ImagePool(config.history)

    def networks(self) -> dict[str, nn.Module]:
        """By the names that i2i's method gives them."""
        return {
            "a2b": self.a2b, "b2a": self.b2a,
            "discriminator_a": self.discriminator_a, "discriminator_b": self.discriminator_b,
        }  # fmt: skip

    def step(self, real_a: Tensor, real_b: Tensor) -> None:
        """One update of the generators, then one of the discriminators, from (N, C, H, W) in [-1, 1]."""
        real_a, real_b = real_a.contiguous(memory_format=self.format), real_b.contiguous(memory_format=self.format)
        with self._autocast():
            fake_b, fake_a = self.a2b(real_a), self.b2a(real_b)
            rec_a, rec_b = self.b2a(fake_b), self.a2b(fake_a)
        self._judges_learn(False)
        self.generators.zero_grad(set_to_none=True)
        with self._autocast():
            loss = _verdict(self.discriminator_b(fake_b), 1) + _verdict(self.discriminator_a(fake_a), 1)
            loss = (
                loss + self.config.cycle_a * F.l1_loss(rec_a, real_a) + self.config.cycle_b * F.l1_loss(rec_b, real_b)
            )
            idt_a, idt_b = F.l1_loss(self.b2a(real_a), real_a), F.l1_loss(self.a2b(real_b), real_b)
            loss = loss + self.config.identity * (self.config.cycle_a * idt_a + self.config.cycle_b * idt_b)
        loss.backward()  # type: ignore[no-untyped-call]
        self.generators.step()
        self._judges_learn(True)
        self.discriminators.zero_grad(set_to_none=True)
        self._judge(self.discriminator_b, real_b, self.past_b.query(fake_b))
        self._judge(self.discriminator_a, real_a, self.past_a.query(fake_a))
        self.discriminators.step()

    def _judge(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> None:
        with self._autocast():
            loss = 0.5 * (_verdict(discriminator(real), 1) + _verdict(discriminator(fake), 0))
        loss.backward()  # type: ignore[no-untyped-call]

    def _judges_learn(self, learn: bool) -> None:
        self.discriminator_a.requires_grad_(learn)
        self.discriminator_b.requires_grad_(learn)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device_type, dtype=torch.bfloat16) if self.bf16 else nullcontext()


def _verdict(logits: Tensor, target: float) -> Tensor:
    return F.mse_loss(logits, torch.full_like(logits, target))


def _adam(*networks: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(chain(*(network.parameters() for network in networks)), lr=2e-4, betas=(0.5, 0.999))

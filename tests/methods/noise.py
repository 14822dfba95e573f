"""What the tests of GAN, DCGAN, WGAN and WGAN-GP share: small networks, batches, and the plain loop's parts."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from i2i.config.methods import run_class
from i2i.data.batches import Labelled
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision
from i2i.engine.update import Engine, MakeOptimiser
from i2i.methods.base import Draws, StepInfo, Update
from i2i.methods.build import build_method
from i2i.methods.noise import NoiseMethod

SEED, BATCH, SIZE, NOISE = 11, 4, 16, 6
GENERATOR = {"kind": "dcgan", "filters": 3, "noise": NOISE, "init_gain": 0.2}
CRITIC = {"kind": "dcgan-critic", "filters": 3, "norm": "layer", "init_gain": 0.2}
DENSE = {
    "generator": {"kind": "perceptron", "hidden": (5,), "noise": NOISE},
    "discriminator": {"kind": "perceptron-critic", "hidden": (5,)},
}


def small(name: str, **settings: Any) -> NoiseMethod:
    """A few filters, 16 px, gray, float64, the same weights every time."""
    networks = {"generator": GENERATOR, "discriminator": CRITIC}
    table = {"kind": name, "channels": 1, **networks, **settings}
    config = run_class(name).model_validate({"data": {"size": SIZE}, "train": {"batch": BATCH}, "method": table})
    torch.manual_seed(0)
    method = build_method(config.method).double()
    assert isinstance(method, NoiseMethod)
    return method


def batches(count: int, classes: int = 3) -> list[Labelled]:
    generator = torch.Generator().manual_seed(1)
    return [
        Labelled(
            torch.rand(BATCH, 1, SIZE, SIZE, generator=generator, dtype=torch.float64) * 2 - 1,
            torch.randint(classes, (BATCH,), generator=generator),
        )
        for _ in range(count)
    ]


def updates(method: NoiseMethod, *given: Labelled, index: int = 0) -> list[Update]:
    """The yields of a step; nothing learns in between."""
    draws = Draws(SEED, index, 0, 1, next(method.parameters()))
    feed = iter(given)
    return list(method.step(lambda: next(feed), StepInfo(index, "", index, BATCH, 0, 1, draws)))


def trained(method: NoiseMethod, make_optimiser: MakeOptimiser, given: list[Labelled], steps: int) -> None:
    engine = Engine(method, make_optimiser, Precision(torch.device("cpu"), "fp32"), seed=SEED)
    feed = Feed(iter(given), lambda batch: batch, 1)
    for _ in range(steps):
        engine.step(feed, BATCH)
    assert feed.taken == len(given)


class PlainLoop:
    """Copies of a method's networks, and the noise that its steps draw: the rest is written out in each test."""

    def __init__(self, method: NoiseMethod) -> None:
        self.generator, self.critic = copy.deepcopy(method.generator), copy.deepcopy(method.discriminator)

    def noises(self, index: int) -> Iterator[Tensor]:
        """Standard normal, one after the other."""
        draws = self.draws(index)
        while True:
            yield draws.normal(BATCH, NOISE)

    def draws(self, index: int) -> Draws:
        return Draws(SEED, index, 0, 1, torch.zeros((), dtype=torch.float64))

    def distance(self, method: NoiseMethod) -> float:
        """The largest difference of a weight."""
        pairs = zip(self.weights(), [*method.generator.parameters(), *method.discriminator.parameters()], strict=True)
        return max(float((mine - theirs).detach().abs().max()) for mine, theirs in pairs)

    def weights(self) -> list[nn.Parameter]:
        return [*self.generator.parameters(), *self.critic.parameters()]

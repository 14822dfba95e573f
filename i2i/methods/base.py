"""The contract between a method and the engine.

A method is networks and a step. Its step is a generator function that yields *who* learns from *which* losses; the
engine differentiates, averages over micro-batches and processes, steps that player's optimiser, and only then asks
for the next yield. A method knows no optimiser, device, precision or file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from i2i.networks.base import Network
from i2i.networks.minibatch_stddev import MinibatchStddev

Feed = Callable[[], Any]


@dataclass(frozen=True)
class Update:
    """One player learns, or several from one loss.

    `losses` are weighted scalars, summed and differentiated; `log` scalars are only written down. Names are unique in
    a yield. A player's parameter without a path to the losses is an error, unless the update is `partial`.
    """

    players: str | tuple[str, ...]
    losses: Mapping[str, Tensor]
    log: Mapping[str, Tensor] = field(default_factory=dict)
    partial: bool = False


class Stage(NamedTuple):
    """A part of the training, from step `begin` on; its learning rate is `rate` times that of the settings."""

    name: str = ""
    begin: int = 0
    rate: float = 1.0


class Player:
    """Networks with one optimiser. `clip` bounds the norm of their gradient, `rate` is a share of the learning rate."""

    def __init__(self, *modules: nn.Module, clip: float | None = None, rate: float = 1.0) -> None:
        self.modules, self.clip, self.rate = modules, clip, rate

    def parameters(self) -> list[nn.Parameter]:
        """All trainable parameters, each once."""
        seen: dict[nn.Parameter, None] = {}
        for module in self.modules:
            seen.update(dict.fromkeys(p for p in module.parameters() if p.requires_grad))
        return list(seen)


class Draws:
    """Random numbers of one step, functions of (seed, step): there is no generator state to save.

    Numbers per sample are drawn for the whole batch and cut, so that parts differ and together equal the batch;
    coins and permutations are the same for every part, so that the control flow of all parts agrees.
    """

    def __init__(self, seed: int, index: int, part: int, parts: int, like: Tensor) -> None:
        self._seed, self._index, self._part, self._parts, self._like = seed, index, part, parts, like
        self._generator = torch.Generator(like.device)
        self._generator.manual_seed(derive_seed(seed, index))

    def normal(self, samples: int, *shape: int) -> Tensor:
        """(samples, *shape), standard normal."""
        return self._cut(torch.randn, samples, shape)

    def uniform(self, samples: int, *shape: int) -> Tensor:
        """(samples, *shape), uniform in [0, 1)."""
        return self._cut(torch.rand, samples, shape)

    def coin(self, probability: float) -> bool:
        """True with the given probability, alike in all parts."""
        return bool(torch.rand((), generator=self._generator, device=self._like.device) < probability)

    def permutation(self, length: int) -> Tensor:
        """(length,), a random order of 0 .. length - 1, alike in all parts."""
        return torch.randperm(length, generator=self._generator, device=self._like.device)

    def seeds(self, samples: int) -> list[int]:
        """A seed for each sample, for random work that is done sample by sample."""
        first = self._part * samples
        return [derive_seed(self._seed, self._index, first + number) for number in range(samples)]

    def _cut(self, draw: Callable[..., Tensor], samples: int, shape: tuple[int, ...]) -> Tensor:
        like = self._like
        drawn = draw(samples * self._parts, *shape, generator=self._generator, device=like.device, dtype=like.dtype)
        return drawn[self._part * samples : (self._part + 1) * samples]


@dataclass(frozen=True)
class StepInfo:
    """What a step may know of the training: its number, stage, its part of the batch, and its random draws."""

    index: int
    stage: str
    since: int  # steps of this stage before this one
    samples: int  # of this part
    part: int
    parts: int
    draws: Draws


class Method(nn.Module):
    """Networks, losses and a step. What must outlive a restart is a parameter or a buffer."""

    task: ClassVar[str]  # what its model files are for: translate, upscale, inpaint, generate
    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)  # of the batches; the engine converts
    keeps_gray: ClassVar[bool] = True  # a gray picture that is translated in colour was gray for a reason
    # Losses that compare samples: a cut batch is not the same as a whole one, and the engine says so.
    coupled: tuple[str, ...] = ()

    def players(self) -> dict[str, Player]:
        """Who learns, by name, in the order in which their optimisers are saved."""
        raise NotImplementedError

    def stages(self, total: int) -> tuple[Stage, ...]:
        """The stages of a training of `total` steps. Each begins at averaged weights with fresh optimisers.

        Raises ConfigError where so many steps are too few for them.
        """
        return (Stage(),)

    def sides(self, size: int) -> dict[str, int]:
        """The side in pixels that each deployed network and judge sees of training crops of `size`."""
        return dict.fromkeys(self.deployed() | self.judges(), size)

    def step(self, feed: Feed, at: StepInfo) -> Iterator[Update | tuple[Update, ...]]:
        """The updates of one step, in order; a tuple: all gradients first, then all steps. `feed()`: a fresh batch."""
        raise NotImplementedError

    def updated(self, players: tuple[str, ...], means: Mapping[str, Tensor], at: StepInfo) -> None:
        """After each yield, with the means over all parts: the only place where a method's own state changes."""

    def deployed(self) -> dict[str, Network]:
        """The networks that are averaged, measured and saved as the model file, by name (a2b, b2a, ...)."""
        raise NotImplementedError

    def judges(self) -> dict[str, Network]:
        """The networks that only a training needs, by name: saved beside the model for a training that goes on."""
        return {}

    def pictures(self, batch: Any, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        """Columns of the sample sheet, each (N, C, H, W) in `value_range`, drawn by the given (averaged) networks."""
        raise NotImplementedError


def derive_seed(*numbers: int) -> int:
    """A 63-bit seed from several integers, well mixed: (0, 1) and (1, 0) differ, neighbours are unrelated."""
    digest = hashlib.blake2b(",".join(map(str, numbers)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def samples_meet(network: nn.Module) -> bool:
    """Whether a sample's result depends on the other samples of its batch."""
    return any(isinstance(module, nn.BatchNorm2d | MinibatchStddev) for module in network.modules())


def at_once(network: nn.Module, *batches: Tensor) -> tuple[Tensor, ...]:
    """The network's results on several batches by one call: quicker, and exact where samples do not meet.

    Where they meet, each batch is a call of its own.
    """
    if samples_meet(network):
        return tuple(network(batch) for batch in batches)
    return torch.split(network(torch.cat(batches)), [len(batch) for batch in batches])

"""Networks of dense layers (Goodfellow et al. 2014, Generative Adversarial Nets).

N batch, Z numbers of noise, C channels, S x S pixels, U units.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from i2i.config.noise_networks import MaxoutCriticConfig, PerceptronConfig, PerceptronCriticConfig
from i2i.networks.critic import Critic
from i2i.networks.initial import initialise
from i2i.networks.noise import NoiseGenerator, given
from i2i.networks.patchgan import Verdict, verdict
from i2i.networks.spectral import Dense, limit


class PerceptronGenerator(NoiseGenerator):
    """Dense layers from noise to pixels."""

    def __init__(self, config: PerceptronConfig) -> None:
        super().__init__(config)
        shape = (config.channels, config.size, config.size)
        layers: list[nn.Module] = []
        for before, after in pairwise([self.inputs, *config.hidden]):
            activation = nn.ReLU() if config.activation == "relu" else nn.LeakyReLU(0.2)
            layers += [nn.Linear(before, after), activation]
        widest = config.hidden[-1] if config.hidden else self.inputs
        output = nn.Tanh() if config.output == "tanh" else StretchedSigmoid()
        pixels = config.channels * config.size**2
        self.layers = nn.Sequential(*layers, nn.Linear(widest, pixels), output, nn.Unflatten(1, shape))
        initialise(self, config)


class StretchedSigmoid(nn.Module):
    """The sigmoid, from [0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, U) -> (N, U) in [-1, 1]."""
        return torch.tanh(x / 2)  # = 2 sigmoid(x) - 1, without the cancellation around 0


class PerceptronCritic(Critic):
    """Dense layers from pixels, and the numbers of their class beside them, to a logit."""

    def __init__(self, config: PerceptronCriticConfig) -> None:
        super().__init__(config)
        self.embedding = _embedding(config)
        layers: list[nn.Module] = []
        units = [_inputs(config), *config.hidden]
        for before, after in pairwise(units):
            layers += [Dense(before, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, Dense(units[-1], 1))
        initialise(self, config)
        if config.spectral:
            limit(self)

    def judge(self, x: Tensor, label: Tensor | None = None) -> list[Verdict]:
        """(N, C, S, S) in [-1, 1] and labels -> one verdict: (N, 1) logits, and the (N, U) units behind them."""
        return [verdict(self.layers, _beside(self.checked(x).flatten(1), self.embedding, label))]


class MaxoutCritic(Critic):
    """Dense layers of maxout units with dropout (Goodfellow et al. 2013, Maxout Networks)."""

    def __init__(self, config: MaxoutCriticConfig) -> None:
        super().__init__(config)
        self.embedding = _embedding(config)
        self.drop_pixels = nn.Dropout(config.input_dropout)
        units = [_inputs(config), *config.hidden]
        self.maxouts = nn.ModuleList(Maxout(before, after, config.pieces) for before, after in pairwise(units))
        self.drop_units = nn.Dropout(config.dropout)
        self.last = Dense(units[-1], 1)
        initialise(self, config)
        if config.spectral:
            limit(self)

    def judge(self, x: Tensor, label: Tensor | None = None) -> list[Verdict]:
        """(N, C, S, S) in [-1, 1] and labels -> one verdict: (N, 1) logits, and the (N, U) units behind them."""
        units = _beside(self.drop_pixels(self.checked(x).flatten(1)), self.embedding, label)
        features = []
        for maxout in self.maxouts:
            units = maxout(units)
            features.append(units)
            units = self.drop_units(units)
        return [Verdict(self.last(units), tuple(features))]


class Maxout(nn.Module):
    """Units that are each the largest of several linear functions of the input."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.dense = Dense(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) -> (N, U)."""
        return self.dense(x).unflatten(1, (self.units, self.pieces)).amax(dim=2)


def _inputs(config: PerceptronCriticConfig | MaxoutCriticConfig) -> int:
    return config.channels * config.size**2 + (config.embedding if config.classes else 0)


def _embedding(config: PerceptronCriticConfig | MaxoutCriticConfig) -> nn.Embedding | None:
    return nn.Embedding(len(config.classes), config.embedding) if config.classes else None


def _beside(pixels: Tensor, embedding: nn.Embedding | None, label: Tensor | None) -> Tensor:
    """(N, pixels) -> (N, inputs): the numbers of the class beside the pixels."""
    return pixels if embedding is None else torch.cat([pixels, embedding(given(label))], dim=1)

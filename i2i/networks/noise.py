"""What all generators of noise share. N batch, Z numbers of noise, C channels, S x S pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2i.config.noise_networks import NoiseConfig
from i2i.networks.base import Network


class NoiseGenerator(Network):
    """Makes pictures of noise, and of a class where it knows of classes (Mirza and Osindero 2014)."""

    config: NoiseConfig
    multiple = 1
    minimum = 1
    layers: nn.Module  # (N, `inputs`) -> (N, C, S, S) in [-1, 1]

    def __init__(self, config: NoiseConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(len(config.classes), config.embedding) if config.classes else None
        self.inputs = config.noise + (config.embedding if config.classes else 0)

    def forward(self, noise: Tensor, label: Tensor | None = None) -> Tensor:
        """(N, Z) noise and, where it knows of classes, (N,) int64 their numbers -> (N, C, S, S) in [-1, 1].

        Raises ValueError where the labels are missing. Without classes labels have no effect.
        """
        if self.embedding is not None:
            noise = torch.cat([noise, self.embedding(given(label))], dim=1)  # (N, Z + embedding)
        return self.layers(noise)


def given(label: Tensor | None) -> Tensor:
    """The labels. Raises ValueError where there are none."""
    if label is None:
        raise ValueError("a network that knows of classes needs the label of each sample")
    return label

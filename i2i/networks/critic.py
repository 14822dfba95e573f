"""What all critics share: networks with one verdict for each picture as a whole, and how they see its class.

N batch, C channels, S x S pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2i.config.noise_networks import CriticConfig, Halving
from i2i.networks.base import Network
from i2i.networks.noise import given
from i2i.networks.patchgan import Verdict
from i2i.networks.spectral import ClassVectors


class Critic(Network):
    """Judges pictures of one size. It returns logits, without a sigmoid."""

    config: CriticConfig
    multiple = 1

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        self.minimum = config.size

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """(N, C, S, S) in [-1, 1] and, where it knows of classes, (N,) int64 their numbers -> (N, 1) logits."""
        return self.judge(x, label)[0].logits

    def judge(self, x: Tensor, label: Tensor | None = None) -> list[Verdict]:
        """(N, C, S, S) in [-1, 1] and labels -> one verdict: (N, 1) logits, and the activations behind them.

        Raises ValueError for pictures of another size, and where the labels are missing. Without classes labels have
        no effect.
        """
        raise NotImplementedError

    def checked(self, x: Tensor) -> Tensor:
        """The pictures. Raises ValueError where they are of another size."""
        size, channels = self.config.size, self.config.channels
        if x.shape[1:] != (channels, size, size):
            found = " x ".join(str(side) for side in x.shape[1:])
            raise ValueError(f"a critic of {channels} x {size} x {size} pictures was given {found}")
        return x


class LabelChannel(nn.Module):
    """A picture of each class as one more channel of what is judged, where the settings have it so."""

    def __init__(self, config: Halving) -> None:
        super().__init__()
        told = bool(config.classes) and config.conditioning == "embedding"
        self.pictures = nn.Embedding(len(config.classes), config.size**2) if told else None
        self.channels = config.channels + told

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """(N, C, S, S) and labels -> (N, `channels`, S, S)."""
        if self.pictures is None:
            return x
        picture = self.pictures(given(label)).unflatten(1, (1, *x.shape[2:]))  # (N, 1, S, S)
        return torch.cat([x, picture], dim=1)


class Projection(nn.Module):
    """How much the last features lie in the direction of the class (Miyato and Koyama 2018), where asked for."""

    def __init__(self, config: Halving, channels: int) -> None:
        super().__init__()
        told = bool(config.classes) and config.conditioning == "projection"
        self.vectors = ClassVectors(len(config.classes), channels) if told else None

    def forward(self, maps: Tensor, label: Tensor | None) -> Tensor:
        """(N, C, H, W) and labels -> (N, 1): the inner product of the class's vector and the maps' sums; else 0."""
        sums = maps.sum(dim=(2, 3))  # (N, C)
        if self.vectors is None:
            return sums.new_zeros(len(sums), 1)
        return (self.vectors(given(label)) * sums).sum(dim=1, keepdim=True)

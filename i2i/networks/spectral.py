"""Spectral norm (Miyato et al. 2018), and the layers that can have it.

Each weight is divided by its largest singular value, which one power iteration in each forward pass of the training
brings up to date: the buffers `_u` and `_v` move in training, and stay in evaluation.

N batch, C channels, H x W pixels, U units.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized


class Convolution(nn.Conv2d):
    """A convolution whose weight may be the result of a computation."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return F.conv2d(x, exact_weight(self, x.device), self.bias, stride=self.stride, padding=self.padding)


class TransposedConvolution(nn.ConvTranspose2d):
    """A transposed convolution whose weight may be the result of a computation."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        assert isinstance(self.padding, tuple)  # never a word, unlike that of a convolution
        return F.conv_transpose2d(x, exact_weight(self, x.device), self.bias, stride=self.stride, padding=self.padding)


class Dense(nn.Linear):
    """A dense layer whose weight may be the result of a computation."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, U) -> (N, U')."""
        return F.linear(x, exact_weight(self, x.device), self.bias)


class ClassVectors(nn.Embedding):
    """A vector for each class, whose table may be the result of a computation."""

    def forward(self, label: Tensor) -> Tensor:
        """(N,) int64 -> (N, U)."""
        return F.embedding(label, exact_weight(self, label.device))


Layer = Convolution | TransposedConvolution | Dense | ClassVectors


def exact_weight(layer: Layer, device: torch.device) -> Tensor:
    """The layer's weight, which lies on that device; where it is computed, in its own precision."""
    if not is_parametrized(layer):
        return layer.weight
    # The power iteration loses its digits in half precision, and fails on CUDA where autocast mixes types.
    with torch.autocast(device.type, enabled=False):
        return layer.weight


def limit(network: nn.Module) -> None:
    """Spectral norm for all of these layers in a network. Call it after the weights are drawn.

    From here on a weight is a result, and drawing into a result changes nothing.
    """
    for module in list(network.modules()):
        if isinstance(module, Layer):
            spectral_norm(module)

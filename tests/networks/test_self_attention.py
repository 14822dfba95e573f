"""Self-attention, against loops over places."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from i2i.networks.self_attention import SelfAttention


def attention(channels: int) -> SelfAttention:
    torch.manual_seed(1)
    layer = SelfAttention(channels).double()
    nn.init.constant_(layer.share, 0.7)
    return layer


def maps(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1


def by_loops(layer: SelfAttention, x: Tensor) -> Tensor:
    """(C, H, W) -> (C, H, W), place by place."""
    height, width = x.shape[1:]
    query, key, value, last = (
        each.weight.detach().flatten(1) for each in (layer.query, layer.key, layer.value, layer.last)
    )
    keys, values = [], []
    for top in range(0, height, 2):
        for left in range(0, width, 2):
            block = x[:, top : top + 2, left : left + 2].flatten(1)  # up to four places
            keys.append((key @ block).max(dim=1).values)
            values.append((value @ block).max(dim=1).values)
    result = torch.empty_like(x)
    for row in range(height):
        for column in range(width):
            asked = query @ x[:, row, column]
            likeness = [math.exp(float(asked @ each)) for each in keys]
            gathered = sum(weight * each for weight, each in zip(likeness, values, strict=True)) / sum(likeness)
            result[:, row, column] = x[:, row, column] + layer.share.detach() * (last @ gathered)
    return result


@pytest.mark.parametrize("shape", [(2, 16, 4, 6), (1, 8, 5, 3), (2, 3, 1, 1)])
def test_it_is_what_loops_over_places_give(shape: tuple[int, ...]) -> None:
    layer, x = attention(shape[1]), maps(*shape)
    torch.testing.assert_close(layer(x), torch.stack([by_loops(layer, sample) for sample in x]))


def test_it_begins_as_the_identity_and_can_learn_to_look() -> None:
    layer, x = SelfAttention(16), torch.rand(2, 16, 6, 6)
    assert torch.equal(layer(x), x)
    (slope,) = torch.autograd.grad(layer(x).square().sum(), [layer.share])
    assert slope != 0


@pytest.mark.parametrize(("channels", "narrow", "half"), [(64, 8, 32), (8, 1, 4), (4, 1, 2), (1, 1, 1)])
def test_places_compare_in_an_eighth_and_gather_in_half_of_the_channels(channels: int, narrow: int, half: int) -> None:
    layer = SelfAttention(channels)
    assert layer.query.weight.shape == layer.key.weight.shape == (narrow, channels, 1, 1)
    assert layer.value.weight.shape == (half, channels, 1, 1)
    assert layer.last.weight.shape == (channels, half, 1, 1)


def test_it_has_a_second_derivative() -> None:
    layer, x = attention(8), maps(1, 8, 3, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: layer(x).sin().sum(), x, fast_mode=True)

"""The residual generators for enlarging, against the published tables written out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.networks import SRResNetConfig
from i2i.networks.build import build
from i2i.networks.srresnet import SRResNetGenerator

FACTORS = {1: [], 2: [2], 3: [3], 4: [2, 2]}


def small(**settings: object) -> SRResNetGenerator:
    torch.manual_seed(1)
    return build(SRResNetConfig(**{"filters": 4, "blocks": 2} | settings))


def on_paper(**settings: object) -> SRResNetGenerator:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return build(SRResNetConfig(**settings))


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def lively(network: SRResNetGenerator) -> SRResNetGenerator:
    """With every weight, bias and running statistic away from its beginning, in float64."""
    torch.manual_seed(3)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if tensor.dim() < 2 else tensor.normal_(0, 0.2)
    return network.double()


class Published:
    """Layers that take their values from a state dict, first come, first served."""

    def __init__(self, network: nn.Module) -> None:
        self.values: Iterator[Tensor] = iter(network.state_dict().values())

    def convolved(self, x: Tensor) -> Tensor:
        weight, bias = next(self.values), next(self.values)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def normalised(self, x: Tensor) -> Tensor:
        weight, bias, mean, variance, _ = (next(self.values).view(-1, 1, 1) for _ in range(5))
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def bent(self, x: Tensor, slope: float | None = None) -> Tensor:
        return torch.where(x > 0, x, x * (next(self.values) if slope is None else slope))

    def with_batch_norm(self, x: Tensor, blocks: int, scale: int) -> Tensor:
        first = x = self.bent(self.convolved(x))
        for _ in range(blocks):
            inside = self.bent(self.normalised(self.convolved(x)))
            x = x + self.normalised(self.convolved(inside))
        x = first + self.normalised(self.convolved(x))
        for factor in FACTORS[scale]:
            x = self.bent(shuffled(self.convolved(x), factor))
        return self.convolved(x)

    def without_norm(self, picture: Tensor, blocks: int, scale: int) -> Tensor:
        x = self.bent(self.convolved(picture), 0.1)
        for _ in range(blocks):
            x = x + self.convolved(self.convolved(x).clamp(min=0))
        for factor in FACTORS[scale]:
            x = self.bent(shuffled(self.convolved(x), factor), 0.1)
        x = self.bent(self.convolved(x), 0.1)
        return enlarged(picture, scale) + self.convolved(x)


def shuffled(x: Tensor, factor: int) -> Tensor:
    n, c, h, w = x.shape
    apart = x.reshape(n, c // factor**2, factor, factor, h, w)
    return apart.permute(0, 1, 4, 2, 5, 3).reshape(n, -1, factor * h, factor * w)


def enlarged(x: Tensor, scale: int) -> Tensor:
    """Bilinear, pixels as areas, edges repeated."""

    def along(side: int) -> Tensor:
        places = (np.arange(scale * side) + 0.5) / scale - 0.5
        return torch.tensor(np.stack([np.interp(places, np.arange(side), row) for row in np.eye(side)]))

    return along(x.shape[2]).T @ x @ along(x.shape[3])


@pytest.mark.parametrize(("norm", "count"), [("batch", 1_549_462), ("none", 1_517_571)])
def test_it_has_the_published_number_of_parameters(norm: str, count: int) -> None:
    network = on_paper(norm=norm, scale=4)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_without_the_biases_before_batch_norm_it_has_the_smaller_published_number() -> None:
    layers = [m for m in on_paper(norm="batch", scale=4).modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    before = [one.bias for one, two in pairwise(layers) if isinstance(two, nn.BatchNorm2d)]
    assert 1_549_462 - sum(bias.numel() for bias in before) == 1_547_350


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_with_batch_norm_it_is_the_published_network_by_its_running_statistics(scale: int) -> None:
    network = lively(small(scale=scale)).eval()
    x = pictures(2, 3, 5, 7).double()
    torch.testing.assert_close(network(x), Published(network).with_batch_norm(x, blocks=2, scale=scale))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_without_norm_it_is_the_published_network(scale: int) -> None:
    network = lively(small(norm="none", scale=scale))
    x = pictures(2, 3, 5, 7).double()
    torch.testing.assert_close(network(x), Published(network).without_norm(x, blocks=2, scale=scale))


def test_in_training_batch_norm_takes_the_statistics_of_the_batch() -> None:
    network, x = small().train(), pictures(2, 3, 5, 7)
    alone = network(x[:1])
    assert not torch.allclose(network(x)[:1], alone, rtol=1e-3)
    assert network.body.convolve[-1].running_mean.abs().min() > 0


def test_without_norm_and_weights_it_is_the_bilinear_enlargement() -> None:
    network = small(norm="none", scale=4)
    nn.init.zeros_(network.tail[-1].weight)
    x = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    expected = torch.tensor([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]).expand(1, 3, 4, 8)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_any_size_is_enlarged_by_the_scale(norm: str, scale: int) -> None:
    network = on_paper(norm=norm, scale=scale)
    assert (network.minimum, network.multiple) == (1, 1)
    for height, width in [(1, 1), (5, 7), (320, 241)]:
        x = torch.empty(1, 3, height, width, device="meta")
        assert network.eval()(x).shape == (1, 3, scale * height, scale * width)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gray_can_become_colour(norm: str) -> None:
    network = small(input_channels=1, output_channels=3, norm=norm, scale=2)
    assert network(pictures(2, 1, 5, 7)).shape == (2, 3, 10, 14)


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(("norm", "shrunk"), [("batch", 1), ("none", 0.1)])
def test_weights_begin_as_kaiming_says_and_at_a_tenth_of_it_without_norm(norm: str, shrunk: float) -> None:
    for layer in convolutions(small(norm=norm, filters=24)):
        n = layer.weight.numel()
        expected = shrunk * math.sqrt(2 / (layer.in_channels * layer.kernel_size[0] ** 2))
        assert layer.weight.std().item() == pytest.approx(expected, rel=4 / math.sqrt(2 * n))
        assert not layer.bias.any()


def test_other_initial_weights_are_not_shrunk() -> None:
    weights = torch.cat([layer.weight.flatten() for layer in convolutions(small(norm="none", init="normal"))])
    assert weights.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_modules_stand_in_the_order_that_they_are_called_in(norm: str) -> None:
    network, called = small(norm=norm), []
    leaves = [module for module in network.modules() if not list(module.children())]
    for leaf in leaves:
        leaf.register_forward_hook(lambda module, given, result: called.append(module))
    network(pictures(1, 3, 5, 7))
    assert called == leaves

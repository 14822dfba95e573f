"""Norms, against their formula in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from i2i.config.networks import PatchGANConfig, ResNetConfig
from i2i.networks.build import build
from i2i.networks.norm import BatchNorm, InstanceNorm, needs_bias, norm

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normalised(x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    variance = (x - mean).square().mean((2, 3), keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def test_two_pixels_become_minus_one_and_one() -> None:
    x = torch.tensor([5.0, 9.0], dtype=torch.float64).view(1, 1, 1, 2)
    expected = torch.tensor([-1.0, 1.0], dtype=torch.float64).view(1, 1, 1, 2) * (4 / (4 + 1e-5)) ** 0.5
    torch.testing.assert_close(InstanceNorm(1)(x), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("batch", [1, 3])
def test_instance_norm_is_its_formula(batch: int) -> None:
    x = 7 * drawn(batch, 4, 5, 6) + 3
    torch.testing.assert_close(InstanceNorm(4)(x), normalised(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("incoming", FORMATS)
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("layer", [InstanceNorm(8), BatchNorm(8).eval()], ids=["instance", "batch in evaluation"])
def test_the_gradient_is_right_in_every_memory_format(layer: nn.Module, layout: str, incoming: str, batch: int) -> None:
    x, weight = drawn(batch, 8, 6, 7), drawn(batch, 8, 6, 7, seed=2)
    plain = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(normalised(plain), plain, weight)
    mine = x.clone(memory_format=FORMATS[layout]).requires_grad_()
    (found,) = torch.autograd.grad(layer.double()(mine), mine, weight.clone(memory_format=FORMATS[incoming]))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("config", [ResNetConfig(filters=4, blocks=1), PatchGANConfig(filters=4, layers=2)])
@pytest.mark.parametrize("kind", ["instance", "batch", "none"])
def test_a_network_learns_the_same_in_both_memory_formats_at_batch_1(
    config: ResNetConfig | PatchGANConfig, kind: str
) -> None:
    torch.manual_seed(1)
    network = build(type(config)(**config.model_dump() | {"norm": kind, "init_gain": 0.2})).double()
    x = drawn(1, 3, 16, 20)
    expected = torch.autograd.grad(network(x).square().sum(), list(network.parameters()))
    network = network.to(memory_format=torch.channels_last)
    result = network(x.contiguous(memory_format=torch.channels_last))
    found = torch.autograd.grad(result.square().sum(), list(network.parameters()))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def trained_batch_norm() -> BatchNorm:
    layer = BatchNorm(4).double()
    nn.init.normal_(layer.weight, 1, 0.5)
    nn.init.normal_(layer.bias, 0, 0.5)
    for seed in range(3):
        layer(5 * drawn(4, 4, 6, 6, seed=seed) + 2)
    return layer


def test_batch_norm_evaluates_each_picture_by_its_own_statistics() -> None:
    layer = trained_batch_norm().eval()
    x = 3 * drawn(2, 4, 6, 6, seed=9) - 8
    expected = normalised(x) * layer.weight.view(-1, 1, 1) + layer.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)


def test_the_company_of_a_picture_changes_nothing_in_evaluation() -> None:
    layer = trained_batch_norm().eval()
    x, other = drawn(1, 4, 6, 6, seed=9), 100 * drawn(3, 4, 6, 6, seed=10)
    torch.testing.assert_close(layer(torch.cat([x, other]))[:1], layer(x), rtol=1e-10, atol=1e-10)


def test_evaluation_at_batch_1_is_training_at_batch_1() -> None:
    layer, x = trained_batch_norm(), drawn(1, 4, 6, 6, seed=9)
    in_training = layer.train()(x)
    torch.testing.assert_close(layer.eval()(x), in_training, rtol=1e-10, atol=1e-10)


def test_in_training_a_batch_shares_its_statistics() -> None:
    layer, x = BatchNorm(4).double(), 2 * drawn(3, 4, 5, 5) + 1
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    expected = (x - mean.view(-1, 1, 1)) / (variance + 1e-5).sqrt().view(-1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer.running_mean, 0.1 * mean)


def test_instance_norm_has_nothing_to_learn_or_save() -> None:
    assert dict(InstanceNorm(4).state_dict()) == {}


def test_no_norm_passes_its_input_on() -> None:
    x = drawn(1, 4, 1, 1)
    assert norm("none", 4)(x) is x


def test_batch_norm_alone_brings_a_bias() -> None:
    assert [needs_bias(kind) for kind in ("instance", "batch", "none")] == [True, False, True]

"""Initial weights have the distribution that their name says."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from i2i.config.network_base import Init
from i2i.config.networks import PatchGANConfig, ResNetConfig
from i2i.networks.build import build

Layer = nn.Conv2d | nn.ConvTranspose2d


def resnet(seed: int = 1, **settings: object) -> nn.Module:
    torch.manual_seed(seed)
    return build(ResNetConfig(**{"filters": 16, "blocks": 1} | settings))


def patch(**settings: object) -> nn.Module:
    torch.manual_seed(1)
    return build(PatchGANConfig(**{"filters": 16} | settings))


def layers(network: nn.Module) -> list[Layer]:
    return [module for module in network.modules() if isinstance(module, Layer)]


def assert_normal(values: Tensor, mean: float, deviation: float) -> None:
    """Within four standard errors of the mean and of the deviation."""
    n = values.numel()
    assert values.mean().item() == pytest.approx(mean, abs=4 * deviation / math.sqrt(n))
    assert values.std().item() == pytest.approx(deviation, rel=4 / math.sqrt(2 * n))


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_weights_are_normal_with_mean_0_and_deviation_2_percent(upsampling: str) -> None:
    for layer in layers(resnet(upsampling=upsampling)):
        assert_normal(layer.weight, 0, 0.02)


def test_about_5_percent_of_the_weights_lie_beyond_two_deviations() -> None:
    weights = torch.cat([layer.weight.flatten() for layer in layers(patch())])
    assert (weights.abs() > 0.04).float().mean().item() == pytest.approx(math.erfc(math.sqrt(2)), abs=0.003)


@pytest.mark.parametrize("init", get_args(Init))
def test_biases_begin_at_zero(init: str) -> None:
    for network in (resnet(init=init), patch(init=init)):
        biases = [layer.bias for layer in layers(network) if layer.bias is not None]
        assert len(biases) >= 5
        assert not torch.cat(biases).any()


def test_batch_norm_begins_around_1_with_deviation_2_percent_and_no_bias() -> None:
    norms = [module for module in patch(norm="batch", filters=64).modules() if isinstance(module, nn.BatchNorm2d)]
    weights = torch.cat([module.weight for module in norms])
    assert len(weights) == 128 + 256 + 512
    assert_normal(weights, 1, 0.02)
    assert not torch.cat([module.bias for module in norms]).any()


@pytest.mark.parametrize("init", sorted(set(get_args(Init)) - {"normal"}))
def test_a_gain_that_is_no_deviation_leaves_batch_norm_as_it_is_by_default(init: str) -> None:
    norms = [patch(norm="batch", filters=32, init=init, init_gain=gain).modules() for gain in (1.0, 0.02)]
    loud, default = ([module.weight for module in some if isinstance(module, nn.BatchNorm2d)] for some in norms)
    assert_normal(torch.cat(loud), 1, 0.02)
    assert_normal(torch.cat(default), 1, 0.02)


def test_xavier_balances_both_directions() -> None:
    for layer in layers(patch(init="xavier", init_gain=0.5)):
        area = 4 * 4
        fans = layer.in_channels * area + layer.out_channels * area
        assert_normal(layer.weight, 0, 0.5 * math.sqrt(2 / fans))


def test_kaiming_keeps_the_variance_of_the_forward_pass() -> None:
    for layer in layers(patch(init="kaiming")):
        assert_normal(layer.weight, 0, math.sqrt(2 / (layer.in_channels * 4 * 4)))


def test_orthogonal_rows_are_as_long_as_the_gain() -> None:
    for layer in layers(patch(init="orthogonal", init_gain=0.3, input_channels=6)):
        rows = layer.weight.detach().flatten(1)  # (out, in * 4 * 4), never more rows than columns here
        torch.testing.assert_close(rows @ rows.T, 0.09 * torch.eye(len(rows)), rtol=0, atol=1e-6)


def test_the_gain_is_the_deviation_of_normal_weights() -> None:
    for layer in layers(patch(init_gain=0.1)):
        assert_normal(layer.weight, 0, 0.1)


def test_uniform_weights_fill_the_interval_up_to_the_gain() -> None:
    for layer in layers(patch(init="uniform", init_gain=0.05)):
        assert_uniform(layer.weight, 0.05)


def test_uniform_xavier_balances_both_directions_too() -> None:
    for layer in layers(patch(init="xavier-uniform", init_gain=0.5)):
        fans = (layer.in_channels + layer.out_channels) * 4 * 4
        assert_uniform(layer.weight, 0.5 * math.sqrt(6 / fans))


def assert_uniform(values: Tensor, bound: float) -> None:
    """Within the bound, close to it, and with its deviation within four standard errors."""
    assert values.abs().max().item() == pytest.approx(bound, rel=0.05)
    assert values.abs().max() <= bound * (1 + 1e-6)
    assert values.mean().item() == pytest.approx(0, abs=4 * bound / math.sqrt(3 * values.numel()))
    assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=4 / math.sqrt(2 * values.numel()))


@pytest.mark.parametrize("init", get_args(Init))
def test_a_seed_draws_the_same_weights_again_and_another_seed_others(init: str) -> None:
    one, same, other = (resnet(seed, init=init, filters=4).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[name], same[name]) for name in one)
    weights = [name for name in one if name.endswith("weight")]
    assert not any(torch.equal(one[name], other[name]) for name in weights)

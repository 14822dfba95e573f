"""Feature matching, against the sum over scales and layers as Wang et al. 2018 write it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from i2i.config.networks import MultiScaleConfig, PatchGANConfig, PixelConfig
from i2i.losses.feature_matching import feature_matching
from i2i.networks.build import build


def maps(scales: int, layers: int, seed: int, dtype: torch.dtype = torch.float32) -> list[list[Tensor]]:
    """Of every scale and layer, each of another size."""
    generator = torch.Generator().manual_seed(seed)
    return [
        [torch.rand(2, 3 + layer, 9 - layer, 8 - scale, generator=generator).to(dtype) for layer in range(layers)]
        for scale in range(scales)
    ]


def by_hand(fake: list[list[Tensor]], real: list[list[Tensor]]) -> float:
    """sum over scales and hidden layers of 1/num_D 4/(n_layers + 1) mean|fake - real|."""
    total = 0.0
    for fakes, reals in zip(fake, real, strict=True):
        n_layers = len(fakes) - 1
        for f, r in zip(fakes, reals, strict=True):
            total += 1 / len(fake) * 4 / (n_layers + 1) * np.abs(f.double().numpy() - r.double().numpy()).mean()
    return float(total)


@pytest.mark.parametrize(("scales", "layers"), [(1, 4), (2, 4), (3, 4), (2, 2), (1, 6)])
def test_it_is_the_published_sum_over_scales_and_layers(scales: int, layers: int) -> None:
    fake, real = maps(scales, layers, seed=1), maps(scales, layers, seed=2)
    assert feature_matching(fake, real).item() == pytest.approx(by_hand(fake, real), rel=1e-5)


def test_a_layer_of_the_published_discriminator_weighs_half_for_two_scales() -> None:
    real = maps(2, 4, seed=1)
    fake = [[layer.clone() for layer in scale] for scale in real]
    fake[1][2] += 3.0
    torch.testing.assert_close(feature_matching(fake, real), torch.tensor(1.5))


def test_pictures_that_are_alike_inside_are_nowhere_from_each_other() -> None:
    assert feature_matching(maps(2, 4, seed=1), maps(2, 4, seed=1)) == 0


def test_only_the_fake_maps_get_a_gradient_and_it_is_the_slope() -> None:
    fake, real = maps(2, 3, seed=1, dtype=torch.float64), maps(2, 3, seed=2, dtype=torch.float64)
    flat = [layer.requires_grad_() for scale in fake for layer in scale]
    reals = [layer.requires_grad_() for scale in real for layer in scale]
    found = torch.autograd.grad(feature_matching(fake, real), flat + reals, allow_unused=True)
    for slope, layer, other in zip(found, flat, reals, strict=False):
        weight = 4 / 3 / 2 / layer.numel()
        torch.testing.assert_close(slope, weight * (layer - other).sign())
    assert found[len(flat) :] == (None,) * len(reals)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_float32(dtype: torch.dtype) -> None:
    fake, real = maps(2, 4, seed=1, dtype=dtype), maps(2, 4, seed=2, dtype=dtype)
    found = feature_matching(fake, real)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(by_hand(fake, real), rel=1e-5)


@pytest.mark.parametrize(("scales", "layers"), [(1, 4), (2, 3)])
def test_other_scales_or_layers_are_an_error(scales: int, layers: int) -> None:
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter"):
        feature_matching(maps(2, 4, seed=1), maps(scales, layers, seed=2))


@pytest.mark.parametrize(
    "config", [PatchGANConfig(filters=2), PixelConfig(filters=2), MultiScaleConfig(filters=2)], ids=lambda c: c.kind
)
def test_it_takes_what_any_discriminator_of_pairs_sees(config: PatchGANConfig) -> None:
    torch.manual_seed(1)
    network = build(config)
    real = torch.rand(1, 3, 32, 32)
    fake = torch.rand(1, 3, 32, 32).requires_grad_()
    seen = [[verdict.features for verdict in network.judge(x)] for x in (fake, real)]
    value = feature_matching(*seen)
    (slope,) = torch.autograd.grad(value, fake)
    assert value.item() == pytest.approx(by_hand(*[[[f.detach() for f in s] for s in x] for x in seen]), rel=1e-4)
    assert slope.abs().max() > 0

"""Spectral norm, against singular values from LAPACK (numpy)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized

from i2i.config.network_base import NetworkConfig
from i2i.config.networks import MultiScaleConfig, PatchGANConfig, PixelConfig
from i2i.config.noise_networks import (
    DCGANConfig,
    DCGANCriticConfig,
    MaxoutCriticConfig,
    NoiseResNetConfig,
    PerceptronCriticConfig,
    ResNetCriticConfig,
)
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.self_attention import SelfAttention
from i2i.networks.spectral import ClassVectors, Convolution, Dense, TransposedConvolution, limit

SMALL = {"size": 8, "channels": 1, "spectral": True, "classes": ("a", "b", "c")}
KINDS: list[NetworkConfig] = [
    PatchGANConfig(filters=4, layers=2, input_channels=1, spectral=True, norm="none"),
    PatchGANConfig(filters=8, layers=1, input_channels=1, spectral=True, attention=True, stddev=True),
    PixelConfig(filters=4, input_channels=1, spectral=True),
    MultiScaleConfig(filters=2, input_channels=1, spectral=True),
    PerceptronCriticConfig(hidden=(12,), **SMALL),
    MaxoutCriticConfig(hidden=(12,), pieces=2, **SMALL),
    DCGANCriticConfig(filters=8, attention=True, stddev=True, **SMALL),
    ResNetCriticConfig(filters=8, attention=True, stddev=True, **SMALL),
    DCGANConfig(filters=8, attention=True, **SMALL),
    NoiseResNetConfig(filters=8, attention=True, **SMALL),
]


def called(network: Network) -> Tensor:
    """The network on noise or on pictures of 16 or 8 px, with labels where it takes them."""
    config = network.config
    generator, label = torch.Generator().manual_seed(2), torch.tensor([0, 1, 2, 0])
    if isinstance(config, DCGANConfig | NoiseResNetConfig):
        return network(torch.randn(4, config.noise, generator=generator), label)
    if isinstance(config, PatchGANConfig | PixelConfig | MultiScaleConfig):
        return network(torch.rand(4, 1, 16, 16, generator=generator))
    return network(torch.rand(4, 1, 8, 8, generator=generator), label)


def weights(network: nn.Module) -> dict[str, nn.Module]:
    """All layers whose weight is more than a vector, but for the tables that are an input and no layer."""
    inputs = ("embedding", "seen.pictures")
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding) and name not in inputs
    }


def largest(layer: nn.Module) -> float:
    """The largest singular value of the weight as a matrix with a row for each output."""
    weight = layer.weight.detach()
    rows = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
    return float(np.linalg.svd(rows.flatten(1).numpy(), compute_uv=False)[0])


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_after_forward_passes_in_training_every_weight_has_the_singular_value_1(config: NetworkConfig) -> None:
    torch.manual_seed(1)
    network = build(config).train()
    with torch.no_grad():
        for _ in range(150):
            called(network)
    found = {name: largest(layer) for name, layer in weights(network.eval()).items()}
    assert len(found) >= 2
    assert found == pytest.approx(dict.fromkeys(found, 1.0), abs=0.01)


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_without_it_only_attention_has_it(config: NetworkConfig) -> None:
    network = build(type(config)(**config.model_dump() | {"spectral": False}))
    limited = [name for name, layer in weights(network).items() if is_parametrized(layer)]
    attention = [name for name, module in network.named_modules() if isinstance(module, SelfAttention)]
    assert limited == [f"{name}.{layer}" for name in attention for layer in ("query", "key", "value", "last")]
    assert len(attention) == getattr(config, "attention", False)


@pytest.mark.parametrize(
    ("make", "theirs"),
    [
        (lambda: Convolution(3, 5, 3, stride=2, padding=1), nn.Conv2d(3, 5, 3, stride=2, padding=1)),
        (lambda: TransposedConvolution(3, 5, 4, 2, 1), nn.ConvTranspose2d(3, 5, 4, 2, 1)),
        (lambda: Dense(3, 5), nn.Linear(3, 5)),
        (lambda: ClassVectors(3, 5), nn.Embedding(3, 5)),
    ],
)
def test_without_a_norm_the_layers_are_those_of_torch(make: Callable[[], nn.Module], theirs: nn.Module) -> None:
    layer = make()
    layer.load_state_dict(theirs.state_dict())
    x = {nn.Linear: torch.rand(2, 3), nn.Embedding: torch.tensor([2, 0])}.get(type(theirs), torch.rand(2, 3, 6, 7))
    assert torch.equal(layer(x), theirs(x))


def test_a_transposed_convolution_is_divided_by_the_norm_of_the_matrix_of_its_outputs() -> None:
    torch.manual_seed(1)
    layer = TransposedConvolution(4, 3, 4, 2, 1, bias=False)
    drawn = layer.weight.detach().clone()
    limit(layer.train())
    for _ in range(200):
        layer(torch.rand(1, 4, 2, 2))
    norm = np.linalg.svd(drawn.transpose(0, 1).flatten(1).numpy(), compute_uv=False)[0]
    x = torch.rand(1, 4, 5, 5)
    torch.testing.assert_close(layer.eval()(x), F.conv_transpose2d(x, drawn / norm, stride=2, padding=1))


def test_its_vectors_move_in_training_and_stay_in_evaluation() -> None:
    torch.manual_seed(1)
    network = build(DCGANCriticConfig(filters=2, **SMALL))
    before = {name: value.clone() for name, value in network.state_dict().items() if name.endswith("_u")}
    called(network.eval())
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    called(network.train())
    assert any(not torch.equal(network.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_norms_are_computed_in_full_precision_under_autocast(config: NetworkConfig) -> None:
    torch.manual_seed(1)
    network, halved = build(config).train(), []
    for layer in weights(network).values():
        norm = layer.parametrizations.weight[0]
        norm.register_forward_hook(lambda *_: halved.append(torch.is_autocast_enabled("cpu")))
    with torch.autocast("cpu", torch.bfloat16):
        called(network)
    assert halved == [False] * len(weights(network))


@pytest.mark.parametrize("kind", [DCGANCriticConfig, ResNetCriticConfig])
def test_a_penalty_on_the_gradient_reaches_every_weight_through_attention_and_deviation(
    kind: type[DCGANCriticConfig | ResNetCriticConfig],
) -> None:
    torch.manual_seed(1)
    network = build(kind(filters=8, norm="layer", attention=True, stddev=True, **SMALL))
    for module in network.modules():
        if isinstance(module, SelfAttention):
            nn.init.ones_(module.share)
    x = torch.rand(4, 1, 8, 8).requires_grad_()
    (slope,) = torch.autograd.grad(network(x, torch.tensor([0, 1, 2, 0])).sum(), x, create_graph=True)
    drawn = [layer.parametrizations.weight.original for layer in weights(network).values()]
    second = torch.autograd.grad(slope.square().sum(), drawn)
    assert all(each.isfinite().all() and each.any() for each in second)

"""SN-PatchGAN, against the published table and singular values from LAPACK."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.networks import SpectralPatchGANConfig
from i2i.models.info import ModelInfo
from i2i.models.modelfile import load_model, save_model
from i2i.networks.build import build
from i2i.networks.spectral import Convolution
from i2i.networks.spectral_patchgan import SpectralPatchGAN


def judge(**settings: object) -> SpectralPatchGAN:
    torch.manual_seed(1)
    return build(SpectralPatchGANConfig(**{"filters": 4} | settings))


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def convolutions(network: nn.Module) -> list[Convolution]:
    return [module for module in network.modules() if isinstance(module, Convolution)]


def test_it_has_the_layers_and_parameters_of_the_published_table():
    with torch.device("meta"):
        network = build(SpectralPatchGANConfig())
    layers = convolutions(network)
    assert sum(parameter.numel() for parameter in network.parameters()) == 5_946_816
    assert [layer.out_channels for layer in layers] == [64, 128, 256, 256, 256, 256]
    assert [layer.in_channels for layer in layers] == [4, 64, 128, 256, 256, 256]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in layers} == {((5, 5), (2, 2), (2, 2))}


@pytest.mark.parametrize(("side", "logits"), [(1, 1), (2, 1), (64, 1), (65, 2), (128, 2), (256, 4)])
def test_every_size_has_logits(side: int, logits: int):
    network = judge().train()
    assert (network.minimum, network.multiple) == (1, 1)
    x = pictures(2, 4, side, side).requires_grad_()
    found = network(x)
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert found.shape == (2, 16, logits, logits)
    assert slope.isfinite().all()


def test_with_exact_norms_it_is_the_published_network():
    network = judge(layers=3).double().train()
    for layer in convolutions(network):
        nn.init.normal_(layer.bias, 0, 0.3)
    x = pictures(2, 4, 20, 28).double()
    for _ in range(300):
        network(x)
    network.eval()
    wanted = x
    for layer in convolutions(network):
        weight = layer.parametrizations.weight.original
        weight = weight / torch.linalg.svdvals(weight.flatten(1))[0]
        wanted = F.conv2d(wanted, weight, layer.bias, stride=2, padding=2)
        wanted = torch.where(wanted > 0, wanted, 0.2 * wanted)  # after the last one too
    torch.testing.assert_close(network(x), wanted)


@pytest.mark.parametrize("layers", [1, 6])
def test_the_verdict_is_the_logits_and_what_is_behind_them(layers: int):
    network, x = judge(layers=layers).eval(), pictures(1, 4, 96, 64)
    [(logits, features, _)] = network.judge(x)
    assert torch.equal(logits, network(x))
    assert [feature.shape[1] for feature in features] == [4, 8, 16, 16, 16][: layers - 1]
    sides = [x.shape[2], *(feature.shape[2] for feature in features), logits.shape[2]]
    assert all(after == (before + 1) // 2 for before, after in pairwise(sides))


def test_norms_are_computed_in_full_precision_under_autocast():
    network, halved = judge().train(), []
    for layer in convolutions(network):
        norm = layer.parametrizations.weight[0]
        norm.register_forward_hook(lambda *_: halved.append(torch.is_autocast_enabled("cpu")))
    with torch.autocast("cpu", torch.bfloat16):
        assert network(pictures(1, 4, 8, 8)).dtype == torch.bfloat16
    assert halved == [False] * 6


def test_it_comes_back_from_a_model_file(tmp_path: Path):
    network, x = judge(), pictures(2, 4, 24, 33)
    network.train()(x)
    path = tmp_path / "judge.safetensors"
    info = ModelInfo(task="inpaint", directions=(), networks={"judge": network.config})
    save_model(path, {"judge": network}, info, half=False)
    loaded = load_model(path).networks["judge"]
    torch.testing.assert_close(loaded.eval()(x), network.eval()(x))

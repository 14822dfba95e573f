"""What spectral norm, self-attention and minibatch standard deviation change in the discriminators of pictures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from i2i.config.network_base import NetworkConfig
from i2i.config.networks import (
    MultiScaleConfig,
    PatchGANConfig,
    PixelConfig,
    SRGANDiscriminatorConfig,
    UNetDiscriminatorConfig,
)
from i2i.models.info import ModelInfo
from i2i.models.modelfile import load_model, save_model
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.self_attention import SelfAttention

SPECTRAL = [PatchGANConfig(filters=4), PixelConfig(filters=4), MultiScaleConfig(filters=4)]
REMEDIED = PatchGANConfig(filters=8, attention=True, stddev=True, spectral=True)


def judge(config: NetworkConfig, **settings: object) -> Network:
    torch.manual_seed(1)
    return build(type(config)(**config.model_dump() | settings))


def pictures(samples: int, side: int = 64) -> Tensor:
    return torch.rand(samples, 3, side, side, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize("config", SPECTRAL, ids=lambda config: config.kind)
def test_spectral_norm_divides_the_same_drawn_weights(config: NetworkConfig) -> None:
    plain, limited = judge(config).state_dict(), judge(config, spectral=True).state_dict()
    for name, value in plain.items():
        if value.dim() == 4:
            name = name.replace("weight", "parametrizations.weight.original")
        assert torch.equal(limited[name], value)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_spectral_norm_stands_beside_any_norm(norm: str) -> None:
    network, plain = judge(PatchGANConfig(filters=4, norm=norm, spectral=True)), judge(PatchGANConfig(norm=norm))
    kinds = [[type(layer).__name__.removeprefix("Parametrized") for layer in each.layers] for each in (network, plain)]
    assert kinds[0] == kinds[1]
    assert network(pictures(2)).shape == plain(pictures(2)).shape


def test_attention_looks_at_32_px_of_256_and_changes_nothing_at_first() -> None:
    plain, looking = judge(PatchGANConfig(filters=8)), judge(PatchGANConfig(filters=8, attention=True))
    where = [number for number, layer in enumerate(looking.layers) if isinstance(layer, SelfAttention)]
    seen: list[Tensor] = []
    for number in where:
        looking.layers[number].register_forward_hook(lambda module, given, made: seen.append(made))
    rest = [layer for layer in looking.layers if not isinstance(layer, SelfAttention)]
    nn.Sequential(*rest).load_state_dict(plain.layers.state_dict())
    x = pictures(1, 256)
    torch.testing.assert_close(looking(x), plain(x))
    assert [each.shape for each in seen] == [(1, 32, 32, 32)]


def test_the_deviation_is_one_more_channel_of_the_last_convolution() -> None:
    network = judge(PatchGANConfig(filters=4, stddev=True))
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    assert [layer.in_channels for layer in convolutions] == [3, 4, 8, 16, 33]
    plain = judge(PatchGANConfig(filters=4))
    for mine, other in zip(plain.parameters(), network.parameters(), strict=True):
        mine.data.copy_(other[:, :32] if other.shape[1:2] == (33,) else other)
    alike = pictures(1).repeat(4, 1, 1, 1)  # which do not differ, so that the channel says nothing
    torch.testing.assert_close(network(alike), plain(alike), rtol=0, atol=1e-3)
    assert not torch.allclose(network(pictures(4)), plain(pictures(4)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("layers", range(1, 5))
def test_the_smallest_picture_can_be_judged_with_every_remedy(layers: int) -> None:
    network = judge(REMEDIED, layers=layers).train()
    x = pictures(2, network.minimum).requires_grad_()
    (slope,) = torch.autograd.grad(network(x).square().sum(), x)
    assert slope.isfinite().all()


def test_verdicts_of_a_remedied_patchgan_carry_its_hidden_layers() -> None:
    [verdict] = judge(REMEDIED).eval().judge(pictures(2))
    assert [tuple(each.shape[1:]) for each in verdict.features] == [(8, 32, 32), (16, 16, 16), (32, 8, 8), (64, 7, 7)]


@pytest.mark.parametrize("config", [REMEDIED, *(type(c)(filters=4, spectral=True) for c in SPECTRAL)])
def test_it_comes_back_from_a_model_file(config: NetworkConfig, tmp_path: Path) -> None:
    network, path = judge(config), tmp_path / "judge.safetensors"
    network.train()(pictures(2))
    save_model(path, {"judge": network}, ModelInfo(directions=(), networks={"judge": network.config}), half=False)
    loaded = load_model(path).networks["judge"]
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in network.state_dict().items())
    for mine, theirs in zip(loaded.eval().judge(pictures(2)), network.eval().judge(pictures(2)), strict=True):
        torch.testing.assert_close(mine.logits, theirs.logits, rtol=1e-4, atol=1e-4)


def test_settings_of_before_are_those_without_remedies() -> None:
    for config in SPECTRAL:
        new = {"spectral", "attention", "stddev"}
        before = {key: value for key, value in config.model_dump().items() if key not in new}
        assert type(config)(**before) == config


def test_the_discriminator_of_srgan_has_a_verdict_with_every_hidden_layer() -> None:
    network = judge(SRGANDiscriminatorConfig(filters=4, hidden=5)).eval()
    x = pictures(2, 96)
    [verdict] = network.judge(x)
    assert torch.equal(verdict.logits, network(x))
    assert [each.shape[1] for each in verdict.features] == [4, 4, 8, 8, 16, 16, 32, 32, 5]
    heard = passed_on(network, x)
    assert all(torch.equal(mine, other) for mine, other in zip(verdict.features, heard, strict=True))


def passed_on(network: nn.Module, x: Tensor) -> list[Tensor]:
    """What each LeakyReLU of a plain call passes on."""
    heard: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.LeakyReLU):
            module.register_forward_hook(lambda module, given, made: heard.append(made.clone()))
    network(x)
    return heard


def test_the_unet_discriminator_has_a_verdict_with_every_hidden_layer() -> None:
    network = judge(UNetDiscriminatorConfig(filters=4)).eval()
    x = pictures(2, 32)
    [verdict] = network.judge(x)
    assert torch.equal(verdict.logits, network(x))
    assert [each.shape[1] for each in verdict.features] == [4, 8, 16, 32, 16, 8, 4, 4, 4]
    assert [each.shape[2] for each in verdict.features] == [32, 16, 8, 4, 8, 16, 32, 32, 32]
    names = [f"conv{number}" for number in range(1, 9)]
    raw: list[Tensor] = []
    for name in names:
        getattr(network, name).register_forward_hook(lambda module, given, made: raw.append(made.clone()))
    network(x)
    for mine, other in zip(verdict.features[1:], raw, strict=True):
        assert torch.equal(mine, torch.where(other > 0, other, 0.2 * other))
    assert all(before is not after for before, after in pairwise(verdict.features))

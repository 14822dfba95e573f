"""The discriminator at several scales, against the published table, and the verdicts of all that judge pairs."""

from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from i2i.config.network_base import NetworkConfig
from i2i.config.networks import MultiScaleConfig, PairedDiscriminator, PatchGANConfig, PixelConfig
from i2i.losses.penalties import gradient_penalty
from i2i.models.modelfile import ModelInfo, load_model, save_model
from i2i.networks.build import build
from i2i.networks.multiscale import MultiScaleDiscriminator, halved
from i2i.networks.norm import InstanceNorm

PAIRED = [PatchGANConfig(filters=4), PixelConfig(filters=4), MultiScaleConfig(filters=4)]


def multiscale(**settings: object) -> MultiScaleDiscriminator:
    torch.manual_seed(1)
    return build(MultiScaleConfig(**{"filters": 4} | settings))


def on_paper(**settings: object) -> MultiScaleDiscriminator:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return build(MultiScaleConfig(**settings))


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def published(channels: int, filters: int) -> nn.Sequential:
    """One scale by the table of Wang et al. 2018, appendix: C64-C128-C256-C512, with padding 2."""
    layers: list[nn.Module] = [nn.Conv2d(channels, filters, 4, 2, 2), nn.LeakyReLU(0.2)]
    for before, after, stride in [(1, 2, 2), (2, 4, 2), (4, 8, 1)]:
        layers += [nn.Conv2d(before * filters, after * filters, 4, stride, 2), nn.InstanceNorm2d(after * filters)]
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * filters, 1, 4, 1, 2))


def halved_by_hand(picture: np.ndarray) -> np.ndarray:
    """(H, W): the mean of each pixel with even coordinates and its neighbours inside of the picture."""
    height, width = picture.shape
    return np.array(
        [
            [picture[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean() for x in range(0, width, 2)]
            for y in range(0, height, 2)
        ]
    )


@pytest.mark.parametrize(("channels", "count"), [(39, 5_603_202), (6, 5_535_618)])
def test_two_scales_have_the_published_number_of_parameters(channels: int, count: int) -> None:
    network = on_paper(input_channels=channels)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_each_scale_has_weights_of_its_own_and_all_biases(scales: int) -> None:
    network = multiscale(scales=scales)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 5 * scales
    assert all(convolution.bias is not None for convolution in convolutions)
    assert len({convolution.weight.data_ptr() for convolution in convolutions}) == 5 * scales
    assert sum(isinstance(module, InstanceNorm) for module in network.modules()) == 3 * scales


@pytest.mark.parametrize(
    ("filters", "widths"), [(64, [64, 128, 256, 512, 1]), (100, [100, 200, 400, 512, 1]), (8, [8, 16, 32, 64, 1])]
)
def test_no_layer_is_wider_than_512_channels(filters: int, widths: list[int]) -> None:
    network = on_paper(filters=filters, scales=1)
    assert [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)] == widths


def test_each_scale_is_the_published_stack_on_the_picture_halved_that_often() -> None:
    ours = multiscale(scales=3, init_gain=0.3).double()
    x = pictures(2, 3, 40, 33).double()
    seen = x
    for number, (scale, (logits, features, _)) in enumerate(zip(ours.scales, ours.judge(x), strict=True)):
        theirs = published(3, 4).double()
        for mine, other in zip(scale.parameters(), theirs.parameters(), strict=True):
            other.data.copy_(mine)
        if number:
            seen = torch.tensor(np.array([[halved_by_hand(c) for c in sample.numpy()] for sample in seen]))
        maps = [seen]
        for layer in theirs:
            maps.append(layer(maps[-1]))
        torch.testing.assert_close(logits, maps[-1])
        after_leaky = [after for layer, after in zip(theirs, maps[1:], strict=True) if isinstance(layer, nn.LeakyReLU)]
        torch.testing.assert_close(features, tuple(after_leaky))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 5), (1, 2)])
def test_a_halved_picture_holds_means_of_the_pixels_that_are_there(height: int, width: int) -> None:
    x = pictures(2, 3, height, width).double()
    expected = np.array([[halved_by_hand(channel) for channel in sample] for sample in x.numpy()])
    np.testing.assert_allclose(halved(x).numpy(), expected, atol=1e-14)


def test_a_plain_picture_stays_as_it_is_up_to_its_edges() -> None:
    torch.testing.assert_close(halved(torch.full((1, 3, 7, 6), 0.3)), torch.full((1, 3, 4, 3), 0.3))


def test_maps_of_512_x_256_have_the_published_sizes() -> None:
    logits = on_paper(scales=3)(torch.empty(1, 3, 512, 256, device="meta"))
    assert [tuple(each.shape) for each in logits] == [(1, 1, 67, 35), (1, 1, 35, 19), (1, 1, 19, 11)]


def test_a_logit_of_the_second_scale_judges_a_patch_of_141_pixels() -> None:
    # 70 pixels of the half, 2 apart, each the mean of 3: 2 (70 - 1) + 3.
    network = multiscale(filters=1, input_channels=1).double()
    layers = nn.Sequential(*(layer for layer in network.scales[1] if not isinstance(layer, InstanceNorm)))
    for parameter in layers.parameters():
        nn.init.normal_(parameter)
    x = torch.rand(1, 1, 320, 320, dtype=torch.float64).requires_grad_()
    logits = layers(halved(x))
    (slope,) = torch.autograd.grad(logits[0, 0, 11, 11], x)
    assert (int(slope[0, 0].any(dim=1).sum()), int(slope[0, 0].any(dim=0).sum())) == (141, 141)


@pytest.mark.parametrize(("scales", "minimum"), [(1, 2), (2, 3), (3, 5)])
def test_the_smallest_picture_can_be_trained_on_and_one_smaller_cannot(scales: int, minimum: int) -> None:
    network = multiscale(scales=scales).train()
    assert (network.minimum, network.multiple) == (minimum, 1)
    x = pictures(1, 3, minimum, minimum).requires_grad_()
    (slope,) = torch.autograd.grad(sum(logits.square().sum() for logits in network(x)), x)
    assert slope.isfinite().all()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        network(pictures(1, 3, minimum - 1, minimum - 1))


def test_every_size_from_the_minimum_on_is_taken() -> None:
    network = multiscale(scales=3)
    for side in range(network.minimum, 24):
        assert all(logits.isfinite().all() for logits in network(pictures(1, 3, side, side + 3)))


@pytest.mark.parametrize("config", PAIRED, ids=lambda config: config.kind)
def test_verdicts_carry_the_logits_of_a_plain_call(config: NetworkConfig) -> None:
    torch.manual_seed(1)
    network, x = build(config), pictures(2, 3, 32, 40)
    called = network(x)
    logits = called if isinstance(called, tuple) else (called,)
    assert all(torch.equal(verdict.logits, each) for verdict, each in zip(network.judge(x), logits, strict=True))


@pytest.mark.parametrize(
    ("config", "widths"),
    [
        (PatchGANConfig(filters=4), [[4, 8, 16, 32]]),
        (PatchGANConfig(filters=4, layers=1), [[4, 8]]),
        (PixelConfig(filters=4), [[4, 8]]),
        (MultiScaleConfig(filters=4, scales=3), [[4, 8, 16, 32]] * 3),
    ],
)
def test_verdicts_carry_every_hidden_layer_and_no_logits(config: NetworkConfig, widths: list[list[int]]) -> None:
    verdicts = build(config).judge(pictures(1, 3, 32, 32))
    assert [[map_.shape[1] for map_ in verdict.features] for verdict in verdicts] == widths
    assert all(verdict.logits.shape[1] == 1 for verdict in verdicts)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_hidden_layers_of_a_patchgan_are_what_its_leaky_relus_pass_on(norm: str) -> None:
    torch.manual_seed(1)
    network, x = build(PatchGANConfig(filters=4, norm=norm, init_gain=0.3)).eval(), pictures(2, 3, 40, 40)
    (verdict,) = network.judge(x)
    ends = [number for number, layer in enumerate(network.layers, start=1) if isinstance(layer, nn.LeakyReLU)]
    assert ends == [2, 5, 8, 11]
    torch.testing.assert_close(verdict.features, tuple(network.layers[:end](x) for end in ends))
    for before, after in pairwise(verdict.features):
        assert before.shape[-1] > after.shape[-1]


def test_the_gradient_of_every_scale_is_the_slope() -> None:
    network = multiscale(scales=3, filters=2, init_gain=0.5).double()
    x = pictures(1, 3, 9, 8).double().requires_grad_()

    def outputs(x: Tensor) -> Tensor:
        maps = [each for judged in network.judge(x) for each in (judged.logits, *judged.features)]
        return torch.stack([each.sin().sum() for each in maps])

    assert torch.autograd.gradcheck(outputs, x, fast_mode=True)


def test_a_gradient_penalty_on_the_logits_of_all_scales_reaches_every_weight() -> None:
    network = multiscale(init_gain=0.3)
    real, fake = pictures(2, 3, 16, 16), pictures(2, 3, 16, 16, seed=3)

    def judged(x: Tensor) -> Tensor:
        return torch.stack([logits.sum() for logits in network(x)])

    penalty = gradient_penalty(judged, real, fake, torch.tensor([0.2, 0.7]))
    weights = [parameter for parameter in network.parameters() if parameter.dim() == 4]
    assert all(slope.any() for slope in torch.autograd.grad(penalty, weights))


def test_samples_are_judged_alone() -> None:
    network, x = multiscale(init_gain=0.3).double(), pictures(3, 3, 24, 24).double()
    for whole, *parts in zip(network(x), *(network(sample[None]) for sample in x), strict=True):
        torch.testing.assert_close(whole, torch.cat(parts))


def test_channels_last_judges_alike() -> None:
    network, x = multiscale(init_gain=0.3).double(), pictures(2, 3, 24, 33).double()
    twin = copy.deepcopy(network).to(memory_format=torch.channels_last)
    torch.testing.assert_close(twin(x.contiguous(memory_format=torch.channels_last)), network(x))


def test_it_comes_back_from_a_model_file(tmp_path: Path) -> None:
    network, x = multiscale(scales=3, init_gain=0.3), pictures(1, 3, 24, 33)
    path = tmp_path / "judge.safetensors"
    save_model(path, {"judge": network}, ModelInfo(directions=(), networks={"judge": network.config}), half=False)
    torch.testing.assert_close(load_model(path).networks["judge"](x), network(x), rtol=1e-4, atol=1e-4)


def test_settings_name_each_discriminator_of_pairs_by_its_kind() -> None:
    read = TypeAdapter(PairedDiscriminator).validate_python
    assert read({"kind": "multiscale", "scales": 3}) == MultiScaleConfig(scales=3)
    assert [read({"kind": config.kind, "filters": 4}) for config in PAIRED] == PAIRED
    with pytest.raises(ValidationError, match="expected tags: 'patchgan', 'pixel', 'multiscale'"):
        read({"kind": "srgan"})


@pytest.mark.parametrize(("scales", "words"), [(0, "greater than or equal to 1"), (4, "less than or equal to 3")])
def test_other_numbers_of_scales_are_refused(scales: int, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MultiScaleConfig(scales=scales)

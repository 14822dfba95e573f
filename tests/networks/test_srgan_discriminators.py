"""The discriminators for enlarging, against the published tables and singular values from LAPACK."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.networks import SRGANDiscriminatorConfig, UNetDiscriminatorConfig
from i2i.models.modelfile import ModelInfo, load_model, save_model
from i2i.networks.base import Network
from i2i.networks.srgan_discriminator import SRGANDiscriminator
from i2i.networks.unet_discriminator import UNetDiscriminator

INNER = [f"conv{number}" for number in range(1, 9)]  # those with spectral norm


def srgan(**settings: object) -> SRGANDiscriminator:
    torch.manual_seed(1)
    return SRGANDiscriminator(SRGANDiscriminatorConfig(**{"filters": 4, "hidden": 5} | settings))


def unet(**settings: object) -> UNetDiscriminator:
    torch.manual_seed(1)
    return UNetDiscriminator(UNetDiscriminatorConfig(**{"filters": 4} | settings))


def lively(network: nn.Module) -> nn.Module:
    """With every weight and bias away from its beginning, in float64."""
    torch.manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    return network.double()


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def weights(network: UNetDiscriminator) -> dict[str, Tensor]:
    return {name: getattr(network, name).weight.detach() for name in INNER}


def largest(weight: Tensor) -> float:
    """The largest singular value of a convolution's weight as a matrix."""
    return torch.linalg.svdvals(weight.flatten(1))[0].item()


def published(filters: int) -> nn.Sequential:
    """The table of convolutions of Ledig et al. as the releases write it."""
    layers: list[nn.Module] = [nn.Conv2d(3, filters, 3, 1, 1), nn.LeakyReLU(0.2)]
    for before, after, stride in [(1, 1, 2), (1, 2, 1), (2, 2, 2), (2, 4, 1), (4, 4, 2), (4, 8, 1), (8, 8, 2)]:
        convolution = nn.Conv2d(before * filters, after * filters, 3, stride, 1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after * filters), nn.LeakyReLU(0.2)]
    head = [nn.Flatten(), nn.Linear(8 * filters * 36, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1)]
    return nn.Sequential(*layers, *head)


@cache
def on_paper() -> tuple[SRGANDiscriminator, UNetDiscriminator]:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return SRGANDiscriminator(SRGANDiscriminatorConfig()), UNetDiscriminator(UNetDiscriminatorConfig())


def test_they_have_the_published_numbers_of_parameters() -> None:
    assert [parameters(network) for network in on_paper()] == [23_563_649, 4_376_897]


def test_a_crop_of_96_gets_the_logit_of_the_published_network_with_its_fixed_head() -> None:
    ours, theirs = lively(srgan()).train(), published(4).double().train()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine)
    x = pictures(2, 3, 96, 96).double()
    torch.testing.assert_close(ours(x), theirs(x))


def test_weights_of_releases_fit_by_name() -> None:
    names = dict(srgan().named_parameters())
    convolutions = [name for name, value in names.items() if value.dim() == 4]
    assert convolutions == [f"features.{index}.weight" for index in (0, 2, 5, 8, 11, 14, 17, 20)]
    assert [name for name in names if "classifier" in name and "weight" in name] == [
        "classifier.0.weight",
        "classifier.2.weight",
    ]


def test_a_crop_of_192_is_averaged_to_the_map_of_one_of_96() -> None:
    network = srgan().double().eval()
    heard: list[Tensor] = []
    network.classifier.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    x = pictures(1, 3, 192, 192).double()
    network(x)
    cells = network.features(x).reshape(1, 32, 6, 2, 6, 2).mean((3, 5))
    torch.testing.assert_close(heard[0], cells.flatten(1))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 96), (100, 100), (192, 192), (17, 131)])
def test_every_crop_gets_one_logit(height: int, width: int) -> None:
    x = pictures(2, 3, height, width).requires_grad_()
    logits = srgan().train()(x)
    (slope,) = torch.autograd.grad(logits.sum(), x)
    assert logits.shape == (2, 1)
    assert slope.isfinite().all()


def test_the_smallest_crop_can_be_trained_on_alone_and_one_smaller_cannot() -> None:
    network = srgan().train()
    assert (network.minimum, network.multiple) == (17, 1)
    assert network(pictures(1, 3, 17, 17)).isfinite().all()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        network(pictures(1, 3, 16, 16))


@pytest.mark.parametrize(("pooled", "inputs"), [(1, 32), (4, 512), (8, 2048)])
def test_the_pooled_side_says_how_much_the_dense_layers_see(pooled: int, inputs: int) -> None:
    network = srgan(pooled=pooled, input_channels=1)
    assert network.classifier[0].in_features == inputs
    assert network(pictures(2, 1, 40, 50)).shape == (2, 1)


def unet_on_paper(x: Tensor, state: dict[str, Tensor], norms: dict[str, float]) -> Tensor:
    """The U-Net of Wang et al. for sides that are multiples of 8, as a function of its state dict."""

    def convolved(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.parametrizations.weight.original"] / norms[name]
        x = F.conv2d(x, weight, stride=stride, padding=1)
        return torch.where(x > 0, x, 0.2 * x)

    def doubled(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear")

    x0 = F.leaky_relu(F.conv2d(x, state["conv0.weight"], state["conv0.bias"], padding=1), 0.2)
    x1 = convolved("conv1", x0, stride=2)
    x2 = convolved("conv2", x1, stride=2)
    x3 = convolved("conv3", x2, stride=2)
    y = convolved("conv4", doubled(x3)) + x2
    y = convolved("conv5", doubled(y)) + x1
    y = convolved("conv6", doubled(y)) + x0
    y = convolved("conv8", convolved("conv7", y))
    return F.conv2d(y, state["conv9.weight"], state["conv9.bias"], padding=1)


def test_with_exact_norms_the_unet_is_the_published_network() -> None:
    network = unet().double().train()
    x = pictures(2, 3, 16, 24).double()
    for _ in range(300):
        network(x)
    state = network.eval().state_dict()
    norms = {name: largest(state[f"{name}.parametrizations.weight.original"]) for name in INNER}
    torch.testing.assert_close(network(x), unet_on_paper(x, state, norms))


def test_the_unet_has_the_published_names_and_shapes() -> None:
    _, network = on_paper()
    widths = [
        (3, 64),
        (64, 128),
        (128, 256),
        (256, 512),
        (512, 256),
        (256, 128),
        (128, 64),
        (64, 64),
        (64, 64),
        (64, 1),
    ]
    for number, (before, after) in enumerate(widths):
        side = 4 if number in (1, 2, 3) else 3
        convolution = getattr(network, f"conv{number}")
        assert convolution.weight.shape == (after, before, side, side)
        assert (convolution.bias is not None) == (number in (0, 9))
        assert hasattr(convolution, "parametrizations") == (number not in (0, 9))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (17, 31), (64, 64), (9, 100)])
def test_every_pixel_gets_a_logit(height: int, width: int) -> None:
    x = pictures(2, 3, height, width).requires_grad_()
    logits = unet().train()(x)
    (slope,) = torch.autograd.grad(logits.sum(), x)
    assert logits.shape == (2, 1, height, width)
    assert slope.isfinite().all()


def test_a_picture_of_7_is_too_small_for_three_halvings() -> None:
    network = unet()
    assert (network.minimum, network.multiple) == (8, 1)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        network(pictures(1, 3, 7, 7))


def test_after_forward_passes_in_training_every_inner_weight_has_the_singular_value_1() -> None:
    network = unet(filters=8).train()
    x = pictures(1, 3, 8, 8)
    for _ in range(60):
        network(x)
    for weight in weights(network.eval()).values():
        assert largest(weight) == pytest.approx(1, abs=0.01)


def test_a_fresh_unet_is_near_it_already() -> None:
    for weight in weights(unet(filters=8).eval()).values():
        assert largest(weight) == pytest.approx(1, abs=0.1)


def test_initial_weights_have_the_deviation_of_the_settings_before_their_norm() -> None:
    network = unet(filters=16, init_gain=0.5)
    for name in INNER:
        original = getattr(network, name).parametrizations.weight.original
        assert original.std().item() == pytest.approx(0.5, rel=0.05)
    assert network.conv0.weight.std().item() == pytest.approx(0.5, rel=0.15)
    assert not network.state_dict()["conv0.bias"].any()


def test_the_singular_vectors_move_in_training_and_stay_in_evaluation() -> None:
    network, x = unet(), pictures(1, 3, 8, 8)

    def vectors() -> list[Tensor]:
        return [buffer.clone() for name, buffer in network.named_buffers() if name.endswith(("_u", "_v"))]

    before = vectors()
    network.eval()(x)
    assert len(before) == 16
    assert all(torch.equal(old, new) for old, new in zip(before, vectors(), strict=True))
    network.train()(x)
    assert not any(torch.equal(old, new) for old, new in zip(before, vectors(), strict=True))


def test_norms_are_computed_in_full_precision_under_autocast() -> None:
    network, halved = unet().train(), []
    for name in INNER:
        norm = getattr(network, name).parametrizations.weight[0]
        norm.register_forward_hook(lambda *_: halved.append(torch.is_autocast_enabled("cpu")))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(pictures(1, 3, 8, 8))
    assert halved == [False] * 8
    assert logits.dtype == torch.bfloat16


def test_two_passes_before_one_gradient_are_what_a_training_needs() -> None:
    network = unet().train()
    difference = network(pictures(1, 3, 8, 8)).mean() - network(pictures(1, 3, 8, 8, seed=5)).mean()
    gradients = torch.autograd.grad(difference, list(network.parameters())[:-1])
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(bool(gradient.any()) for gradient in gradients) == len(gradients)


@pytest.mark.parametrize("make", [srgan, unet])
@pytest.mark.parametrize("half", [False, True])
def test_it_comes_back_from_a_model_file(make: Callable[..., Network], half: bool, tmp_path: Path) -> None:
    network, x = make(init_gain=0.3), pictures(2, 3, 24, 33)
    network.train()(x)
    path = tmp_path / "judge.safetensors"
    info = ModelInfo(task="upscale", directions=(), networks={"judge": network.config})
    save_model(path, {"judge": network}, info, half=half)
    loaded = load_model(path).networks["judge"]
    tolerance = 0.01 if half else 1e-4
    torch.testing.assert_close(loaded.eval()(x), network.eval()(x), rtol=tolerance, atol=tolerance)
    assert half or all(torch.equal(loaded.state_dict()[key], value) for key, value in network.state_dict().items())
    (slope, *_) = torch.autograd.grad(loaded.train()(x).sum(), list(loaded.parameters()))
    assert slope.isfinite().all()


@pytest.mark.parametrize("make", [srgan, unet])
def test_a_deep_copy_judges_alike_and_learns_apart(make: Callable[..., Network]) -> None:
    network, x = make().eval(), pictures(2, 3, 24, 33)
    twin = copy.deepcopy(network)
    before = network(x)
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.1)
    twin.train()(x)
    assert torch.equal(network(x), before)
    assert not torch.equal(twin.eval()(x), before)


@pytest.mark.parametrize("make", [srgan, unet])
def test_channels_last_judges_alike(make: Callable[..., Network]) -> None:
    network, x = lively(make()), pictures(2, 3, 24, 33).double()
    twin = copy.deepcopy(network)
    for parameter in twin.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    found = twin(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, network(x))

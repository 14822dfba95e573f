"""The discriminators, against the published table of layers and numbers from theory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from i2i.config.networks import PatchGANConfig, PixelConfig
from i2i.networks.build import build
from i2i.networks.patchgan import PatchGAN, PixelDiscriminator


def patch(**settings: object) -> PatchGAN:
    torch.manual_seed(1)
    return build(PatchGANConfig(**{"filters": 4} | settings))


def pixel(**settings: object) -> PixelDiscriminator:
    torch.manual_seed(1)
    return build(PixelConfig(**{"filters": 4} | settings))


def on_paper(config: PatchGANConfig | PixelConfig) -> nn.Module:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return build(config)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize(
    ("layers", "count"),
    [(1, 136_385), (2, 662_977), (3, 2_764_737), (4, 6_959_553), (5, 11_154_369), (6, 15_349_185)],
)
def test_a_colour_patchgan_has_the_published_number_of_parameters(layers: int, count: int) -> None:
    assert parameters(on_paper(PatchGANConfig(layers=layers))) == count


@pytest.mark.parametrize(
    ("channels", "norm", "count"), [(3, "batch", 2_765_633), (6, "batch", 2_768_705), (6, "instance", 2_767_809)]
)
def test_other_norms_and_channels_have_the_published_number_of_parameters(channels: int, norm: str, count: int) -> None:
    assert parameters(on_paper(PatchGANConfig(input_channels=channels, norm=norm))) == count


@pytest.mark.parametrize(("channels", "norm", "count"), [(3, "instance", 8_705), (6, "batch", 9_024)])
def test_a_pixel_discriminator_has_the_published_number_of_parameters(channels: int, norm: str, count: int) -> None:
    assert parameters(on_paper(PixelConfig(input_channels=channels, norm=norm))) == count


@pytest.mark.parametrize(("layers", "side"), [(1, 126), (2, 62), (3, 30), (4, 14), (5, 6), (6, 2)])
def test_the_map_of_a_picture_of_256_has_the_published_size(layers: int, side: int) -> None:
    x = torch.empty(1, 3, 256, 256, device="meta")
    assert on_paper(PatchGANConfig(layers=layers))(x).shape == (1, 1, side, side)


def test_the_padding_of_the_first_release_gives_a_map_of_35() -> None:
    x = torch.empty(1, 3, 256, 256, device="meta")
    assert on_paper(PatchGANConfig(padding=2))(x).shape == (1, 1, 35, 35)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286), (6, 574)])
def test_a_logit_judges_a_patch_of_the_published_width(layers: int, field: int) -> None:
    network = patch(filters=1, input_channels=1, layers=layers, norm="none").double()
    side = 2 * field  # wide enough for the patch in the middle to touch no border
    x = torch.rand(1, 1, side, side, dtype=torch.float64).requires_grad_()
    logits = network(x)
    middle = logits.shape[-1] // 2
    (slope,) = torch.autograd.grad(logits[0, 0, middle, middle], x)
    rows, columns = slope[0, 0].any(dim=1), slope[0, 0].any(dim=0)
    assert (int(rows.sum()), int(columns.sum())) == (field, field)


@pytest.mark.parametrize("layers", range(1, 7))
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_the_smallest_picture_can_be_trained_on(layers: int, norm: str) -> None:
    network = patch(filters=2, layers=layers, norm=norm).train()
    assert network.minimum == 3 * 2**layers
    x = pictures(1, 3, network.minimum, network.minimum + 1).requires_grad_()
    logits = network(x)
    (slope,) = torch.autograd.grad(logits.square().sum(), x)
    assert logits.shape == (1, 1, 1, 1)
    assert slope.isfinite().all()


@pytest.mark.parametrize("layers", range(1, 7))
def test_a_picture_one_smaller_than_the_minimum_is_too_small(layers: int) -> None:
    network = patch(filters=1, layers=layers)
    side = network.minimum - 1
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        network(pictures(1, 3, side, side))


def test_any_size_from_the_minimum_on_is_taken_with_the_wider_padding_too() -> None:
    network = patch(padding=2)
    for side in range(network.minimum, network.minimum + 9):
        assert network(pictures(1, 3, side, side)).isfinite().all()


@pytest.mark.parametrize(
    ("kind", "norm", "bias"), [("instance", nn.InstanceNorm2d, True), ("batch", nn.BatchNorm2d, False)]
)
def test_three_layers_are_the_published_stack(kind: str, norm: type[nn.Module], bias: bool) -> None:
    ours = patch(norm=kind, init_gain=0.3)
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, 2, 1, bias=bias), norm(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 16, 4, 2, 1, bias=bias), norm(16), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 1, 1, bias=bias), norm(32), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 4, 1, 1),
    )  # fmt: skip
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine)
    x = pictures(2, 3, 40, 33)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("kind", "norm", "bias"), [("instance", nn.InstanceNorm2d, True), ("batch", nn.BatchNorm2d, False)]
)
def test_the_pixel_discriminator_is_the_published_stack(kind: str, norm: type[nn.Module], bias: bool) -> None:
    ours = pixel(norm=kind, init_gain=0.3)
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 1, bias=bias), norm(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 1, bias=bias),
    )  # fmt: skip
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine)
    x = pictures(2, 3, 5, 6)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_every_pixel_of_the_smallest_picture_has_a_logit(norm: str) -> None:
    network = pixel(norm=norm).train()
    assert (network.minimum, network.multiple) == (2, 1)
    assert network(pictures(1, 3, 2, 2)).shape == (1, 1, 2, 2)


@pytest.mark.parametrize(("norm", "biases"), [("none", 5), ("instance", 5), ("batch", 2)])
def test_only_batch_norm_takes_the_biases_from_the_convolutions_before_it(norm: str, biases: int) -> None:
    convolutions = [m for m in patch(norm=norm).modules() if isinstance(m, nn.Conv2d)]
    assert sum(convolution.bias is not None for convolution in convolutions) == biases


@pytest.mark.parametrize(("norm", "biases"), [("none", 3), ("instance", 3), ("batch", 1)])
def test_the_last_convolution_of_a_pixel_discriminator_follows_the_rule_too(norm: str, biases: int) -> None:
    convolutions = [m for m in pixel(norm=norm).modules() if isinstance(m, nn.Conv2d)]
    assert sum(convolution.bias is not None for convolution in convolutions) == biases

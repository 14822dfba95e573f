"""The U-Net generator, against the published levels, one inside the other, and numbers from theory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from i2i.config.networks import UNetConfig
from i2i.networks.build import build
from i2i.networks.unet import UNetGenerator, paled


def small(**settings: object) -> UNetGenerator:
    torch.manual_seed(1)
    return build(UNetConfig(**{"filters": 2, "downs": 5} | settings))


def on_paper(**settings: object) -> UNetGenerator:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return build(UNetConfig(**settings))


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class PublishedLevel(nn.Module):
    """[its input, what the level inside makes of the half size]: the nested form in which the authors released it."""

    def __init__(self, down: list[nn.Module], inside: nn.Module, up: list[nn.Module]) -> None:
        super().__init__()
        self.path = nn.Sequential(*down, inside, *up)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.path(x)], dim=1)


def published(downs: int, g: int, norm: type[nn.Module], bias: bool, dropped: set[int]) -> nn.Module:
    """`dropped`: sides of the decoder's maps with dropout, for an input of 2^downs px."""

    def narrow(channels: int, inner: int, *more: nn.Module) -> list[nn.Module]:
        return [nn.LeakyReLU(0.2), nn.Conv2d(channels, inner, 4, 2, 1, bias=bias), *more]

    def wide(inner: int, channels: int, side: int) -> list[nn.Module]:
        layers = [nn.ReLU(), nn.ConvTranspose2d(inner, channels, 4, 2, 1, bias=bias), norm(channels)]
        return layers + [nn.Dropout(0.5)] * (side in dropped)

    network: nn.Module = PublishedLevel(narrow(8 * g, 8 * g), nn.Identity(), wide(8 * g, 8 * g, 2))
    outer = [8 * g] * (downs - 5) + [4 * g, 2 * g, g]
    for k, channels in enumerate(outer):
        inner = 8 * g if k == 0 else outer[k - 1]
        network = PublishedLevel(narrow(channels, inner, norm(inner)), network, wide(2 * inner, channels, 4 * 2**k))
    first, last = nn.Conv2d(3, g, 4, 2, 1, bias=bias), nn.ConvTranspose2d(2 * g, 3, 4, 2, 1)
    return nn.Sequential(first, network, nn.ReLU(), last, nn.Tanh())


@pytest.mark.parametrize(
    ("norm", "downs", "count"),
    [
        ("batch", 8, 54_413_955),
        ("batch", 7, 41_828_995),
        ("instance", 8, 54_409_603),
        ("instance", 7, 41_825_667),
    ],
)
def test_it_has_the_published_number_of_parameters(norm: str, downs: int, count: int) -> None:
    assert sum(p.numel() for p in on_paper(norm=norm, downs=downs).parameters()) == count


@pytest.mark.parametrize(
    ("dropout_at", "downs", "dropped"),
    [("paper", 5, {2, 4, 8}), ("paper", 7, {2, 4, 8}), ("pytorch", 5, set()), ("pytorch", 7, {4, 8})],
)
@pytest.mark.parametrize(
    ("kind", "norm", "bias"), [("instance", nn.InstanceNorm2d, True), ("batch", nn.BatchNorm2d, False)]
)
def test_it_is_the_published_network_with_its_gradients(
    kind: str, norm: type[nn.Module], bias: bool, dropout_at: str, downs: int, dropped: set[int]
) -> None:
    ours = small(norm=kind, downs=downs, dropout_at=dropout_at, init_gain=0.2).double()
    theirs = published(downs, 2, norm, bias, dropped).double()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine)
    x = pictures(2, 3, 2**downs, 2**downs).double()
    torch.manual_seed(5)
    expected = theirs(x)
    torch.manual_seed(5)
    result = ours(x)
    torch.testing.assert_close(result, expected)
    slopes = torch.autograd.grad(result.square().sum(), list(ours.parameters()))
    expected_slopes = torch.autograd.grad(expected.square().sum(), list(theirs.parameters()))
    for mine, other in zip(slopes, expected_slopes, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("dropout_at", "downs", "sides"),
    [
        ("paper", 7, [2, 4, 8]),
        ("paper", 8, [2, 4, 8]),
        ("pytorch", 7, [4, 8]),
        ("pytorch", 8, [4, 8, 16]),
        ("pytorch", 9, [4, 8, 16, 32]),
    ],
)
def test_dropout_stands_where_paper_or_code_have_it(dropout_at: str, downs: int, sides: list[int]) -> None:
    network, seen = on_paper(dropout_at=dropout_at, downs=downs), []
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda module, given, result: seen.append(result.shape[-1]))
    network(torch.empty(1, 3, 2**downs, 2**downs, device="meta"))
    assert seen == sides


def test_dropout_works_in_training_alone() -> None:
    network, without, x = small(), small(dropout=0), pictures(2, 3, 32, 32)
    assert not torch.equal(network(x), network(x))
    assert torch.equal(without.eval()(x), network.eval()(x))


@pytest.mark.parametrize("settings", [{"dropout": 0.0}, {"dropout_at": "pytorch"}, {"downs": 6}])
def test_dropout_moves_no_weight(settings: dict[str, object]) -> None:
    network = small(**{"downs": 7} | settings)
    other = small(**{"downs": 7} | settings | {"dropout": 0.5, "dropout_at": "paper"})
    assert list(network.state_dict()) == list(other.state_dict())


@pytest.mark.parametrize(("downs", "height", "width"), [(5, 32, 96), (8, 256, 256), (8, 512, 768), (7, 384, 640)])
def test_pictures_keep_their_size(downs: int, height: int, width: int) -> None:
    x = torch.empty(1, 3, height, width, device="meta")
    assert on_paper(downs=downs)(x).shape == x.shape
    assert UNetConfig(downs=downs).scale == 1


def test_a_side_that_is_no_multiple_is_refused() -> None:
    network = on_paper(downs=8)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        network(torch.empty(1, 3, 512, 640, device="meta"))


@pytest.mark.parametrize("downs", [5, 6])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_the_smallest_picture_can_be_trained_on(downs: int, norm: str) -> None:
    network = small(norm=norm, downs=downs).train()
    assert network.minimum == network.multiple == 2**downs
    x = pictures(1, 3, 2**downs, 2**downs).requires_grad_()
    result = network(x)
    (slope,) = torch.autograd.grad(result.square().sum(), x)
    assert result.shape == x.shape
    assert slope.isfinite().all()


def test_half_the_smallest_picture_is_too_small() -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        small(norm="none")(pictures(1, 3, 16, 16))


def test_every_pixel_depends_on_the_farthest_one() -> None:
    network = small(norm="none", init_gain=0.1, filters=8).double().eval()
    x = pictures(1, 3, 32, 32).double().requires_grad_()
    (slope,) = torch.autograd.grad(network(x)[0, :, 0, 0].sum(), x)
    assert slope[0, :, -1, -1].abs().min() > 0


@pytest.mark.parametrize(("norm", "biases"), [("none", 10), ("instance", 10), ("batch", 1)])
def test_with_batch_norm_only_the_last_convolution_has_a_bias(norm: str, biases: int) -> None:
    layers = [m for m in small(norm=norm).modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(layers) == 10
    assert [layer.bias is not None for layer in layers] == [biases == 10] * 9 + [True]


def test_gray_can_become_colour() -> None:
    network = small(input_channels=1, output_channels=3)
    assert network(pictures(2, 1, 32, 64)).shape == (2, 3, 32, 64)


@pytest.mark.parametrize("training", [True, False])
def test_gray_in_colour_can_keep_its_brightness(training: bool) -> None:
    network = small(input_channels=1, keep_luma=True, init_gain=0.1).train(training)
    gray = pictures(2, 1, 32, 32)
    with torch.no_grad():
        made = network(gray)
    red, green, blue = made.split(1, dim=1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    torch.testing.assert_close(luma, gray, rtol=0, atol=1e-6)
    assert (made.abs().max().item() > 1) == training
    assert (red - green).abs().mean() > 0.01


def test_what_is_too_colourful_for_its_brightness_is_pulled_towards_gray_just_until_it_fits() -> None:
    """By hand: the luma is 0.5; red is 1 above it, and has room for half of that; the other pixels fit."""
    luma = torch.tensor([0.5, 0.5, -1.0, 0.25]).reshape(1, 1, 1, 4)
    chroma = torch.tensor([[1.0, -0.4, -0.6], [0.5, -0.2, -0.3], [0.4, -0.2, 0.1], [0.0, 0.0, 0.0]])
    picture = luma + chroma.T.reshape(1, 3, 1, 4)
    wanted = [[1.0, 0.3, 0.2], [1.0, 0.3, 0.2], [-1.0, -1.0, -1.0], [0.25, 0.25, 0.25]]
    torch.testing.assert_close(paled(picture, luma)[0, :, 0].T, torch.tensor(wanted))


def test_kept_brightness_leaves_the_range_in_training_alone() -> None:
    network = small(input_channels=1, keep_luma=True, init_gain=0.3)
    white = torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        assert network.train()(white).max() > 1
        assert network.eval()(white).max() == 1


def test_the_result_reaches_both_ends_of_its_range_and_never_leaves_it() -> None:
    network = small()
    network.up[-1][1].weight.data.mul_(1000)
    result = network(pictures(1, 3, 64, 64))
    assert (result.min(), result.max()) == (-1, 1)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_batch_is_its_pictures_one_by_one_in_evaluation(norm: str) -> None:
    network, x = small(norm=norm, init_gain=0.2).eval(), pictures(3, 3, 32, 64)
    one_by_one = torch.cat([network(picture) for picture in x.split(1)])
    torch.testing.assert_close(network(x), one_by_one)


def test_modules_stand_in_the_order_that_they_are_called_in() -> None:
    network, called = small(), []
    leaves = [module for module in network.modules() if not list(module.children())]
    for leaf in leaves:
        leaf.register_forward_hook(lambda module, given, result: called.append(module))
    network(pictures(1, 3, 32, 32))
    assert called == leaves

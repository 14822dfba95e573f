"""The residual generator, against the published table of layers and numbers from theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.networks import ResNetConfig
from i2i.networks.build import build
from i2i.networks.resnet import ResidualBlock, ResNetGenerator

SMALL = {"filters": 4, "blocks": 1}


def small(**settings: object) -> ResNetGenerator:
    torch.manual_seed(1)
    return build(ResNetConfig(**SMALL | settings))


def on_paper(**settings: object) -> ResNetGenerator:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return build(ResNetConfig(**settings))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def published(g: int, norm: type[nn.Module], bias: bool, blocks: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, g, 7, bias=bias), norm(g), nn.ReLU(),
        nn.Conv2d(g, 2 * g, 3, 2, 1, bias=bias), norm(2 * g), nn.ReLU(),
        nn.Conv2d(2 * g, 4 * g, 3, 2, 1, bias=bias), norm(4 * g), nn.ReLU(),
        blocks,
        nn.ConvTranspose2d(4 * g, 2 * g, 3, 2, 1, 1, bias=bias), norm(2 * g), nn.ReLU(),
        nn.ConvTranspose2d(2 * g, g, 3, 2, 1, 1, bias=bias), norm(g), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(g, 3, 7), nn.Tanh(),
    )  # fmt: skip


class PublishedBlock(nn.Module):
    def __init__(self, c: int, norm: type[nn.Module], bias: bool, dropout: float) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=bias), norm(c), nn.ReLU(), nn.Dropout(dropout),
            nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=bias), norm(c),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inside(x)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"blocks": 9}, 11_378_179),
        ({"blocks": 6}, 7_837_699),
        ({"blocks": 9, "norm": "batch"}, 11_383_427),
    ],
)
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_it_has_the_published_number_of_parameters_with_either_upsampling(
    settings: dict[str, object], count: int, upsampling: str
) -> None:
    assert parameters(on_paper(**settings, upsampling=upsampling)) == count


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(
    ("kind", "norm", "bias"), [("instance", nn.InstanceNorm2d, True), ("batch", nn.BatchNorm2d, False)]
)
def test_it_is_the_published_stack_of_layers(kind: str, norm: type[nn.Module], bias: bool, dropout: float) -> None:
    ours = small(norm=kind, blocks=2, init_gain=0.2, dropout=dropout)
    blocks = nn.Sequential(*(PublishedBlock(16, norm, bias, dropout) for _ in range(2)))
    theirs = published(4, norm, bias, blocks)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(mine)
    x = pictures(2, 3, 12, 16)
    torch.manual_seed(5)
    expected = theirs(x)
    torch.manual_seed(5)
    torch.testing.assert_close(ours(x), expected)


def test_resize_upsampling_repeats_pixels_then_convolves_with_reflection() -> None:
    network = small(upsampling="resize", norm="none", init_gain=0.2)
    first = network.up[0]
    (convolution,) = (m for m in first.modules() if isinstance(m, nn.Conv2d))
    x = pictures(1, 16, 3, 4)
    doubled = x.numpy().repeat(2, axis=2).repeat(2, axis=3)
    padded = torch.from_numpy(np.pad(doubled, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect"))
    torch.testing.assert_close(first(x), F.conv2d(padded, convolution.weight, convolution.bias).relu())


@pytest.mark.parametrize(("height", "width"), [(256, 256), (320, 640), (1000, 36)])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_pictures_keep_their_size(height: int, width: int, upsampling: str) -> None:
    x = torch.empty(1, 3, height, width, device="meta")
    assert on_paper(upsampling=upsampling)(x).shape == x.shape


def test_a_side_between_multiples_of_four_comes_out_as_the_next_one() -> None:
    assert small()(pictures(1, 3, 13, 15)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_the_smallest_picture_can_be_trained_on(norm: str, padding: str, upsampling: str) -> None:
    network = small(norm=norm, padding=padding, upsampling=upsampling).train()
    assert (network.minimum, network.multiple) == (8, 4)
    x = pictures(1, 3, 8, 8).requires_grad_()
    result = network(x)
    (slope,) = torch.autograd.grad(result.square().sum(), x)
    assert result.shape == (1, 3, 8, 8)
    assert slope.isfinite().all()


def test_the_multiple_below_the_minimum_is_too_small() -> None:
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        small()(pictures(1, 3, 4, 4))


def test_gray_can_become_colour() -> None:
    network = small(input_channels=1, output_channels=3)
    assert network(pictures(2, 1, 8, 12)).shape == (2, 3, 8, 12)


def test_the_result_reaches_both_ends_of_its_range_and_never_leaves_it() -> None:
    network = small()
    network.head[1].weight.data.mul_(1000)
    result = network(pictures(1, 3, 16, 16))
    assert (result.min(), result.max()) == (-1, 1)


@pytest.mark.parametrize(
    ("padding", "numpy_mode"), [("reflect", "reflect"), ("replicate", "edge"), ("zero", "constant")]
)
def test_a_block_pads_as_it_is_told(padding: str, numpy_mode: str) -> None:
    torch.manual_seed(3)
    block = ResidualBlock(4, ResNetConfig(padding=padding, norm="none"))
    first, second = (m for m in block.modules() if isinstance(m, nn.Conv2d))

    def convolved(x: Tensor, layer: nn.Conv2d) -> Tensor:
        padded = torch.from_numpy(np.pad(x.detach().numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)], mode=numpy_mode))
        return F.conv2d(padded, layer.weight, layer.bias)

    x = pictures(1, 4, 5, 6)
    torch.testing.assert_close(block(x), x + convolved(convolved(x, first).relu(), second))


def test_a_block_of_zero_weights_passes_negative_values_on() -> None:
    block = ResidualBlock(4, ResNetConfig(norm="none"))
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = pictures(1, 4, 5, 5)
    assert torch.equal(block(x), x)


def test_dropout_works_in_training_alone() -> None:
    without, network = small(), small(dropout=0.5)
    x = pictures(1, 3, 16, 16)
    network.train()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), without(x))


def test_without_dropout_nothing_is_random() -> None:
    network, x = small().train(), pictures(1, 3, 16, 16)
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize(("norm", "biases"), [("none", 8), ("instance", 8), ("batch", 1)])
def test_only_batch_norm_takes_the_biases_from_the_convolutions_before_it(norm: str, biases: int) -> None:
    network = small(norm=norm)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(layers) == 8
    assert sum(layer.bias is not None for layer in layers) == biases


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_batch_is_its_pictures_one_by_one_in_evaluation(norm: str) -> None:
    network, x = small(norm=norm).eval(), pictures(3, 3, 8, 12)
    one_by_one = torch.cat([network(picture) for picture in x.split(1)])
    torch.testing.assert_close(network(x), one_by_one)

"""How far layers look, against what one pixel that is not a number spoils."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from i2i.config.networks import CompactConfig, GeneratorConfig, ResNetConfig, RRDBConfig, SPANConfig, SRResNetConfig
from i2i.networks.build import build
from i2i.networks.extent import extent, seen
from i2i.networks.norm import PictureNorm

NETWORKS = [
    CompactConfig(filters=4, convolutions=3),
    CompactConfig(filters=4, convolutions=2, scale=4),
    ResNetConfig(filters=2, blocks=2),
    ResNetConfig(filters=2, blocks=1, upsampling="resize", padding="zero"),
    SRResNetConfig(filters=4, blocks=2, scale=2),
    SRResNetConfig(filters=4, blocks=1, scale=4, norm="none"),
    SPANConfig(filters=4, blocks=2, scale=2),
    RRDBConfig(filters=4, growth=2, blocks=1),
    RRDBConfig(filters=4, growth=2, blocks=1, scale=2),
]


class Local(nn.Module):
    """A norm of given statistics for any number of channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.5


def spoiled(network: nn.Module, side: int, scale: int, step: int) -> int:
    """How many pixels a spoiled input pixel can be away from a block (of a step) that it still spoils something of."""
    farthest = 0
    for shift in range(step):
        x = torch.zeros(1, 3, side, side)
        middle = side // 2 + shift
        x[0, :, middle, middle] = torch.nan
        rows = network(x)[0, 0].isnan().any(dim=1).nonzero().flatten() // scale
        first, last = int(rows.min()) // step * step, int(rows.max()) // step * step
        farthest = max(farthest, middle - (first + step - 1), last - middle)
    return farthest


@pytest.mark.parametrize("config", NETWORKS, ids=str)
def test_the_reach_is_how_far_one_pixel_has_an_effect(config: GeneratorConfig):
    torch.manual_seed(0)
    network = build(config)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, PictureNorm):
                setattr(module, name, Local())
    size = extent(build(config).stages())
    assert size.scale == config.scale
    far = spoiled(network.eval(), 4 * (size.reach // 2 + 8), config.scale, size.step)
    assert size.reach == far


@pytest.mark.parametrize(
    ("config", "reach"),
    [
        (CompactConfig(filters=64, convolutions=16, scale=4), 18),
        (CompactConfig(filters=64, convolutions=32, scale=4), 34),
        (SRResNetConfig(), 40),
        (RRDBConfig(blocks=6), 94),
        (RRDBConfig(), 349),
    ],
    ids=str,
)
def test_published_networks_reach_as_far_as_published(config: GeneratorConfig, reach: int):
    with torch.device("meta"):
        assert extent(build(config).stages()).reach == reach


def test_the_largest_map_of_the_published_generator_is_that_of_its_first_convolution():
    with torch.device("meta"):
        size = extent(build(ResNetConfig()).stages())
    assert (size.values, size.step, size.last) == (64, 4, 3)


def test_layers_that_nobody_described_are_an_error():
    with pytest.raises(TypeError, match="how far does AvgPool2d look"):
        extent([nn.AvgPool2d(3)])


def test_what_a_deep_network_sees_is_less_than_it_reaches():
    torch.manual_seed(0)
    network = build(RRDBConfig(filters=8, growth=4, blocks=2)).eval()
    reach = extent([network]).reach
    near = seen(network, 3, reach)
    assert 4 <= near < reach
    assert seen(network, 3, reach, share=0.5) < near
    assert seen(network, 3, 4) == 4, "not further than it may look"


def test_blur_is_seen_to_its_end():
    blur = nn.Conv2d(3, 3, 9, padding=4)
    nn.init.ones_(blur.weight)
    assert seen(nn.Sequential(blur), 3, 8, share=0.9999) == 4


def test_strides_and_shuffles_count():
    size = extent([nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 32, 3, padding=1), nn.PixelShuffle(2)])
    assert (size.scale, size.step, size.last) == (Fraction(1), 2, Fraction(8))

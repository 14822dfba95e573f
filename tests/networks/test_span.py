from __future__ import annotations

import pytest
import torch

from i2i.config.networks import SPANConfig
from i2i.networks.build import build
from i2i.networks.extent import extent


def test_parameters_are_as_many_as_published_with_its_convolutions_merged():
    """426 thousand for 48 channels and six blocks at scale 4 (Wan et al. 2024, table 5)."""
    assert sum(parameter.numel() for parameter in build(SPANConfig()).parameters()) == 426_288


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_without_details_it_is_the_nearest_enlargement(scale: int):
    network = build(SPANConfig(filters=4, blocks=2, scale=scale))
    torch.nn.init.zeros_(network.last.weight)
    x = torch.rand(1, 3, 5, 7)
    assert torch.equal(network(x), x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3))


def test_a_block_is_the_published_formula():
    network = build(SPANConfig(filters=4, blocks=2)).double()
    block, x = network.blocks[0], torch.randn(1, 4, 6, 6, dtype=torch.float64)
    first = block.conv1(x)
    inner = block.conv2(first * first.sigmoid())
    o = block.conv3(inner * inner.sigmoid())
    result, given = block(x)
    torch.testing.assert_close(result, (x + o) * (o.sigmoid() - 0.5))
    torch.testing.assert_close(given, first)


def test_each_output_pixel_sees_21_pixels_to_each_side():
    assert extent(build(SPANConfig()).stages()).reach == 21


def test_fresh_weights_begin_near_the_enlargement():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 16, 16)
    result = build(SPANConfig())(x)
    assert (result - x.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)).abs().mean() < 0.1


def test_other_channels_are_not_added_to():
    network = build(SPANConfig(input_channels=1, filters=4, blocks=2, scale=2))
    assert network(torch.rand(1, 1, 5, 7)).shape == (1, 3, 10, 14)

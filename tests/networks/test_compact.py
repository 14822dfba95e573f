from __future__ import annotations

from pathlib import Path

import pytest
import torch

from i2i.config.networks import CompactConfig
from i2i.networks.build import build


@pytest.mark.parametrize(("convolutions", "scale", "count"), [(16, 4, 621_424), (32, 4, 1_213_296), (16, 2, 600_652)])
def test_parameters_are_as_many_as_published(convolutions: int, scale: int, count: int):
    network = build(CompactConfig(convolutions=convolutions, scale=scale))
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_without_weights_it_is_the_nearest_enlargement(scale: int):
    network = build(CompactConfig(filters=4, convolutions=1, scale=scale))
    torch.nn.init.zeros_(network.body[-1].weight)
    x = torch.rand(1, 3, 5, 7)
    expected = x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    assert torch.equal(network(x), expected)


def test_other_channels_are_not_added_to():
    assert build(CompactConfig(input_channels=1, filters=4, convolutions=0))(torch.rand(1, 1, 5, 7)).shape == (
        1,
        3,
        5,
        7,
    )


def test_published_weights_fit(test_data: Path):
    weights = torch.load(test_data / "weights/realesr-animevideov3.pth", map_location="cpu", weights_only=True)
    build(CompactConfig(convolutions=16, scale=4)).load_state_dict(weights["params"])

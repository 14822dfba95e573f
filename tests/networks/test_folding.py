from __future__ import annotations

import torch
from torch import nn

from i2i.config.networks import ResNetConfig, SRResNetConfig
from i2i.networks.build import build
from i2i.networks.folding import folded


def test_a_folded_network_is_the_same_function_without_batch_norms():
    torch.manual_seed(0)
    network = build(SRResNetConfig(filters=8, blocks=2, scale=2)).train()
    for _ in range(3):
        network(torch.randn(2, 3, 16, 16))  # running statistics that are not 0 and 1
    network.eval()
    x = torch.randn(1, 3, 20, 24)
    expected = network(x)
    small = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in small.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules()), "the original stays as it is"
    torch.testing.assert_close(small(x), expected, atol=1e-5, rtol=1e-5)


def test_norms_by_the_statistics_of_the_picture_stay():
    network = build(ResNetConfig(filters=4, blocks=1, norm="batch")).eval()
    assert folded(network) is network

"""The moving average, against its formula in plain numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from i2i.engine.averaging import Average


def network(value: float = 0.0) -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm2d(2)).double()
    return filled(module, value)


def filled(module: nn.Module, value: float) -> nn.Module:
    for tensor in module.parameters():
        nn.init.constant_(tensor, value)
    return module


def weights(average: Average) -> torch.Tensor:
    return torch.cat([p.flatten() for p in average.networks["a2b"].parameters()])


@pytest.mark.parametrize("half_life", [10.0, 1e9])
def test_each_update_is_the_published_formula(half_life: float) -> None:
    net = network(0.0)
    average, expected = Average({"a2b": net}, half_life, images=4), 0.0
    for t in range(1, 40):
        average.update({"a2b": filled(net, float(t))})
        decay = min(0.5 ** (4 / half_life), (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * t
        torch.testing.assert_close(weights(average), torch.full_like(weights(average), expected))


@pytest.mark.parametrize(("images", "steps"), [(1, 100), (4, 25)])
def test_after_the_half_life_in_images_half_of_the_past_is_forgotten(images: int, steps: int) -> None:
    average = Average({"a2b": network(0.0)}, half_life=100, images=images)
    average.updates = 10**9  # long after the start
    for _ in range(steps):
        average.update({"a2b": network(1.0)})
    torch.testing.assert_close(weights(average), torch.full_like(weights(average), 0.5))


def test_the_first_update_keeps_two_elevenths_of_the_random_start() -> None:
    average = Average({"a2b": network(11.0)}, half_life=1e6, images=1)
    average.update({"a2b": network(0.0)})
    torch.testing.assert_close(weights(average), torch.full_like(weights(average), 2.0))


def test_half_life_0_is_the_network_itself() -> None:
    average, net = Average({"a2b": network(3.0)}, half_life=0, images=1), network(0.1)
    average.update({"a2b": net})
    assert torch.equal(weights(average), torch.full_like(weights(average), 0.1))


def test_buffers_are_copied() -> None:
    net = network()
    average = Average({"a2b": net}, half_life=1e6, images=1)
    net[1].running_mean.fill_(5)
    net[1].num_batches_tracked.fill_(7)
    average.update({"a2b": net})
    assert average.networks["a2b"][1].running_mean.tolist() == [5, 5]
    assert average.networks["a2b"][1].num_batches_tracked == 7


def test_averages_are_copies_for_evaluation_that_learn_nothing() -> None:
    net = network(1.0).train()
    average = Average({"a2b": net}, half_life=100, images=1)
    filled(net, 2.0)
    assert weights(average).unique().tolist() == [1]
    assert not any(module.training for module in average.networks["a2b"].modules())
    assert not any(p.requires_grad for p in average.networks["a2b"].parameters())
    assert net.training
    assert all(p.requires_grad for p in net.parameters())


def test_the_networks_can_go_on_from_the_average() -> None:
    average, net = Average({"a2b": network(1.0)}, half_life=100, images=1), network(9.0)
    average.copy_to({"a2b": net})
    filled(average.networks["a2b"], 4.0)
    assert {p.unique().item() for p in net.parameters()} == {1}
    assert all(p.requires_grad for p in net.parameters())


def test_a_reset_forgets_the_past_and_warms_up_again() -> None:
    average = Average({"a2b": network(1.0)}, half_life=1e6, images=1)
    average.updates = 10**9
    average.reset({"a2b": network(11.0)})
    assert weights(average).unique().tolist() == [11]
    average.update({"a2b": network(0.0)})
    torch.testing.assert_close(weights(average), torch.full_like(weights(average), 2.0))


def test_every_network_has_an_average_of_its_own() -> None:
    average = Average({"a2b": network(1.0), "b2a": network(2.0)}, half_life=0, images=1)
    average.update({"a2b": network(3.0), "b2a": network(4.0)})
    found = {name: next(net.parameters()).unique().item() for name, net in average.networks.items()}
    assert found == {"a2b": 3, "b2a": 4}

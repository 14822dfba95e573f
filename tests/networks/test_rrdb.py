"""The dense residual generator, against its definition written out by the names of the published weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.networks import RRDBConfig
from i2i.networks.build import build
from i2i.networks.rrdb import RRDBGenerator


def small(**settings: object) -> RRDBGenerator:
    torch.manual_seed(1)
    return build(RRDBConfig(**{"filters": 6, "growth": 4, "blocks": 2} | settings))


def on_paper(**settings: object) -> RRDBGenerator:
    """Shapes without numbers: the large networks cost nothing so."""
    with torch.device("meta"):
        return build(RRDBConfig(**settings))


def pictures(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


class Published:
    """The network as a function of a state dict."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def __call__(self, x: Tensor, blocks: int, scale: int) -> Tensor:
        x = first = self.convolved("conv_first", folded(x, 4 // scale))
        for number in range(blocks):
            x = self.block(f"body.{number}", x)
        x = first + self.convolved("conv_body", x)
        for name in ("conv_up1", "conv_up2"):
            x = leaky(self.convolved(name, x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)))
        return self.convolved("conv_last", leaky(self.convolved("conv_hr", x)))

    def block(self, name: str, x: Tensor) -> Tensor:
        inside = x
        for number in (1, 2, 3):
            inside = self.dense(f"{name}.rdb{number}", inside)
        return 0.2 * inside + x

    def dense(self, name: str, x: Tensor) -> Tensor:
        x1 = leaky(self.convolved(f"{name}.conv1", x))
        x2 = leaky(self.convolved(f"{name}.conv2", x, x1))
        x3 = leaky(self.convolved(f"{name}.conv3", x, x1, x2))
        x4 = leaky(self.convolved(f"{name}.conv4", x, x1, x2, x3))
        return 0.2 * self.convolved(f"{name}.conv5", x, x1, x2, x3, x4) + x

    def convolved(self, name: str, *maps: Tensor) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.conv2d(torch.cat(maps, dim=1), weight, bias, padding=1)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def folded(x: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) -> (N, C f f, H/f, W/f): rows, then columns of each cell become channels."""
    cells = [x[:, :, i::factor, j::factor] for i in range(factor) for j in range(factor)]
    return torch.stack(cells, dim=2).flatten(1, 2)


@pytest.mark.parametrize(
    ("blocks", "scale", "count", "tensors"),
    [
        (23, 4, 16_697_987, 702),
        (6, 4, 4_467_779, 192),
        (23, 2, 16_703_171, 702),
        (23, 1, 16_723_907, 702),
    ],
)
def test_it_has_the_published_number_of_parameters(blocks: int, scale: int, count: int, tensors: int) -> None:
    parameters = list(on_paper(blocks=blocks, scale=scale).parameters())
    assert (sum(parameter.numel() for parameter in parameters), len(parameters)) == (count, tensors)


def test_its_weights_have_the_published_names_and_shapes() -> None:
    layers = {"conv_first": (3, 64)}
    for block in range(23):
        for dense in (1, 2, 3):
            for number in (1, 2, 3, 4, 5):
                shape = (64 + 32 * (number - 1), 32 if number < 5 else 64)
                layers[f"body.{block}.rdb{dense}.conv{number}"] = shape
    layers |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (64, 64)) | {"conv_last": (64, 3)}
    expected: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in layers.items():
        expected |= {f"{name}.weight": (outputs, inputs, 3, 3), f"{name}.bias": (outputs,)}
    assert {name: tuple(tensor.shape) for name, tensor in on_paper().state_dict().items()} == expected


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("blocks", [1, 2])
def test_it_is_the_published_network(blocks: int, scale: int) -> None:
    network = small(blocks=blocks, scale=scale).double()
    torch.manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.2)
    x = pictures(2, 3, 8, 12).double()
    torch.testing.assert_close(network(x), Published(network.state_dict())(x, blocks, scale))


@pytest.mark.parametrize(("scale", "multiple"), [(4, 1), (2, 2), (1, 4)])
def test_multiples_are_enlarged_by_the_scale(scale: int, multiple: int) -> None:
    network = on_paper(blocks=1, scale=scale)
    assert network.minimum == network.multiple == multiple
    for height, width in [(1, 1), (5, 7), (80, 61)]:
        x = torch.empty(1, 3, multiple * height, multiple * width, device="meta")
        assert network(x).shape == (1, 3, scale * multiple * height, scale * multiple * width)


@pytest.mark.parametrize(("scale", "side"), [(2, 7), (1, 6)])
def test_a_side_that_is_no_multiple_is_refused(scale: int, side: int) -> None:
    with pytest.raises(RuntimeError, match="divisible by downscale_factor"):
        small(scale=scale)(pictures(1, 3, 8, side))


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_gray_can_become_colour(scale: int) -> None:
    network = small(input_channels=1, output_channels=3, scale=scale)
    assert network(pictures(2, 1, 8, 4)).shape == (2, 3, 8 * scale, 4 * scale)


def test_weights_begin_as_kaiming_says_and_at_a_tenth_of_it_inside_the_blocks() -> None:
    network = small(filters=16, growth=16)
    inside = set(network.body.modules())
    for layer in (module for module in network.modules() if isinstance(module, nn.Conv2d)):
        expected = (0.1 if layer in inside else 1) * math.sqrt(2 / (9 * layer.in_channels))
        tolerance = 4 / math.sqrt(2 * layer.weight.numel())
        assert layer.weight.std().item() == pytest.approx(expected, rel=tolerance)
        assert not layer.bias.any()


def test_other_initial_weights_are_not_shrunk() -> None:
    convolutions = [m for m in small(init="normal").modules() if isinstance(m, nn.Conv2d)]
    weights = torch.cat([layer.weight.flatten() for layer in convolutions])
    assert weights.std().item() == pytest.approx(0.02, rel=0.05)


def test_modules_stand_in_the_order_that_they_are_called_in() -> None:
    network, called = small(scale=2), []
    leaves = [module for module in network.modules() if not list(module.children())]
    for leaf in leaves:
        leaf.register_forward_hook(lambda module, given, result: called.append(module))
    network(pictures(1, 3, 8, 8))
    assert called == leaves

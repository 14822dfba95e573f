"""The gated generator: the published table of layers, its contract, and what a fresh one with a smooth fill gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.networks import GatedConfig
from i2i.networks.build import build
from i2i.networks.gated import GatedConvolution, GatedGenerator
from i2i.networks.smooth_fill import smooth_fill


def network_of(**settings: object) -> GatedGenerator:
    """With a smooth fill it has learned something: a fresh one adds nothing."""
    torch.manual_seed(1)
    network = build(GatedConfig(**{"filters": 4} | settings))
    if network.config.fill == "smooth":
        for last in (network.coarse[-1], network.decoder[-1]) if network.config.coarse else (network.decoder[-1],):
            nn.init.normal_(last.weight, 0, 0.1)
    return network


def sample(count: int = 1, height: int = 32, width: int = 40, seed: int = 2) -> Tensor:
    """(N, 4, H, W): pictures with their masks, each sample with a hole elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    picture, mask = (
        torch.rand(count, 3, height, width, generator=generator) * 2 - 1,
        torch.zeros(count, 1, height, width),
    )
    for k in range(count):
        mask[k, :, 3 + k : height // 2 + k, 5 * k : width // 3 + 5 * k] = 1
    return torch.cat([picture, mask], dim=1)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


VARIANTS = [
    {},
    {"attention": False},
    {"fuse": False},
    {"padding": "tf"},
    {"fill": "smooth"},
    {"attention": False, "fill": "smooth", "padding": "tf"},
    {"coarse": False},
    {"coarse": False, "attention": False, "fill": "smooth"},
    {"shortcuts": True},
    {"coarse": False, "attention": False, "fill": "smooth", "shortcuts": True},
]


def test_it_has_as_many_parameters_as_published():
    with torch.device("meta"):
        assert parameters(build(GatedConfig())) == 4_052_478
        assert parameters(build(GatedConfig(padding="tf", fuse=False, fill="smooth"))) == 4_052_478


def test_the_convolutions_are_those_of_the_published_table():
    """Output channels with their gates, kernel, stride and dilation."""
    with torch.device("meta"):
        network = build(GatedConfig())

    def table(*parts: nn.Module) -> list[tuple[int, int, int, int]]:
        layers = [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d)]
        return [(m.out_channels, m.kernel_size[0], m.stride[0], m.dilation[0]) for m in layers]

    far = [(192, 3, 1, dilation) for dilation in (2, 4, 8, 16)]
    decoder = [(192, 3, 1, 1)] * 2 + [(96, 3, 1, 1)] * 2 + [(48, 3, 1, 1), (24, 3, 1, 1), (3, 3, 1, 1)]
    deep = [(192, 3, 2, 1), (192, 3, 1, 1), (192, 3, 1, 1)]
    assert table(network.coarse) == [(48, 5, 1, 1), (96, 3, 2, 1), (96, 3, 1, 1), *deep, *far, *decoder]
    narrow = [(48, 5, 1, 1), (48, 3, 2, 1), (96, 3, 1, 1)]
    assert table(network.convolving) == [*narrow, (96, 3, 2, 1), (192, 3, 1, 1), (192, 3, 1, 1), *far]
    assert table(network.attending, network.attended) == [*narrow, *deep, (192, 3, 1, 1), (192, 3, 1, 1)]
    assert table(network.decoder) == decoder
    assert network.attending[-1].activation is F.relu


@pytest.mark.parametrize("settings", VARIANTS)
def test_any_multiple_of_8_gives_a_picture_of_its_size_in_range(settings: dict[str, object]):
    network = network_of(**settings).eval()
    assert (network.multiple, network.minimum, network.stages()) == (8, 8, None)
    for height, width in ((8, 8), (8, 24), (40, 16)):
        coarse, fine = network.both(sample(2, height, width))
        assert coarse.shape == fine.shape == (2, 3, height, width)
        assert max(coarse.abs().max(), fine.abs().max()) <= 1
        assert torch.equal(network(sample(2, height, width)), fine)


@pytest.mark.parametrize("settings", VARIANTS)
def test_what_stands_in_the_hole_does_not_matter(settings: dict[str, object]):
    network, x = network_of(**settings).eval(), sample()
    other = torch.cat([torch.where(x[:, 3:] > 0, 7.0, x[:, :3]), x[:, 3:]], dim=1)
    assert torch.equal(network(x), network(other))


@pytest.mark.parametrize("settings", VARIANTS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_stands_in_the_hole_does_not_even_have_to_be_finite(settings: dict[str, object], value: float):
    network, x = network_of(**settings).eval(), sample()
    other = torch.cat([torch.where(x[:, 3:] > 0, value, x[:, :3]), x[:, 3:]], dim=1)
    assert torch.equal(network(x), network(other))


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_sample_does_not_depend_on_its_neighbours(settings: dict[str, object]):
    network, x = network_of(**settings).double().eval(), sample(3).double()
    apart = torch.cat([network(one) for one in x.split(1)])
    torch.testing.assert_close(network(x), apart)


@pytest.mark.parametrize("settings", VARIANTS)
@pytest.mark.parametrize("share", [0, 1])
def test_nothing_and_everything_may_be_the_hole(settings: dict[str, object], share: int):
    x = sample()
    x[:, 3:] = share
    fine = network_of(**settings).eval()(x)
    assert fine.isfinite().all()


@pytest.mark.parametrize("settings", VARIANTS)
def test_every_parameter_learns_from_the_fine_picture_or_the_coarse_one(settings: dict[str, object]):
    network = network_of(filters=8, **settings).train()
    coarse, fine = network.both(sample(2))
    gradients = torch.autograd.grad(coarse.square().mean() + fine.square().mean(), [*network.parameters()])
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


def test_the_coarse_stage_learns_from_the_fine_picture():
    network = network_of()
    (slope,) = torch.autograd.grad(network(sample()).square().mean(), [network.coarse[0].convolution.weight])
    assert slope.any()


def test_the_first_layer_sees_a_black_hole_ones_and_the_mask():
    network, x, seen = network_of().eval(), sample(), []
    network.coarse[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    network.convolving[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    coarse, _ = network.both(x)
    picture, mask = x[:, :3], x[:, 3:]
    assert torch.equal(seen[0], torch.cat([picture * (1 - mask), torch.ones_like(mask), mask], dim=1))
    assert torch.equal(seen[1], coarse * mask + picture * (1 - mask))


@pytest.mark.parametrize(("padding", "is_seen"), [("same", False), ("tf", True)])
def test_attention_samples_as_the_padding_says(padding: str, is_seen: bool):
    """A hole in the last column: only TensorFlow's sampling with aligned corners sees it."""
    network, x, seen = network_of(padding=padding).eval(), sample(1, 64, 64), []
    network.attended.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    features = torch.rand(1, 8, 16, 16)
    network.attending.register_forward_hook(lambda module, given, result: features)
    for first in (64, 63):
        x[:, 3:] = 0
        x[:, 3:, :, first:] = 1
        network(x)
    assert torch.equal(*seen) is not is_seen


def test_a_gated_convolution_is_its_formula():
    layer = GatedConvolution(3, 4, padding="same", dilation=2).double()
    x, weight, bias = torch.randn(1, 3, 9, 9).double(), layer.convolution.weight, layer.convolution.bias
    values = F.conv2d(x, weight[:4], bias[:4], padding=2, dilation=2)
    gates = F.conv2d(x, weight[4:], bias[4:], padding=2, dilation=2)
    wanted = torch.where(values > 0, values, values.exp() - 1) / (1 + (-gates).exp())
    torch.testing.assert_close(layer(x), wanted)


def test_tensorflow_pads_a_halving_behind_the_last_pixel():
    layer = GatedConvolution(1, 1, padding="tf", stride=2)
    nn.init.ones_(layer.convolution.weight[:1])
    nn.init.zeros_(layer.convolution.weight[1:])
    nn.init.zeros_(layer.convolution.bias)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    sums = torch.tensor([[45.0, 39.0], [66.0, 50.0]])  # of 3 x 3 pixels from each even place on, zeros behind the edges
    assert torch.equal(layer(x)[0, 0], sums / 2)


def test_a_fresh_network_keeps_the_strength_of_a_picture_through_its_layers():
    network, strength = network_of(filters=48).eval(), []
    for layer in network.modules():
        if isinstance(layer, GatedConvolution):
            layer.register_forward_hook(lambda module, given, result: strength.append(result.square().mean().sqrt()))
    with torch.no_grad():
        network(sample(1, 96, 96))
    assert len(strength) == 16 + 10 + 8 + 6
    assert min(strength) > 0.02
    assert max(strength) < 2


@pytest.mark.parametrize("attention", [True, False])
def test_a_fresh_network_with_a_smooth_fill_begins_at_that_fill(attention: bool):
    network, x = build(GatedConfig(filters=16, attention=attention, fill="smooth")).eval(), sample(2)
    fill = smooth_fill(x[:, :3], x[:, 3:])
    with torch.no_grad():
        for picture in network.both(x):
            torch.testing.assert_close(picture, fill.clamp(-1, 1))


def test_shortcuts_lead_around_layers_of_equal_width_and_from_the_encoder_to_the_decoder():
    """With closed gates nothing passes a layer but what goes around it."""
    network, x = network_of(coarse=False, attention=False, shortcuts=True), sample()
    for layer in [*network.convolving, *network.decoder]:
        if isinstance(layer, GatedConvolution):
            nn.init.constant_(layer.convolution.bias.chunk(2)[1], -1e4)
            nn.init.zeros_(layer.convolution.weight)
    adding = [layer.adds for layer in [*network.convolving, *network.decoder] if isinstance(layer, GatedConvolution)]
    # stride 2 in the second and fourth; the first, third and fifth widen; the decoder narrows at 4, 8 and 9
    assert adding == [False, False, False, False, False, True] + [True] * 4 + [True, True, False, True, False, False]
    assert torch.equal(network(x)[:, :, 2:-2, 2:-2], torch.zeros(1, 3, *x.shape[2:])[:, :, 2:-2, 2:-2])
    plain = GatedGenerator(GatedConfig(filters=8))
    assert not any(layer.adds for layer in plain.modules() if isinstance(layer, GatedConvolution))


def test_with_a_smooth_fill_pictures_are_clipped_only_when_they_are_shown():
    network, x = network_of(fill="smooth"), sample()
    nn.init.constant_(network.decoder[-1].bias, 3)
    hole = x[:, 3:].bool().expand(-1, 3, -1, -1)
    assert network.train()(x)[hole].min() > 1
    assert network.eval()(x).max() == 1


def test_with_a_smooth_fill_nothing_is_added_outside_of_the_holes():
    """Else a training learns to add nothing on most pixels, and with shared gates nothing in the holes either."""
    network, x = network_of(fill="smooth"), sample()
    known = ~x[:, 3:].bool().expand(-1, 3, -1, -1)
    assert torch.equal(network.train()(x)[known], x[:, :3][known])


@pytest.mark.parametrize("settings", VARIANTS)
def test_autocast_gives_nearly_the_same(settings: dict[str, object]):
    network, x = network_of(**settings).eval(), sample(2)
    with torch.no_grad():
        wanted = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(x)
    assert (found.float() - wanted).abs().mean() < 0.02


@pytest.mark.parametrize(("init", "gain"), [("normal", 0.02), ("xavier", 1.0), ("orthogonal", 1.0)])
def test_other_distributions_are_as_asked_for(init: str, gain: float):
    weight = network_of(filters=48, init=init, init_gain=gain).coarse[5].convolution.weight
    wanted = {"normal": 0.02, "xavier": (2 / (9 * (96 + 192))) ** 0.5, "orthogonal": 192**-0.5 * (192 / 864) ** 0.5}
    assert weight.std().item() == pytest.approx(wanted[init], rel=0.1)


def test_widths_that_are_not_whole_are_refused():
    with pytest.raises(ValueError, match=r"filters is a multiple of 4: set filters=12"):
        GatedConfig(filters=14)

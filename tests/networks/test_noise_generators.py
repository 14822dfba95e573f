"""The generators of noise, against the published tables and layers of torch put together by hand."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config.noise_networks import DCGANConfig, NoiseConfig, NoiseGenerator, NoiseResNetConfig, PerceptronConfig
from i2i.engine.averaging import Average
from i2i.models.info import ModelInfo
from i2i.models.modelfile import load_model, save_model
from i2i.networks.build import build
from i2i.networks.dcgan import DCGANGenerator
from i2i.networks.noise import NoiseGenerator as NoiseNetwork
from i2i.networks.noise_resnet import NoiseResNetGenerator
from i2i.networks.self_attention import SelfAttention

KINDS = [PerceptronConfig, DCGANConfig, NoiseResNetConfig]
CLASSES = ("ant", "bee", "cat")


def generator(kind: type[NoiseConfig], **settings: object) -> NoiseNetwork:
    torch.manual_seed(1)
    width = {} if kind is PerceptronConfig else {"filters": 4}
    return build(kind(**width | settings))


def noise(network: NoiseNetwork, samples: int = 2, *, seed: int = 2) -> Tensor:
    return torch.randn(samples, network.config.noise, generator=torch.Generator().manual_seed(seed))


def on_paper(config: DCGANConfig | NoiseResNetConfig) -> int:
    """The number of parameters, without any numbers in them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(config).parameters())


def lively(network: nn.Module) -> nn.Module:
    """With every weight, bias and running statistic away from its beginning, in float64."""
    torch.manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.double()


@pytest.mark.parametrize("classes", [(), CLASSES])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 28, 32, 48, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_noise_becomes_pictures_of_the_size(
    kind: type[NoiseConfig], size: int, channels: int, classes: tuple[str, ...]
) -> None:
    network = generator(kind, size=size, channels=channels, classes=classes)
    made = network(noise(network), torch.tensor([2, 0]) if classes else None)
    assert made.shape == (2, channels, size, size)
    assert made.abs().max() <= 1
    assert (network.multiple, network.minimum) == (1, 1)


def test_dcgan_has_the_published_number_of_parameters() -> None:
    # 100·512·16 + 512·256·16 + 256·128·16 + 128·64·16 + 64·3·16, and 2 (512 + 256 + 128 + 64) of the batch norms.
    assert on_paper(DCGANConfig()) == 3_576_704


def test_the_residual_network_has_the_published_number_of_parameters() -> None:
    dense, end = 128 * 8192 + 8192, 2 * 64 + 64 * 3 * 9 + 3
    # Of each block the norms, two 3 x 3 and the 1 x 1. 128 to 64: 2·128 + 9·128·64 + 2·64 + 9·64² + 64 + 128·64 + 64.
    blocks = 4_983_808 + 1_902_592 + 476_160 + 119_296
    assert on_paper(NoiseResNetConfig()) == dense + blocks + end == 8_540_483


@pytest.mark.parametrize("train", [True, False])
def test_dcgan_is_the_published_stack(train: bool) -> None:
    ours = lively(generator(DCGANConfig)).train(train)
    theirs = nn.Sequential(
        nn.ConvTranspose2d(100, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False), nn.Tanh(),
    ).double().train(train)  # fmt: skip
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    z = noise(ours, 3).double()
    torch.testing.assert_close(ours(z), theirs(z[:, :, None, None]))


def test_a_dense_layer_can_stand_before_the_smallest_map() -> None:
    ours = lively(generator(DCGANConfig, size=28, channels=1, dense=5)).train()
    theirs = nn.Sequential(
        nn.ConvTranspose2d(100, 5, 1, bias=False), nn.BatchNorm2d(5), nn.ReLU(),  # of one pixel: dense
        nn.ConvTranspose2d(5, 8, 7, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False), nn.Tanh(),
    ).double()  # fmt: skip
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    z = noise(ours, 3).double()
    torch.testing.assert_close(ours(z), theirs(z[:, :, None, None]))


@pytest.mark.parametrize(
    ("size", "kernels", "widths"),
    [
        (5, [5], [1]),
        (28, [7, 4, 4], [8, 4, 1]),
        (48, [6, 4, 4, 4], [16, 8, 4, 1]),
        (256, [4] * 7, [32, 32, 32, 16, 8, 4, 1]),
    ],
)
def test_other_sizes_begin_at_a_map_of_4_to_7_and_have_a_layer_for_each_doubling(
    size: int, kernels: list[int], widths: list[int]
) -> None:
    network = generator(DCGANConfig, size=size, channels=1)
    layers = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [layer.kernel_size[0] for layer in layers] == kernels
    assert [layer.out_channels for layer in layers] == widths


@pytest.mark.parametrize(
    ("norm", "dense", "biases"), [("batch", 0, 0), ("none", 0, 4), ("batch", 5, 0), ("none", 5, 5)]
)
def test_inner_layers_have_a_bias_where_no_norm_brings_one(norm: str, dense: int, biases: int) -> None:
    layers = [m for m in generator(DCGANConfig, norm=norm, dense=dense).modules() if isinstance(m, nn.ConvTranspose2d)]
    assert sum(layer.bias is not None for layer in layers) == biases
    assert layers[-1].bias is None


def residual_by_hand(network: NoiseResNetGenerator, z: Tensor) -> Tensor:
    """The generator of Gulrajani et al. as a function of its state, evaluated."""
    state = list(network.state_dict().values())

    def take(count: int) -> list[Tensor]:
        taken, state[:] = state[:count], state[count:]
        return taken

    def normed(x: Tensor) -> Tensor:
        weight, bias, mean, variance, _ = take(5)
        shape = (1, -1, 1, 1)
        normal = (x - mean.view(shape)) / (variance.view(shape) + 1e-5).sqrt()
        return (normal * weight.view(shape) + bias.view(shape)).clamp(min=0)

    def doubled(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    weight, bias = take(2)
    x = (z @ weight.T + bias).view(len(z), -1, 4, 4)
    for _ in range(2):
        y = F.conv2d(doubled(normed(x)), *take(1), padding=1)
        y = F.conv2d(normed(y), *take(2), padding=1)
        x = y + F.conv2d(doubled(x), *take(2))
    x = torch.tanh(F.conv2d(normed(x), *take(2), padding=1))
    assert not state
    return x


def test_the_residual_network_is_the_published_one() -> None:
    network = generator(NoiseResNetConfig, size=16, filters=2)
    network = lively(network).eval()
    z = noise(network).double()
    torch.testing.assert_close(network(z), residual_by_hand(network, z))


def test_the_residual_network_begins_with_the_published_uniform_weights() -> None:
    network = generator(NoiseResNetConfig, filters=32)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            area = math.prod(getattr(layer, "kernel_size", (1,)))
            fans = (layer.weight.shape[0] + layer.weight.shape[1]) * area
            bound = math.sqrt(3) * math.sqrt((4 if area == 9 else 2) / fans)
            assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.02)
            assert layer.weight.abs().max() <= bound * (1 + 1e-6)
            assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
        if isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(layer.weight, torch.ones_like(layer.weight))


@pytest.mark.parametrize("activation", ["relu", "leaky"])
@pytest.mark.parametrize("output", ["tanh", "sigmoid"])
def test_the_perceptron_is_dense_layers(activation: str, output: str) -> None:
    network = generator(PerceptronConfig, hidden=(20, 30), size=5, activation=activation, output=output).double()
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(100, 20), (20, 30), (30, 25)]
    x = z = noise(network).double()
    for layer in layers[:-1]:
        x = layer(x)
        x = torch.where(x > 0, x, (0.2 if activation == "leaky" else 0) * x)
    x = layers[-1](x)
    x = torch.tanh(x) if output == "tanh" else 2 * torch.sigmoid(x) - 1
    torch.testing.assert_close(network(z), x.view(2, 1, 5, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_is_an_embedding_beside_the_noise(kind: type[NoiseConfig]) -> None:
    network = generator(kind, size=8, classes=CLASSES, embedding=7).eval()
    plain = generator(kind, size=8, noise=network.config.noise + 7).eval()
    weights = {key: value for key, value in network.state_dict().items() if key != "embedding.weight"}
    plain.load_state_dict(weights)
    z, label = noise(network), torch.tensor([2, 0])
    told = torch.cat([z, network.embedding.weight[label]], dim=1)
    assert torch.equal(network(z, label), plain(told))
    assert not torch.allclose(network(z, label), network(z, torch.tensor([1, 1])))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_classes_needs_the_labels_and_another_takes_no_notice(kind: type[NoiseConfig]) -> None:
    network = generator(kind, size=8, classes=CLASSES)
    with pytest.raises(ValueError, match="a network that knows of classes needs the label of each sample"):
        network(noise(network))
    plain = generator(kind, size=8).eval()
    assert torch.equal(plain(noise(plain), torch.tensor([0, 1])), plain(noise(plain)))


@pytest.mark.parametrize("kind", KINDS)
def test_evaluated_a_picture_is_a_function_of_its_own_noise(kind: type[NoiseConfig]) -> None:
    network = lively(generator(kind, size=16)).eval()
    z = noise(network, 4).double()
    torch.testing.assert_close(network(z), torch.cat([network(each[None]) for each in z]))


@pytest.mark.parametrize("kind", [DCGANConfig, NoiseResNetConfig])
def test_averages_and_model_files_carry_the_statistics_of_the_training(kind: type[NoiseConfig], tmp_path: Path) -> None:
    network = generator(kind, size=16, classes=CLASSES, init_gain=0.5)
    average = Average({"sample": network}, half_life=0, images=4)
    for seed in range(20):
        network.train()(noise(network, 4, seed=seed), torch.tensor([0, 1, 2, 0]))
    average.update({"sample": network})
    z, label = noise(network, 3), torch.tensor([0, 1, 2])
    wanted = network.eval()(z, label)
    assert torch.equal(average.networks["sample"](z, label), wanted)
    for half, tolerance in ((False, 0), (True, 0.02)):
        loaded = saved_and_loaded(network, tmp_path / "model.safetensors", half=half)
        torch.testing.assert_close(loaded.eval()(z, label), wanted, rtol=0, atol=tolerance)


def saved_and_loaded(network: NoiseNetwork, path: Path, *, half: bool) -> nn.Module:
    info = ModelInfo(directions=(), networks={"sample": network.config})
    save_model(path, {"sample": network}, info, half=half)
    return load_model(path).networks["sample"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_file_gives_the_same_pictures(kind: type[NoiseConfig], tmp_path: Path) -> None:
    remedies = {} if kind is PerceptronConfig else {"spectral": True, "attention": True}
    network = generator(kind, size=16, classes=CLASSES, **remedies)
    network.train()(noise(network), torch.tensor([0, 1]))
    loaded = saved_and_loaded(network, tmp_path / "model.safetensors", half=False)
    z, label = noise(network), torch.tensor([2, 1])
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in network.state_dict().items())
    torch.testing.assert_close(loaded.eval()(z, label), network.eval()(z, label))
    assert torch.equal(copy.deepcopy(network)(z, label), network(z, label))


@pytest.mark.parametrize("kind", [DCGANConfig, NoiseResNetConfig])
@pytest.mark.parametrize(("size", "side"), [(64, 32), (128, 32), (28, 14), (32, 16), (48, 24), (96, 24), (8, 4)])
def test_attention_looks_at_the_largest_inner_map_of_at_most_32_px(
    kind: type[NoiseConfig], size: int, side: int
) -> None:
    network, seen = generator(kind, size=size, attention=True).eval(), []
    for module in network.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_hook(lambda module, given, made: seen.append(made.shape[2:]))
    network(noise(network))
    assert seen == [(side, side)]


@pytest.mark.parametrize("kind", [DCGANConfig, NoiseResNetConfig])
def test_attention_changes_nothing_at_first(kind: type[NoiseConfig]) -> None:
    network = generator(kind, size=16, attention=True).eval()
    looking = network(noise(network))
    network.layers = nn.Sequential(*(layer for layer in network.layers if not isinstance(layer, SelfAttention)))
    assert torch.equal(network(noise(network)), looking)


@pytest.mark.parametrize(
    ("size", "words"),
    [(30, "use a size of 28 or 32"), (100, "use a size of 96 or 112"), (13, "use a size of 12 or 14")],
)
@pytest.mark.parametrize("kind", [DCGANConfig, NoiseResNetConfig])
def test_a_size_that_cannot_be_reached_is_refused_with_its_neighbours(
    kind: type[NoiseConfig], size: int, words: str
) -> None:
    with pytest.raises(ValidationError, match=f"no network of doublings makes {size} px: {words}"):
        kind(size=size)


@pytest.mark.parametrize("kind", [DCGANConfig, NoiseResNetConfig])
def test_attention_without_an_inner_map_is_refused(kind: type[NoiseConfig]) -> None:
    words = "no inner map to look at for pictures of 7 px: set attention=false"
    with pytest.raises(ValidationError, match=words):
        kind(size=7, attention=True)


def test_every_size_that_doublings_make_is_between_its_neighbours() -> None:
    sizes = [size for size in range(4, 1025) if _fits(size)]
    assert sizes[:9] == [4, 5, 6, 7, 8, 10, 12, 14, 16]
    assert sizes[-4:] == [640, 768, 896, 1024]
    assert all(after / before <= 1.25 for before, after in pairwise(sizes))


def _fits(size: int) -> bool:
    try:
        DCGANConfig(size=size)
    except ValidationError:
        return False
    return True


def test_settings_name_each_generator_by_its_kind() -> None:
    read = TypeAdapter(NoiseGenerator).validate_python
    assert [read({"kind": kind().kind}) for kind in KINDS] == [kind() for kind in KINDS]
    with pytest.raises(ValidationError, match="expected tags: 'perceptron', 'dcgan', 'noise-resnet'"):
        read({"kind": "resnet"})


def test_dcgan_learns_to_make_one_colour() -> None:
    network = generator(DCGANConfig, size=8)
    assert isinstance(network, DCGANGenerator)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(60):
        loss = (network.train()(noise(network, 8, seed=step)) - 0.5).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (network.eval()(noise(network, 8, seed=99)) - 0.5).square().mean() < 0.05

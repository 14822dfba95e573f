"""The critics, against the published tables and layers of torch put together by hand."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.config import noise_networks
from i2i.config.noise_networks import (
    CriticConfig,
    DCGANCriticConfig,
    MaxoutCriticConfig,
    PerceptronCriticConfig,
    ResNetCriticConfig,
)
from i2i.models.info import ModelInfo
from i2i.models.modelfile import load_model, save_model
from i2i.networks.build import build
from i2i.networks.critic import Critic
from i2i.networks.noise_norm import noise_norm
from i2i.networks.self_attention import SelfAttention

DENSE = [PerceptronCriticConfig, MaxoutCriticConfig]
HALVING = [DCGANCriticConfig, ResNetCriticConfig]
CLASSES = ("ant", "bee", "cat")


def critic(kind: type[CriticConfig], **settings: object) -> Critic:
    torch.manual_seed(1)
    width = {"hidden": (6,)} if kind in DENSE else {"filters": 4}
    return build(kind(**{"size": 16, "channels": 1} | width | settings))


def pictures(network: Critic, samples: int = 4, *, seed: int = 2) -> Tensor:
    size, channels = network.config.size, network.config.channels
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(samples, channels, size, size, generator=generator) * 2 - 1


def lively(network: nn.Module) -> nn.Module:
    """With every weight and bias away from its beginning, in float64."""
    torch.manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    return network.double()


def on_paper(config: DCGANCriticConfig | ResNetCriticConfig) -> int:
    """The number of parameters, without any numbers in them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(config).parameters())


@pytest.mark.parametrize("classes", [(), CLASSES])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 28, 32, 48, 64])
@pytest.mark.parametrize("kind", DENSE + HALVING)
def test_every_picture_gets_one_logit(
    kind: type[CriticConfig], size: int, channels: int, classes: tuple[str, ...]
) -> None:
    network = critic(kind, size=size, channels=channels, classes=classes).eval()
    x, label = pictures(network), torch.tensor([0, 1, 2, 0]) if classes else None
    [verdict] = network.judge(x, label)
    assert verdict.logits.shape == (4, 1)
    assert verdict.share == 1
    assert torch.equal(network(x, label), verdict.logits)
    assert (network.minimum, network.multiple) == (size, 1)


def test_dcgan_has_the_published_number_of_parameters() -> None:
    # 3·64·16 + 64·128·16 + 128·256·16 + 256·512·16 + 512·16, and 2 (128 + 256 + 512) of the batch norms.
    assert on_paper(DCGANCriticConfig()) == 2_765_568


def test_the_residual_critic_has_the_published_number_of_parameters() -> None:
    # Of each block the norms, two 3 x 3 and the 1 x 1. 64 to 128: 2·64 + 9·64² + 2·64 + 9·64·128 + 128 + 64·128 + 128.
    blocks = 119_296 + 476_160 + 1_902_592 + 4_983_808
    assert on_paper(ResNetCriticConfig()) == 3 * 64 * 9 + 64 + blocks + 512 * 16 + 1 == 7_491_841


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_dcgan_is_the_published_stack(norm: str) -> None:
    ours = lively(critic(DCGANCriticConfig, size=64, channels=3, norm=norm)).train()
    make = nn.BatchNorm2d if norm == "batch" else lambda width: nn.GroupNorm(1, width)
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, 2, 1, bias=False), make(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 16, 4, 2, 1, bias=False), make(16), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1, bias=False), make(32), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 4, 1, 0, bias=False),
    ).double()  # fmt: skip
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = pictures(ours).double()
    torch.testing.assert_close(ours(x), theirs(x).flatten(1))


def test_a_dense_layer_can_stand_after_the_smallest_map() -> None:
    ours = lively(critic(DCGANCriticConfig, size=28, norm="layer", dense=5))
    theirs = nn.Sequential(
        nn.Conv2d(1, 4, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.GroupNorm(1, 8), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(8 * 7 * 7, 5, bias=False), nn.LayerNorm(5), nn.LeakyReLU(0.2),
        nn.Linear(5, 1, bias=False),
    ).double()  # fmt: skip
    pairs = zip(theirs.state_dict().items(), ours.state_dict().values(), strict=True)
    theirs.load_state_dict({name: value.reshape(same.shape) for (name, same), value in pairs})
    x = pictures(ours).double()
    [verdict] = ours.judge(x)
    torch.testing.assert_close(verdict.logits, theirs(x))
    torch.testing.assert_close(verdict.features[-1].flatten(1), theirs[:-1](x))


@pytest.mark.parametrize("dense", [0, 5])
@pytest.mark.parametrize(("norm", "biases"), [("batch", 0), ("layer", 0), ("none", 3)])
def test_inner_layers_have_a_bias_where_no_norm_brings_one(norm: str, biases: int, dense: int) -> None:
    network = critic(DCGANCriticConfig, size=64, norm=norm, dense=dense)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert sum(layer.bias is not None for layer in layers) == biases + (norm == "none" and dense > 0)


@pytest.mark.parametrize("conditioning", ["projection", "embedding"])
def test_with_a_dense_layer_every_remedy_and_class_still_reaches_the_verdict(conditioning: str) -> None:
    remedies = {"spectral": True, "attention": True, "stddev": True, "conditioning": conditioning}
    network = critic(DCGANCriticConfig, classes=CLASSES, dense=5, **remedies).eval()
    x = pictures(network)
    assert not torch.allclose(network(x, torch.tensor([0] * 4)), network(x, torch.tensor([1] * 4)))
    assert network.last.in_channels == 5 + 1  # of the dense layer, and the deviation


def layer_norm_by_hand(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Over channels and pixels of each sample, with a weight and a bias for each channel."""
    mean, variance = x.mean(dim=(1, 2, 3), keepdim=True), x.var(dim=(1, 2, 3), keepdim=True, correction=0)
    return (x - mean) / (variance + 1e-5).sqrt() * weight[:, None, None] + bias[:, None, None]


def test_layer_norm_looks_at_a_whole_sample() -> None:
    layer = lively(noise_norm("layer", 3))
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), layer_norm_by_hand(x, layer.weight, layer.bias))


def test_the_residual_critic_is_the_published_one() -> None:
    network = lively(critic(ResNetCriticConfig, size=16, channels=3, filters=2)).eval()
    x = pictures(network).double()
    state = list(network.state_dict().values())

    def take(count: int) -> list[Tensor]:
        taken, state[:] = state[:count], state[count:]
        return taken

    def pooled(x: Tensor) -> Tensor:
        return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4

    maps = F.conv2d(x, *take(2), padding=1)
    for _ in range(2):
        y = F.conv2d(layer_norm_by_hand(maps, *take(2)).clamp(min=0), *take(1), padding=1)
        y = F.conv2d(layer_norm_by_hand(y, *take(2)).clamp(min=0), *take(2), padding=1)
        maps = pooled(y) + F.conv2d(pooled(maps), *take(2))
    weight, bias = take(2)
    torch.testing.assert_close(network(x), maps.flatten(1) @ weight.T + bias)
    assert not state


def test_the_residual_critic_begins_with_the_published_uniform_weights() -> None:
    network = critic(ResNetCriticConfig, filters=32, channels=3)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            area = math.prod(getattr(layer, "kernel_size", (1,)))
            fans = (layer.weight.shape[0] + layer.weight.shape[1]) * area
            after_relu = area == 9 and layer is not network.first
            bound = math.sqrt(3) * math.sqrt((4 if after_relu else 2) / fans)
            assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.02)
            assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_the_perceptron_is_dense_layers() -> None:
    network = lively(critic(PerceptronCriticConfig, hidden=(5, 7)))
    first, second, last = (module for module in network.modules() if isinstance(module, nn.Linear))
    x = pictures(network).double()
    one = F.leaky_relu(first(x.flatten(1)), 0.2)
    two = F.leaky_relu(second(one), 0.2)
    [verdict] = network.judge(x)
    torch.testing.assert_close(verdict.logits, last(two))
    torch.testing.assert_close(verdict.features, (one, two))


def test_a_maxout_unit_is_the_largest_of_its_pieces() -> None:
    network = lively(critic(MaxoutCriticConfig, size=4, hidden=(3,), pieces=5)).eval()
    x = pictures(network, 2).double()
    weight = network.maxouts[0].dense.weight.detach().numpy().reshape(3, 5, 16)
    bias = network.maxouts[0].dense.bias.detach().numpy().reshape(3, 5)
    units = (np.einsum("upi,ni->nup", weight, x.flatten(1).numpy()) + bias).max(axis=2)
    [verdict] = network.judge(x)
    np.testing.assert_allclose(verdict.features[0].detach().numpy(), units)
    torch.testing.assert_close(verdict.logits, network.last(torch.tensor(units)))


def test_maxout_begins_with_the_published_uniform_weights_and_drops_units_in_training_alone() -> None:
    network = critic(MaxoutCriticConfig, hidden=(240, 240))
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            assert layer.weight.abs().max().item() == pytest.approx(0.005, rel=0.01)
    x = pictures(network)
    assert torch.equal(network.eval()(x), network(x))
    assert not torch.equal(network.train()(x), network(x))
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.2, 0.5]


@pytest.mark.parametrize("kind", DENSE)
def test_a_class_is_an_embedding_beside_the_pixels(kind: type[CriticConfig]) -> None:
    network = lively(critic(kind, size=4, classes=CLASSES, embedding=2)).eval()
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    heard: list[Tensor] = []
    layers[0].register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    x, label = pictures(network).double(), torch.tensor([2, 0, 1, 1])
    network(x, label)
    torch.testing.assert_close(heard[0], torch.cat([x.flatten(1), network.embedding.weight[label]], dim=1))


def test_a_class_is_one_more_channel_where_asked_for() -> None:
    network = lively(critic(DCGANCriticConfig, classes=CLASSES, conditioning="embedding")).train()
    plain = lively(critic(DCGANCriticConfig)).train()
    state = network.state_dict()
    table = state.pop("seen.pictures.weight")
    assert table.shape == (3, 16 * 16)
    plain.layers[0] = nn.Conv2d(2, 4, 4, 2, 1, bias=False).double()  # of the picture and one more channel
    plain.load_state_dict(state)
    x, label = pictures(network).double(), torch.tensor([2, 0, 1, 1])
    seen = torch.cat([x, table[label].view(4, 1, 16, 16)], dim=1)
    wanted = plain.last(plain.layers(seen)).flatten(1)
    torch.testing.assert_close(network(x, label), wanted)


@pytest.mark.parametrize("stddev", [False, True])
@pytest.mark.parametrize("kind", HALVING)
def test_projection_two_classes_differ_by_the_inner_product_of_their_vectors_and_the_summed_maps(
    kind: type[CriticConfig], stddev: bool
) -> None:
    network = lively(critic(kind, classes=CLASSES, conditioning="projection", stddev=stddev)).eval()
    x = pictures(network).double()
    two, one = (torch.full((4,), number) for number in (2, 1))
    [verdict] = network.judge(x, two)
    maps = verdict.features[-1].clamp(min=0) if kind is ResNetCriticConfig else verdict.features[-1]
    vectors = network.projection.vectors.weight.detach()
    wanted = np.einsum("c,nchw->n", (vectors[2] - vectors[1]).numpy(), maps.detach().numpy())
    np.testing.assert_allclose((verdict.logits - network(x, one))[:, 0].detach().numpy(), wanted, rtol=1e-9)


@pytest.mark.parametrize("kind", HALVING)
def test_projection_a_vector_of_zeros_is_the_critic_without_classes(kind: type[CriticConfig]) -> None:
    network, plain = critic(kind, classes=CLASSES, conditioning="projection").eval(), critic(kind).eval()
    state = network.state_dict()
    nn.init.zeros_(state.pop("projection.vectors.weight"))
    plain.load_state_dict(state)
    x = pictures(network)
    assert torch.equal(network(x, torch.tensor([2, 0, 1, 1])), plain(x))


@pytest.mark.parametrize("kind", HALVING)
def test_projection_what_classes_say_is_small_at_first(kind: type[CriticConfig]) -> None:
    network = critic(kind, classes=CLASSES, conditioning="projection", filters=32).eval()
    x = pictures(network, 16)
    logits = [network(x, torch.full((16,), number)) for number in range(3)]
    assert max((one - logits[0]).abs().max() for one in logits) < 1


@pytest.mark.parametrize("conditioning", ["projection", "embedding"])
@pytest.mark.parametrize("kind", HALVING)
def test_classes_reach_the_verdict_with_every_remedy(kind: type[CriticConfig], conditioning: str) -> None:
    remedies = {"spectral": True, "attention": True, "stddev": True, "conditioning": conditioning}
    network = critic(kind, classes=CLASSES, **remedies).eval()
    x = pictures(network)
    assert not torch.allclose(network(x, torch.tensor([0] * 4)), network(x, torch.tensor([1] * 4)))


@pytest.mark.parametrize("kind", DENSE + HALVING)
def test_a_critic_of_classes_needs_the_labels_and_another_takes_no_notice(kind: type[CriticConfig]) -> None:
    network = critic(kind, classes=CLASSES)
    with pytest.raises(ValueError, match="a network that knows of classes needs the label of each sample"):
        network(pictures(network))
    plain = critic(kind).eval()
    x = pictures(plain)
    assert torch.equal(plain(x, torch.tensor([0, 1, 1, 2])), plain(x))


@pytest.mark.parametrize("kind", DENSE + HALVING)
def test_pictures_of_another_shape_are_refused(kind: type[CriticConfig]) -> None:
    with pytest.raises(ValueError, match="a critic of 1 x 16 x 16 pictures was given 3 x 16 x 32"):
        critic(kind)(torch.rand(2, 3, 16, 32))


@pytest.mark.parametrize("norm", ["layer", "none"])
@pytest.mark.parametrize("kind", HALVING)
def test_without_batch_norm_samples_are_judged_alone(kind: type[CriticConfig], norm: str) -> None:
    network = lively(critic(kind, norm=norm, attention=True)).eval()  # of attention, norms move in training
    x = pictures(network).double()
    torch.testing.assert_close(network(x), torch.cat([network(sample[None]) for sample in x]))


@pytest.mark.parametrize("kind", HALVING)
def test_the_deviation_is_one_more_channel_before_the_last_layer(kind: type[CriticConfig]) -> None:
    network = lively(critic(kind, norm="layer", stddev=True))
    heard: list[Tensor] = []
    network.last.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    x = pictures(network).double()
    [verdict] = network.judge(x)
    maps = verdict.features[-1].detach().numpy()
    told = heard[0].detach().numpy().reshape(4, maps.shape[1] + 1, 4, 4)
    np.testing.assert_allclose(told[:, :-1], maps)
    np.testing.assert_allclose(told[:, -1], np.sqrt(maps.std(axis=0) ** 2 + 1e-8).mean())


@pytest.mark.parametrize("kind", HALVING)
@pytest.mark.parametrize(("size", "side"), [(64, 32), (28, 14), (8, 4)])
def test_attention_looks_at_the_largest_inner_map_of_at_most_32_px(
    kind: type[CriticConfig], size: int, side: int
) -> None:
    network, seen = critic(kind, size=size, attention=True), []
    for module in network.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_hook(lambda module, given, made: seen.append(made.shape[2:]))
    network(pictures(network))
    assert seen == [(side, side)]


@pytest.mark.parametrize("kind", HALVING)
def test_verdicts_carry_a_map_for_each_halving(kind: type[CriticConfig]) -> None:
    network = critic(kind, size=48)
    [verdict] = network.judge(pictures(network))
    assert [tuple(each.shape[2:]) for each in verdict.features] == [(24, 24), (12, 12), (6, 6)]


@pytest.mark.parametrize("kind", DENSE + HALVING)
def test_a_model_file_gives_the_same_verdicts(kind: type[CriticConfig], tmp_path: Path) -> None:
    remedies = {} if kind in DENSE else {"attention": True, "stddev": True}
    network = critic(kind, classes=CLASSES, spectral=True, **remedies)
    x, label = pictures(network), torch.tensor([0, 1, 2, 0])
    network.train()(x, label)
    path = tmp_path / "judge.safetensors"
    save_model(path, {"judge": network}, ModelInfo(directions=(), networks={"judge": network.config}), half=False)
    loaded = load_model(path).networks["judge"]
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in network.state_dict().items())
    torch.testing.assert_close(loaded.eval()(x, label), network.eval()(x, label), rtol=1e-4, atol=1e-4)
    assert torch.equal(copy.deepcopy(network)(x, label), network(x, label))


@pytest.mark.parametrize(("size", "words"), [(30, "use a size of 28 or 32"), (100, "use a size of 96 or 112")])
@pytest.mark.parametrize("kind", HALVING)
def test_a_size_that_cannot_be_halved_is_refused_with_its_neighbours(
    kind: type[CriticConfig], size: int, words: str
) -> None:
    with pytest.raises(ValidationError, match=f"no network of doublings makes {size} px: {words}"):
        kind(size=size)


@pytest.mark.parametrize("kind", HALVING)
def test_attention_without_an_inner_map_is_refused(kind: type[CriticConfig]) -> None:
    with pytest.raises(ValidationError, match="no inner map to look at for pictures of 6 px: set attention=false"):
        kind(size=6, attention=True)


def test_settings_name_each_critic_by_its_kind() -> None:
    read = TypeAdapter(noise_networks.Critic).validate_python
    assert [read({"kind": kind().kind}) for kind in DENSE + HALVING] == [kind() for kind in DENSE + HALVING]
    words = "expected tags: 'perceptron-critic', 'maxout-critic', 'dcgan-critic', 'resnet-critic'"
    with pytest.raises(ValidationError, match=words):
        read({"kind": "dcgan"})

"""pix2pix against a loop written with torch alone, and what its losses and pictures are made of."""

from __future__ import annotations

import copy
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from i2i.config.data import PairedConfig
from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.pix2pix import Pix2PixConfig, Pix2PixRun
from i2i.data.batches import Paired
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision, place
from i2i.engine.update import Engine
from i2i.errors import ConfigError
from i2i.methods.base import Draws, StepInfo, Update
from i2i.methods.pix2pix import Pix2Pix
from i2i.networks.labels import OneHot

CPU = Precision(torch.device("cpu"), "fp32")
SEED = 11
UNET = {"kind": "unet", "filters": 2, "downs": 5, "dropout": 0.0, "init_gain": 0.2}
RESNET = {"kind": "resnet", "filters": 2, "blocks": 1, "init_gain": 0.2}
PATCHGAN = {"kind": "patchgan", "filters": 3, "layers": 1, "norm": "batch", "init_gain": 0.2}
PLAIN = {**PATCHGAN, "norm": "instance"}
MULTISCALE = {"kind": "multiscale", "filters": 2, "scales": 2, "init_gain": 0.2}


def small(**settings: Any) -> Pix2Pix:
    """Two and three filters, float64, the same weights every time."""
    torch.manual_seed(0)
    return Pix2Pix(Pix2PixConfig.model_validate({"generator": UNET, "discriminator": PATCHGAN, **settings})).double()


def pictures(batch: int, count: int = 1, channels: tuple[int, int] = (3, 3)) -> list[Paired]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(batch, c, 32, 32) for c in channels]
    return [
        Paired(*(torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1 for shape in shapes))
        for _ in range(count)
    ]


def updates(method: Pix2Pix, batch: Paired) -> list[Update]:
    """The yields of a step; nothing learns in between."""
    draws = Draws(SEED, 0, 0, 1, next(method.parameters()))
    return list(method.step(lambda: batch, StepInfo(0, "", 0, len(batch.real_a), 0, 1, draws)))


def adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for network in networks for p in network.parameters()], lr=2e-4, betas=(0.5, 0.999))


def bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def reference_loop(method: Pix2Pix, batches: list[Paired]) -> dict[str, Tensor]:
    """The published order with backward() and torch's plain Adam: the discriminator learns first."""
    method = copy.deepcopy(method)
    generator, judge = method.generator, method.discriminator
    assert judge is not None
    drawing, judging = adam(generator), adam(judge)
    for real_a, real_b in batches:
        fake_b = generator(real_a)
        judging.zero_grad()
        told = bce(judge(torch.cat([real_a, fake_b.detach()], 1)), 0) + bce(judge(torch.cat([real_a, real_b], 1)), 1)
        (told / 2).backward()
        judging.step()
        judge.requires_grad_(False)
        drawing.zero_grad()
        (bce(judge(torch.cat([real_a, fake_b], 1)), 1) + 100 * F.l1_loss(fake_b, real_b)).backward()
        drawing.step()
        judge.requires_grad_(True)
    return dict(method.named_parameters())


@pytest.mark.parametrize("generator", [UNET, RESNET], ids=["unet", "resnet"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_ten_updates_are_those_of_a_plain_loop_to_1e_10(batch: int, channels_last: bool, generator: dict[str, Any]):
    # a bias before an instance norm has a gradient of rounding alone, which Adam makes a step of
    norm = {"norm": "batch"} if generator is RESNET else {}
    method, batches = small(generator={**generator, **norm}), pictures(batch, 10)
    start = {name: p.detach().clone() for name, p in method.named_parameters()}
    expected = reference_loop(method, batches)
    place(method, CPU.device, channels_last)
    engine = Engine(method, lambda params: torch.optim.Adam(params, lr=2e-4, betas=(0.5, 0.999)), CPU, seed=SEED)
    feed = Feed(cycle(batches), lambda batch: batch, 1)
    for _ in batches:
        engine.step(feed, batch)
    for name, p in method.named_parameters():
        torch.testing.assert_close(p, expected[name], rtol=0, atol=1e-10, msg=name)
        assert not torch.equal(p, start[name]), name


# What it is made of


def test_the_published_networks_have_54_and_2_8_million_parameters():
    with torch.device("meta"):
        method = Pix2Pix(Pix2PixConfig())
    counted = {name: sum(p.numel() for p in player.parameters()) for name, player in method.players().items()}
    assert counted == {"discriminator": 2_768_705, "generator": 54_413_955}


def test_the_loss_of_the_generator_is_the_published_sum():
    method, (batch,) = small(), pictures(2)
    told, drawn = updates(method, batch)
    fake_b = method.generator(batch.real_a)
    judged = method.discriminator(torch.cat([batch.real_a, fake_b], 1))
    assert (told.players, drawn.players) == ("discriminator", "generator")
    assert drawn.losses.keys() == {"gan", "l1"}
    torch.testing.assert_close(drawn.losses["gan"], bce(judged, 1))
    torch.testing.assert_close(drawn.losses["l1"], 100 * (fake_b - batch.real_b).abs().mean())


def test_without_adversarial_weight_there_is_no_discriminator():
    method, (batch,) = small(adversarial_weight=0), pictures(1)
    assert method.players().keys() == {"generator"}
    assert method.judges() == {}
    (drawn,) = updates(method, batch)
    assert drawn.losses.keys() == {"l1"}


def test_b2a_is_named_after_what_it_does_and_takes_the_other_channels():
    method, (batch,) = small(direction="b2a", channels_b=1), pictures(1, channels=(1, 3))
    assert list(method.deployed()) == ["b2a"]
    assert (method.generator.config.input_channels, method.generator.config.output_channels) == (1, 3)
    assert method.pictures(batch, method.deployed())["fake_b"].shape == (1, 3, 32, 32)
    updates(method, batch)


def test_several_scales_are_summed_and_their_hidden_layers_matched():
    method, (batch,) = small(discriminator=MULTISCALE, feature_matching=10, adversarial="lsgan"), pictures(2)
    told, drawn = updates(method, batch)
    real_a, real_b = batch
    fake_b = method.generator(real_a)
    fakes = method.discriminator.judge(torch.cat([real_a, fake_b], 1))
    reals = method.discriminator.judge(torch.cat([real_a, real_b], 1))
    squares = [((r.logits - 1) ** 2).mean() + (f.logits**2).mean() for f, r in zip(fakes, reals, strict=True)]
    torch.testing.assert_close(told.losses["d"], sum(squares) / 2)
    torch.testing.assert_close(drawn.losses["gan"], sum(((f.logits - 1) ** 2).mean() for f in fakes))
    gaps = [
        (f - r).abs().mean() for one, two in zip(fakes, reals, strict=True) for f, r in zip(one[1], two[1], strict=True)
    ]
    torch.testing.assert_close(drawn.losses["features"], 10 * sum(gaps) / 2)  # 1 / scales, and 4 hidden layers in each


def test_a_relativistic_discriminator_compares_and_says_so():
    method, (batch,) = small(adversarial="ragan"), pictures(2)
    assert method.coupled == ("gan", "d")
    _, drawn = updates(method, batch)
    real_a, real_b = batch
    f = method.discriminator(torch.cat([real_a, method.generator(real_a)], 1))
    r = method.discriminator(torch.cat([real_a, real_b], 1))
    torch.testing.assert_close(drawn.losses["gan"], (bce(f - r.mean(), 1) + bce(r - f.mean(), 0)) / 2)


@pytest.mark.parametrize("discriminator", [PLAIN, MULTISCALE], ids=["one scale", "two"])
def test_the_penalty_is_that_of_the_picture_beside_its_input(discriminator: dict[str, Any]):
    method, (batch,) = small(adversarial="wgan-gp", discriminator=discriminator), pictures(2)
    told, _ = updates(method, batch)
    real_a, real_b = batch
    fake_b = method.generator(real_a).detach()
    mix = Draws(SEED, 0, 0, 1, real_a).uniform(2).view(2, 1, 1, 1)
    x = (real_b + mix * (fake_b - real_b)).requires_grad_()
    logits = method.discriminator(torch.cat([real_a, x], 1))
    total = sum(map(Tensor.sum, logits)) if isinstance(logits, tuple) else logits.sum()
    (slope,) = torch.autograd.grad(total, x)
    torch.testing.assert_close(told.losses["d_penalty"], 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean())


# Label maps


def test_label_maps_reach_generator_and_discriminator_as_planes_of_ones():
    method = small(labels=5)
    numbers = torch.arange(32 * 32).view(1, 1, 32, 32) % 5
    batch = Paired(numbers.double() * 2 / 255 - 1, pictures(1)[0].real_b)
    assert method.generator.config.labels == 5
    assert method.discriminator.config.input_channels == 5 + 3
    planes = OneHot(5)(batch.real_a)
    torch.testing.assert_close(planes, F.one_hot(numbers[:, 0], 5).permute(0, 3, 1, 2).double())
    told, _ = updates(method, batch)
    fake_b = method.generator(batch.real_a)
    judge = method.discriminator
    expected = bce(judge(torch.cat([planes, fake_b], 1)), 0) + bce(judge(torch.cat([planes, batch.real_b], 1)), 1)
    torch.testing.assert_close(told.losses["d"], expected / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_all_256_class_numbers_are_told_apart(dtype: torch.dtype):
    numbers = torch.arange(256).view(1, 1, 16, 16)
    planes = OneHot(256)((numbers.float() * (2 / 255) - 1).to(dtype))
    assert torch.equal(planes.argmax(1), numbers[:, 0])
    assert torch.equal(planes.sum(1), torch.ones(1, 16, 16, dtype=dtype))


def test_the_sheet_shows_label_maps_from_black_to_white():
    method = small(labels=3)
    numbers = torch.tensor([0, 1, 2, 1]).repeat(32, 8).view(1, 1, 32, 32).double()
    batch = Paired(numbers * 2 / 255 - 1, pictures(1)[0].real_b)
    shown = method.pictures(batch, method.deployed())["real_a"]
    torch.testing.assert_close(shown, numbers - 1)


# Features


@pytest.fixture
def features(tmp_path: Path) -> str:
    """A file with the first block of VGG19, small random weights."""
    torch.manual_seed(3)
    shapes = {"features.0": (64, 3), "features.2": (64, 64)}
    tensors = {f"{name}.weight": torch.randn(*shape, 3, 3) * 0.1 for name, shape in shapes.items()}
    save_file(tensors | {f"{name}.bias": torch.zeros(64) for name in shapes}, tmp_path / "vgg.safetensors")
    return str(tmp_path / "vgg.safetensors")


def test_perceptual_and_style_losses_see_the_pictures_from_0_to_1(features: str):
    perceptual = {"weights": features, "layers": {"relu1_2": 1.0}, "style_layers": {"relu1_1": 1.0}}
    method = small(perceptual=perceptual, perceptual_weight=2, style_weight=3)
    (batch,) = pictures(1)
    _, drawn = updates(method, batch)
    fake_b = method.generator(batch.real_a)
    f, r = (method.looks.perceptual.features(x / 2 + 0.5) for x in (fake_b, batch.real_b))
    torch.testing.assert_close(drawn.losses["perceptual"], 2 * (f["relu1_2"] - r["relu1_2"]).abs().mean())
    grams = [x["relu1_1"].flatten(2) @ x["relu1_1"].flatten(2).mT / (64 * 32 * 32) for x in (f, r)]
    torch.testing.assert_close(drawn.losses["style"], 3 * (grams[0] - grams[1]).square().sum())


def test_style_alone_needs_no_perceptual_weight(features: str):
    method = small(perceptual={"weights": features, "style_layers": {"relu1_1": 1.0}}, style_weight=1)
    _, drawn = updates(method, pictures(1)[0])
    assert drawn.losses.keys() == {"gan", "l1", "style"}


def test_features_that_are_not_here_are_named():
    with pytest.raises(ConfigError, match=r"vgg19 for the perceptual loss are not here.*--features FILE"):
        small(style_weight=1)


# Settings that make no sense


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"pixel_weight": 0, "adversarial_weight": 0}, "every loss weighs 0"),
        ({"feature_matching": 10, "adversarial_weight": 0}, "feature matching needs a discriminator"),
        ({"adversarial": "wgan-gp"}, "set method.discriminator.norm=instance"),
        ({"generator": {**UNET, "keep_luma": True}}, "keep_luma makes colour of gray: set method.channels_a=1"),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, Any], text: str):
    with pytest.raises(ValidationError, match=text):
        Pix2PixConfig.model_validate(settings)


@pytest.mark.parametrize(("pairs", "channels"), [("colorize", 1), ("edges", 1), ("degrade", 3), ("auto", 3)])
def test_pairs_made_of_photos_have_the_channels_that_they_are_made_with(pairs: str, channels: int):
    assert (
        resolve("pix2pix", "default", [assignment_layer([f"data.pairs={pairs}"])]).config.method.channels[0] == channels
    )


@pytest.mark.parametrize(("pairs", "asked", "made"), [("colorize", 3, 1), ("edges", 3, 1), ("degrade", 1, 3)])
def test_other_channels_than_those_that_are_made_are_a_contradiction(pairs: str, asked: int, made: int):
    with pytest.raises(ConfigError, match=f"--pairs {pairs} makes A in {made} channels: set method.channels_a={made}"):
        resolve("pix2pix", "default", [assignment_layer([f"data.pairs={pairs}", f"method.channels_a={asked}"])])


def test_from_python_the_channels_are_checked_too():
    with pytest.raises(ValidationError, match="makes A in 1 channels"):
        Pix2PixRun(data=PairedConfig(pairs="edges"))


def test_classes_are_told_in_one_place():
    generator = {**UNET, "labels": 3, "input_channels": 1}
    with pytest.raises(ValidationError, match=r"the input's classes are method\.labels: set method\.labels=3"):
        Pix2PixConfig.model_validate({"generator": generator})

"""SRGAN against loops written by hand, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from i2i.config.methods.srgan import SRGANConfig, SRGANRun
from i2i.data.batches import Photos
from i2i.degradations.bicubic import imresize
from i2i.degradations.sharpening import sharpened
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision
from i2i.engine.update import Engine
from i2i.errors import ConfigError
from i2i.methods.base import Stage
from i2i.methods.build import build_method
from i2i.methods.srgan import SRGAN

CPU = Precision(torch.device("cpu"), "fp32")
SMALL: dict[str, Any] = {
    "scale": 2,
    "generator": {"kind": "compact", "filters": 4, "convolutions": 1, "init_gain": 0.2},
    "discriminator": {"kind": "patchgan", "filters": 4, "layers": 1, "norm": "none", "init_gain": 0.2},
    "perceptual_weight": 0,
}
MARGIN = 8  # of the bicubic degradation at scale 2


def method_of(**settings: Any) -> SRGAN:
    torch.manual_seed(0)
    method = build_method(SRGANConfig.model_validate(SMALL | settings))
    assert isinstance(method, SRGAN)
    return method.double()


def adam(params: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, lr=1e-3, betas=(0.9, 0.99), fused=True)


def batches(count: int) -> list[Photos]:
    generator = torch.Generator().manual_seed(1)
    return [Photos(torch.rand(2, 3, 32, 32, generator=generator, dtype=torch.float64)) for _ in range(count)]


def trained(method: SRGAN, given: list[Photos], total: int | None = None) -> Engine:
    """The engine after a step with each batch; stages as in a training of `total` steps."""
    engine = Engine(method, adam, CPU, seed=3, stages=method.stages(total or len(given)))
    feed = Feed(iter(given), lambda batch: batch, 1)
    for _ in given:
        engine.enter_stage()
        engine.step(feed, 2)
    return engine


def halves(photos: Photos) -> tuple[Tensor, Tensor]:
    """The photos and their reductions, rounded to 8 bit, both without the margin."""
    low = (imresize(photos.real, (16, 16)).clamp(0, 1) * 255).round() / 255
    return photos.real[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN], low[:, :, 4:-4, 4:-4]


def weights(*modules: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for module in modules for p in module.parameters()]


def test_ten_pixel_steps_are_those_of_a_plain_loop():
    method, plain = method_of(stage="pixel"), method_of(stage="pixel").generator
    optimiser = adam(plain.parameters())
    for photos in batches(10):
        real, low = halves(photos)
        optimiser.zero_grad()
        (plain(low) - real).abs().mean().backward()
        optimiser.step()
    trained(method, batches(10))
    torch.testing.assert_close(weights(method.generator), weights(plain), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["vanilla", "ragan"])
def test_ten_adversarial_steps_are_those_of_a_plain_loop(kind: str):
    method, plain = method_of(adversarial=kind), method_of(adversarial=kind)
    generator, discriminator = plain.generator, plain.discriminator
    assert discriminator is not None
    optimisers = adam(generator.parameters()), adam(discriminator.parameters())
    for photos in batches(10):
        real, low = halves(photos)
        fake = generator(low)
        optimisers[0].zero_grad()
        (0.005 * fooled(kind, discriminator, fake, real) + 0.01 * (fake - real).abs().mean()).backward()
        optimisers[0].step()
        optimisers[1].zero_grad()
        told(kind, discriminator, fake.detach(), real).backward()
        optimisers[1].step()
    engine = Engine(method, adam, CPU, seed=3, stages=(Stage("adversarial"),))
    feed = Feed(iter(batches(10)), lambda batch: batch, 1)
    for _ in range(10):
        engine.step(feed, 2)
    assert method.discriminator is not None
    mine = weights(method.generator, method.discriminator)
    # 1e-9: in the relativistic loss the last bias cancels, and Adam makes a step of the rounding that is left
    torch.testing.assert_close(mine, weights(generator, discriminator), rtol=0, atol=1e-9)


def bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def fooled(kind: str, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
    f, r = discriminator(fake), discriminator(real).detach()
    if kind == "vanilla":
        return bce(f, 1)
    return (bce(f - r.mean(), 1) + bce(r - f.mean(), 0)) / 2


def told(kind: str, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
    f, r = discriminator(fake), discriminator(real)
    if kind == "vanilla":
        return (bce(r, 1) + bce(f, 0)) / 2
    return (bce(r - f.mean(), 1) + bce(f - r.mean(), 0)) / 2


def test_in_the_first_stage_the_discriminator_does_not_move_and_in_the_second_both_do():
    method = method_of(adversarial_share=0.5)
    assert method.discriminator is not None
    before = weights(method.discriminator)
    trained(method, batches(2), total=4)
    assert all(map(torch.equal, before, weights(method.discriminator)))
    generator = weights(method.generator)
    trained(method, batches(4), total=4)
    assert not all(map(torch.equal, before, weights(method.discriminator)))
    assert not any(map(torch.equal, generator, weights(method.generator)))


def test_a_warm_up_moves_the_discriminator_alone():
    method = method_of(stage="adversarial", warm_up=3)
    assert method.discriminator is not None
    generator, discriminator = weights(method.generator), weights(method.discriminator)
    engine = Engine(method, adam, CPU, seed=3, stages=method.stages(4))
    feed = Feed(iter(batches(3)), lambda batch: batch, 1)
    for _ in range(3):
        engine.step(feed, 2)
    assert all(map(torch.equal, generator, weights(method.generator)))
    assert not any(map(torch.equal, discriminator, weights(method.discriminator)))
    engine.step(Feed(iter(batches(1)), lambda batch: batch, 1), 2)
    assert not any(map(torch.equal, generator, weights(method.generator)))


@pytest.mark.parametrize(
    ("settings", "total", "expected"),
    [
        ({}, 100, (Stage("pixel"), Stage("adversarial", 75, 0.2))),
        ({"adversarial_share": 0.2, "adversarial_rate": 1.0}, 50, (Stage("pixel"), Stage("adversarial", 40, 1.0))),
        ({"stage": "pixel"}, 100, (Stage("pixel"),)),
        ({"stage": "adversarial"}, 100, (Stage("adversarial"),)),
    ],
    ids=str,
)
def test_the_stages_follow_from_the_settings(settings: Mapping[str, Any], total: int, expected: tuple[Stage, ...]):
    assert method_of(**settings).stages(total) == expected


@pytest.mark.parametrize(
    ("settings", "total", "told"),
    [
        ({"warm_up": 30}, 100, "stage of 25 steps. Use more --steps, or --set method.warm_up=0 (it is 30)."),
        ({"stage": "adversarial", "warm_up": 9}, 9, "stage of 9 steps. Use more --steps"),
        ({}, 1, "the generator would never learn in the adversarial stage of 0 steps."),
    ],
)
def test_a_stage_in_which_the_generator_would_never_learn_is_refused(
    settings: Mapping[str, Any], total: int, told: str
):
    with pytest.raises(ConfigError) as raised:
        method_of(**settings).stages(total)
    assert told in str(raised.value)


def test_a_warm_up_leaves_batch_norms_alone():
    norms = {"kind": "srresnet", "filters": 4, "blocks": 1}
    method = method_of(stage="adversarial", warm_up=2, generator=norms)
    before = {key: value.clone() for key, value in method.generator.state_dict().items()}
    engine = Engine(method, adam, CPU, seed=3, stages=method.stages(3))
    feed = Feed(iter(batches(3)), lambda batch: batch, 1)
    for _ in range(2):
        engine.step(feed, 2)
    assert all(torch.equal(value, before[key]) for key, value in method.generator.state_dict().items())
    engine.step(feed, 2)
    assert not torch.equal(method.generator.body.convolve[-1].running_mean, before["body.convolve.2.running_mean"])


def test_the_losses_may_ask_for_sharpened_photos_while_the_discriminator_sees_plain_ones():
    plain, sharp = method_of(stage="pixel"), method_of(stage="pixel", sharpen=True)
    network = method_of(stage="pixel").generator
    optimiser = adam(network.parameters())
    photos = Photos(torch.rand(2, 3, 64, 64, dtype=torch.float64))
    real, low = photos.real[:, :, 8:-8, 8:-8], imresize(photos.real, (32, 32)).clamp(0, 1)[:, :, 4:-4, 4:-4]
    low = (low * 255).round() / 255
    (network(low) - sharpened(real)).abs().mean().backward()
    optimiser.step()
    trained(sharp, [photos])
    trained(plain, [photos])
    torch.testing.assert_close(weights(sharp.generator), weights(network), rtol=0, atol=1e-12)
    assert not any(map(torch.equal, weights(plain.generator), weights(sharp.generator)))


def test_the_generator_has_the_scale_of_the_method():
    config = SRGANConfig.model_validate({"scale": 3, "generator": {"kind": "compact", "scale": 1}})
    assert config.generator.scale == 3


def test_without_a_second_stage_there_is_no_discriminator():
    method = method_of(stage="pixel", perceptual_weight=1)
    assert [*method.players()] == ["generator"]
    assert method.judges() == {}
    assert (method.coupled, method.perceptual) == ((), None)


def test_the_generator_sees_crops_of_half_the_side():
    assert method_of().sides(64) == {"up": 32, "discriminator": 64}


def test_the_sheet_shows_input_result_and_truth_of_one_size():
    method = method_of()
    columns = method.pictures(Photos(torch.rand(2, 3, 32, 32, dtype=torch.float64)), method.deployed())
    assert [*columns] == ["low", "fake", "real"]
    assert {tuple(column.shape) for column in columns.values()} == {(2, 3, 16, 16)}


def test_the_same_step_degrades_in_the_same_way_again():
    settings = {"stage": "pixel", "degradation": {"kind": "first-order"}}
    one, other = method_of(**settings), method_of(**settings)
    photos = [Photos(torch.rand(2, 3, 64, 64, dtype=torch.float64))]
    trained(one, photos)
    trained(other, photos)
    assert all(map(torch.equal, weights(one), weights(other)))


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"method": {"stage": "adversarial"}}, "the adversarial stage begins at a trained model: name it with --init"),
        ({"method": {"scale": 3}}, "crops of 128 px cannot be shrunk by 3: set data.size=126"),
        (
            {"method": {"scale": 3, "generator": {"kind": "rrdb"}}},
            "an rrdb network enlarges by 2 or 4: set method.scale=4",
        ),
        ({"method": {"adversarial": "wgan-gp"}}, "set method.adversarial=ragan"),
        (
            {"method": {"sharpen": True}, "data": {"size": 24}},
            "sharpening looks 25 px around: set data.size=32 or more",
        ),
        (
            {"method": {"generator": {"kind": "compact", "output_channels": 1}}},
            "photos are trained on in colour: leave input_channels and output_channels at 3",
        ),
        (
            {"method": {"discriminator": {"kind": "patchgan", "input_channels": 1}}},
            "photos are trained on in colour: leave input_channels and output_channels at 3",
        ),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_told(tables: dict[str, Any], told: str):
    with pytest.raises(ValidationError) as raised:
        SRGANRun.model_validate(tables)
    assert told in str(raised.value)


# Features away from the grid of the upsampling


class Seen:
    """In the place of the perceptual loss: keeps what it was shown."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        self.pairs.append((fake.detach(), real))
        return (fake - real).abs().mean()


def seen_by_features(steps: int, **settings: Any) -> list[tuple[Tensor, Tensor]]:
    method = method_of(stage="adversarial", perceptual_weight=0, scale=4, **settings)
    method.perceptual = seen = Seen()  # type: ignore[assignment]
    generator = torch.Generator().manual_seed(1)
    photo = Photos(torch.rand(1, 3, 64, 64, generator=generator, dtype=torch.float64))  # 32 px and a margin of 16
    engine = Engine(method, adam, CPU, seed=3)
    feed = Feed(iter([photo] * steps), lambda batch: batch, 1)
    for _ in range(steps):
        engine.step(feed, 1)
    return seen.pairs


def test_features_are_compared_at_every_place_of_the_upsampling_in_turn():
    pairs = seen_by_features(60, shift=True)
    assert {real.shape for _, real in pairs} == {fake.shape for fake, _ in pairs} == {(1, 3, 29, 29)}
    whole = seen_by_features(1)[0][1]
    corners = [
        next((y, x) for y in range(4) for x in range(4) if torch.equal(whole[..., y : y + 29, x : x + 29], real))
        for _, real in pairs
    ]
    assert set(corners) == {(y, x) for y in range(4) for x in range(4)}


def test_features_may_be_compared_where_they_lie():
    assert {real.shape for _, real in seen_by_features(2)} == {(1, 3, 32, 32)}

"""DCGAN against a loop written with torch alone, its presets, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.dcgan import DCGANRun
from i2i.config.noise_networks import DCGANConfig, DCGANCriticConfig
from i2i.errors import ConfigError
from i2i.methods.build import build_method
from tests.methods.noise import BATCH, CRITIC, GENERATOR, PlainLoop, batches, small, trained, updates

CLASSES = {"conditional": True, "classes": ("cat", "dog", "owl")}
NORMED = {"generator": {**GENERATOR, "norm": "batch"}, "discriminator": {**CRITIC, "norm": "batch"}}


def adam(params: Any) -> torch.optim.Adam:
    # A larger eps: weights whose gradient is rounding alone stay where they are.
    return torch.optim.Adam(params, lr=2e-4, betas=(0.5, 0.999), eps=1e-6)


@pytest.mark.parametrize("classes", [{}, CLASSES])
def test_ten_updates_are_those_of_the_authors_loop_to_1e_10(classes: dict[str, Any]):
    """Real and fake pictures in separate batches, gradients added; the same pictures then teach the generator."""
    method, given = small("dcgan", **NORMED, **classes), batches(10)
    plain, ones, zeros = PlainLoop(method), torch.ones(BATCH, 1).double(), torch.zeros(BATCH, 1).double()
    generator, critic, bce = plain.generator, plain.critic, nn.BCEWithLogitsLoss()
    of_generator, of_critic = adam(generator.parameters()), adam(critic.parameters())
    for index, (real, label) in enumerate(given):
        told = (label,) if classes else ()
        of_critic.zero_grad()
        bce(critic(real, *told), ones).backward()
        fake = generator(next(plain.noises(index)), *told)
        bce(critic(fake.detach(), *told), zeros).backward()
        of_critic.step()
        of_generator.zero_grad()
        bce(critic(fake, *told), ones).backward()
        of_generator.step()
    start = PlainLoop(method)
    trained(method, adam, given, 10)
    assert start.distance(method) > 1e-4
    assert plain.distance(method) < 1e-10


def test_the_discriminator_learns_first_and_at_its_own_rate():
    method = small("dcgan", remedies={"discriminator_rate": 4, "updates": 2})
    assert [update.players for update in updates(method, *batches(2))] == ["discriminator"] * 2 + ["generator"]
    assert {name: player.rate for name, player in method.players().items()} == {"discriminator": 4, "generator": 1}


def test_only_the_pictures_that_teach_the_generator_are_made_with_a_gradient():
    method, seen = small("dcgan", remedies={"updates": 3}), []
    method.generator.register_forward_hook(lambda module, given, made: seen.append(made.requires_grad))
    updates(method, *batches(3))
    assert seen == [False, False, True]


def test_further_updates_on_fresh_pictures_are_those_of_a_plain_loop():
    method, given = small("dcgan", **NORMED, remedies={"updates": 2}), batches(8)
    plain, bce = PlainLoop(method), nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(BATCH, 1).double(), torch.zeros(BATCH, 1).double()
    generator, critic = plain.generator, plain.critic
    of_generator, of_critic = adam(generator.parameters()), adam(critic.parameters())
    for index in range(4):
        noises = plain.noises(index)
        for real, _ in given[2 * index : 2 * index + 2]:
            fake = generator(next(noises))
            of_critic.zero_grad()
            (bce(critic(real), ones) + bce(critic(fake.detach()), zeros)).backward()
            of_critic.step()
        of_generator.zero_grad()
        bce(critic(fake), ones).backward()
        of_generator.step()
    trained(method, adam, given, 4)
    assert plain.distance(method) < 1e-10


def test_of_several_discriminators_the_generator_learns_from_the_mean():
    method = small("dcgan", remedies={"discriminators": 3}, adversarial="hinge")
    _, generator = updates(method, *batches(1))
    fake = method.generator(next(PlainLoop(method).noises(0)))
    expected = -torch.stack([member(fake).mean() for member in method.discriminator.members]).mean()
    torch.testing.assert_close(generator.losses["gan"], expected)
    assert list(method.judges()) == ["discriminator", "discriminator_2", "discriminator_3"]


@pytest.mark.parametrize(
    ("settings", "coupled"),
    [
        ({"adversarial": "rahinge"}, ("d", "gan")),
        ({"discriminator": {**CRITIC, "stddev": True}}, ("d", "gan")),
        ({"adversarial": "hinge", "mode_seeking": 1}, ("diversity",)),
        ({"adversarial": "rahinge", "mode_seeking": 1}, ("d", "gan", "d_second", "gan_second", "diversity")),
        ({"adversarial": "lsgan"}, ()),
    ],
)
def test_losses_that_compare_samples_are_named(settings: dict[str, Any], coupled: tuple[str, ...]):
    assert small("dcgan", **settings).coupled == coupled


def test_the_built_in_networks_are_those_of_the_authors_code_for_64_px():
    """3,576,704 and 2,765,568 weights: convolutions of 4 x 4 without biases, two numbers for each batch norm."""
    method = build_method(DCGANRun().method)
    maps = [(100, 512, 16), (512, 256, 16), (256, 128, 16), (128, 64, 16), (64, 3, 16)]
    expected = sum(a * b * k for a, b, k in maps) + 2 * (512 + 256 + 128 + 64)
    assert sum(p.numel() for p in method.generator.parameters()) == expected == 3_576_704
    maps = [(3, 64, 16), (64, 128, 16), (128, 256, 16), (256, 512, 16), (512, 1, 16)]
    expected = sum(a * b * k for a, b, k in maps) + 2 * (128 + 256 + 512)
    assert sum(p.numel() for p in method.discriminator.parameters()) == expected == 2_765_568


def test_presets_have_the_published_rate_and_batches():
    trains = {preset: resolve("dcgan", preset, []).config.train for preset in ("default", "paper", "mnist")}
    rates = {preset: (train.lr, train.beta1) for preset, train in trains.items()}
    assert rates == {"default": (2e-4, 0.5), "paper": (2e-4, 0.5), "mnist": (1e-3, 0.5)}  # the last is ours, with R1
    assert {preset: train.batch for preset, train in trains.items()} == {"default": 64, "paper": 128, "mnist": 64}
    paper = resolve("dcgan", "paper", []).config.method
    assert paper.generator == DCGANConfig(distribution="uniform", filters=128)
    assert paper.discriminator == DCGANCriticConfig()


REFUSED = {
    ("method.remedies.penalty=r1",): "the gradient penalty is one of single samples, which batch norm mixes: "
    "set method.discriminator.norm=layer",
    ("method.discriminator.stddev=true", "train.batch=7"): "minibatch standard deviation compares groups of 2 to 4 "
    "samples, and 7 cannot be cut into them: set train.batch=4",
    ("data.size=30",): "data.size: no network of doublings makes 30 px: use a size of 28 or 32",
    ("data.size=30", "method.generator.kind=perceptron"): "no network of doublings makes 30 px: use a size of 28 or 32",
    ("method.generator.size=32", "data.size=64"): "method.generator: size=32 cannot be set by itself: it follows from "
    "data.size, set that alone",
    ("method.generator.channels=1", "method.channels=3"): "method.generator: channels=1 cannot be set by itself: it "
    "follows from method.channels, set that alone",
    ("method.discriminator.channels=1",): "method.discriminator: channels=1 cannot be set by itself: it follows from "
    "method.channels, set that alone",
    ("method.generator.size=40", "method.discriminator.norm=group"): "method.discriminator.norm must be batch, layer "
    "or none, not 'group'",
}


@pytest.mark.parametrize("assignments", REFUSED)
def test_what_makes_no_sense_is_refused(assignments: tuple[str, ...]):
    with pytest.raises(ConfigError) as caught:
        resolve("dcgan", "default", [assignment_layer(assignments)])
    assert REFUSED[assignments] in str(caught.value)


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_other_norms_take_a_penalty(norm: str):
    given = ["method.remedies.penalty=r1", f"method.discriminator.norm={norm}"]
    assert resolve("dcgan", "default", [assignment_layer(given)]).config.method.remedies.penalty == "r1"


def test_networks_may_say_again_what_they_follow():
    again = ["data.size=32", "method.generator.size=32", "method.discriminator.size=32", "method.channels=1"]
    config = resolve("dcgan", "default", [assignment_layer([*again, "method.discriminator.channels=1"])]).config.method
    assert [(network.size, network.channels) for network in (config.generator, config.discriminator)] == [(32, 1)] * 2


def test_any_size_is_for_dense_layers_alone():
    dense = ["data.size=30", "method.generator.kind=perceptron", "method.discriminator.kind=maxout-critic"]
    config = resolve("dcgan", "default", [assignment_layer(dense)]).config.method
    assert (config.generator.size, config.discriminator.size) == (30, 30)

"""GAN against a loop written with torch alone; mode seeking and classes, which the other methods share."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.gan import GANConfig
from i2i.config.noise_networks import MaxoutCriticConfig, PerceptronConfig, PerceptronCriticConfig
from i2i.errors import ConfigError
from i2i.losses.diversity import mode_seeking_loss
from i2i.methods.build import build_method
from tests.methods.noise import BATCH, DENSE, NOISE, PlainLoop, batches, small, trained, updates

CLASSES = {"conditional": True, "classes": ("cat", "dog", "owl")}


def adam(params: Any) -> torch.optim.Adam:
    return torch.optim.Adam(params, lr=2e-3, betas=(0.5, 0.999))


def log_sigmoid(x: Tensor) -> Tensor:
    return -torch.log(1 + torch.exp(-x))


# The step


@pytest.mark.parametrize("kind", ["vanilla", "saturating"])
def test_ten_updates_are_those_of_algorithm_1_to_1e_10(kind: str):
    method, given = small("gan", adversarial=kind, remedies={"updates": 2}, **DENSE), batches(20)
    plain = PlainLoop(method)
    generator, critic = plain.generator, plain.critic
    of_generator, of_critic = adam(generator.parameters()), adam(critic.parameters())
    for index in range(10):
        noises = plain.noises(index)
        for real, _ in given[2 * index : 2 * index + 2]:
            of_critic.zero_grad()
            fake = generator(next(noises)).detach()
            loss = -log_sigmoid(critic(real)).mean() - torch.log(1 - torch.sigmoid(critic(fake))).mean()
            loss.backward()
            of_critic.step()
        of_generator.zero_grad()
        logits = critic(generator(next(noises)))
        lowered = torch.log(1 - torch.sigmoid(logits)) if kind == "saturating" else -log_sigmoid(logits)
        lowered.mean().backward()
        of_generator.step()
    start = PlainLoop(method)
    trained(method, adam, given, 10)
    assert start.distance(method) > 1e-3
    assert plain.distance(method) < 1e-10


def test_the_default_networks_are_the_perceptrons_100_256_784_and_784_256_1():
    config = resolve("gan", "default", []).config
    assert config.method.generator == PerceptronConfig(hidden=(256,), activation="leaky", output="tanh", noise=100)
    assert config.method.discriminator == PerceptronCriticConfig(hidden=(256,))
    assert (config.train.lr, config.train.beta1, config.train.batch) == (2e-4, 0.5, 64)
    sizes = [tuple(p.shape) for p in build_method(config.method).generator.parameters() if p.dim() == 2]
    assert sizes == [(256, 100), (784, 256)]


def test_the_preset_of_the_paper_has_its_networks():
    config = resolve("gan", "paper", []).config
    generator, discriminator = config.method.generator, config.method.discriminator
    assert (generator.hidden, generator.activation, generator.output) == ((1200, 1200), "relu", "sigmoid")
    assert (generator.noise, generator.distribution, generator.init_gain) == (100, "uniform", 0.05)
    assert discriminator == MaxoutCriticConfig()
    assert config.train.batch == 100


# Noise


@pytest.mark.parametrize(("distribution", "low", "high"), [("uniform", -1, 1), ("normal", -10, 10)])
def test_noise_is_of_the_distribution_that_was_asked_for(distribution: str, low: float, high: float):
    method = small("gan", **DENSE | {"generator": DENSE["generator"] | {"distribution": distribution, "noise": 500}})
    seen: list[Tensor] = []
    method.generator.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    updates(method, *batches(1))
    noise = torch.cat(seen)
    assert noise.shape == (2 * BATCH, 500)  # once for the discriminator, once more for the generator
    assert low <= noise.min() < -0.9 < 0.9 < noise.max() <= high
    assert noise.std().item() == pytest.approx(math.sqrt(1 / 3) if distribution == "uniform" else 1, abs=0.05)
    assert len(torch.unique(noise)) == noise.numel()


def test_the_sheet_shows_the_same_noise_every_time_beside_each_real_picture():
    method, (batch,) = small("gan", **DENSE, **CLASSES).eval(), batches(1)
    seen: list[tuple[Tensor, Tensor]] = []
    method.generator.register_forward_pre_hook(lambda module, given: seen.append(given))
    first, second = (method.pictures(batch, method.deployed()) for _ in range(2))
    assert list(first) == ["real", *"12345678"]
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["real"] is batch.real
    assert all(torch.equal(label, batch.label) for _, label in seen)
    assert len({tuple(noise.flatten().tolist()) for noise, _ in seen}) == 8


# Mode seeking


def test_mode_seeking_is_the_inverse_of_how_far_pictures_are_for_their_noises():
    pictures = torch.zeros(2, 1, 2, 2, dtype=torch.float64), torch.full((2, 1, 2, 2), 0.3, dtype=torch.float64)
    noises = torch.zeros(2, 3, dtype=torch.float64), torch.full((2, 3), 1.5, dtype=torch.float64)
    assert mode_seeking_loss(*pictures, *noises).item() == pytest.approx(1 / (0.3 / 1.5 + 1e-5), rel=1e-12)


def test_pictures_that_collapsed_to_one_cost_a_hundred_thousand_and_no_more():
    one, noises = torch.ones(2, 1, 2, 2), torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(0))
    assert mode_seeking_loss(one, one, *noises).item() == pytest.approx(1e5)


def test_with_mode_seeking_both_pictures_of_a_label_are_judged_and_compared():
    method, given = small("gan", mode_seeking=0.5, **DENSE, **CLASSES), batches(1)
    (real, label), plain = given[0], PlainLoop(method)
    discriminator, generator = updates(method, *given)
    noises = plain.noises(0)
    told = [plain.generator(next(noises), label) for _ in range(2)]
    z_first, z_second = next(noises), next(noises)
    first, second = plain.generator(z_first, label), plain.generator(z_second, label)
    judged = plain.critic(real, label)
    for name, fake in zip(("d", "d_second"), told, strict=True):
        expected = -log_sigmoid(judged).mean() - log_sigmoid(-plain.critic(fake, label)).mean()
        torch.testing.assert_close(discriminator.losses[name], expected)
    for name, fake in {"gan": first, "gan_second": second}.items():
        torch.testing.assert_close(generator.losses[name], -log_sigmoid(plain.critic(fake, label)).mean())
    apart = (first - second).abs().mean() / (z_first - z_second).abs().mean()
    torch.testing.assert_close(generator.losses["diversity"], 0.5 / (apart + 1e-5))
    assert method.coupled == ("diversity",)


# Classes, size, channels


def test_generator_and_discriminator_are_told_the_class_of_each_picture():
    method, (batch,) = small("gan", **DENSE, **CLASSES), batches(1)
    told: list[Tensor] = []
    for network in (method.generator, method.discriminator):
        network.embedding.register_forward_pre_hook(lambda module, given: told.append(given[0]))
    updates(method, batch)
    assert len(told) == 5  # two times made; real, fake and fake judged
    assert all(torch.equal(label, batch.label) for label in told)


def test_without_conditional_labels_have_no_effect():
    method, (batch,) = small("gan", **DENSE), batches(1)
    losses = [updates(method, batch._replace(label=label)) for label in (batch.label, batch.label * 0)]
    assert losses[0][1].losses["gan"] == losses[1][1].losses["gan"]


def test_both_networks_get_size_channels_and_classes_from_where_they_are_set():
    given = ["data.size=20", "method.channels=3", "method.conditional=true", 'method.classes=["a", "b"]']
    config = resolve("gan", "default", [assignment_layer(given)]).config.method
    for network in (config.generator, config.discriminator):
        assert (network.size, network.channels, network.classes) == (20, 3, ("a", "b"))


REFUSED = {
    "method.remedies={label_smoothing=0.1}\nmethod.adversarial=hinge": "the adversarial loss hinge has no label that "
    "could be smoothed",
    "method.classes=['a']": "the classes are told to nobody: add --conditional, or set method.classes=[]",
    "method.conditional=true\nmethod.classes=['a']": "one class alone tells nothing: name two or more, or leave "
    "--conditional out",
    "method.conditional=true\nmethod.classes=['a', 'b', 'a']": "the classes name a twice: give each a name of its own",
    "method.discriminator.size=64": "method.discriminator: size=64 cannot be set by itself: it follows from data.size, "
    "set that alone",
    "method.generator.classes=['x']": "method.generator: classes=['x'] cannot be set by itself: it follows from "
    "method.classes, set that alone",
    "method.discriminator.kind=[]\nmethod.discriminator.size=3": "method.discriminator.kind must be one of",
    "method.adversarial=wgan-gp": "method.adversarial must be vanilla, saturating, lsgan, hinge, ragan, ralsgan or "
    "rahinge, not 'wgan-gp'",
    "method.discriminator.kind=patchgan": "method.discriminator.kind must be one of perceptron-critic, maxout-critic, "
    "dcgan-critic, resnet-critic, not 'patchgan'",
}


@pytest.mark.parametrize("assignment", REFUSED)
def test_what_makes_no_sense_is_refused(assignment: str):
    with pytest.raises(ConfigError) as caught:
        resolve("gan", "default", [assignment_layer(assignment.splitlines())])
    assert REFUSED[assignment] in str(caught.value)


def test_classes_without_names_are_refused_when_networks_are_built():
    with pytest.raises(ConfigError, match=r"^method.conditional needs the names of the classes. Set method.classes.$"):
        build_method(GANConfig(conditional=True))


def test_the_noise_of_a_step_is_another_in_the_next():
    plain = PlainLoop(small("gan", **DENSE))
    first, second = next(plain.noises(0)), next(plain.noises(1))
    assert first.shape == (BATCH, NOISE)
    assert not torch.isclose(first, second).any()

"""WGAN-GP against a loop written with torch alone: the penalty, the order of updates, both kinds of networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.wgan_gp import WGANGPConfig
from i2i.config.noise_networks import DCGANConfig, DCGANCriticConfig, NoiseResNetConfig, ResNetCriticConfig
from i2i.errors import ConfigError
from tests.methods.noise import BATCH, CRITIC, NOISE, PlainLoop, batches, small, trained, updates

RESNETS = {
    "generator": {"kind": "noise-resnet", "filters": 2, "noise": NOISE},
    "discriminator": {"kind": "resnet-critic", "filters": 2},
}
CLASSES = {"conditional": True, "classes": ("cat", "dog", "owl")}
BODIES = {
    "dcgan": {},
    "dcgan without norms": {"discriminator": {**CRITIC, "norm": "none"}},
    "residual": RESNETS,
    "with classes": CLASSES,
}


def adam(params: Any) -> torch.optim.Adam:
    # A larger eps: weights whose gradient is rounding alone stay where they are.
    return torch.optim.Adam(params, lr=1e-3, betas=(0.0, 0.9), eps=1e-6)


@pytest.mark.parametrize("body", BODIES)
def test_ten_steps_are_those_of_the_authors_loop_to_1e_10(body: str):
    settings = BODIES[body]
    method, given = small("wgan-gp", remedies={"updates": 2}, gradient_penalty=7, **settings), batches(20)
    plain, feed = PlainLoop(method), iter(given)
    generator, critic = plain.generator, plain.critic
    of_generator, of_critic = adam(generator.parameters()), adam(critic.parameters())
    for index in range(10):
        draws, pairs = plain.draws(index), [next(feed), next(feed)]
        told = [(label,) if "classes" in settings else () for _, label in pairs]
        if index:
            of_generator.zero_grad()
            (-critic(generator(draws.normal(BATCH, NOISE), *told[0]), *told[0]).mean()).backward()
            of_generator.step()
        for (real, _), label in zip(pairs, told, strict=True):
            fake = generator(draws.normal(BATCH, NOISE), *label).detach()
            alpha = draws.uniform(BATCH).view(BATCH, 1, 1, 1)
            between = (real + alpha * (fake - real)).requires_grad_()
            (slopes,) = torch.autograd.grad(critic(between, *label).sum(), between, create_graph=True)
            penalty = ((slopes.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
            of_critic.zero_grad()
            (critic(fake, *label).mean() - critic(real, *label).mean() + 7 * penalty).backward()
            of_critic.step()
    start = PlainLoop(method)
    trained(method, adam, given, 10)
    assert start.distance(method) > 1e-3
    assert plain.distance(method) < 1e-10


def test_the_generator_learns_first_but_not_in_the_very_first_step():
    method = small("wgan-gp", remedies={"updates": 3})
    assert [update.players for update in updates(method, *batches(3))] == ["discriminator"] * 3
    later = updates(method, *batches(3), index=1)
    assert [update.players for update in later] == ["generator"] + ["discriminator"] * 3
    assert [list(update.losses) for update in later] == [["gan"]] + [["d", "d_penalty"]] * 3


def test_each_update_of_the_critic_sees_a_fresh_batch():
    method, given = small("wgan-gp", remedies={"updates": 3}), batches(3)
    seen: list[torch.Tensor] = []
    judge = method.discriminator.judge
    method.discriminator.judge = lambda picture, label: (seen.append(picture), judge(picture, label))[1]
    updates(method, *given)
    assert all(any(picture is batch.real for picture in seen) for batch in given)


def test_presets_have_the_published_rates():
    for preset, rate in (("default", 1e-4), ("paper", 1e-4), ("mnist", 1e-3)):  # that of mnist is ours, for few steps
        config = resolve("wgan-gp", preset, []).config
        train = config.train
        assert (train.optimiser, train.lr, train.beta1, train.beta2, train.batch) == ("adam", rate, 0, 0.9, 64)
        assert (config.method.gradient_penalty, config.method.remedies.updates) == (10, 5)
    assert resolve("wgan-gp", "paper", []).config.method == WGANGPConfig()


def test_bodies_are_the_residual_ones_as_published_and_those_of_dcgan_without_batch_norm_by_default():
    paper, default = (resolve("wgan-gp", preset, []).config.method for preset in ("paper", "default"))
    assert (paper.generator, paper.discriminator) == (NoiseResNetConfig(), ResNetCriticConfig())
    assert (default.generator, default.discriminator) == (DCGANConfig(), DCGANCriticConfig(norm="layer"))


REFUSED = {
    "method.discriminator.norm=batch": "the gradient penalty is one of single samples, which batch norm mixes: "
    "set method.discriminator.norm=layer",
    "method.remedies.penalty=r1": "wgan-gp has a penalty of its own: set method.gradient_penalty to its weight, "
    "and leave method.remedies.penalty out",
    "method.remedies.label_smoothing=0.1": "the adversarial loss wgan-gp has no label that could be smoothed",
    "method.gradient_penalty=0": "method.gradient_penalty must be greater than 0, not 0",
}


@pytest.mark.parametrize("assignment", REFUSED)
def test_what_makes_no_sense_is_refused(assignment: str):
    with pytest.raises(ConfigError) as caught:
        resolve("wgan-gp", "default", [assignment_layer([assignment])])
    assert REFUSED[assignment] in str(caught.value)

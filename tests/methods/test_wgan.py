"""WGAN against a loop written with torch alone: clipping, the critic's schedule, RMSprop."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.wgan import WGANConfig
from i2i.errors import ConfigError
from i2i.methods.wgan import critic_updates
from tests.methods.noise import CRITIC, PlainLoop, batches, small, trained, updates

FEW = {"warm_up": 1, "warm_up_updates": 4, "warm_up_every": 0, "remedies": {"updates": 2}}


def rmsprop(params: Any) -> torch.optim.RMSprop:
    return torch.optim.RMSprop(params, lr=1e-3)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_ten_updates_are_those_of_algorithm_1_to_1e_10(norm: str):
    counts = [4] + [2] * 9
    method, given = small("wgan", **FEW, clip=0.05, discriminator={**CRITIC, "norm": norm}), batches(sum(counts))
    plain, feed = PlainLoop(method), iter(given)
    generator, critic = plain.generator, plain.critic
    of_generator, of_critic = rmsprop(generator.parameters()), rmsprop(critic.parameters())
    for index, count in enumerate(counts):
        noises = plain.noises(index)
        for _ in range(count):
            of_critic.zero_grad()
            real, fake = critic(next(feed).real), critic(generator(next(noises)).detach())
            (-(real.mean() - fake.mean())).backward()
            of_critic.step()
            with torch.no_grad():
                for p in critic.parameters():
                    p.copy_(p.clip(-0.05, 0.05))
        of_generator.zero_grad()
        (-critic(generator(next(noises))).mean()).backward()
        of_generator.step()
    start = PlainLoop(method)
    trained(method, rmsprop, given, 10)
    assert start.distance(method) > 1e-3
    assert plain.distance(method) < 1e-10


def test_all_weights_of_all_critics_are_cut_after_each_update_of_theirs_and_no_others():
    method = small("wgan", remedies={"discriminators": 2})
    critics, generator = list(method.discriminator.parameters()), list(method.generator.parameters())
    before = [p.detach().clone() for p in critics + generator]
    method.updated(("generator",), {}, None)
    assert all(torch.equal(p, old) for p, old in zip(critics + generator, before, strict=True))
    for _ in range(2):  # once more changes nothing
        method.updated(("discriminator",), {}, None)
        for p, old in zip(critics, before, strict=False):
            assert torch.equal(p, old.clip(-0.01, 0.01))
    assert all(torch.equal(p, old) for p, old in zip(generator, before[len(critics) :], strict=True))
    assert sum(bool((old.abs() > 0.01).any()) for old in before[: len(critics)]) > len(critics) / 2


CLASSES = {"conditional": True, "classes": ("cat", "dog", "owl")}


@pytest.mark.parametrize(
    ("critic", "table", "is_cut"),
    [
        ({**CRITIC, "conditioning": "projection"}, "projection.vectors.weight", True),
        ({**CRITIC, "conditioning": "embedding"}, "seen.pictures.weight", False),
        ({"kind": "perceptron-critic", "hidden": (5,)}, "embedding.weight", False),
    ],
)
def test_what_is_seen_of_a_class_is_an_input_and_stays_uncut(critic: dict[str, Any], table: str, is_cut: bool):
    method = small("wgan", discriminator=critic, **CLASSES)
    weights = dict(method.discriminator.named_parameters())
    with torch.no_grad():
        for weight in weights.values():
            weight.fill_(0.5)
    method.updated(("discriminator",), {}, None)
    assert {name for name, weight in weights.items() if weight.max() > 0.01} == (set() if is_cut else {table})
    assert table in weights


def test_no_size_of_the_class_tables_makes_a_slope_at_a_picture_steeper_than_clipping_allows():
    """Dense layers of 0.01 and leaks of at most 1: sum over paths <= units * 0.01^2 for each pixel."""
    method, (batch,) = small("wgan", discriminator={"kind": "perceptron-critic", "hidden": (5,)}, **CLASSES), batches(1)
    method.updated(("discriminator",), {}, None)
    with torch.no_grad():
        method.discriminator.embedding.weight.mul_(1e4)
    real = batch.real.requires_grad_()
    (slopes,) = torch.autograd.grad(method.discriminator(real, batch.label).sum(), real)
    assert 0 < slopes.abs().max() <= 5 * 0.01**2 * (1 + 1e-12)


def test_the_critic_has_100_updates_in_the_first_25_steps_and_in_each_500th():
    published = WGANConfig()
    table = {0: 100, 24: 100, 25: 5, 26: 5, 499: 5, 500: 100, 501: 5, 999: 5, 1000: 100, 10_500: 100, 10_501: 5}
    assert {index: critic_updates(published, index) for index in table} == table


def test_without_a_warm_up_every_step_has_as_many_updates():
    config = WGANConfig(warm_up=0, warm_up_every=0)
    assert {critic_updates(config, index) for index in range(1001)} == {5}


def test_the_critic_learns_first_on_fresh_batches_and_the_generator_last():
    method = small("wgan", **FEW)
    assert [update.players for update in updates(method, *batches(4))] == ["discriminator"] * 4 + ["generator"]
    players = [update.players for update in updates(method, *batches(2), index=1)]
    assert players == ["discriminator"] * 2 + ["generator"]
    assert [list(update.losses) for update in updates(method, *batches(2), index=1)] == [["d"], ["d"], ["gan"]]


def test_presets_have_the_published_optimiser():
    for preset, rate in (("default", 5e-5), ("paper", 5e-5), ("mnist", 1e-4)):  # that of mnist is ours, for few steps
        config = resolve("wgan", preset, []).config
        assert (config.train.optimiser, config.train.lr, config.train.batch) == ("rmsprop", rate, 64)
        assert (config.method.clip, config.method.remedies.updates) == (0.01, 5)
    paper = resolve("wgan", "paper", []).config
    assert paper.method == WGANConfig()
    assert paper.train.epochs * paper.method.remedies.updates == 25  # passes over the pictures in the authors' code


REFUSED = {
    "method.remedies.penalty=gradient": "the critic's weights are clipped, and a penalty has no place beside that: "
    "use i2i train wgan-gp",
    "method.discriminator.spectral=true": "clipped weights are divided by their spectral norm again: "
    "set method.discriminator.spectral=false",
    "method.discriminator.attention=true": "clipped weights are divided by their spectral norm again: "
    "set method.discriminator.attention=false, or use i2i train wgan-gp",
    "method.warm_up=0\nmethod.warm_up_every=0\nmethod.warm_up_updates=7": "warm_up_updates=7 has no effect without "
    "warm_up and warm_up_every: set method.warm_up=25, or method.warm_up_updates=100",
    "method.remedies.label_smoothing=0.1": "a critic knows no labels to smooth: leave method.remedies.label_smoothing "
    "out",
    "method.adversarial=hinge": "method.adversarial is unknown to method of kind wgan",
    "method.clip=0": "method.clip must be greater than 0, not 0",
}


@pytest.mark.parametrize("assignment", REFUSED)
def test_what_makes_no_sense_beside_clipping_is_refused(assignment: str):
    with pytest.raises(ConfigError) as caught:
        resolve("wgan", "default", [assignment_layer(assignment.splitlines())])
    assert REFUSED[assignment] in str(caught.value)

"""Remedies that do not go with the rest, or with each other, are refused with what to set instead."""

from __future__ import annotations

import pytest

from i2i.config.layers import assignment_layer, resolve
from i2i.config.run import RunConfig
from i2i.errors import ConfigError

REMEDIES = "method.remedies."
WITH_DISCRIMINATOR = ("cyclegan", "pix2pix", "srgan", "inpaint")


def configured(method: str, *assignments: str) -> RunConfig:
    return resolve(method, "default", [assignment_layer(list(assignments))]).config


def refused(method: str, *assignments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(method, *assignments)
    return str(caught.value)


@pytest.mark.parametrize("method", WITH_DISCRIMINATOR)
def test_every_method_with_a_discriminator_takes_all_remedies(method: str) -> None:
    given = [
        "discriminators=2",
        "updates=5",
        "discriminator_rate=4",
        "instance_noise=0.1",
        "augment=['color','cutout']",
    ]
    configured(method, *[REMEDIES + one for one in given])


# Penalties


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
@pytest.mark.parametrize(
    ("method", "discriminator", "instead"),
    [
        ("pix2pix", ["norm=batch"], "norm=instance"),
        ("cyclegan", ["norm=batch"], "norm=instance"),
        ("cyclegan", ["kind=pixel", "norm=batch"], "norm=instance"),
        ("srgan", ["kind=srgan"], "kind=unet-sn"),
    ],
)
def test_a_penalty_is_of_single_samples(method: str, discriminator: list[str], instead: str, penalty: str) -> None:
    said = refused(method, f"{REMEDIES}penalty={penalty}", *[f"method.discriminator.{one}" for one in discriminator])
    assert "the gradient penalty is one of single samples, which batch norm mixes" in said
    assert f"set method.discriminator.{instead}" in said


def test_the_penalty_of_wgan_gp_is_of_single_samples_too() -> None:
    said = refused("cyclegan", "method.adversarial=wgan-gp", "method.discriminator.norm=batch")
    assert "batch norm mixes: set method.discriminator.norm=instance" in said
    configured("cyclegan", "method.adversarial=wgan-gp", "method.discriminator.norm=batch", "method.gradient_penalty=0")


def test_wgan_gp_has_a_penalty_of_its_own() -> None:
    said = refused("cyclegan", "method.adversarial=wgan-gp", f"{REMEDIES}penalty=r1")
    assert "wgan-gp has a penalty of its own: set method.gradient_penalty to its weight" in said
    configured("cyclegan", "method.adversarial=wgan-gp", f"{REMEDIES}penalty=r1", "method.gradient_penalty=0")


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_half_precision_goes_with_penalties_which_are_taken_in_float32(penalty: str) -> None:
    configured("cyclegan", f"{REMEDIES}penalty={penalty}", "engine.precision=fp16")


# Labels


@pytest.mark.parametrize("kind", ["hinge", "wgan-gp", "ragan", "ralsgan", "rahinge"])
def test_a_loss_without_labels_has_none_to_smooth(kind: str) -> None:
    said = refused("cyclegan", f"{REMEDIES}label_smoothing=0.1", f"method.adversarial={kind}")
    assert f"the adversarial loss {kind} has no label that could be smoothed" in said
    assert "leave method.remedies.label_smoothing out" in said


@pytest.mark.parametrize("kind", ["vanilla", "saturating", "lsgan"])
def test_labels_of_the_others_can_be_smoothed(kind: str) -> None:
    configured("cyclegan", f"{REMEDIES}label_smoothing=0.1", f"method.adversarial={kind}")


# Nothing to treat


@pytest.mark.parametrize("method", ["pix2pix", "inpaint"])
@pytest.mark.parametrize("remedy", ["updates=2", "penalty=r1", "augment=['color']", "discriminators=2"])
def test_without_a_discriminator_there_is_nothing_to_treat(method: str, remedy: str) -> None:
    said = refused(method, "method.adversarial_weight=0", REMEDIES + remedy)
    assert "method.remedies are for a discriminator, and there is none: leave them out" in said
    assert "or set method.adversarial_weight=1" in said


def test_the_pixel_stage_has_no_discriminator() -> None:
    said = refused("srgan", "method.stage=pixel", f"{REMEDIES}updates=2")
    assert "there is none: leave them out, or set method.stage=auto" in said


@pytest.mark.parametrize(("idle", "usual"), [("penalty_weight=5.0", "10"), ("penalty_every=16", "1")])
def test_settings_of_a_penalty_that_nobody_asked_for_are_refused(idle: str, usual: str) -> None:
    name = REMEDIES + idle.split("=")[0]
    said = refused("cyclegan", REMEDIES + idle)
    ways = f"set method.remedies.penalty=r1, or {name}={usual}"
    assert f"{name} has no effect without method.remedies.penalty: {ways}" in said
    configured("cyclegan", REMEDIES + idle, f"{REMEDIES}penalty=r1")
    configured("cyclegan", REMEDIES + idle, f"{name}={usual}")  # as where a preset has it


def test_the_weight_of_the_penalty_that_a_loss_brings_is_told_where_somebody_looks_for_it() -> None:
    said = refused("wgan-gp", f"{REMEDIES}penalty_weight=20")
    assert "no effect without method.remedies.penalty: method.gradient_penalty is the weight of its own" in said


def test_steps_of_a_noise_that_is_off_are_refused() -> None:
    idle = f"{REMEDIES}instance_noise_steps=500"
    said = refused("cyclegan", idle)
    assert (
        "instance_noise_steps=500 has no effect without instance_noise: set method.remedies.instance_noise=0.1" in said
    )
    configured("cyclegan", idle, f"{REMEDIES}instance_noise=0.1")


def test_a_change_is_named_once() -> None:
    said = refused("cyclegan", f"{REMEDIES}augment=['color','cutout','color']")
    assert "augment names color twice: leave one of them out" in said


# Minibatch standard deviation


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
@pytest.mark.parametrize(("batch", "parts", "samples"), [(1, 1, 1), (4, 4, 1), (5, 1, 5)])
def test_a_part_of_a_batch_must_have_groups_to_compare(method: str, batch: int, parts: int, samples: int) -> None:
    sizes = [f"train.batch={batch}", f"engine.micro_batches={parts}"]
    said = refused(method, "method.discriminator.stddev=true", *sizes)
    assert (
        f"compares groups of 2 to 4 samples, and {samples} cannot be cut into them: set train.batch={4 * parts}" in said
    )
    configured(method, *sizes)


@pytest.mark.parametrize("batch", [2, 3, 4, 6, 8, 9])
def test_batches_of_twos_threes_and_fours_have_groups(batch: int) -> None:
    configured("cyclegan", "method.discriminator.stddev=true", f"train.batch={batch}")

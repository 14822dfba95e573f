from __future__ import annotations

import pytest

from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.config.networks import PatchGANConfig, ResNetConfig
from i2i.engine.parts import differences
from i2i.methods.cyclegan import CycleGAN

COUPLED = "these losses compare the samples of a part, not of the batch: gan_a, gan_b, d_a, d_b"
BATCH_NORM = "batch norm sees the samples of a part, not of the batch"
DROPOUT = "dropout draws masks of its own in each part"
HISTORY = "each process keeps an image history of its own"


def cyclegan(norm: str = "instance", dropout: float = 0.0, **settings: object) -> CycleGAN:
    generator = ResNetConfig(filters=2, blocks=1, norm=norm, dropout=dropout)
    discriminator = PatchGANConfig(filters=2, layers=1)
    return CycleGAN(CycleGANConfig(generator=generator, discriminator=discriminator, **settings))


@pytest.mark.parametrize(("micro_batches", "world"), [(4, 1), (1, 2), (2, 2)])
def test_means_over_samples_add_up(micro_batches: int, world: int) -> None:
    assert differences(cyclegan(history=0), micro_batches=micro_batches, world=world) == []


@pytest.mark.parametrize("adversarial", ["ragan", "ralsgan", "rahinge"])
@pytest.mark.parametrize(("micro_batches", "world"), [(2, 1), (1, 2)])
def test_relativistic_losses_do_not_and_are_named(adversarial: str, micro_batches: int, world: int) -> None:
    method = cyclegan(adversarial=adversarial, history=0)
    assert differences(method, micro_batches=micro_batches, world=world) == [COUPLED]


@pytest.mark.parametrize(("micro_batches", "world"), [(2, 1), (1, 2)])
def test_batch_statistics_do_not(micro_batches: int, world: int) -> None:
    assert differences(cyclegan("batch", history=0), micro_batches=micro_batches, world=world) == [BATCH_NORM]


@pytest.mark.parametrize(("micro_batches", "world"), [(2, 1), (1, 2)])
def test_dropout_does_not(micro_batches: int, world: int) -> None:
    method = cyclegan(dropout=0.5, history=0)
    assert differences(method, micro_batches=micro_batches, world=world) == [DROPOUT]


def test_a_history_does_not_when_each_process_has_its_own() -> None:
    method = cyclegan(history=50)
    assert differences(method, micro_batches=4, world=1) == []
    assert differences(method, micro_batches=1, world=2) == [HISTORY]


def test_every_reason_has_a_line() -> None:
    method = cyclegan("batch", dropout=0.5, adversarial="ragan", history=50)
    assert differences(method, micro_batches=2, world=2) == [COUPLED, BATCH_NORM, DROPOUT, HISTORY]


def test_a_whole_batch_is_itself_whatever_the_method() -> None:
    assert differences(cyclegan("batch", adversarial="ragan", history=50), micro_batches=1, world=1) == []

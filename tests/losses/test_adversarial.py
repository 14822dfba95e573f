"""Adversarial losses, against their formulas over lists of numbers."""

from __future__ import annotations

from math import exp, log, log1p
from statistics import fmean
from typing import get_args

import pytest
import torch
from torch import Tensor

from i2i.config.losses import LABELLED, Adversarial
from i2i.losses.adversarial import RELATIVISTIC, discriminator_loss, generator_loss

KINDS = get_args(Adversarial)
Numbers = list[float]


def true(x: float) -> float:
    """Cross entropy of the logit x with label 1; label 0 is true(-x)."""
    return log1p(exp(-x))


def relu(x: float) -> float:
    return max(x, 0.0)


def sums(first: Numbers, second: Numbers) -> float:
    return fmean(first) + fmean(second)


def expected_discriminator(kind: Adversarial, r: Numbers, f: Numbers) -> float:
    mr, mf = fmean(r), fmean(f)
    match kind:
        case "vanilla" | "saturating":
            return sums([true(x) for x in r], [true(-x) for x in f])
        case "lsgan":
            return sums([(x - 1) ** 2 for x in r], [x**2 for x in f])
        case "hinge":
            return sums([relu(1 - x) for x in r], [relu(1 + x) for x in f])
        case "wgan-gp":
            return mf - mr
        case "ragan":
            return sums([true(x - mf) for x in r], [true(-(x - mr)) for x in f])
        case "ralsgan":
            return sums([(x - mf - 1) ** 2 for x in r], [(x - mr + 1) ** 2 for x in f])
        case "rahinge":
            return sums([relu(1 - (x - mf)) for x in r], [relu(1 + (x - mr)) for x in f])


def expected_generator(kind: Adversarial, r: Numbers, f: Numbers) -> float:
    mr, mf = fmean(r), fmean(f)
    match kind:
        case "vanilla":
            return fmean([true(x) for x in f])
        case "saturating":
            return -fmean([true(-x) for x in f])
        case "lsgan":
            return fmean([(x - 1) ** 2 for x in f])
        case "hinge" | "wgan-gp":
            return -mf
        case "ragan":
            return sums([true(x - mr) for x in f], [true(-(x - mf)) for x in r]) / 2
        case "ralsgan":
            return sums([(x - mr - 1) ** 2 for x in f], [(x - mf + 1) ** 2 for x in r]) / 2
        case "rahinge":
            return sums([relu(1 + (x - mf)) for x in r], [relu(1 - (x - mr)) for x in f]) / 2


def a_map(value: float, side: int) -> Tensor:
    return torch.full((1, 1, side, side), float(value))


@pytest.mark.parametrize("side", [1, 30])
@pytest.mark.parametrize("f", [-1.0, 1.0])
@pytest.mark.parametrize("r", [-2.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_are_their_formulas_on_maps_of_any_size(kind: Adversarial, r: float, f: float, side: int) -> None:
    real, fake = a_map(r, side), a_map(f, side)
    assert discriminator_loss(kind, real, fake).item() == pytest.approx(
        expected_discriminator(kind, [r], [f]), rel=1e-6
    )
    assert generator_loss(kind, fake, real).item() == pytest.approx(expected_generator(kind, [r], [f]), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_losses_are_means_over_unequal_logits(kind: Adversarial) -> None:
    r, f = [2.0, -0.5, 0.25, 3.0], [1.0, -3.0, 0.5, -0.25]
    real, fake = (torch.tensor(x, dtype=torch.float64).view(2, 1, 1, 2) for x in (r, f))
    assert discriminator_loss(kind, real, fake).item() == pytest.approx(expected_discriminator(kind, r, f), rel=1e-12)
    assert generator_loss(kind, fake, real).item() == pytest.approx(expected_generator(kind, r, f), rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "discriminator", "generator"),
    [("lsgan", 2.0, 0.0), ("hinge", 2.0, -1.0), ("wgan-gp", -1.0, -1.0), ("ralsgan", 0.0, 4.0), ("rahinge", 0.0, 2.0)],
)
def test_logits_of_2_on_real_and_1_on_fake(kind: Adversarial, discriminator: float, generator: float) -> None:
    real, fake = a_map(2, 3), a_map(1, 3)
    assert discriminator_loss(kind, real, fake) == discriminator
    assert generator_loss(kind, fake, real) == generator


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    real, fake = (a_map(value, 30).to(dtype) for value in (300, -300))  # 299 squared overflows float16
    losses = discriminator_loss("lsgan", real, fake), generator_loss("lsgan", fake)
    assert [loss.dtype for loss in losses] == [torch.float32, torch.float32]
    assert [loss.item() for loss in losses] == pytest.approx([299**2 + 300**2, 301**2], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_of_2_and_1_lose_nothing(kind: Adversarial, dtype: torch.dtype) -> None:
    real, fake = a_map(2, 30), a_map(1, 30)
    halves = real.to(dtype), fake.to(dtype)
    torch.testing.assert_close(discriminator_loss(kind, *halves), discriminator_loss(kind, real, fake), rtol=0, atol=0)
    torch.testing.assert_close(
        generator_loss(kind, halves[1], halves[0]), generator_loss(kind, fake, real), rtol=0, atol=0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_a_thousand_have_finite_losses_and_gradients(kind: Adversarial) -> None:
    real, fake = a_map(-1000, 2).requires_grad_(), a_map(1000, 2).requires_grad_()
    loss = discriminator_loss(kind, real, fake) + generator_loss(kind, fake, real)
    gradients = torch.autograd.grad(loss, (real, fake))
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("kind", sorted(RELATIVISTIC))
def test_a_relativistic_generator_without_real_logits_is_refused(kind: Adversarial) -> None:
    with pytest.raises(TypeError, match=f"^the {kind} loss of a generator needs the logits on real pictures$"):
        generator_loss(kind, a_map(1, 1))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - RELATIVISTIC))
def test_the_others_do_not_look_at_real_logits(kind: Adversarial) -> None:
    assert generator_loss(kind, a_map(1, 1)) == generator_loss(kind, a_map(1, 1), a_map(77, 1))


def slope(kind: Adversarial, f: float) -> float:
    fake = torch.tensor([f], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(generator_loss(kind, fake), fake)
    return gradient.item()


@pytest.mark.parametrize("f", [-5.0, -1.0, 0.0, 1.0, 5.0])
def test_saturating_and_not_saturating_generators_go_the_same_way(f: float) -> None:
    sigmoid = 1 / (1 + exp(-f))
    assert slope("saturating", f) == pytest.approx(-sigmoid)
    assert slope("vanilla", f) == pytest.approx(sigmoid - 1)


# Label smoothing (Salimans et al. 2016)


def smoothed(kind: Adversarial, r: float, f: float, label: float) -> float:
    if kind == "lsgan":
        return (r - label) ** 2 + f**2
    return label * true(r) + (1 - label) * true(-r) + true(-f)  # cross entropy with a soft label


@pytest.mark.parametrize("kind", LABELLED)
@pytest.mark.parametrize(("r", "f"), [(0.0, 0.0), (2.5, -1.0), (-0.7, 3.0)])
def test_a_smoothed_label_of_real_pictures_is_less_than_one_and_that_of_fakes_stays_0(
    kind: Adversarial, r: float, f: float
) -> None:
    found = discriminator_loss(kind, torch.tensor([r]), torch.tensor([f]), smoothing=0.1)
    assert found.item() == pytest.approx(smoothed(kind, r, f, 0.9), rel=1e-6)


def test_a_smoothed_discriminator_is_best_off_at_nine_to_one() -> None:
    logit = torch.tensor([log(9)], requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator_loss("vanilla", logit, torch.zeros(1), smoothing=0.1), logit)
    assert slope.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(LABELLED)))
def test_other_losses_have_no_label_to_smooth(kind: Adversarial) -> None:
    with pytest.raises(ValueError, match=f"the {kind} loss has no label that could be smoothed"):
        discriminator_loss(kind, torch.zeros(1), torch.zeros(1), smoothing=0.1)

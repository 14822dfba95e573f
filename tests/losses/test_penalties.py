"""The gradient penalties, against critics whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from i2i.losses.penalties import gradient_penalty, r1_penalty


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    mix = torch.rand(batch, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return drawn(batch, 3, 4, 5, seed=7), drawn(batch, 3, 4, 5, seed=8), mix


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_a_linear_critic_pays_the_square_of_its_length_less_one(batch: int) -> None:
    w = torch.full((3, 4, 5), 0.5, dtype=torch.float64)  # its length is 0.5 sqrt(60)
    penalty = gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), *pictures(batch))
    assert penalty.item() == pytest.approx((15**0.5 - 1) ** 2, rel=1e-12)


def test_a_critic_of_slope_one_pays_nothing() -> None:
    w = torch.zeros(3, 4, 5, dtype=torch.float64)
    w[1, 2, 3] = -1
    assert gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), *pictures(4)) == 0


@pytest.mark.parametrize("batch", [1, 5])
def test_the_penalty_can_be_differentiated_again(batch: int) -> None:
    w = drawn(3, 4, 5, seed=1).requires_grad_()
    penalty = gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), *pictures(batch))
    (found,) = torch.autograd.grad(penalty, w)
    length = w.detach().norm()
    torch.testing.assert_close(found, 2 * (length - 1) * w.detach() / length, rtol=1e-10, atol=0)


def test_a_patch_critic_is_judged_by_the_slope_of_the_sum_of_its_map() -> None:
    kernel = nn.Conv2d(1, 1, 1, bias=False).double()
    nn.init.constant_(kernel.weight, 0.75)
    real, fake = drawn(2, 1, 4, 4, seed=1), drawn(2, 1, 4, 4, seed=2)
    penalty = gradient_penalty(kernel, real, fake, torch.tensor([0.2, 0.9]))
    assert penalty.item() == pytest.approx((0.75 * 4 - 1) ** 2, rel=1e-12)


def test_the_slope_is_taken_between_real_and_fake_for_each_sample_apart() -> None:
    real, fake = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 7.0)
    mix = torch.tensor([0.0, 0.75])  # at 3 and at 6, where the critic x^2 / 2 has those slopes
    penalty = gradient_penalty(lambda x: (x.square() / 2).sum((1, 2, 3)), real, fake, mix)
    assert penalty.item() == pytest.approx(((3 - 1) ** 2 + (6 - 1) ** 2) / 2)


def test_a_flat_critic_pays_one_and_has_a_finite_gradient() -> None:
    w = torch.zeros(3, 4, 5, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), *pictures(2))
    (gradient,) = torch.autograd.grad(penalty, w)
    assert penalty == 1
    assert gradient.isfinite().all()


def test_the_pictures_learn_nothing_from_it() -> None:
    real, fake, mix = pictures(2)
    real.requires_grad_()
    fake.requires_grad_()
    w = drawn(3, 4, 5, seed=1).requires_grad_()
    penalty = gradient_penalty(lambda x: (x.square() * w).sum((1, 2, 3)), real, fake, mix)
    assert torch.autograd.grad(penalty, (real, fake), allow_unused=True) == (None, None)


def test_autocast_and_half_precision_pictures_cost_no_digit() -> None:
    kernel = nn.Conv2d(1, 1, 1)
    nn.init.constant_(kernel.weight, 0.7001)  # 0.69921875 in bfloat16
    real, fake, mix = torch.zeros(1, 1, 4, 4).bfloat16(), torch.ones(1, 1, 4, 4).bfloat16(), torch.tensor([0.3])
    with torch.autocast("cpu", torch.bfloat16):
        penalty = gradient_penalty(kernel, real, fake, mix.bfloat16())
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx((4 * 0.7001 - 1) ** 2, rel=1e-6)


def test_several_discriminators_pay_each_for_its_own_slope() -> None:
    w, v = drawn(3, 4, 5, seed=1), drawn(3, 4, 5, seed=2)
    both = gradient_penalty(lambda x: [(x * w).sum((1, 2, 3)), (x * v).sum((1, 2, 3))], *pictures(2))
    assert both.item() == pytest.approx(float((w.norm() - 1) ** 2 + (v.norm() - 1) ** 2), rel=1e-12)


# R1


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_r1_of_a_linear_critic_is_half_of_its_squared_length(batch: int) -> None:
    w = torch.full((3, 4, 5), 0.5, dtype=torch.float64)
    real, _, _ = pictures(batch)
    assert r1_penalty(lambda x: (x * w).sum((1, 2, 3)), real).item() == pytest.approx(15 / 2, rel=1e-12)


def test_r1_is_taken_at_real_pictures_and_is_the_mean_over_samples() -> None:
    real = torch.tensor([3.0, 5.0]).view(2, 1, 1, 1)  # where the critic x^2 / 2 has those slopes
    assert r1_penalty(lambda x: (x.square() / 2).sum((1, 2, 3)), real).item() == pytest.approx((9 + 25) / 2 / 2)


def test_r1_can_be_differentiated_again() -> None:
    w = drawn(3, 4, 5, seed=1).requires_grad_()
    real, _, _ = pictures(2)
    (found,) = torch.autograd.grad(r1_penalty(lambda x: (x * w).sum((1, 2, 3)), real), w)
    torch.testing.assert_close(found, w.detach(), rtol=1e-10, atol=0)


def test_r1_loses_no_digit_to_autocast() -> None:
    kernel = nn.Conv2d(1, 1, 1)
    nn.init.constant_(kernel.weight, 0.7001)
    with torch.autocast("cpu", torch.bfloat16):
        penalty = r1_penalty(kernel, torch.ones(1, 1, 4, 4).bfloat16())
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(16 * 0.7001**2 / 2, rel=1e-6)

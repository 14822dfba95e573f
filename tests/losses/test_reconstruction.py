from __future__ import annotations

import pytest
import torch

from i2i.losses.reconstruction import l1_loss


def test_the_mean_of_differences_1_2_0_and_5_is_2() -> None:
    fake, real = torch.tensor([0.0, 2.0, 4.0, -1.0]), torch.tensor([1.0, 0.0, 4.0, 4.0])
    assert l1_loss(fake, real) == 2
    assert l1_loss(real, fake) == 2


def test_white_is_2_away_from_black_at_any_size() -> None:
    for shape in [(1, 1, 1, 1), (2, 3, 30, 31)]:
        assert l1_loss(torch.ones(shape), -torch.ones(shape)) == 2


def test_a_picture_is_nowhere_from_itself() -> None:
    picture = torch.rand(1, 3, 5, 5)
    assert l1_loss(picture, picture) == 0


def test_the_gradient_is_the_sign_over_the_number_of_elements() -> None:
    fake = torch.tensor([3.0, -3.0, 1.0, 0.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(l1_loss(fake, torch.zeros(4)), fake)
    assert gradient.tolist() == [0.25, -0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("dtype", "fake", "real", "expected"),
    [
        (torch.float16, 65504.0, -65504.0, 131008.0),  # float16 ends at 65504
        (torch.bfloat16, 1.0, -(2.0**-8), 1.00390625),  # bfloat16 rounds it to 1
    ],
)
def test_half_precision_is_subtracted_in_float32(dtype: torch.dtype, fake: float, real: float, expected: float) -> None:
    loss = l1_loss(*(torch.full((1, 3, 8, 8), value).to(dtype) for value in (fake, real)))
    assert (loss.item(), loss.dtype) == (expected, torch.float32)


def test_float64_stays_float64() -> None:
    loss = l1_loss(torch.tensor([1 + 1e-12], dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    assert loss.item() == pytest.approx(1e-12, rel=1e-3)

"""DiffAugment, change by change, against its published formulas with numbers chosen by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from i2i.losses.augmentation import cut_out, recolour, translate

Change = Callable[[Tensor, Tensor], Tensor]
MIDDLE = 0.5  # of numbers in [0, 1): no change of colours, no shift
JUST_BELOW_ONE = 1 - 2**-24


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def numbers(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows)


# Colours


@pytest.mark.parametrize(("number", "shift"), [(0.0, -0.5), (0.5, 0.0), (0.9, 0.4)])
def test_brightness_moves_the_mean_by_up_to_a_half(number: float, shift: float) -> None:
    picture = drawn(1, 3, 5, 6)
    found = recolour(picture, numbers((number, MIDDLE, MIDDLE)))
    torch.testing.assert_close(found, picture + shift, rtol=0, atol=1e-6)


def test_no_saturation_is_gray_and_twice_of_it_doubles_the_distance_from_gray() -> None:
    picture = drawn(2, 3, 5, 6)
    found = recolour(picture, numbers((MIDDLE, 0, MIDDLE), (MIDDLE, JUST_BELOW_ONE, MIDDLE)))
    gray = picture.mean(1, keepdim=True)
    torch.testing.assert_close(found[0], gray[0].expand(3, 5, 6), rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1] - gray[1], 2 * (picture - gray)[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("number", "factor"), [(0.0, 0.5), (0.5, 1.0), (0.75, 1.25)])
def test_contrast_is_about_the_mean_of_all_values_of_a_sample(number: float, factor: float) -> None:
    picture = drawn(2, 3, 5, 6)
    found = recolour(picture, numbers((MIDDLE, MIDDLE, number), (MIDDLE, MIDDLE, MIDDLE)))
    assert found[0].mean().item() == pytest.approx(picture[0].mean().item(), abs=1e-6)
    assert found[0].std().item() == pytest.approx(factor * picture[0].std().item(), abs=1e-6)
    torch.testing.assert_close(found[1], picture[1])


def test_saturation_is_nothing_to_a_gray_picture() -> None:
    picture = drawn(1, 1, 5, 6)
    assert torch.equal(recolour(picture, numbers((MIDDLE, 0.9, MIDDLE))), picture)


def test_values_beyond_the_range_are_not_clamped() -> None:
    assert recolour(torch.ones(1, 3, 4, 4), numbers((JUST_BELOW_ONE, 0.5, 0.5))).max().item() == pytest.approx(1.5)


# Places


def test_a_picture_moves_by_whole_pixels_and_zeros_move_in() -> None:
    picture = drawn(1, 2, 16, 24)  # at most 2 px down and 3 px to the right
    found = translate(picture, numbers((JUST_BELOW_ONE, 0)))
    assert torch.equal(found[..., 2:, :-3], picture[..., :-2, 3:])
    assert found[..., :2, :].eq(0).all()
    assert found[..., -3:].eq(0).all()


def test_moved_back_it_is_the_picture_but_for_what_moved_out() -> None:
    picture = drawn(1, 2, 16, 16)
    back = translate(translate(picture, numbers((0, JUST_BELOW_ONE))), numbers((JUST_BELOW_ONE, 0)))
    assert torch.equal(back[..., 2:, :-2], picture[..., 2:, :-2])
    assert back[..., :2, :].eq(0).all()


def test_every_sample_moves_by_itself() -> None:
    picture = drawn(1, 1, 8, 8).repeat(3, 1, 1, 1)
    found = translate(picture, numbers((MIDDLE, MIDDLE), (0, MIDDLE), (MIDDLE, 0)))
    assert torch.equal(found[0], picture[0])
    assert torch.equal(found[1, :, :-1], picture[1, :, 1:])
    assert torch.equal(found[2, :, :, :-1], picture[2, :, :, 1:])


def test_all_shifts_are_alike() -> None:
    row = torch.arange(1.0, 17).view(1, 1, 16, 1).repeat(1000, 1, 1, 1)
    each = torch.linspace(0, JUST_BELOW_ONE, 1000)
    first = translate(row, torch.stack([each, each], dim=1))[:, 0, 8, 0]  # 9 where nothing moved
    found = torch.bincount(first.long())[7:12].tolist()
    assert found == pytest.approx([200] * 5, abs=1)


@pytest.mark.parametrize(("centre", "rows"), [(0.0, slice(0, 2)), (0.5, slice(2, 6)), (JUST_BELOW_ONE, slice(6, 8))])
def test_half_of_each_side_is_cut_out_as_far_as_it_is_inside(centre: float, rows: slice) -> None:
    found = cut_out(torch.ones(1, 3, 8, 8), numbers((centre, 0.5)))  # 4 px wide, about 0, 4 or 8
    expected = torch.ones(1, 3, 8, 8)
    expected[..., rows, 2:6] = 0
    assert torch.equal(found, expected)


def test_an_odd_side_is_cut_in_its_larger_half() -> None:
    found = cut_out(torch.ones(1, 1, 5, 5), numbers((0.5, 0.5)))  # 3 px about pixel 2
    assert found[0, 0].sum(1).tolist() == [5, 2, 2, 2, 5]


# All of them


@pytest.mark.parametrize("change", [recolour, translate, cut_out])
def test_the_gradient_is_that_of_differences(change: Change) -> None:
    picture = drawn(2, 3, 8, 8).requires_grad_()
    some = torch.rand(2, 3 if change is recolour else 2, generator=torch.Generator().manual_seed(5))
    assert torch.autograd.gradcheck(lambda x: change(x, some), (picture,))


@pytest.mark.parametrize("change", [recolour, translate, cut_out])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_type_of_the_picture_stays(change: Change, dtype: torch.dtype) -> None:
    some = torch.rand(2, 3 if change is recolour else 2)
    assert change(drawn(2, 3, 8, 8).to(dtype), some).dtype == dtype

"""Random numbers of a step: functions of (seed, step), cut from the whole batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from i2i.methods.base import Draws, derive_seed

LIKE = torch.zeros((), dtype=torch.float64)


def draws(seed: int = 3, index: int = 7, part: int = 0, parts: int = 1, like: Tensor = LIKE) -> Draws:
    return Draws(seed, index, part, parts, like)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("parts", [2, 4])
def test_the_numbers_of_all_parts_put_together_are_those_of_the_whole_batch(kind: str, parts: int):
    whole = getattr(draws(), kind)(8, 3, 2)
    pieces = [getattr(draws(part=part, parts=parts), kind)(8 // parts, 3, 2) for part in range(parts)]
    assert torch.equal(torch.cat(pieces), whole)
    assert whole.unique().numel() == 8 * 3 * 2  # no sample has the numbers of another


def test_coins_and_permutations_are_alike_in_all_parts_whatever_was_drawn_for_samples_before():
    def control_flow(part: int, parts: int) -> tuple[list[bool], list[int], list[bool]]:
        mine = draws(part=part, parts=parts)
        mine.normal(4 // parts, 5)
        coins = [mine.coin(0.5) for _ in range(20)]
        order = mine.permutation(10).tolist()
        mine.uniform(4 // parts)
        return coins, order, [mine.coin(0.5) for _ in range(20)]

    whole = control_flow(0, 1)
    assert [control_flow(part, 4) for part in range(4)] == [whole] * 4
    assert sorted(whole[1]) == list(range(10))
    assert {*whole[0]} == {True, False}


def test_the_same_seed_and_step_draw_the_same_whatever_ran_before():
    torch.manual_seed(1)
    first = draws().normal(2, 3)
    torch.manual_seed(2)
    torch.rand(5)
    draws(index=8).normal(2, 3)
    assert torch.equal(draws().normal(2, 3), first)


@pytest.mark.parametrize(("seed", "index"), [(4, 7), (3, 8), (7, 3)])
def test_another_seed_or_step_draws_something_else(seed: int, index: int):
    assert not torch.isin(draws(seed, index).normal(8), draws(3, 7).normal(8)).any()


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    mine = draws()
    mine.normal(2), mine.uniform(2), mine.coin(0.5), mine.permutation(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_ten_thousand_numbers_have_the_moments_of_their_distributions():
    mine, count = draws(), 10_000
    normal, uniform = mine.normal(count), mine.uniform(count)
    tails = sum(mine.coin(0.3) for _ in range(count))
    four_deviations = 4 / math.sqrt(count)
    assert abs(normal.mean()) < four_deviations
    assert abs(normal.square().mean() - 1) < four_deviations * math.sqrt(2)
    assert abs(uniform.mean() - 0.5) < four_deviations * math.sqrt(1 / 12)
    assert 0 <= uniform.min() < uniform.max() < 1
    assert abs(tails / count - 0.3) < four_deviations * math.sqrt(0.3 * 0.7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_come_in_the_type_of_the_weights(dtype: torch.dtype):
    mine = draws(like=torch.zeros((), dtype=dtype))
    assert (mine.normal(2, 3).dtype, mine.uniform(2).dtype) == (dtype, dtype)


@pytest.mark.parametrize(
    ("numbers", "digest"),
    [
        ((3, 7), 0x409AB934A0FBEDA3),  # printf '3,7' | b2sum -l 64
        ((7, 3), 0x186DE1FA5D7DC371),
    ],
)
def test_a_seed_is_the_upper_63_bits_of_the_blake2_sum_of_its_numbers(numbers: tuple[int, ...], digest: int):
    assert derive_seed(*numbers) == digest >> 1
    assert derive_seed(*numbers) < 2**63

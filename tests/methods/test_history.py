"""The store of past pictures (SPECS-translation 15.3)."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from i2i.methods.base import Draws, StepInfo
from i2i.methods.history import History

LIKE = torch.zeros((), dtype=torch.float64)


def at(index: int, seed: int = 5) -> StepInfo:
    return StepInfo(index, "", index, 1, 0, 1, Draws(seed, index, 0, 1, LIKE))


def numbered(first: int, count: int = 1) -> Tensor:
    """(count, 1, 1, 1) pictures of one pixel, whose values are first, first + 1, ..."""
    return torch.arange(first, first + count, dtype=torch.float64).view(-1, 1, 1, 1)


def ask(history: History, pictures: Tensor, index: int) -> list[float]:
    return history(pictures, at(index)).flatten().tolist()


def filled(size: int) -> History:
    history = History(size)
    history(numbered(0, size), at(0))
    return history


def test_the_first_fifty_pictures_come_back_as_they_are():
    history = History(50)
    assert [ask(history, numbered(i), i) for i in range(50)] == [[i] for i in range(50)]
    assert history.images.flatten().tolist() == list(range(50))


def test_then_half_of_ten_thousand_are_old_ones_and_none_is_shown_again_after_its_exchange():
    history, shown = filled(50), Counter(range(50))
    old = 0
    for index in range(1, 1001):
        new = numbered(10 * index + 40, 10)  # 50, 51, ...
        returned = history(new, at(index))
        old += int((returned != new).sum())
        shown.update(returned.flatten().tolist())
    assert abs(old / 10_000 - 0.5) < 4 * math.sqrt(0.25 / 10_000)
    # A stored picture is handed out once, when another takes its place; the first fifty were shown at once as well.
    assert max(shown[i] for i in range(50)) == 2
    assert max(count for picture, count in shown.items() if picture >= 50) == 1
    # Old ones leave at random: each of 50 places is exchanged by every 100th picture, in the mean.
    ages = 10_050 - history.images.flatten()
    assert abs(ages.mean() - 100) < 4 * 100 / math.sqrt(50)


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_a_batch_is_exchanged_picture_by_picture_as_in_a_list(batch: int):
    """The reference is a list; it is fed the two uniform numbers per picture that the history draws."""
    history, pool = History(4), []
    for index in range(30):
        pictures, draws = numbered(batch * index, batch), at(index).draws
        swap, slot = draws.uniform(batch).tolist(), draws.uniform(batch).tolist()
        expected = []
        for picture, u, v in zip(pictures.flatten().tolist(), swap, slot, strict=True):
            if len(pool) < 4:
                pool.append(picture)
            elif u > 0.5:
                place = int(4 * v)
                pool[place], picture = picture, pool[place]
            expected.append(picture)
        assert ask(history, pictures, index) == expected
    assert history.images.flatten().tolist() == pool


def test_what_is_stored_and_returned_has_no_graph_and_shares_no_memory():
    history, weight = History(2), torch.ones(1, 1, 1, 1, requires_grad=True)
    made = weight * numbered(1, 2)
    returned = history(made, at(0))
    assert not returned.requires_grad
    assert not history.images.requires_grad
    with torch.no_grad():
        made.zero_()
        returned.zero_()
    assert history.images.flatten().tolist() == [1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_picture_with_one_value_that_is_not_finite_is_never_stored(value: float):
    history, bad = History(3), torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    bad[..., 0, 1] = value
    for index in range(3):
        assert history(bad, at(index)).equal(bad) or math.isnan(value)
    assert int(history.seen) == 0
    for index in range(3):
        history(torch.full((1, 1, 2, 2), float(index), dtype=torch.float64), at(index))
    for index in range(40):
        returned = history(bad, at(index))
        assert not returned.isfinite().all()  # itself, never an old one that would lose its place
    assert history.images.mean((1, 2, 3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("seen", [0, 2, 20])
def test_a_saved_history_goes_on_with_the_identical_sequence(seen: int):
    history = History(5)
    for index in range(seen):
        history(numbered(index), at(index))
    saved = {name: tensor.clone() for name, tensor in history.state_dict().items()}
    on = [ask(history, numbered(index), index) for index in range(seen, seen + 30)]
    loaded = History(5)
    loaded.load_state_dict(saved)
    assert [ask(loaded, numbered(index), index) for index in range(seen, seen + 30)] == on
    assert torch.equal(loaded.images, history.images)


def test_a_history_of_size_0_passes_pictures_through_without_their_graph():
    history = History(0)
    pictures = numbered(1, 3).requires_grad_()
    returned = history(2 * pictures, at(0))
    assert returned.flatten().tolist() == [2, 4, 6]
    assert not returned.requires_grad
    assert history.images.numel() == 0


def test_pictures_are_kept_in_the_type_they_have():
    history = History(2)
    half = numbered(0, 2).to(torch.bfloat16)
    assert history(half, at(0)).dtype == history.images.dtype == torch.bfloat16

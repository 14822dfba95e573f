from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from i2i.engine.feed import Feed


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


def batches(size: int = 4, count: int = 1000) -> Iterator[Pair]:
    for number in range(count):
        left = torch.arange(size) + 100 * number
        yield Pair(left, -left)


def as_it_is(batch: Pair) -> Pair:
    return batch


def test_the_parts_of_a_batch_put_together_are_the_batch() -> None:
    feed = Feed(batches(), as_it_is, parts=2)
    feed.begin()
    first, second = feed.part(0)(), feed.part(1)()
    assert isinstance(first, Pair)
    assert (first.left.tolist(), second.left.tolist()) == ([0, 1], [2, 3])
    assert (first.right.tolist(), second.right.tolist()) == ([0, -1], [-2, -3])
    assert feed.taken == 1


def test_parts_that_ask_in_any_order_share_the_same_batches() -> None:
    feed = Feed(batches(), as_it_is, parts=2)
    feed.begin()
    one, other = feed.part(0), feed.part(1)
    firsts = [one().left[0].item() for _ in range(3)]
    others = [other().left[0].item() for _ in range(3)]
    assert (firsts, others, feed.taken) == ([0, 100, 200], [2, 102, 202], 3)


def test_a_new_step_begins_with_a_fresh_batch_for_all() -> None:
    feed = Feed(batches(), as_it_is, parts=2)
    feed.begin()
    feed.part(0)(), feed.part(0)()
    feed.begin()
    assert [feed.part(part)().left[0].item() for part in (1, 0)] == [202, 200]
    assert feed.taken == 3


def test_the_position_goes_on_from_a_resumed_one() -> None:
    feed = Feed(batches(), as_it_is, parts=1, taken=40)
    feed.begin()
    feed.part(0)()
    assert feed.taken == 41


def test_a_part_is_cut_before_it_is_converted() -> None:
    sizes = []

    def convert(batch: Pair) -> Pair:
        sizes.append(len(batch.left))
        return Pair(*(tensor.double() / 2 for tensor in batch))

    feed = Feed(batches(6), convert, parts=3)
    feed.begin()
    assert feed.part(2)().left.tolist() == [2.0, 2.5]
    assert sizes == [2]


def test_batches_that_end_are_refused() -> None:
    feed = Feed(batches(count=1), as_it_is, parts=1)
    feed.begin()
    feed.part(0)()
    with pytest.raises(RuntimeError, match=r"^the feed ended: batches must be endless$"):
        feed.part(0)()


def test_a_batch_that_cannot_be_cut_is_refused_with_both_numbers() -> None:
    feed = Feed(batches(4), as_it_is, parts=3)
    feed.begin()
    with pytest.raises(ValueError, match=r"^a batch of 4 cannot be cut into 3 equal parts$"):
        feed.part(0)()

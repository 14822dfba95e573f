"""Judging digits, by a judge that reads the class off the first ten pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.errors import DataError, UsageError


class Stub(nn.Module):
    def forward(self, digits: Tensor) -> Tensor:
        return 50 * digits[:, 0, 0, :10]


def digits_of(*classes: int) -> Tensor:
    pictures = torch.full((len(classes), 1, 28, 28), -1.0)
    pictures[range(len(classes)), 0, 0, classes] = 1.0
    return pictures


@pytest.fixture
def digits(program: Callable[[str], ModuleType]) -> Any:
    return program("digits")


@pytest.fixture
def augmentation(program: Callable[[str], ModuleType]) -> Any:
    return program("augmentation")


def test_a_class_is_covered_by_four_percent_of_the_digits(digits: Any):
    found = digits.judged(Stub(), digits_of(*[3] * 50, *[5] * 43, *[7] * 4, *[0] * 3), None, digits_of(1))
    assert found.shares == (0.03, 0, 0, 0.5, 0, 0.43, 0, 0.04, 0, 0)
    assert found.covered == 3
    assert found.confidence == pytest.approx(1.0)
    assert found.as_asked is None


def test_as_asked_is_the_share_whose_class_is_the_one_asked_for(digits: Any):
    found = digits.judged(Stub(), digits_of(1, 2, 3, 4), torch.tensor([1, 2, 3, 9]), digits_of(1))
    assert found.as_asked == 0.75


def test_a_copy_is_at_no_distance_and_black_is_255_levels_from_white(digits: Any):
    black, white, gray = (torch.full((1, 1, 28, 28), value) for value in (-1.0, 1.0, 0.0))
    distances = digits.to_nearest(torch.cat([gray, white, black]), torch.cat([black, gray]))
    assert distances.tolist() == pytest.approx([0, 127.5, 0], abs=1e-3)
    assert digits.to_nearest(white, black).item() == pytest.approx(255)


def test_classes_that_are_no_digits_cannot_be_judged(digits: Any):
    assert digits.numbers(("7", "0")).tolist() == [7, 0]
    with pytest.raises(UsageError, match="classes 7, cat are not all digits"):
        digits.numbers(("7", "cat"))


def test_the_sheet_has_ten_digits_in_a_row(digits: Any):
    sheet = digits.grid(digits_of(*range(10)).repeat(10, 1, 1, 1))
    assert sheet.shape == (1, 1, 280, 280)
    assert (sheet[0, 0, 28] == 1).nonzero().flatten().tolist() == [28 * k + k for k in range(10)]


def test_colour_pictures_of_another_size_become_digits(program: Callable[[str], ModuleType]):
    made = program("digit_judge").as_digits(torch.full((2, 3, 32, 32), 0.5))
    assert made.shape == (2, 1, 28, 28)
    assert torch.allclose(made, torch.tensor(0.5))


def test_a_folder_without_mnist_is_named(program: Callable[[str], ModuleType], tmp_path: Path):
    with pytest.raises(DataError, match=r"no MNIST here\. It needs train-images-idx3-ubyte, packed or not"):
        program("digit_judge").read_digits(tmp_path, "train")


def test_few_digits_are_as_many_of_each_class_and_the_same_for_a_seed(augmentation: Any):
    labels = torch.arange(10).repeat(6)
    digits = augmentation.Labelled(torch.rand(60, 1, 28, 28), labels)
    few, again, other = (augmentation.chosen(digits, 4, seed) for seed in (0, 0, 1))
    assert torch.bincount(few.labels).tolist() == [4] * 10
    assert torch.equal(few.pictures, again.pictures)
    assert not torch.equal(few.pictures, other.pictures)
    with pytest.raises(UsageError, match="there are not 7 digits of each class"):
        augmentation.chosen(digits, 7, 0)


def test_a_folder_with_too_few_pictures_of_a_class_is_named(augmentation: Any, tmp_path: Path):
    with pytest.raises(DataError, match="has 0 PNG files, and 5 are asked for"):
        augmentation.read_folder(tmp_path, 5)


def test_digits_are_not_written_among_others(augmentation: Any, tmp_path: Path):
    arguments = ["choose", str(tmp_path), str(tmp_path)]
    with pytest.raises(UsageError, match="is there already, and digits of two choices would be mixed"):
        augmentation.main.main(arguments, standalone_mode=False)

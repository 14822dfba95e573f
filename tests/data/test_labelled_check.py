from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i.config.data import LabelledConfig
from i2i.data.labelled_check import LabelledCheck, check_labelled

Draw = Callable[..., Path]


def check(path: Path, size: int | None = 16) -> LabelledCheck:
    return check_labelled(LabelledConfig(path=str(path), size=size))


@pytest.fixture
def animals(draw: Draw, tmp_path: Path) -> Path:
    draw("cat/1.png", width=30, height=20)
    draw("cat/2.png", mode="L")
    draw("dog/1.png", width=50, height=50)
    return tmp_path


def test_a_clean_folder_has_a_line_for_each_class(animals: Path):
    found = check(animals)
    assert not found.has_problems
    assert list(found.lines()) == [
        f"{animals}: 3 pictures 30x20 to 50x50 in colour, 1 gray, 2 classes, 1 to 2 each",
        "cat: 2",
        "dog: 1",
        "no problems found",
    ]


def test_every_problem_is_named(animals: Path, draw: Draw):
    (animals / "cat" / "x.png").write_bytes(b"")
    (animals / "dog" / "gone.png").symlink_to(animals / "nowhere.png")
    draw("dog/small.png", width=9, height=30)
    for name in ("cat/twin.png", "dog/twin.png"):
        draw(name, seed=5)
    assert list(check(animals).problems()) == [
        "unreadable: cat/x.png: the file is empty.",
        "unreadable: dog/gone.png: is a link that leads nowhere.",
        "smaller than 16: 1 of 6; they are scaled up: use larger pictures or a smaller --size",
        "duplicates: cat/twin.png, dog/twin.png",
    ]


def test_equal_pictures_of_a_file_are_named_by_their_numbers(tmp_path: Path):
    pixels = np.arange(10, dtype=np.uint8).repeat(64).reshape(10, 8, 8)
    np.savez(tmp_path / "set.npz", images=pixels[[0, 1, 2, 1, 2, 3, 4, 5, 3, 4]])
    found = check(tmp_path, size=8)
    assert list(found.problems()) == ["duplicates, by their numbers from 0: 1 = 3; 2 = 4; 5 = 8 and 1 more"]
    assert next(check(tmp_path, size=16).problems()) == (
        "smaller than 16: 10 of 10; they are scaled up: use larger pictures or a smaller --size"
    )


def test_what_is_done_to_the_values_of_a_file_is_told(tmp_path: Path):
    np.savez(tmp_path / "set.npz", images=np.linspace(0, 1, 640, dtype=np.float32).reshape(10, 8, 8))
    found = check(tmp_path, size=8)
    told = "set.npz: float32 taken as 0 to 1, and made 8 bit"
    assert told in list(found.lines())
    assert found.to_json()["notes"] == [told]
    assert not found.has_problems


def test_a_class_of_which_nothing_can_be_read_is_a_problem(animals: Path):
    (animals / "cow").mkdir()
    (animals / "cow" / "x.png").write_bytes(b"")
    problems = list(check(animals).problems())
    assert problems == ["unreadable: cow/x.png: the file is empty.", "no readable picture: cow"]


def test_no_smaller_size_is_told_than_there_is(tmp_path: Path):
    pixels = np.arange(480, dtype=np.uint16).reshape(10, 3, 16) % 250
    np.savez(tmp_path / "set.npz", images=pixels.astype(np.uint8))
    found = check(tmp_path, size=None)
    assert list(found.problems()) == ["smaller than 4: 10 of 10; they are scaled up: use larger pictures"]


def test_without_a_size_it_is_the_one_that_a_training_would_take(tmp_path: Path):
    np.savez(tmp_path / "set.npz", images=np.arange(640, dtype=np.uint16).reshape(10, 8, 8) % 250)
    assert check(tmp_path, size=None).size == 8


def test_the_document_holds_the_same(animals: Path):
    (animals / "cat" / "x.png").write_bytes(b"")
    assert check(animals).to_json() == {
        "schema": 1,
        "size": 16,
        "place": str(animals),
        "pictures": 3,
        "classes": {"cat": 2, "dog": 1},
        "smallest": "30x20",
        "largest": "50x50",
        "gray": 1,
        "smaller_than_size": 0,
        "unreadable": {"cat/x.png": "the file is empty."},
        "duplicates": [],
        "notes": [],
        "problems": ["unreadable: cat/x.png: the file is empty."],
    }

"""Pictures with classes, from a folder or file to samples of one size."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config.data import LabelledConfig
from i2i.data.labelled import brought
from i2i.data.labelled_layouts import find_labelled
from i2i.data.labelled_opening import Facts, LabelledData, LabelledScans, facts, nearest_size, open_labelled
from i2i.data.loader import Batches
from i2i.errors import DataError

Draw = Callable[..., Path]


def config(path: Path, **settings: Any) -> LabelledConfig:
    return LabelledConfig(path=str(path), **{"size": 8, **settings})


def opened(path: Path, *classes: str, channels: int = 3, previous: LabelledScans | None = None, **settings: Any):
    return open_labelled(config(path, **settings), channels=channels, classes=classes, previous=previous)


def said(path: Path) -> tuple[int, int, tuple[str, ...]]:
    found = facts(LabelledConfig(path=str(path)))
    return found.size, found.channels, found.classes


def refused(path: Path, *classes: str, **settings: Any) -> str:
    """What a person reads, without the folder of the test."""
    with pytest.raises(DataError) as raised:
        opened(path, *classes, **settings)
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(f"{path.parent}/", "")


@pytest.fixture
def animals(draw: Draw, tmp_path: Path) -> Path:
    """Three dogs, one of them in a folder of its own, and two cats."""
    for name in ("dog/1.png", "dog/2.png", "dog/puppies/3.png", "cat/1.jpg", "cat/2.png"):
        draw(name)
    return tmp_path


# What is in a folder


def test_each_sub_folder_is_a_class_with_all_that_lies_in_it(animals: Path):
    data = opened(animals, "cat", "dog")
    taken = Counter(data.train.sample(0, 0, position)[1].item() for position in range(5))
    assert taken == {0: 2, 1: 3}
    assert data.summary == "5 pictures 40x30 in colour, 2 classes, 2 to 3 each, brought to 8x8 in colour"
    assert data.notes == ()


def test_the_order_of_the_classes_is_that_of_the_settings(animals: Path):
    data = opened(animals, "dog", "cat")
    taken = Counter(data.train.sample(0, 0, position)[1].item() for position in range(5))
    assert taken == {0: 3, 1: 2}


def test_a_training_that_knows_of_no_classes_has_label_0_throughout(animals: Path):
    data = opened(animals)
    assert {data.train.sample(0, 0, position)[1].item() for position in range(5)} == {0}


def test_pictures_in_the_folder_itself_have_no_classes(draw: Draw, tmp_path: Path):
    draw("1.png", mode="L")
    draw("2.png", mode="L")
    assert said(tmp_path) == (28, 1, ())  # 40x30, of which no network of doublings makes 30
    summary = opened(tmp_path, size=30).summary
    assert summary == "2 pictures 40x30 gray, no classes, brought to 30x30 in colour"


def test_pictures_beside_folders_make_all_of_them_pictures_without_classes(animals: Path, draw: Draw):
    draw("beside.png")
    data = opened(animals)
    assert len(data.train) == 6
    assert data.notes == ("1 image beside the folders (beside.png): all are taken as without classes",)


def test_the_folder_train_is_the_one_where_the_others_are_for_validation_and_test(draw: Draw, tmp_path: Path):
    for name in ("train/a/1.png", "train/b/2.png", "val/a/3.png", "Test/b/4.png"):
        draw(name)
    assert said(tmp_path)[2] == ("a", "b")
    assert len(opened(tmp_path, "a", "b").train) == 2


@pytest.mark.parametrize("train", ["training", "train_set", "Training_Set"])
@pytest.mark.parametrize("test", ["testing", "test_set", "tests"])
def test_folders_of_these_roles_have_other_names_too(train: str, test: str, draw: Draw, tmp_path: Path):
    for name in (f"{train}/a/1.png", f"{train}/b/2.png", f"{test}/a/3.png", f"{test}/b/4.png"):
        draw(name)
    assert said(tmp_path)[2] == ("a", "b")
    assert len(opened(tmp_path, "a", "b").train) == 2


def test_test_pictures_beside_classes_are_not_trained_on(animals: Path, draw: Draw):
    draw("test_set/cat/1.png")
    data = opened(animals, "cat", "dog")
    assert len(data.train) == 5
    assert data.notes == ("passed over, by its name: test_set",)


def test_of_two_folders_for_training_none_is_chosen(draw: Draw, tmp_path: Path):
    draw("train/1.png")
    draw("training/2.png")
    assert said(tmp_path)[2] == ("train", "training")


def test_among_classes_train_is_one_too(draw: Draw, tmp_path: Path):
    for name in ("train/1.png", "plane/2.png"):
        draw(name)
    assert said(tmp_path)[2] == ("plane", "train")


def test_folders_for_validation_and_test_are_passed_over_and_told(animals: Path, draw: Draw):
    draw("val/1.png")
    draw("test/1.png")
    data = opened(animals, "cat", "dog")
    assert len(data.train) == 5
    assert data.notes == ("passed over, by their names: test, val",)


def test_files_of_whole_sets_go_before_pictures_beside_them(draw: Draw, tmp_path: Path):
    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8), np.uint8))
    draw("readme.png")
    assert opened(tmp_path).notes == ("1 image beside passed over",)


@pytest.mark.parametrize(
    ("size", "channels", "told"),
    [(8, 1, ""), (8, 3, ", taken in colour"), (4, 1, ", brought to 4x4 gray"), (4, 3, ", brought to 4x4 in colour")],
)
def test_what_is_done_to_the_pictures_is_told(size: int, channels: int, told: str, tmp_path: Path):
    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8), np.uint8))
    assert opened(tmp_path, channels=channels, size=size).summary == f"4 pictures 8x8 gray, no classes{told}"


def test_a_file_of_a_whole_set_may_be_named_itself(tmp_path: Path):
    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8), np.uint8), labels=[5, 6, 5, 6])
    data = opened(tmp_path / "set.npz", "5", "6", channels=1)
    assert data.summary == "4 pictures 8x8 gray, 2 classes, 2 each"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nowhere", "nowhere: no such folder or file."),
        (
            "empty",
            "empty: has no pictures. Found: nothing. Wanted: pictures, a sub-folder of pictures for each class, "
            "MNIST's idx files, CIFAR's .bin files or one .npz.",
        ),
        (
            "text",
            "text: has no pictures. Found: notes/ (0 images). Wanted: pictures, a sub-folder of pictures for each "
            "class, MNIST's idx files, CIFAR's .bin files or one .npz.",
        ),
        ("outer", "outer: holds nothing but inner/. Name outer/inner."),
        ("kept", "kept: holds pictures for validation and test alone. Name one of its folders."),
        ("kept/val/1.png", "1.png: is one picture. Name the folder that it lies in."),
        (
            "text/notes/a.txt",
            "a.txt: is no file of pictures that is known. Give a folder with pictures, a sub-folder of pictures for "
            "each class, MNIST's idx files, CIFAR's .bin files or one .npz.",
        ),
    ],
)
def test_what_holds_no_pictures_is_told(path: str, told: str, draw: Draw, tmp_path: Path):
    for folder in ("empty", "text/notes", "outer/inner"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "text" / "notes" / "a.txt").write_text("nothing")
    np.savez(tmp_path / "outer" / "inner" / "set.npz", images=np.zeros((4, 8, 8), np.uint8))
    draw("kept/val/1.png")
    assert refused(tmp_path / path).replace(f"{tmp_path}/", "") == told


def test_a_folder_of_unreadable_files_is_told(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"")
    assert refused(tmp_path) == (
        f"{tmp_path.name}: none of 1 images can be read; the first, a/x.png: the file is empty."
    )


def test_a_class_has_a_name_that_can_be_written(draw: Draw, tmp_path: Path):
    draw("a\nb/1.png")
    with pytest.raises(DataError, match=r"the name of a class is no plain text. Rename that folder.$"):
        find_labelled(tmp_path)


def test_unreadable_files_are_left_out_and_told(animals: Path):
    (animals / "cat" / "x.png").write_bytes(b"")
    data = opened(animals, "cat", "dog")
    assert len(data.train) == 5
    assert data.notes == ("1 unreadable (cat/x.png)",)


def test_a_training_without_data_says_so():
    with pytest.raises(DataError, match=r"no training pictures were named. Give a folder or a file."):
        facts(LabelledConfig())


# Classes that the settings name


def test_data_of_other_classes_is_refused(animals: Path):
    assert refused(animals, "cat", "cow") == (
        f"{animals.name}: its classes are cat, dog, and the settings name cat, cow. Give data of these classes, rename "
        "its own to them, or train anew on it, without --init."
    )


@pytest.mark.parametrize("files", [{}, {"x.png": b"", "y.png": b"no picture"}])
def test_a_class_without_a_picture_that_can_be_read_is_refused(files: dict[str, bytes], animals: Path):
    """A resume whose folder of cows is gone, and a training where all cows are damaged, are told the same."""
    for name, content in files.items():
        (animals / "cow").mkdir(exist_ok=True)
        (animals / "cow" / name).write_bytes(content)
    assert refused(animals, "cat", "cow", "dog") == (
        f"{animals.name}: has no readable picture of cow: each class needs one. Add some, or train anew without this "
        "class."
    )


def test_damaged_files_of_a_class_do_not_matter_where_none_are_told(animals: Path):
    (animals / "cow").mkdir()
    (animals / "cow" / "x.png").write_bytes(b"")
    assert len(opened(animals).train) == 5


def test_data_without_classes_is_refused_where_some_are_wanted(draw: Draw, tmp_path: Path):
    draw("1.png")
    assert "it has no classes, and the settings name a, b, c, d, e and 1 more." in refused(tmp_path, *"abcdef")


# Facts


def test_small_pictures_that_are_all_alike_keep_their_size(test_data: Path):
    assert said(test_data / "mnist") == (28, 1, tuple("0123456789"))


def test_others_are_brought_to_64(draw: Draw, tmp_path: Path):
    draw("a/1.png", width=32, height=32)
    draw("a/2.png", width=32, height=33)
    assert said(tmp_path)[0] == 64
    draw("b/1.png", width=300, height=300)
    assert said(tmp_path / "b")[0] == 64


def test_one_picture_in_colour_makes_the_training_one_in_colour(draw: Draw, tmp_path: Path):
    draw("a/1.png", mode="L")
    draw("a/2.png", mode="L")
    assert said(tmp_path)[1] == 1
    draw("a/3.png")
    assert said(tmp_path)[1] == 3
    assert opened(tmp_path, "a").summary.startswith("3 pictures 40x30 in colour, 2 gray, 1 class, 3 each")


@pytest.mark.parametrize(
    ("own", "reached"), [(28, 28), (32, 32), (64, 64), (7, 7), (8, 8), (9, 8), (30, 28), (31, 32), (50, 48), (1, 4)]
)
def test_a_size_that_no_doublings_reach_becomes_the_nearest(own: int, reached: int):
    """Reached are b * 2^k with b from 4 to 7: 4 5 6 7, 8 10 12 14, 16 20 24 28, 32 40 48 56, 64."""
    assert nearest_size(own) == reached


# Samples


def test_the_middle_square_is_taken_and_shrunk_by_means():
    pixels = np.zeros((4, 8, 1), np.uint8)
    pixels[:, :2] = 255  # outside of the square
    pixels[:2, 2:4, 0] = [[0, 40], [80, 120]]
    small = brought(pixels, 2, 1)
    assert small[:, :, 0].tolist() == [[60, 0], [0, 0]]


def test_a_picture_of_the_wanted_size_stays_bit_for_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert np.array_equal(brought(pixels, 8, 3), pixels)


def test_colour_becomes_luma_and_gray_is_repeated():
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :, 0] = 255
    assert np.unique(brought(red, 4, 1)).tolist() == [76]  # 0.299 * 255
    gray = np.full((4, 4, 1), 9, np.uint8)
    assert brought(gray, 8, 3).shape == (8, 8, 3)
    assert np.unique(brought(gray, 8, 3)).tolist() == [9]


def test_hidden_colours_are_not_seen(tmp_path: Path):
    pixels = np.zeros((16, 16, 4), dtype=np.uint8)
    pixels[:, :8] = 200, 100, 50, 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    picture, _ = opened(tmp_path, size=16).train.sample(0, 0, 0)
    assert picture.reshape(-1, 3).tolist() == [[200, 100, 50]] * 256


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Forty different gray pictures of 8 px: ten each of the classes 0 to 3, which their first pixel tells."""
    pixels = np.random.default_rng(1).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    labels = np.arange(40) % 4
    pixels[:, 0, 0] = pixels[:, 0, 7] = labels
    np.savez(tmp_path / "digits.npz", images=pixels, labels=labels)
    return tmp_path / "digits.npz"


def test_an_epoch_takes_each_picture_once_with_its_class_in_another_order_each_time(digits: Path):
    train = opened(digits, *"0123", channels=1).train
    first, second = ([train.sample(3, epoch, place) for place in range(40)] for epoch in (0, 1))
    assert len({picture.tobytes() for picture, _ in first}) == 40
    assert [picture.tobytes() for picture, _ in first] != [picture.tobytes() for picture, _ in second]
    assert all(picture[0, 0, 0] == label.item() for picture, label in first + second)


def test_half_of_the_draws_are_mirrored_where_that_is_asked_for(digits: Path):
    plain = {picture.tobytes() for picture, _ in samples_of(opened(digits, channels=1))}
    shown = [picture.tobytes() for picture, _ in samples_of(opened(digits, channels=1, flip=True))]
    assert 10 <= sum(picture in plain for picture in shown) <= 30  # 20 expected, deviation 3


def samples_of(data: LabelledData) -> list[tuple[Any, Any]]:
    return [data.train.sample(0, 0, position) for position in range(len(data.train))]


@pytest.mark.parametrize("kind", ["arrays", "files"])
def test_any_number_of_loader_processes_gives_the_same_bytes(kind: str, digits: Path, animals: Path):
    data = opened(digits, *"0123", channels=1, flip=True) if kind == "arrays" else opened(animals / "dog", flip=True)
    alone, together = (Batches(data.train, batch=3, seed=3, workers=workers) for workers in (0, 2))
    for _ in range(14):
        one, other = next(alone), next(together)
        assert torch.equal(one.real, other.real)
        assert torch.equal(one.label, other.label)
        assert (one.label.shape, one.label.dtype) == ((3,), torch.int64)
    together.close()


def test_a_file_that_cannot_be_read_any_more_is_replaced_by_the_next_with_its_class(
    animals: Path, caplog: pytest.LogCaptureFixture
):
    data = opened(animals, "cat", "dog")
    for name in ("1.png", "2.png", "puppies/3.png"):
        (animals / "dog" / name).write_bytes(b"")
    with caplog.at_level(logging.WARNING, "i2i.data"):
        batch = next(Batches(data.train, batch=5, seed=0, workers=0))
    assert batch.label.tolist() == [0] * 5
    assert len(caplog.records) == 3


def test_no_file_that_can_be_read_is_an_error(draw: Draw, tmp_path: Path):
    draw("1.png")
    train = opened(tmp_path).train
    (tmp_path / "1.png").unlink()
    with pytest.raises(DataError, match="none of 1 pictures can be read any more"):
        train.sample(0, 0, 0)


def test_the_sheet_shows_the_first_of_each_class_then_the_second(digits: Path):
    real, label = opened(digits, *"0123", channels=1).fixed(6)
    assert real.shape == (6, 1, 8, 8)
    assert label.tolist() == [0, 1, 2, 3, 0, 1]
    assert real[:, 0, 0, 0].tolist() == label.tolist()


def test_classes_take_turns_on_the_sheet_of_a_training_that_knows_of_none_too(digits: Path):
    real, label = opened(digits, channels=1).fixed(6)
    assert real[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0, 1]
    assert label.tolist() == [0] * 6


# What is held out


def test_a_share_is_held_out_for_the_sheet(digits: Path):
    data = opened(digits, *"0123", channels=1, val="0.25")
    assert (len(data.train), len(data.sheet)) == (30, 10)
    seen = [{picture.tobytes() for picture, _ in samples_of_sheet(part)} for part in (data.train, data.sheet)]
    assert not seen[0] & seen[1]
    assert data.summary == "40 pictures 8x8 gray, 4 classes, 10 each, 10 held out"


def samples_of_sheet(part: Any) -> list[tuple[Any, Any]]:
    return [part.sample(0, 0, position) for position in range(len(part))]


def test_equal_files_are_held_out_together(draw: Draw, tmp_path: Path):
    for number in range(4):
        draw(f"{number}.png", seed=number // 2)
    data = opened(tmp_path, val="0.5")
    assert (len(data.train), len(data.sheet)) == (2, 2)


@pytest.mark.parametrize("seed", range(3))
def test_of_each_class_one_stays_to_train_on(seed: int, draw: Draw, tmp_path: Path):
    for number in range(8):
        draw(f"cat/{number}.png", seed=100 * seed + number)
    draw("dog/1.png", seed=100 * seed + 10)
    draw("dog/2.png", seed=100 * seed + 11)
    data = opened(tmp_path, "cat", "dog", val="0.9")
    assert set(data.train.kinds.tolist()) == {0, 1}
    assert (len(data.train), len(data.sheet)) in [(2, 8), (3, 7)]


def test_a_folder_or_file_may_be_named_for_it_that_lacks_a_class(animals: Path, draw: Draw):
    draw("kept/cat/9.png")
    data = opened(animals / "dog", val=str(animals / "kept"))
    assert data.summary.endswith(f", 1 for validation in {animals / 'kept'}")
    (animals / "all").mkdir()
    for name in ("dog", "cat"):
        (animals / name).rename(animals / "all" / name)
    data = opened(animals / "all", "dog", "cat", val=str(animals / "kept"))
    assert data.fixed(4).label.tolist() == [1]
    assert len(data.train) == 5


def test_all_pictures_held_out_leaves_none(draw: Draw, tmp_path: Path):
    draw("1.png")
    told = refused(tmp_path, val="0.5")
    assert told == (
        f"{tmp_path.name}: all pictures would be held out, none are left to train on. Add pictures or use --val 0."
    )


# A resume


@pytest.mark.parametrize("kind", ["arrays", "files"])
def test_a_change_since_the_start_is_told(kind: str, digits: Path, animals: Path, draw: Draw):
    path = digits if kind == "arrays" else animals / "cat"
    stored = LabelledScans.from_json(json.loads(json.dumps(opened(path).scans.to_json())))
    assert opened(path, previous=stored).notes == ()
    if kind == "arrays":
        np.savez(path, images=np.zeros((4, 8, 8), np.uint8))
    else:
        draw("cat/4.png")
    (told,) = opened(path, previous=stored).notes
    assert told.endswith("The training goes on, but not as it would have.")
    assert "has changed since" in told


def test_files_that_have_not_changed_are_not_read_again(animals: Path, monkeypatch: pytest.MonkeyPatch):
    stored = opened(animals).scans
    monkeypatch.setattr("i2i.data.scan.read", lambda path: pytest.fail(f"{path} was read"))
    assert opened(animals, previous=stored).scans == stored


def test_what_was_read_for_the_facts_is_not_read_again(animals: Path, monkeypatch: pytest.MonkeyPatch):
    found: Facts = facts(LabelledConfig(path=str(animals)))
    monkeypatch.setattr("i2i.data.labelled_opening.read_set", lambda *_: pytest.fail("read again"))
    data = open_labelled(config(animals), channels=3, classes=found.classes, read=found.read)
    assert len(data.train) == 5

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i2i.config.data import PairedConfig, UnpairedConfig
from i2i.data.check import Check, PairedCheck, check_paired, check_unpaired
from i2i.errors import DataError

Draw = Callable[..., Path]


def check(path: Path, size: int = 16) -> Check:
    return check_unpaired(UnpairedConfig(path=str(path), size=size))


@pytest.fixture
def folders(draw: Draw, tmp_path: Path) -> Path:
    draw("trainA/1.png", width=20, height=16, mode="L")
    draw("trainA/2.jpg", width=30, height=20)
    draw("trainA/3.png", width=40, height=40, mode="RGBA")
    for role in ("trainB", "testA", "testB"):
        draw(f"{role}/1.png")
    return tmp_path


def test_a_clean_set_has_a_line_for_each_folder(folders: Path) -> None:
    found = check(folders)
    assert not found.has_problems
    assert list(found.lines()) == [
        "trainA: 3 pictures  ·  smallest 20x16, median 30x20, largest 40x40  ·  PNG 2, JPEG 1"
        "  ·  1 gray  ·  1 with transparency",
        *(
            f"{name}: 1 picture  ·  smallest 40x30, median 40x30, largest 40x30  ·  PNG 1"
            for name in ("trainB", "testA", "testB")
        ),
        "no problems found",
    ]


def test_every_problem_is_named(folders: Path, draw: Draw) -> None:
    (folders / "trainB" / "x.jpg").write_bytes(b"")
    draw("trainB/small.png", width=9, height=30)
    for name in ("trainA/twin.png", "trainA/twin2.png", "testA/leak.png"):
        draw(name, seed=5)
    assert list(check(folders).problems()) == [
        "unreadable: trainB/x.jpg: the file is empty.",
        "smaller than the crop of 16: 1 in trainB, such as trainB/small.png",
        "duplicates: trainA/twin.png, trainA/twin2.png",
        "in both folders: trainA/twin.png, testA/leak.png",
        "in both folders: trainA/twin2.png, testA/leak.png",
    ]


def test_the_document_holds_the_same(folders: Path) -> None:
    (folders / "trainB" / "x.jpg").write_bytes(b"")
    document = check(folders).to_json()
    assert document["folders"][0] == {
        "folder": "trainA",
        "pictures": 3,
        "smallest": "20x16",
        "median": "30x20",
        "largest": "40x40",
        "formats": {"PNG": 2, "JPEG": 1},
        "gray": 1,
        "alpha": 1,
        "smaller_than_crop": [],
        "duplicates": [],
        "unreadable": {},
    }
    assert document["folders"][1]["unreadable"] == {"x.jpg": "the file is empty."}
    assert document["problems"] == ["unreadable: trainB/x.jpg: the file is empty."]


def checked_pairs(path: Path, **settings: Any) -> PairedCheck:
    return check_paired(PairedConfig(path=str(path), size=16, **settings))


@pytest.fixture
def pairs(draw: Draw, tmp_path: Path) -> Path:
    for number in (1, 2):
        draw(f"trainA/{number}.png", width=20, height=16)
        draw(f"trainB/{number}.jpg", width=20, height=16)
    return tmp_path


def test_clean_pairs_have_a_line_for_each_folder_and_each_role(pairs: Path, draw: Draw) -> None:
    draw("testA/9.png", width=20, height=16)
    draw("testB/9.png", width=20, height=16)
    size = "smallest 20x16, median 20x16, largest 20x16"
    assert list(checked_pairs(pairs).lines()) == [
        f"trainA: 2 pictures  ·  {size}  ·  PNG 2",
        f"trainB: 2 pictures  ·  {size}  ·  JPEG 2",
        f"testA: 1 picture  ·  {size}  ·  PNG 1",
        f"testB: 1 picture  ·  {size}  ·  PNG 1",
        "train: 2 pairs (folders)",
        "test: 1 pair (folders)",
        "no problems found",
    ]


def test_every_problem_of_pairs_is_named(pairs: Path, draw: Draw) -> None:
    draw("trainA/alone.png")
    draw("trainA/double.png")
    draw("trainA/double.jpg")
    draw("trainB/double.jpg")
    draw("trainA/wide.png", width=40, height=30)
    draw("trainB/wide.png", width=30, height=30)
    draw("trainA/x.png")
    draw("trainB/x.jpg").write_bytes(b"")
    for folder in ("trainA", "trainB"):
        draw(f"{folder}/small.png", width=9, height=30)
    for name in ("trainA/twin", "trainA/twin2", "valA/leak"):
        draw(f"{name}.png", seed=5)
        draw(f"{name.replace('A/', 'B/')}.png", seed=6)
    draw("trainA/other.png", seed=5)  # one input of two targets is no duplicate
    draw("trainB/other.png", seed=7)
    found = checked_pairs(pairs)
    assert found.has_problems
    assert list(found.problems()) == [
        "unreadable: trainB/x.jpg: the file is empty.",
        "without partner: trainA/alone.png",
        "of one name but for the suffix: trainA/double.jpg and trainA/double.png",
        "of unequal aspect: trainA/wide.png 40x30 + trainB/wide.png 30x30",
        "smaller than the crop of 16: 1 of train, such as trainA/small.png + trainB/small.png",
        "duplicate pairs: trainA/twin.png + trainB/twin.png, trainA/twin2.png + trainB/twin2.png",
        "in train and val: trainA/twin.png + trainB/twin.png, valA/leak.png + valB/leak.png",
        "in train and val: trainA/twin2.png + trainB/twin2.png, valA/leak.png + valB/leak.png",
    ]


def test_files_that_a_csv_names_and_that_are_not_there_are_problems(pairs: Path) -> None:
    (pairs / "pairs.csv").write_text("a,b\ntrainA/1.png,trainB/1.jpg\ntrainA/2.png,trainB/7.jpg\n", "utf-8")
    found = checked_pairs(pairs)
    assert [line.split(":")[0] for line in found.lines()][:3] == [
        "column a of pairs.csv",
        "column b of pairs.csv",
        "train",
    ]
    assert list(found.problems()) == ["unreadable: trainB/7.jpg: cannot be read: No such file or directory."]


def test_halves_are_measured_by_themselves(draw: Draw, tmp_path: Path) -> None:
    draw("1.png", width=24, height=16)
    found = checked_pairs(tmp_path, pairs="side-by-side")
    assert list(found.problems()) == ["smaller than the crop of 16: 1 of train, such as 1.png"]


def test_the_document_holds_the_pairs(pairs: Path, draw: Draw) -> None:
    draw("trainB/alone.png")
    document = checked_pairs(pairs).to_json()
    assert [folder["pictures"] for folder in document["folders"]] == [2, 3]
    assert document["roles"] == {
        "train": {
            "layout": "folders",
            "pairs": [["1.png", "1.jpg"], ["2.png", "2.jpg"]],
            "left_out": [["without partner", "trainB/alone.png"]],
        }
    }
    assert document["problems"] == ["without partner: trainB/alone.png"]


def test_a_check_without_one_pair_is_refused(draw: Draw, tmp_path: Path) -> None:
    draw("A/1.png")
    draw("B/2.png")
    with pytest.raises(DataError, match=r"no pair can be used of 1 \+ 1 pictures: 2 without partner"):
        checked_pairs(tmp_path)


def test_label_maps_are_checked_where_their_classes_are_known(pairs: Path) -> None:
    with pytest.raises(DataError, match=r"no pair can be used .* 2 no label map \(trainA/1\.png: is a colour picture"):
        check_paired(PairedConfig(path=str(pairs), size=16), labels=5)


def test_the_real_photos_are_checked_in_seconds() -> None:
    import os

    if "I2I_TEST_DATA" not in os.environ:
        pytest.skip("I2I_TEST_DATA is not set: no real photos")
    found = check(Path(os.environ["I2I_TEST_DATA"]) / "horse2zebra", size=256)
    assert [len(folder.scan.pictures) for folder in found.folders] == [195, 195, 40, 40]
    assert not found.has_problems

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from i2i.config.data import UnpairedConfig
from i2i.data.check import Check, check_unpaired

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


def test_the_real_photos_are_checked_in_seconds() -> None:
    import os

    if "I2I_TEST_DATA" not in os.environ:
        pytest.skip("I2I_TEST_DATA is not set: no real photos")
    found = check(Path(os.environ["I2I_TEST_DATA"]) / "horse2zebra", size=256)
    assert [len(folder.scan.pictures) for folder in found.folders] == [195, 195, 40, 40]
    assert not found.has_problems

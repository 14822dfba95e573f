from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i2i.config.data import PairedConfig, PhotosConfig, UnpairedConfig
from i2i.data.check import Check, PairedCheck, check_paired, check_photos, check_unpaired
from i2i.errors import DataError

Draw = Callable[..., Path]
GROWN = "; they are scaled up: use larger pictures or a smaller --size"


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
        "smaller than the crop of 16: 1 in trainB, such as trainB/small.png" + GROWN,
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
        "smaller than the crop of 16: 1 of train, such as trainA/small.png + trainB/small.png" + GROWN,
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
    assert list(found.problems()) == [f"missing: trainB/7.jpg: there is no such file in {pairs}."]


def test_a_missing_file_of_an_absolute_path_lies_in_no_folder_of_ours(pairs: Path) -> None:
    (pairs / "pairs.csv").write_text("a,b\ntrainA/1.png,trainB/1.jpg\ntrainA/2.png,/none/7.jpg\n", "utf-8")
    assert list(checked_pairs(pairs).problems()) == ["missing: /none/7.jpg: there is no such file."]


def test_a_pair_in_two_roles_under_one_name_is_named_once(pairs: Path) -> None:
    for name in ("train.csv", "val.csv"):
        (pairs / name).write_text("a,b\ntrainA/1.png,trainB/1.jpg\n", "utf-8")
    assert list(checked_pairs(pairs).problems()) == ["in train and val: trainA/1.png + trainB/1.jpg"]


def test_a_file_that_a_list_names_again_is_named_once(pairs: Path) -> None:
    (pairs / "a.txt").write_text("trainA/1.png\ntrainA/1.png\n", "utf-8")
    found = check_unpaired(UnpairedConfig(a=f"@{pairs / 'a.txt'}", b=str(pairs / "trainB"), size=16))
    assert list(found.problems()) == ["named again: trainA/1.png"]


def test_folders_inside_the_domains_that_belong_to_no_role_are_told_and_are_no_problem(pairs: Path, draw: Draw) -> None:
    draw("trainA/testset/1.png")
    draw("trainA/testset/2.png")
    draw("trainB/Val/1.png")
    draw("trainB/valley/2.png")  # of no role
    found = checked_pairs(pairs)
    told = f"{pairs}/trainA/testset (2 images), {pairs}/trainB/Val (1 image)"
    assert list(found.lines())[-2:] == [
        f"passed over, by their names: {told}",
        "without partner: trainB/valley/2.png",
    ]
    assert found.to_json()["passed_over"] == told.split(", ")


@pytest.mark.parametrize(("a", "b"), [("A", "B"), ("A/train", "B/train")])
def test_a_folder_that_is_read_for_its_role_is_not_passed_over(draw: Draw, tmp_path: Path, a: str, b: str) -> None:
    for name in (a, b, "A/test", "B/test"):
        draw(f"{name}/1.png", width=20, height=16)
    assert checked_pairs(tmp_path).passed_over == ()
    draw("A/testset/1.png", width=20, height=16)
    assert checked_pairs(tmp_path).passed_over == (f"{tmp_path}/A/testset (1 image)",)


def test_named_folders_and_a_csv_pass_nothing_over(draw: Draw, tmp_path: Path) -> None:
    for name in ("A/1", "B/1", "A/test/2", "B/test/2", "test/9"):
        draw(f"{name}.png", width=20, height=16)
    named = check_paired(PairedConfig(a=str(tmp_path / "A"), b=str(tmp_path / "B"), size=16))
    assert (named.passed_over, len(named.roles["train"].pairs)) == ((), 2)
    (tmp_path / "pairs.csv").write_text("a,b\ntest/9.png,test/9.png\n", "utf-8")
    assert checked_pairs(tmp_path).passed_over == ()


def test_photos_for_a_test_are_passed_over_and_small_ones_are_mirrored(draw: Draw, tmp_path: Path) -> None:
    draw("1.png", width=20, height=15)
    draw("testing/2.png")
    assert list(check_photos(PhotosConfig(path=str(tmp_path), size=16)).lines())[1:] == [
        f"passed over, by their names: {tmp_path}/testing (1 image)",
        f"smaller than the crop of 16: 1 in {tmp_path}, such as 1.png; "
        "they are continued by the mirror image: use larger pictures or a smaller --size",
    ]


def test_halves_are_measured_by_themselves(draw: Draw, tmp_path: Path) -> None:
    draw("1.png", width=24, height=16)
    found = checked_pairs(tmp_path, pairs="side-by-side")
    assert list(found.problems()) == ["smaller than the crop of 16: 1 of train, such as 1.png" + GROWN]


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

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from i2i.config.data import PairedConfig
from i2i.data.paired_layouts import FoundPairs, LeftOut, find_role_pairs, find_training_pairs, find_validation_pairs
from i2i.errors import DataError

Draw = Callable[..., Path]


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def find(path: Path | None, **settings: object) -> FoundPairs:
    return find_training_pairs(PairedConfig(path=str(path) if path else None, **settings))  # type: ignore[arg-type]


def refusal(path: Path | None, **settings: object) -> str:
    with pytest.raises(DataError) as caught:
        find(path, **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("a", "b"), [("A", "B"), ("trainA", "trainB"), ("train/A", "train/B"), ("A/train", "B/train"), ("TRAINA", "trainb")]
)
def test_two_folders_are_found_by_their_names_and_pair_by_the_names_of_files(tmp_path: Path, a: str, b: str) -> None:
    touch(tmp_path, f"{a}/x.jpg", f"{a}/sub/x.jpg", f"{b}/x.png", f"{b}/sub/x.webp")
    found = find(tmp_path)
    assert (found.layout, found.titles) == ("folders", [a, b])
    assert found.pairs == (("sub/x.jpg", "sub/x.webp"), ("x.jpg", "x.png"))
    assert found.left_out == ()
    assert found.shown(*found.pairs[1]) == f"{a}/x.jpg + {b}/x.png"


@pytest.mark.parametrize(("a", "b"), [("valA", "valB"), ("val/A", "val/B"), ("A/val", "B/val")])
def test_validation_pairs_lie_beside_the_training_pairs(tmp_path: Path, a: str, b: str) -> None:
    touch(tmp_path, "A/train/1.jpg", "B/train/1.jpg", f"{a}/2.jpg", f"{b}/2.png")
    found = find_role_pairs(tmp_path, "val", "folders")
    assert found is not None
    assert (found.titles, found.pairs) == ([a, b], (("2.jpg", "2.png"),))
    assert find(tmp_path).pairs == (("1.jpg", "1.jpg"),)
    assert find_role_pairs(tmp_path, "test", "folders") is None


def test_folders_named_val_and_test_inside_the_domains_are_never_trained_on(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{domain}/{name}" for domain in "AB" for name in ("1.jpg", "val/2.jpg", "Test/3.jpg")))
    assert find(tmp_path).pairs == (("1.jpg", "1.jpg"),)
    tested = find_role_pairs(tmp_path, "test", "folders")
    assert tested is not None
    assert tested.pairs == (("3.jpg", "3.jpg"),)


def test_folders_that_begin_with_test_are_kept_apart_in_domains_as_everywhere(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{domain}/{name}" for domain in "AB" for name in ("test1.jpg", "test_2/2.jpg", "x/test/3.jpg")))
    assert find(tmp_path).pairs == (("test1.jpg", "test1.jpg"), ("x/test/3.jpg", "x/test/3.jpg"))


@pytest.mark.parametrize(("present", "missing"), [("A/val", "B/val"), ("b/Val", "a/Val")])
def test_a_role_in_one_domain_alone_is_named(tmp_path: Path, present: str, missing: str) -> None:
    a, b = ("A", "B") if present[0] == "A" else ("a", "b")
    touch(tmp_path, f"{a}/1.jpg", f"{b}/1.jpg", f"{present}/2.jpg")
    with pytest.raises(DataError) as caught:
        find_role_pairs(tmp_path, "val", "folders")
    assert f"has {present}/ (1 image) but no {missing}/. Both are needed." in str(caught.value)


def test_a_train_folder_in_one_domain_alone_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "B/1.jpg", "A/train/2.jpg")
    assert "has A/train/ (1 image) but no B/train/." in refusal(tmp_path)


def test_a_role_in_one_domain_does_not_matter_where_it_lies_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "B/1.jpg", "A/val/2.jpg", "valA/3.jpg", "valB/3.jpg")
    found = find_role_pairs(tmp_path, "val", "folders")
    assert found is not None
    assert found.pairs == (("3.jpg", "3.jpg"),)


def test_a_file_without_partner_is_named_and_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "A/2.jpg", "B/1.jpg", "B/sub/2.jpg")
    found = find(tmp_path)
    assert found.pairs == (("1.jpg", "1.jpg"),)
    assert found.left_out == (LeftOut("without partner", "A/2.jpg"), LeftOut("without partner", "B/sub/2.jpg"))


def test_two_files_of_one_name_in_a_folder_are_named_and_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "A/1.png", "B/1.jpg", "A/2.jpg", "B/2.jpg")
    found = find(tmp_path)
    assert found.pairs == (("2.jpg", "2.jpg"),)
    assert found.left_out == (LeftOut("of one name but for the suffix", "A/1.jpg and A/1.png"),)


def test_accents_pair_however_they_are_spelt(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    touch(tmp_path, f"A/{composed}.jpg", f"B/{decomposed}.jpg")
    assert len(find(tmp_path).pairs) == 1


def test_two_named_folders_pair_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "photos/1.jpg", "drawings/1.png")
    found = find(None, a=str(tmp_path / "photos"), b=str(tmp_path / "drawings"))
    assert found.pairs == (("1.jpg", "1.png"),)


def test_two_lists_pair_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("z/1.jpg\n# a remark\n\ny/2.jpg\n", "utf-8")
    (tmp_path / "b.txt").write_text("one.png\ntwo.png\n", "utf-8")
    found = find(None, a=f"@{tmp_path / 'a.txt'}", b=f"@{tmp_path / 'b.txt'}")
    assert found.pairs == (("z/1.jpg", "one.png"), ("y/2.jpg", "two.png"))
    assert (found.a.names, found.titles) == (("y/2.jpg", "z/1.jpg"), ["a.txt", "b.txt"])


def test_lists_of_unequal_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1.jpg\n2.jpg\n", "utf-8")
    (tmp_path / "b.txt").write_text("1.jpg\n", "utf-8")
    assert refusal(None, a=f"@{tmp_path / 'a.txt'}", b=f"@{tmp_path / 'b.txt'}") == (
        f"{tmp_path / 'a.txt'}: names 2 files, {tmp_path / 'b.txt'} names 1: lists pair line by line. "
        "Write as many lines into both."
    )


def test_a_list_and_a_folder_do_not_pair(tmp_path: Path) -> None:
    touch(tmp_path, "B/1.jpg")
    (tmp_path / "a.txt").write_text("1.jpg\n", "utf-8")
    assert "a list and a folder do not pair. Name two folders, whose files pair by name, or two lists" in refusal(
        None, a=f"@{tmp_path / 'a.txt'}", b=str(tmp_path / "B")
    )


@pytest.mark.parametrize("header", ["a,b", "b,note,a", "Input,Target", "source;target", '"a"\t"b"'])
def test_a_csv_names_pairs_relative_to_itself(tmp_path: Path, header: str) -> None:
    delimiter = next((sign for sign in ";\t" if sign in header), ",")
    values = {"a": '"one, or; more.jpg"', "b": "b/1.png", "note": "fine"}
    row = delimiter.join(
        values[{"input": "a", "source": "a", "target": "b"}.get(name, name)]
        for name in header.lower().replace('"', "").split(delimiter)
    )
    (tmp_path / "pairs.csv").write_bytes(b"\xef\xbb\xbf" + f"{header}\r\n\r\n{row}\r\n".encode())
    for path in (tmp_path, tmp_path / "pairs.csv"):
        found = find(path)
        assert (found.layout, found.pairs) == ("csv", (("one, or; more.jpg", "b/1.png"),))
        assert (found.a.root, found.titles) == (tmp_path, ["column a of pairs.csv", "column b of pairs.csv"])


def test_train_and_val_csv_lie_beside_each_other(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1.jpg,1.png\n", "utf-8")
    (tmp_path / "val.csv").write_text("a,b\n2.jpg,2.png\n", "utf-8")
    assert find(tmp_path).pairs == (("1.jpg", "1.png"),)
    for path in (tmp_path, tmp_path / "train.csv"):
        val = find_role_pairs(path, "val", "csv")
        assert val is not None
        assert val.pairs == (("2.jpg", "2.png"),)
    assert find_role_pairs(tmp_path / "val.csv", "val", "csv") is None


def test_a_pair_that_a_csv_names_again_is_used_once(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b\n1.jpg,1.png\n1.jpg,2.png\n1.jpg,1.png\n", "utf-8")
    found = find(tmp_path)
    assert found.pairs == (("1.jpg", "1.png"), ("1.jpg", "2.png"))
    assert found.left_out == (LeftOut("named again", "1.jpg + 1.png"),)


def test_a_train_csv_that_is_none_of_pairs_does_not_hide_folders(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "B/1.jpg")
    (tmp_path / "train.csv").write_text("id,label\n1,cat\n", "utf-8")
    assert find(tmp_path).layout == "folders"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty: the first line names the columns. Known: a and b, input and target, source and target."),
        (b"x,y\n1.jpg,2.jpg\n", "begins with x,y: the first line names the columns."),
        (b"a,b\n1.jpg,2.jpg\n3.jpg\n", "line 3 names one file: a pair has two. Complete or delete the line."),
        (b"a,b\n1.jpg,\n", "line 2 names one file"),
        (
            b"a,b\n1.jpg,2\0.jpg\n",
            "line 2 holds a NUL character, which no name of a file has. Correct or delete the line.",
        ),
        (b"a,b\n\xe9.jpg,2.jpg\n", "this CSV is not in UTF-8. Save it as UTF-8."),
        (b'a,b\n"1.jpg"x,2.jpg\n', "line 2 is no line of a CSV: "),
    ],
)
def test_a_broken_csv_is_refused_with_the_line(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(content)
    assert f"{tmp_path / 'pairs.csv'}: {text}" in refusal(tmp_path)


def test_a_missing_csv_is_one_line(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x.csv") == f"{tmp_path / 'x.csv'}: this CSV cannot be read: No such file or directory."
    assert "has no pairs.csv or train.csv. Found: nothing. Or give the CSV itself." in refusal(tmp_path, pairs="csv")


@pytest.mark.parametrize("folder", ["", "train/"])
def test_pictures_twice_as_wide_as_high_are_side_by_side(tmp_path: Path, draw: Draw, folder: str) -> None:
    for number in range(2):
        draw(f"{folder}{number}.png", width=40, height=20)
    draw("val/9.png", width=40, height=20)
    draw("test/8.png", width=40, height=20)
    found = find(tmp_path)
    assert (found.layout, found.pairs) == ("side-by-side", (("0.png", "0.png"), ("1.png", "1.png")))
    val = find_role_pairs(tmp_path, "val", found.layout)
    assert val is not None
    assert val.pairs == (("9.png", "9.png"),)


def test_photos_of_another_shape_are_not_halved_unasked(tmp_path: Path, draw: Draw) -> None:
    draw("1.png", width=40, height=20)
    draw("2.png", width=30, height=20)
    assert refusal(tmp_path) == (
        f"{tmp_path}: has no trainA/ + trainB/, A/ + B/, train/A + train/B or A/train + B/train, no pairs.csv or "
        "train.csv, and is no one folder of pictures all twice as wide as high. Found: 2 images and no folders. Or "
        "name the two folders: --a FOLDER --b FOLDER; pictures that hold both halves: --pairs side-by-side; photos "
        "alone: --pairs colorize, edges or degrade"
    )
    assert len(find(tmp_path, pairs="side-by-side").pairs) == 2


@pytest.mark.parametrize("folder", ["", "train/"])
def test_the_few_pictures_that_are_no_side_by_side_ones_are_named(tmp_path: Path, draw: Draw, folder: str) -> None:
    for number in range(5):
        draw(f"{folder}{number}.png", width=40, height=20)
    draw(f"{folder}odd.png", width=30, height=20)
    hint = "Take what is no pair out, or halve every picture: --pairs side-by-side"
    assert refusal(tmp_path) == (
        f"{tmp_path}: 1 of 6 pictures is not twice as wide as high: {folder}odd.png is 30x20. {hint}"
    )
    draw(f"{folder}more.png", width=41, height=20)
    assert refusal(tmp_path) == (
        f"{tmp_path}: 2 of 7 pictures are not twice as wide as high: the first, {folder}more.png, is 41x20. {hint}"
    )
    assert len(find(tmp_path, pairs="side-by-side").pairs) == 7


def test_wide_pictures_in_folders_of_unknown_names_are_not_halved_unasked(tmp_path: Path, draw: Draw) -> None:
    draw("photos/1.png", width=40, height=20)
    draw("labels/1.png", width=40, height=20)
    assert "is no one folder of pictures all twice as wide as high. Found: labels/ (1 image), photos/ (1 image)." in (
        refusal(tmp_path)
    )


@pytest.mark.parametrize("kind", ["colorize", "edges", "degrade"])
def test_photos_are_pairs_with_what_is_made_of_them(tmp_path: Path, kind: str) -> None:
    touch(tmp_path, "1.jpg", "sub/2.jpg", "test/3.jpg")
    found = find(tmp_path, pairs=kind)
    assert (found.layout, found.pairs) == (kind, (("1.jpg", "1.jpg"), ("sub/2.jpg", "sub/2.jpg")))
    assert (found.domains, found.shown("1.jpg", "1.jpg")) == ((found.a,), "1.jpg")


def test_one_domain_alone_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "trainA/1.jpg")
    assert "has trainA/ (1 image) but no trainB/. Both are needed." in refusal(tmp_path)


def test_asked_for_folders_are_missed_by_name(tmp_path: Path, draw: Draw) -> None:
    draw("1.png", width=40, height=20)
    assert (
        "has no trainA/ + trainB/, A/ + B/, train/A + train/B or A/train + B/train. Found: 1 image and no folders."
        in refusal(tmp_path, pairs="folders")
    )


def test_without_any_folder_it_is_said_what_to_give(tmp_path: Path) -> None:
    assert refusal(None) == "no training pairs were named. Give a folder or a CSV of pairs, or --a and --b."
    assert "--a stands without --b." in refusal(None, a=str(tmp_path))
    assert "nowhere: no such folder." in refusal(tmp_path / "nowhere")


def test_a_csv_where_side_by_side_pictures_are_asked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1.jpg,2.jpg\n", "utf-8")
    told = "x.csv: is a file, not a folder of training pictures. A CSV of pairs is for pix2pix, with --pairs csv."
    assert told in refusal(tmp_path / "x.csv", pairs="side-by-side")


def test_validation_pairs_may_have_another_layout(tmp_path: Path) -> None:
    touch(tmp_path, "one/A/1.jpg", "one/B/1.jpg", "two/testA/2.jpg", "two/testB/2.jpg")
    (tmp_path / "v.csv").write_text("a,b\n3.jpg,3.png\n", "utf-8")
    assert find_validation_pairs(tmp_path / "one", "csv").pairs == (("1.jpg", "1.jpg"),)
    assert find_validation_pairs(tmp_path / "two", "folders").pairs == (("2.jpg", "2.jpg"),)
    assert find_validation_pairs(tmp_path / "v.csv", "folders").pairs == (("3.jpg", "3.png"),)
    with pytest.raises(DataError, match="Found: one/"):
        find_validation_pairs(tmp_path, "folders")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"pairs": "edges", "a": "x"}, "a and b name two folders, which pairs=edges has not: give DATA alone"),
        ({"pairs": "colorize", "depth": 16}, "pairs=colorize makes inputs of 8 bit: set data.depth=8"),
        ({"size": 64, "load": 32}, "load=32 is smaller than size=64: set data.load=72"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        PairedConfig(**settings)  # type: ignore[arg-type]

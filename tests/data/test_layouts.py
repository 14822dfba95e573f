from __future__ import annotations

from pathlib import Path

import pytest

from i2i.data.layouts import find_photos, find_role, find_training, find_validation, find_validation_photos
from i2i.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(("a", "b"), [("trainA", "trainB"), ("A", "B"), ("train/A", "train/B"), ("TRAINA", "trainb")])
def test_both_domains_are_found_by_the_names_of_their_folders(tmp_path: Path, a: str, b: str) -> None:
    touch(tmp_path, f"{a}/2.jpg", f"{a}/1.PNG", f"{b}/x.webp")
    found = find_training(tmp_path, None, None)
    assert (found.a.label, found.b.label) == (a, b)
    assert found.a.names == ("1.PNG", "2.jpg")
    assert found.b.names == ("x.webp",)


def test_train_folders_win_over_test_folders_and_plain_letters(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "B/1.jpg", "trainA/2.jpg", "trainB/2.jpg", "testA/3.jpg", "testB/3.jpg")
    assert find_training(tmp_path, None, None).a.label == "trainA"
    tested = find_role(tmp_path, "test")
    assert tested is not None
    assert tested.b.names == ("3.jpg",)


def test_pictures_are_listed_recursively_and_sorted_without_what_is_hidden_or_linked(tmp_path: Path) -> None:
    touch(tmp_path, "A/z/1.jpg", "A/b.jpg", "A/.hidden.jpg", "A/.cache/2.jpg", "A/notes.txt", "B/1.jpg", "else/3.jpg")
    (tmp_path / "A" / "link").symlink_to(tmp_path / "else", target_is_directory=True)
    assert find_training(tmp_path, None, None).a.names == ("b.jpg", "z/1.jpg")


def test_a_domain_may_itself_be_a_link(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.jpg", "data/B/1.jpg")
    (tmp_path / "data" / "A").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert find_training(tmp_path / "data", None, None).a.names == ("1.jpg",)


def test_a_list_names_files_relative_to_itself(tmp_path: Path) -> None:
    touch(tmp_path, "pictures/1.jpg", "other/2.jpg")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.txt").write_text("# horses\n\n../pictures/1.jpg\n", "utf-8")
    found = find_training(None, f"@{tmp_path / 'lists' / 'a.txt'}", str(tmp_path / "other"))
    assert [(found.a.root / name).resolve() for name in found.a.names] == [tmp_path / "pictures" / "1.jpg"]
    assert found.b.names == ("2.jpg",)


def test_one_domain_alone_is_named_with_its_count(tmp_path: Path) -> None:
    touch(tmp_path, "trainA/1.jpg", "trainA/2.jpg")
    with pytest.raises(DataError) as caught:
        find_training(tmp_path, None, None)
    assert str(caught.value) == (
        f"{tmp_path}: has trainA/ (2 images) but no trainB/. Both are needed. Check: i2i data check {tmp_path}"
    )


def test_a_missing_domain_in_lower_case_is_named_in_lower_case(tmp_path: Path) -> None:
    touch(tmp_path, "train/b/1.jpg")
    with pytest.raises(DataError, match=r"has train/b/ \(1 image\) but no train/a/"):
        find_training(tmp_path, None, None)


def test_another_layout_is_refused_with_what_was_found(tmp_path: Path) -> None:
    touch(tmp_path, "horses/1.jpg", "zebras/1.jpg", "zebras/2.jpg", "3.jpg")
    with pytest.raises(DataError) as caught:
        find_training(tmp_path, None, None)
    assert str(caught.value) == (
        f"{tmp_path}: has no trainA/ + trainB/, A/ + B/ or train/A + train/B. "
        "Found: horses/ (1 image), zebras/ (2 images), 1 image beside them. "
        "Or name the two folders: --a FOLDER --b FOLDER"
    )


def test_an_empty_folder_is_said_to_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Found: nothing"):
        find_training(tmp_path, None, None)


def test_a_domain_without_pictures_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "A/readme.txt", "B/1.jpg")
    with pytest.raises(DataError, match=r"A: no pictures in this folder\. Known suffixes: .*\.png"):
        find_training(tmp_path, None, None)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(DataError, match=r"nowhere: no such folder\."):
        find_training(tmp_path / "nowhere", None, None)
    with pytest.raises(DataError, match=r"a\.jpg: is a file, not a folder of .*\. Name the folder that it lies in\."):
        find_training(tmp_path / "a.jpg", None, None)
    touch(tmp_path, "a.txt")
    with pytest.raises(DataError, match=r"a\.txt: is a file.* A list of files begins with @: --a @.*a\.txt"):
        find_training(None, str(tmp_path / "a.txt"), str(tmp_path))
    with pytest.raises(DataError, match=r"nowhere: no such folder\."):
        find_training(None, str(tmp_path / "nowhere"), str(tmp_path))


def test_one_named_domain_needs_the_other() -> None:
    with pytest.raises(DataError, match=r"--b stands without --a\."):
        find_training(None, None, "somewhere")


def test_without_any_folder_it_is_said_what_to_give() -> None:
    with pytest.raises(DataError, match=r"no training pictures were named\. Give a folder, or --a and --b\."):
        find_training(None, None, None)


def test_two_folders_that_differ_by_case_are_one_too_many(tmp_path: Path) -> None:
    touch(tmp_path, "trainA/1.jpg", "TrainA/1.jpg", "trainB/1.jpg")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system does not tell names apart by case")
    with pytest.raises(DataError, match="has TrainA/ and trainA/: one too many"):
        find_training(tmp_path, None, None)


def test_an_empty_or_missing_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n", "utf-8")
    with pytest.raises(DataError, match=r"empty\.txt: this list names no files\. Write one path a line\."):
        find_training(None, f"@{tmp_path / 'empty.txt'}", str(tmp_path))
    with pytest.raises(DataError, match=r"none\.txt: this list cannot be read: No such file"):
        find_training(None, f"@{tmp_path / 'none.txt'}", str(tmp_path))


def test_a_validation_folder_may_have_any_layout(tmp_path: Path) -> None:
    touch(tmp_path, "one/A/1.jpg", "one/B/1.jpg", "two/testA/1.jpg", "two/testB/1.jpg", "three/x.jpg")
    assert find_validation(tmp_path / "one").a.label == "A"
    assert find_validation(tmp_path / "two").a.label == "testA"
    with pytest.raises(DataError, match="1 image and no folders"):
        find_validation(tmp_path / "three")


def test_a_validation_folder_without_photos_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "val/notes.txt")
    assert find_validation_photos(tmp_path) is None
    assert find_photos(tmp_path).names == ("1.jpg",)
    touch(tmp_path, "val/2.jpg")
    found = find_validation_photos(tmp_path)
    assert found is not None
    assert (found.label, found.names) == ("val", ("2.jpg",))


def test_a_list_with_a_nul_character_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"# horses\n1.jpg\n2\0.jpg\n")
    with pytest.raises(DataError) as caught:
        find_training(None, f"@{tmp_path / 'a.txt'}", str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path / 'a.txt'}: line 3 holds a NUL character, which no name of a file has. "
        "Save the list as UTF-8, one path a line."
    )


def test_a_photo_named_as_a_kept_apart_folder_is_a_photo_like_others(tmp_path: Path) -> None:
    touch(tmp_path, "test1.jpg", "val/1.jpg", "Testing/1.jpg", "val.jpg", "x/test/1.jpg")
    assert find_photos(tmp_path).names == ("test1.jpg", "val.jpg", "x/test/1.jpg")

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from i2i.cli.data import data
from i2i.errors import ConfigError, DataError, UsageError

Either = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("A/1.png", "B/1.png")):
        (tmp_path / name).parent.mkdir()
        noise = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / name)
    return tmp_path


def call(*arguments: str | Path, command: str = "check") -> Result:
    return CliRunner().invoke(data, [command, *map(str, arguments)])


def test_a_clean_set_ends_with_0(folder: Path) -> None:
    result = call(folder, "--size", "32")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "no problems found"


def test_problems_end_with_10(folder: Path) -> None:
    result = call(folder)
    assert result.exit_code == 10
    assert "smaller than the crop of 256: 1 in A, such as A/1.png" in result.stdout


def test_json_is_one_document(folder: Path) -> None:
    result = call(folder, "--json", "--size", "32")
    assert result.exit_code == 0
    assert [found["folder"] for found in json.loads(result.stdout)["folders"]] == ["A", "B"]


def test_domains_may_be_named(folder: Path) -> None:
    result = call("--a", folder / "A", "--b", folder / "B", "--size", "32")
    assert result.exit_code == 0
    assert f"{folder / 'A'}: 1 picture" in result.stdout


def test_what_is_no_data_set_is_an_error_of_code_2(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 2


def test_a_line_end_in_a_name_cannot_forge_a_line(folder: Path) -> None:
    (folder / "A" / "x\nno problems found.jpg").write_bytes(b"")
    assert "unreadable: A/x\\nno problems found.jpg: the file is empty." in call(folder, "--size", "32").stdout


@pytest.mark.parametrize(
    ("method", "size", "text"),
    [
        ("srgan", "8", "--size: data.size must be at least 16, not 8."),
        ("cyclegan", "0", "--size: data.size must be at least 8, not 0."),
        ("srgan", "50", "crops of 50 px cannot be shrunk by 4: set data.size=48."),
    ],
)
def test_a_wrong_size_is_one_line(folder: Path, method: str, size: str, text: str) -> None:
    error = call(folder, "--method", method, "--size", size).exception
    assert isinstance(error, ConfigError)
    assert str(error) == text


def test_photos_beside_an_empty_validation_folder_have_no_problems(folder: Path) -> None:
    (folder / "val").mkdir()
    result = call(folder, "--method", "srgan", "--size", "32")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{folder}: 2 pictures  ·  smallest 40x40, median 40x40, largest 40x40  ·  PNG 2",
        "no problems found",
    ]


def test_pairs_are_checked_for_pix2pix(folder: Path) -> None:
    result = call(folder, "--method", "pix2pix", "--size", "32")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2:] == ["train: 1 pair (folders)", "no problems found"]
    named = call("--a", folder / "A", "--b", folder / "B", "--method", "pix2pix", "--size", "32", "--json")
    assert json.loads(named.stdout)["roles"]["train"]["pairs"] == [["1.png", "1.png"]]


def test_a_file_without_partner_ends_the_check_with_10(folder: Path) -> None:
    (folder / "A" / "2.png").write_bytes((folder / "A" / "1.png").read_bytes())
    result = call(folder, "--method", "pix2pix", "--size", "32")
    assert result.exit_code == 10
    assert result.stdout.splitlines()[-1] == "without partner: A/2.png"


def test_the_layout_of_the_pairs_may_be_said(folder: Path) -> None:
    result = call(folder, "--method", "pix2pix", "--pairs", "colorize", "--size", "32")
    assert "train: 2 pairs (colorize)" in result.stdout
    error = call(folder, "--method", "pix2pix", "--pairs", "csv").exception
    assert isinstance(error, DataError)
    assert "has no pairs.csv or train.csv. Found: A/ (1 image), B/ (1 image). Or give the CSV itself." in str(error)
    wrong = call(folder, "--method", "pix2pix", "--pairs", "folder").exception
    assert isinstance(wrong, ConfigError)
    assert str(wrong).startswith("--pairs: data.pairs must be ")


@pytest.fixture(params=["check", "preview"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Either:
    """Calls `data check` and then `data preview`, which take the same options."""
    more: list[str | Path] = (
        ["-o", tmp_path_factory.mktemp("sheets") / "sheet.png"] if request.param == "preview" else []
    )
    return lambda *arguments: call(*arguments, *more, command=request.param)


@pytest.mark.parametrize("method", ["cyclegan", "srgan"])
@pytest.mark.parametrize("option", [("--pairs", "folders"), ("--direction", "b2a")])
def test_only_paired_training_has_pairs_and_a_direction(
    folder: Path, either: Either, method: str, option: tuple[str, str]
) -> None:
    error = either(folder, "--method", method, *option).exception
    assert isinstance(error, UsageError)
    assert str(error) == f"{option[0]} is for paired training. Say --method pix2pix."


@pytest.mark.parametrize("method", ["srgan", "inpaint"])
def test_only_two_domains_are_named(folder: Path, either: Either, method: str) -> None:
    error = either("--a", folder, "--b", folder, "--method", method).exception
    assert isinstance(error, UsageError)
    assert str(error) == f"--a and --b name two domains, and {method} has one. Give DATA."


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_data_beside_named_domains_is_refused(folder: Path, either: Either, method: str) -> None:
    error = either(folder, "--a", folder / "A", "--set", f"data.b={folder / 'B'}", "--method", method).exception
    assert isinstance(error, UsageError)
    assert str(error) == (
        "DATA has no effect beside --a and data.b (--set). "
        "Leave it out; in a training, --val FOLDER names pictures for validation."
    )


def test_without_any_pictures_it_is_said_what_to_give(either: Either) -> None:
    error = either().exception
    assert isinstance(error, DataError)
    assert str(error) == "no training pictures were named. Give a folder, or --a and --b."


def test_the_preview_takes_the_options_of_the_check(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    sheets = tmp_path_factory.mktemp("sheets")

    def drawn(name: str, *arguments: str | Path) -> NDArray[np.uint8]:
        sheet = sheets / f"{name}.png"
        given = ("--method", "pix2pix", "--size", "32", "--set", "data.flip=false", "-o", sheet)
        assert call(*arguments, *given, command="preview").exit_code == 0
        return np.asarray(Image.open(sheet))

    named = ("--a", folder / "A", "--b", folder / "B")
    forward, back = drawn("forward", *named), drawn("back", *named, "--direction", "b2a")
    np.testing.assert_array_equal(drawn("found", folder), forward)
    np.testing.assert_array_equal(forward[-32:, 32:], back[-32:, :32])  # the target became the input
    gray = drawn("gray", folder / "A", "--pairs", "colorize")[-32:, :32]
    assert (gray[:, :, :1] == gray).all()


def test_label_maps_in_b_are_checked_by_the_direction(folder: Path) -> None:
    Image.new("L", (40, 40), 3).save(folder / "B" / "1.png")
    labelled = (folder, "--method", "pix2pix", "--set", "method.labels=4", "--size", "32")
    error = call(*labelled).exception
    assert isinstance(error, DataError)
    assert str(error).endswith("Where B holds them: --direction b2a.")
    assert call(*labelled, "--direction", "b2a").exit_code == 0


def test_label_maps_are_checked_with_their_number_of_classes(folder: Path) -> None:
    Image.new("L", (40, 40), 37).save(folder / "A" / "1.png")
    error = call(folder, "--method", "pix2pix", "--set", "method.labels=35", "--size", "32").exception
    assert isinstance(error, DataError)
    assert str(error) == (
        "A/1.png: class 37, but there are 35 (0 to 34); so in 1 of 1 label maps. "
        "Set method.labels=38, or correct the files."
    )


@pytest.mark.parametrize("name", ["sheet.png", "A/sheet.png", "A/../B/sheet.jpg"])
def test_a_sheet_does_not_get_among_the_training_pictures(folder: Path, name: str) -> None:
    error = call(folder, "-o", folder / name, command="preview").exception
    assert isinstance(error, UsageError)
    assert str(error) == (
        f"{folder / name}: the sheet would lie among the training pictures of {folder}. Write it elsewhere."
    )
    assert not (folder / name).exists()


def test_a_sheet_does_not_get_among_pictures_that_a_setting_names(folder: Path) -> None:
    named = ["--set", f"data.a={folder / 'A'}", "--set", f"data.b={folder / 'B'}"]
    error = call("-o", folder / "B" / "sheet.png", *named, command="preview").exception
    assert isinstance(error, UsageError)
    assert f"the sheet would lie among the training pictures of {folder / 'B'}." in str(error)


def test_a_sheet_never_takes_the_place_of_a_file(folder: Path) -> None:
    photo = folder / "A" / "1.png"
    before = photo.read_bytes()
    error = call(folder / "B", "-o", photo, command="preview").exception
    assert isinstance(error, UsageError)
    assert str(error) == f"{photo}: the output is there already. Choose another name."
    assert photo.read_bytes() == before


@pytest.fixture
def holes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two masks, one of them empty."""
    holes = tmp_path_factory.mktemp("holes")
    Image.new("L", (40, 40), 0).save(holes / "empty.png")
    Image.fromarray(np.where(np.arange(1600).reshape(40, 40) < 300, 255, 0).astype(np.uint8)).save(holes / "hole.png")
    return holes


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix", "srgan"])
def test_only_inpainting_has_masks(folder: Path, holes: Path, either: Either, method: str) -> None:
    error = either(folder, "--method", method, "--masks", holes).exception
    assert isinstance(error, UsageError)
    assert str(error) == "--masks is for inpainting. Say --method inpaint."


def test_masks_are_checked_beside_the_photos(folder: Path, holes: Path) -> None:
    given = (folder, "--method", "inpaint", "--masks", holes, "--size", "32")
    result = call(*given)
    assert result.exit_code == 10
    assert result.stdout.splitlines()[1:] == [
        f"masks of {holes}: 1 picture  ·  smallest 40x40, median 40x40, largest 40x40  ·  PNG 1  ·  1 gray",
        f"unreadable: {holes}/empty.png: this mask is empty: nothing in it is white.",
    ]
    document = json.loads(call(*given, "--json").stdout)
    unreadable = {"empty.png": "this mask is empty: nothing in it is white."}
    assert document["masks"] == {"folder": str(holes), "masks": 1, "unreadable": unreadable}
    (holes / "empty.png").unlink()
    assert call(*given).exit_code == 0


def test_masks_among_the_photos_are_refused_before_a_training(folder: Path, either: Either) -> None:
    error = either(folder, "--method", "inpaint", "--masks", folder / "B", "--size", "32").exception
    assert isinstance(error, DataError)
    assert f"1 mask lies among the photos of {folder}, and would be trained on." in str(error)


def test_a_sheet_shows_the_given_masks_and_does_not_get_among_them(folder: Path, holes: Path) -> None:
    (holes / "empty.png").unlink()
    given = (folder, "--method", "inpaint", "--masks", holes, "--size", "32")
    error = call(*given, "-o", holes / "sheet.png", command="preview").exception
    assert isinstance(error, UsageError)
    assert str(error) == (f"{holes / 'sheet.png'}: the sheet would lie among the masks of {holes}. Write it elsewhere.")
    assert not (holes / "sheet.png").exists()
    assert call(*given, "-o", holes.parent / "sheet of masks.png", command="preview").exit_code == 0

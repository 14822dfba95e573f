from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.cli.main import main
from i2i.images.masks import Mask, read_mask
from i2i.masks import writing
from i2i.masks.fixed import band_of, fixed_mask

ORIENTATION = 0x0112


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the first row is the right side
    Image.new("RGB", (48, 32)).save(folder / "a.jpg", exif=exif)
    Image.new("L", (40, 30)).save(folder / "deep" / "b.png")
    return folder


def call(*arguments: str | Path) -> int:
    return main(["data", "masks", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_each_picture_gets_a_mask_of_each_band(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "masks"
    assert call(photos, "-o", out) == 0
    assert names(out) == sorted(f"band-{band}/{place}.png" for band in range(6) for place in ("a", "deep/b"))
    assert sorted(path.name for path in out.iterdir()) == [f"band-{band}" for band in range(6)]
    for band in range(6):
        for place, shape in (("a", (48, 32)), ("deep/b", (30, 40))):  # upright
            mask = read_mask(out / f"band-{band}" / f"{place}.png")
            np.testing.assert_array_equal(mask, fixed_mask(*shape, band, place, 0))
            assert band_of(mask) == band
    assert capsys.readouterr().out.splitlines() == [
        f"12 masks written to {out}",
        f"Next: i2i evaluate MODEL {photos} --masks {out}",
    ]


def test_files_hold_one_bit_a_pixel(photos: Path, tmp_path: Path) -> None:
    call(photos, "-o", tmp_path / "masks", "--bands", "0")
    with Image.open(tmp_path / "masks" / "band-0" / "a.png") as image:
        assert (image.mode, image.size) == ("1", (32, 48))


def test_bands_and_seed_can_be_chosen(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    assert call(photos, "-o", out, "--bands", "4, 1,4", "--seed", "7") == 0
    assert names(out) == ["band-1/a.png", "band-1/deep/b.png", "band-4/a.png", "band-4/deep/b.png"]
    np.testing.assert_array_equal(read_mask(out / "band-4" / "a.png"), fixed_mask(48, 32, 4, "a", 7))


def test_two_calls_write_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        call(photos, "-o", tmp_path / name)
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_empty_folder_with_hidden_files_is_as_good_as_a_new_one(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    out.mkdir()
    (out / ".DS_Store").write_bytes(b"")
    assert call(photos, "-o", out, "--bands", "0") == 0
    assert names(out) == [".DS_Store", "band-0/a.png", "band-0/deep/b.png"]


def test_json_is_one_document(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "c.png").write_bytes(b"")
    assert call(photos, "-o", tmp_path / "masks", "--bands", "2,3", "--json") == 3
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "folder": str(tmp_path / "masks"),
        "masks": 4,
        "pictures": 2,
        "bands": [2, 3],
        "seed": 0,
        "failed": [{"picture": "c", "reason": "the file is empty."}],
    }


def test_what_cannot_be_read_is_left_out_and_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "c.png").write_bytes(b"")
    assert call(photos, "-o", tmp_path / "masks", "--bands", "0") == 3
    told = capsys.readouterr()
    assert told.err == f"i2i: {photos / 'c.png'}: the file is empty.\n"
    assert told.out.splitlines()[0] == f"2 masks written to {tmp_path / 'masks'}  ·  1 of 3 pictures failed"


def test_where_nothing_can_be_read_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "c.png").write_bytes(b"")
    assert call(tmp_path / "photos", "-o", tmp_path / "masks") == 3
    assert capsys.readouterr().err == f"i2i: {tmp_path / 'photos' / 'c.png'}: the file is empty.\n"
    assert not (tmp_path / "masks").exists()


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert call(*arguments) == 2
    return capsys.readouterr().err.removeprefix("i2i: ").removesuffix("\n")


def test_a_folder_in_use_is_refused(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    text = refusal(capsys, photos, "-o", tmp_path / "used")
    assert text == f"{tmp_path / 'used'}: there is something in this folder already. Give a new folder."
    text = refusal(capsys, photos, "-o", tmp_path / "used" / "mine.txt")
    assert text == f"{tmp_path / 'used' / 'mine.txt'}: is a file and should be a folder."
    assert names(tmp_path / "used") == ["mine.txt"]


def test_masks_do_not_get_among_the_pictures(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, photos, "-o", photos / "masks")
    assert text == f"{photos / 'masks'}: the masks would lie among the pictures of {photos}. Write elsewhere."
    assert not (photos / "masks").exists()


def test_data_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, tmp_path / "photos", "-o", tmp_path / "masks")
    assert text == f"{tmp_path / 'photos'}: there is no such folder."


@pytest.mark.parametrize("bands", ["6", "0,x", "", "0-3", "01"])
def test_other_bands_are_refused(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bands: str) -> None:
    text = refusal(capsys, photos, "-o", tmp_path / "masks", "--bands", bands)
    assert text == (
        f"invalid value for '--bands': '{bands}' names no bands from 0 to 5 such as 0,1,2. See: i2i data masks --help"
    )


@pytest.mark.parametrize("existed", [False, True])
def test_stopped_half_way_nothing_is_left(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    out = tmp_path / "masks"
    if existed:
        out.mkdir()

    def signalled(height: int, width: int, band: int, *key: int | str) -> Mask:
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(writing, "fixed_mask", fixed_mask)
        return fixed_mask(height, width, band, *key)

    monkeypatch.setattr(writing, "fixed_mask", signalled)
    assert call(photos, "-o", out) == 130
    assert capsys.readouterr().err == "i2i: stopped; no mask was written.\n"
    assert out.exists() == existed
    assert not existed or not any(out.iterdir())


def test_a_folder_that_cannot_be_written_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writing, "write_new", refused)
    assert call(photos, "-o", tmp_path / "masks") == 3
    assert capsys.readouterr().err.endswith("band-0/a.png: cannot be written: Permission denied.\n")
    assert not (tmp_path / "masks").exists()


def test_a_full_disk_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_new", refused)
    assert call(photos, "-o", tmp_path / "masks") == 5
    assert capsys.readouterr().err.endswith("disk full. Free space and run the same command again.\n")
    assert not (tmp_path / "masks").exists()


def test_what_a_killed_command_left_is_removed_and_nothing_else(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    (out / ".0123456789ab.masks.part" / "band-0").mkdir(parents=True)
    (out / ".mine.part").mkdir()
    assert call(photos, "-o", out, "--bands", "0") == 0
    assert sorted(path.name for path in out.iterdir()) == [".mine.part", "band-0"]


def test_folders_that_were_made_on_the_way_do_not_stay_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "c.png").write_bytes(b"")
    assert call(tmp_path / "photos", "-o", tmp_path / "new" / "deep" / "masks") == 3
    assert not (tmp_path / "new").exists()


def test_bands_get_into_the_open_all_or_none(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if target.name == "band-3":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    (tmp_path / "masks").mkdir()
    assert call(photos, "-o", tmp_path / "masks") == 3
    assert capsys.readouterr().err == f"i2i: {tmp_path / 'masks'}: cannot be written: Permission denied.\n"
    assert not any((tmp_path / "masks").iterdir())

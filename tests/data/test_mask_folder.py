"""A folder of masks is found as photos are, and looked through before a training begins."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.config.data import MaskedConfig
from i2i.config.masks import MaskConfig
from i2i.data.mask_folder import find_masks, refuse_unusable, scan_masks
from i2i.errors import DataError

Draw = Callable[..., Path]
HINT = "White is the hole, black is known."


def save(path: Path, white: int = 3) -> Path:
    """A mask of 8 x 8 pixels, of which so many are white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(np.arange(64).reshape(8, 8) < white, 255, 0).astype(np.uint8)).save(path)
    return path


def config(folder: Path, photos: Path | None = None) -> MaskedConfig:
    return MaskedConfig(path=str(photos) if photos else None, masks=MaskConfig(folder=str(folder)))


def look_through(folder: Path, photos: Path | None) -> None:
    masks = find_masks(config(folder, photos))
    assert masks
    refuse_unusable(masks, scan_masks(masks))


def refusal(folder: Path, photos: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        look_through(folder, photos)
    return str(caught.value)


def test_drawn_masks_have_no_folder() -> None:
    assert find_masks(MaskedConfig()) is None


def test_a_folder_is_searched_to_the_bottom_but_not_what_is_hidden_or_linked(tmp_path: Path) -> None:
    for name in ("holes/a.png", "holes/deep/b.tif", "holes/.hidden/c.png", "elsewhere/d.png"):
        save(tmp_path / name)
    (tmp_path / "holes" / "notes.txt").write_text("no mask")
    (tmp_path / "holes" / "link").symlink_to(tmp_path / "elsewhere")
    masks = find_masks(config(tmp_path / "holes"))
    assert masks
    assert masks.names == ("a.png", "deep/b.tif")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("")
    assert refusal(tmp_path / "none") == f"{tmp_path / 'none'}: no such folder."
    assert refusal(tmp_path / "file.txt") == f"{tmp_path / 'file.txt'}: is a file, no folder of masks."
    assert refusal(tmp_path).startswith(f"{tmp_path}: no pictures in this folder. Known suffixes: ")


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refused(place: str) -> object:
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refused)
    assert refusal(tmp_path) == f"{tmp_path / 'locked'}: cannot be listed: Permission denied."


def test_the_first_mask_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    other = save(tmp_path / "b.png", white=0)
    assert refusal(tmp_path) == f"{other}: this mask is empty: nothing in it is white. {HINT}"
    save(other, white=64)
    assert refusal(tmp_path) == f"{other}: this mask leaves nothing known: all of it is white. {HINT}"
    other.write_bytes(b"")
    assert refusal(tmp_path) == f"{other}: the file is empty."
    save(tmp_path / "c.png", white=64)
    assert refusal(tmp_path) == f"{other}: the file is empty. (2 of 3 masks cannot be used.)"


@pytest.mark.parametrize("place", ["photos/holes", "photos/val/holes"])
def test_masks_among_the_photos_are_refused(draw: Draw, tmp_path: Path, place: str) -> None:
    """They would be trained on as photos."""
    draw("photos/1.png")
    save(tmp_path / place / "a.png")
    save(tmp_path / place / "b.png")
    assert refusal(tmp_path / place, tmp_path / "photos") == (
        f"{tmp_path / place}: 2 masks lie among the photos of {tmp_path / 'photos'}, and would be trained on. "
        "Move the masks to a folder outside."
    )


def test_the_folder_of_photos_is_no_folder_of_masks(draw: Draw, tmp_path: Path) -> None:
    photos = draw("photos/1.png").parent
    assert "1 mask lies among the photos" in refusal(photos, photos)


@pytest.mark.parametrize("place", ["photos/.holes", "photos/test masks"])
def test_masks_where_no_photos_are_taken_from_are_none_of_them(draw: Draw, tmp_path: Path, place: str) -> None:
    draw("photos/1.png")
    save(tmp_path / place / "a.png")
    assert find_masks(config(tmp_path / place, tmp_path / "photos"))

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError, UsageError
from i2i.images.files import content_of
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.inference.batch import Options
from i2i.inference.marking import Marking, refuse_unfit, suspicion
from i2i.inference.mask_files import MaskFile

LIMITS = Limits()
ORIENTATION = 0x0112


def png(pixels: np.ndarray, turn: int = 1) -> bytes:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = turn
    Image.fromarray(pixels).save(stream, "PNG", exif=exif)
    return stream.getvalue()


def mask_file(hole: np.ndarray, turn: int = 1) -> MaskFile:
    return MaskFile(Path("mask.png"), content_of(png(hole.astype(np.uint8) * 255, turn)), LIMITS)


def hole_of(height: int, width: int, hole: np.ndarray) -> np.ndarray:
    """The hole of a picture of that size with this mask."""
    found = Marking(mask="mask.png").decoded(png(np.zeros((height, width, 3), np.uint8)), Options(), mask_file(hole))
    assert isinstance(found, Picture)
    assert found.mask is not None
    return found.mask


@pytest.mark.parametrize(("height", "width"), [(100, 150), (37, 56), (199, 299)])
def test_thin_holes_of_a_larger_mask_are_not_lost(height: int, width: int):
    """Each line of one pixel marks the row or column of the picture that it lies in, and at most one more."""
    for across in (True, False):
        hole = np.zeros((400, 600), bool)
        lines = np.arange(5, 395, 13)
        hole[(lines, slice(None)) if across else (slice(None), lines)] = True
        found = hole_of(height, width, hole)
        profile = found.all(axis=1 if across else 0)
        assert np.array_equal(profile, found.any(axis=1 if across else 0))
        side, whole = (height, 400) if across else (width, 600)
        assert profile[np.unique((lines + 0.5) * side / whole).astype(int)].all()
        assert profile.sum() <= 2 * len(lines)


def test_a_smaller_mask_is_enlarged_to_the_nearest():
    hole = np.eye(4, 6, dtype=bool)
    assert np.array_equal(hole_of(12, 18, hole), np.kron(hole, np.ones((3, 3), bool)))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(("height", "width"), [(8, 12), (12, 8), (4, 6), (7, 12), (9, 9)])
def test_headers_alone_tell_which_masks_fit(turn: int, height: int, width: int, tmp_path: Path):
    """As decoding both does: a mask over the stored or the upright picture, itself turned or not."""
    data = png(np.zeros((8, 12, 3), np.uint8), turn)
    (tmp_path / "a.png").write_bytes(data)
    hole = np.zeros((height, width), bool)
    hole[0, 0] = True
    for own_turn in (1, 6):
        file = mask_file(hole, own_turn)
        told = []
        for check in (
            lambda file=file: Marking(mask="mask.png").decoded(data, Options(), file),
            lambda file=file: refuse_unfit(file, tmp_path / "a.png", LIMITS),
        ):
            try:
                told.append(check() and "")
            except ImageError as error:
                told.append(str(error))
        assert (told[0] or "") == (told[1] or "")


def test_a_mask_whose_header_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(np.zeros((8, 12, 3), np.uint8)))
    file = MaskFile(Path("mask.png"), content_of(b"hello"), LIMITS)
    with pytest.raises(ImageError, match=r"its mask mask\.png: no picture in a known format"):
        refuse_unfit(file, tmp_path / "a.png", LIMITS)


def test_nothing_transparent_is_told_when_the_rest_is_asked_for_too():
    with pytest.raises(ImageError, match=r"^nothing of it is transparent\. Mark the hole by --mask\.$"):
        Marking(alpha=True, invert=True).decoded(png(np.zeros((8, 12, 3), np.uint8)), Options(), None)


def test_an_empty_path_is_no_mask():
    with pytest.raises(UsageError, match=r"^--mask names no file\. Give a mask file, or a folder of them\.$"):
        Marking(mask="")


def test_a_suspicion_says_what_to_do_about_invert():
    hole = np.ones((10, 10), bool)
    hole[0, 0] = False
    assert suspicion(hole) == "covers 99 % of the picture: probably inverted, see --invert"
    assert suspicion(hole, inverted=True) == "covers 99 % of the picture: probably inverted, leave --invert out"

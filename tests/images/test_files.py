from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from i2i.errors import ImageError
from i2i.images import profiles
from i2i.images.encoding import encode
from i2i.images.files import read, read_size, write
from i2i.images.formats import PNG
from i2i.images.limits import Limits
from i2i.images.picture import Picture


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty."),
        (b"hello", "no picture in a known format (JPEG, PNG, "),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no picture in a known format"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path):
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        read(tmp_path / "none.png")
    with pytest.raises(ImageError, match=r"cannot be read: (Is a directory|it is no regular file)"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="it is no regular file"):
        read(tmp_path / "pipe.png")


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, noise: np.ndarray):
    with pytest.raises(ImageError, match=r"with the suffix '\.heic'\. Known: \.apng \.avif \.bmp"):
        write(Picture(noise), tmp_path / "a.heic")


def test_writing_leaves_no_partial_file_and_keeps_links_and_permissions(tmp_path: Path, noise: np.ndarray):
    target, link = tmp_path / "real.png", tmp_path / "link.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(Picture(noise), link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert np.array_equal(read(target).pixels, noise)
    with pytest.raises(ImageError, match="cannot be written: No such file"):
        write(Picture(noise), tmp_path / "none" / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.png", "real.png"]


def test_a_file_larger_than_its_pixels_can_need_is_not_read(tmp_path: Path):
    path = tmp_path / "large.png"
    with open(path, "wb") as stream:
        stream.truncate(Limits(max_pixels=1000).max_bytes + 1)
    with pytest.raises(ImageError, match=r"large\.png: a file of 0\.1 GB is too large\. --max-pixels allows more\."):
        read(path, Limits(max_pixels=1000))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif", ".webp", ".avif", ".jp2", ".ppm", ".tga", ".bmp"])
def test_the_size_is_told_by_the_header(tmp_path: Path, suffix: str):
    write(Picture(np.zeros((9, 7, 3), dtype=np.uint8)), tmp_path / f"a{suffix}")
    assert read_size(tmp_path / f"a{suffix}", Limits()) == (7, 9)


def test_the_same_picture_gives_the_same_bytes_on_every_day(noise: np.ndarray):
    one = encode(Picture(noise), PNG, profile="srgb")
    profiles.srgb.cache_clear()
    time.sleep(1.1)  # Little CMS writes seconds
    assert encode(Picture(noise), PNG, profile="srgb") == one

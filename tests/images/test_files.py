from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from i2i.errors import ImageError
from i2i.images.files import SUFFIXES, encode, read, write
from i2i.images.picture import Picture


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_once(tmp_path: Path, noise: np.ndarray, orientation: int, suffix: str):
    exif = Image.Exif()
    exif[0x112], exif[0x10F] = orientation, "Maker"
    path = tmp_path / f"turned{suffix}"
    Image.fromarray(noise).save(path, exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read(path).pixels, upright)

    write(read(path), tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as image:
        assert np.array_equal(np.asarray(image), upright)
        assert image.getexif().get(0x10F) == "Maker"
        assert 0x112 not in image.getexif()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_gray_keeps_its_tones_and_stays_gray(tmp_path: Path, suffix: str):
    values = np.array([[0, 257, 1000, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep{suffix}")
    pixels = read(tmp_path / f"deep{suffix}").pixels
    assert pixels.shape == (1, 5, 1)
    assert pixels.ravel().tolist() == [0, 1, 4, 128, 255]


def test_one_bit_becomes_black_and_white(tmp_path: Path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bits.png")
    assert read(tmp_path / "bits.png").pixels.ravel().tolist() == [255, 0]


def test_a_palette_becomes_its_colours(tmp_path: Path):
    image = Image.new("P", (2, 1))
    image.putpalette([200, 60, 40, 1, 2, 3])
    image.putdata([0, 1])
    image.save(tmp_path / "palette.png")
    assert read(tmp_path / "palette.png").pixels.tolist() == [[[200, 60, 40], [1, 2, 3]]]


def test_cmyk_becomes_rgb(tmp_path: Path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.tif")
    assert read(tmp_path / "print.tif").pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_set_apart_and_comes_back_exactly(tmp_path: Path, noise: np.ndarray, suffix: str):
    alpha = np.arange(600, dtype=np.int64).reshape(20, 30).astype(np.uint8)
    Image.fromarray(np.dstack([noise, alpha])).save(tmp_path / f"in{suffix}", lossless=True)
    picture = read(tmp_path / f"in{suffix}")
    assert picture.pixels.shape == (20, 30, 3)
    assert np.array_equal(picture.alpha, alpha)
    write(picture, tmp_path / f"out{suffix}")
    assert np.array_equal(read(tmp_path / f"out{suffix}").alpha, alpha)


def test_gray_with_alpha_stays_gray(tmp_path: Path):
    Image.new("LA", (3, 2), (90, 7)).save(tmp_path / "a.png")
    picture = read(tmp_path / "a.png")
    assert picture.is_gray
    write(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert (image.mode, image.getpixel((0, 0))) == ("LA", (90, 7))


def test_profile_and_resolution_are_carried_along(tmp_path: Path, noise: np.ndarray):
    profile = bytearray(200)
    profile[16:20] = b"RGB "
    Image.fromarray(noise).save(tmp_path / "a.jpg", icc_profile=bytes(profile), dpi=(300, 300))
    write(read(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["icc_profile"] == bytes(profile)
        assert image.info["dpi"] == (300, 300)


def test_a_profile_for_other_channels_is_not_carried_along(tmp_path: Path, noise: np.ndarray):
    profile = bytearray(200)
    profile[16:20] = b"CMYK"
    Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=bytes(profile))
    assert read(tmp_path / "a.png").carried.icc is None


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_can_be_written_and_read(tmp_path: Path, suffix: str):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    flat = Picture(np.full((9, 7, 3), (200, 60, 40), dtype=np.uint8))
    write(flat, tmp_path / f"a{suffix}")
    found = read(tmp_path / f"a{suffix}").pixels
    assert found.shape == (9, 7, 3)
    assert np.abs(found.astype(int) - flat.pixels).max() <= 4


@pytest.mark.filterwarnings("default")
def test_a_truncated_jpeg_is_named(tmp_path: Path, noise: np.ndarray, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "half.jpg"
    data = encode(Picture(noise), path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: truncated: the file ends before its picture does."
    assert capfd.readouterr() == ("", "")


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


def test_damage_anywhere_raises_an_image_error_or_nothing(tmp_path: Path, noise: np.ndarray):
    draw = np.random.default_rng(1)
    path = tmp_path / "x"
    for suffix in (".png", ".jpg", ".tif", ".webp", ".gif", ".jp2"):
        data = encode(Picture(noise), Path(f"x{suffix}"))
        for _ in range(20):
            damaged = bytearray(data)
            for place in draw.integers(0, len(data), 5):
                damaged[place] = draw.integers(0, 256)
            path.write_bytes(damaged)
            try:
                read(path)
            except ImageError as error:
                assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_transparency_that_the_format_cannot_hold_is_not_thrown_away(tmp_path: Path, noise: np.ndarray):
    picture = Picture(noise, np.full((20, 30), 9, dtype=np.uint8))
    with pytest.raises(ImageError, match=r"JPEG cannot hold its transparency\. Write it as PNG or WebP\."):
        write(picture, tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()
    write(Picture(noise, np.full((20, 30), 255, dtype=np.uint8)), tmp_path / "a.jpg")


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, noise: np.ndarray):
    with pytest.raises(ImageError, match=r"no picture format has the suffix '\.heic'\. Known: \.avif \.bmp"):
        write(Picture(noise), tmp_path / "a.heic")


def test_more_pixels_than_the_format_allows_is_one_line(tmp_path: Path):
    wide = Picture(np.zeros((1, 20_000, 3), dtype=np.uint8))
    with pytest.raises(ImageError, match="cannot be written as WEBP: "):
        write(wide, tmp_path / "a.webp")


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


def test_jpeg_colours_are_not_halved(tmp_path: Path, noise: np.ndarray):
    write(Picture(noise), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


def test_broken_exif_does_not_cost_the_picture(tmp_path: Path, noise: np.ndarray):
    Image.fromarray(noise).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12" + b"\xff" * 40)
    picture = read(tmp_path / "a.jpg")
    assert (picture.width, picture.height) == (30, 20)
    write(picture, tmp_path / "b.jpg")

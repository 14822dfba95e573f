from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError
from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.files import read, write
from i2i.images.formats import BMP, JPEG, PNG, PPM, CannotHoldError, Format
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.images.transparency import filled

LIMITS = Limits()


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jp2", ".tga"])
def test_alpha_is_set_apart_and_comes_back_exactly(tmp_path: Path, noise: np.ndarray, suffix: str):
    alpha = np.arange(600, dtype=np.int64).reshape(20, 30).astype(np.uint8)
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    Image.fromarray(np.dstack([noise, alpha])).save(tmp_path / f"in{suffix}", **options)
    picture = read(tmp_path / f"in{suffix}")
    assert np.array_equal(picture.pixels, noise)
    assert np.array_equal(picture.alpha, alpha)
    write(picture, tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    assert np.array_equal(again.alpha, alpha)
    assert np.array_equal(again.pixels, noise)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2", ".tga"])
def test_gray_with_alpha_stays_gray(tmp_path: Path, suffix: str):
    Image.new("LA", (3, 2), (90, 7)).save(tmp_path / f"a{suffix}")
    picture = read(tmp_path / f"a{suffix}")
    assert picture.is_gray
    write(picture, tmp_path / f"b{suffix}")
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert (image.mode, image.getpixel((0, 0))) == ("LA", (90, 7))


def test_a_palette_becomes_its_colours():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 60, 40, 1, 2, 3])
    image.putdata([0, 1])
    assert decode(saved(image, "PNG"), LIMITS).pixels.tolist() == [[[200, 60, 40], [1, 2, 3]]]


def test_a_palette_may_be_half_transparent():
    image = Image.new("P", (3, 1))
    image.putpalette([200, 60, 40, 1, 2, 3, 4, 5, 6])
    image.putdata([0, 1, 2])
    picture = decode(saved(image, "PNG", transparency=b"\x00\x80"), LIMITS)
    assert picture.alpha.tolist() == [[0, 128, 255]]
    assert picture.pixels.tolist() == [[[200, 60, 40], [1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize(("mode", "colour", "key"), [("1", 1, 1), ("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3))])
def test_one_transparent_colour_becomes_alpha_and_nothing_else_does(mode: str, colour: object, key: object):
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), colour)
    picture = decode(saved(image, "PNG", transparency=key), LIMITS)
    assert picture.alpha.tolist() == [[255, 0]]
    assert picture.is_gray == (mode in ("1", "L"))
    again = decode(encode(picture.with_pixels(255 - picture.pixels), PNG), LIMITS)
    assert again.alpha.tolist() == [[255, 0]]


def test_a_bmp_with_alpha_is_read_whole_and_needs_another_format():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8)
    masks = struct.pack("<4I", 0xFF << 16, 0xFF << 8, 0xFF, 0xFF << 24)
    head = struct.pack("<IiiHHIIiiII", 56, 5, 3, 1, 32, 3, 60, 0, 0, 0, 0) + masks
    body = pixels[::-1, :, [2, 1, 0, 3]].tobytes()
    picture = decode(b"BM" + struct.pack("<IHHI", 14 + len(head) + 60, 0, 0, 14 + len(head)) + head + body, LIMITS)
    assert np.array_equal(picture.channels(), pixels)
    with pytest.raises(CannotHoldError):
        encode(picture, BMP)


@pytest.mark.parametrize("format", [JPEG, BMP, PPM], ids=lambda format: format.name)
def test_transparency_that_the_format_cannot_hold_is_not_thrown_away(noise: np.ndarray, format: Format):
    picture = Picture(noise, np.full((20, 30), 9, dtype=np.uint8))
    reason = rf"{format.name} cannot hold its transparency\. Write it as PNG, WEBP or TIFF\."
    with pytest.raises(CannotHoldError, match=reason):
        encode(picture, format)
    opaque = Picture(noise, np.full((20, 30), 255, dtype=np.uint8))
    assert decode(encode(opaque, format), LIMITS).alpha is None


def test_writing_what_the_format_cannot_hold_leaves_no_file(tmp_path: Path, noise: np.ndarray):
    with pytest.raises(ImageError, match=r"a\.jpg: JPEG cannot hold its transparency"):
        write(Picture(noise, np.full((20, 30), 9, dtype=np.uint8)), tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_hidden_pixels_take_the_colours_around_them(kind: str):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    pixels = np.zeros((40, 50, 3), dtype=kind)
    pixels[10:20, 10:30] = np.array([white, 0, white], dtype=kind)
    alpha = (pixels[:, :, 0] > 0).astype(kind) * kind_of(kind)(white)
    shown = filled(Picture(pixels, alpha))
    assert shown.dtype == kind
    assert np.abs(shown - np.array([white, 0, white], dtype=float)).max() <= white / 255
    assert np.array_equal(shown[10:20, 10:30], pixels[10:20, 10:30])


def kind_of(name: str) -> type:
    return np.dtype(name).type


def test_visible_pixels_stay_and_the_rest_is_between_their_colours(noise: np.ndarray):
    alpha = np.random.default_rng(1).integers(0, 2, (20, 30), dtype=np.uint8) * 3
    shown = filled(Picture(noise // 2 + 60, alpha))
    assert np.array_equal(shown[alpha > 0], (noise // 2 + 60)[alpha > 0])
    assert shown.min() >= 60
    assert shown.max() <= 187


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_pictures_of_any_size_are_filled(size: tuple[int, int]):
    pixels = np.full((*size, 1), 9, dtype=np.uint8)
    alpha = np.zeros(size, dtype=np.uint8)
    assert np.array_equal(filled(Picture(pixels, alpha)), pixels)
    alpha[0, 0], pixels[0, 0] = 1, 200
    assert (filled(Picture(pixels, alpha)) == 200).all()


def test_a_picture_that_hides_nothing_is_shown_as_it_is(noise: np.ndarray):
    assert filled(Picture(noise)) is noise
    assert filled(Picture(noise, np.full((20, 30), 1, dtype=np.uint8))) is noise

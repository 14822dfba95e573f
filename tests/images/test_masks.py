from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from i2i.errors import ImageError
from i2i.images.limits import Limits
from i2i.images.masks import brightest, decode_mask, encode_mask, read_mask

HOLE = np.zeros((20, 30), dtype=np.bool_)
HOLE[3:9, 4:21] = True
WHITE = HOLE.astype(np.uint8) * 255
ORIENTATION = 0x0112


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def assert_hole(data: bytes, expected: NDArray[np.bool_] = HOLE) -> None:
    mask = decode_mask(data)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_white_is_the_hole_in_every_mode(mode: str) -> None:
    image = Image.fromarray(WHITE.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(WHITE).convert(mode)
    assert_hole(saved(image, "TIFF" if mode == "CMYK" else "PNG"))


@pytest.mark.parametrize("format", ["BMP", "GIF", "JPEG", "PPM", "TGA", "TIFF", "WEBP"])
def test_white_is_the_hole_in_every_format(format: str) -> None:
    assert_hole(saved(Image.fromarray(WHITE), format))


def test_a_palette_counts_by_its_colours_not_by_its_numbers() -> None:
    image = Image.fromarray(HOLE.astype(np.uint8))  # 1 in the hole
    image.putpalette([0, 0, 0, 255, 255, 255])
    assert_hole(saved(image))
    image.putpalette([255, 255, 255, 0, 0, 0])
    assert_hole(saved(image), ~HOLE)


def test_the_border_lies_between_127_and_128_of_255() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None, :]
    assert_hole(saved(Image.fromarray(ramp)), ramp > 127)
    assert_hole(saved(Image.fromarray(np.dstack([ramp] * 3))), ramp > 127)


def test_more_bits_count_as_if_rounded_to_8() -> None:
    ramp = np.array([[0, 32767, 32768, 65535]], dtype=np.uint16)
    assert_hole(bytes(imagecodecs.png_encode(ramp)), np.array([[False, False, True, True]]))
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.array([[0, 0.499, 0.501, 1]], dtype=np.float32), photometric="minisblack")
    assert_hole(stream.getvalue(), np.array([[False, False, True, True]]))


@pytest.mark.parametrize(("red", "green", "blue", "hole"), [(255, 0, 0, False), (0, 255, 0, True), (255, 255, 0, True)])
def test_colours_count_by_their_luma(red: int, green: int, blue: int, hole: bool) -> None:
    assert_hole(saved(Image.new("RGB", (2, 2), (red, green, blue))), np.full((2, 2), hole))


def test_what_is_transparent_is_not_painted() -> None:
    white = np.full((20, 30), 255, np.uint8)
    assert_hole(saved(Image.fromarray(np.dstack([white, WHITE]))))  # gray and alpha
    assert_hole(saved(Image.fromarray(np.dstack([white, white, white, WHITE]))))
    deep = np.dstack([white.astype(np.uint16) * 257, WHITE.astype(np.uint16) * 257])
    assert_hole(bytes(imagecodecs.png_encode(deep)))


def test_half_transparent_white_counts_as_its_gray_on_black() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None, :]
    assert_hole(saved(Image.fromarray(np.dstack([np.full_like(ramp, 255), ramp]))), ramp > 127)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_masks_are_upright(format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the first row is the right side
    assert_hole(saved(Image.fromarray(WHITE), format, exif=exif), np.rot90(HOLE, -1))


def test_a_file_gives_the_same_as_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(saved(Image.fromarray(WHITE)))
    np.testing.assert_array_equal(read_mask(path), HOLE)


def test_an_empty_mask_is_read_like_any_other() -> None:
    assert not decode_mask(saved(Image.new("L", (3, 2)))).any()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    with pytest.raises(ImageError) as caught:
        read_mask(path)
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory."
    path.write_bytes(saved(Image.fromarray(WHITE))[:60])
    with pytest.raises(ImageError) as caught:
        read_mask(path)
    assert str(caught.value).startswith(f"{path}: truncated")


def test_limits_hold_for_masks_too() -> None:
    with pytest.raises(ImageError, match=r"30x20, 0 Mpx: over the limit of 0 Mpx\. --max-pixels allows more\."):
        decode_mask(saved(Image.fromarray(WHITE)), Limits(max_pixels=599))


def test_a_mask_that_is_cut_off_is_refused_whatever_is_allowed() -> None:
    told = r"^truncated: the file ends before its picture does\. A mask has to be whole: save it again\.$"
    noise = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    for format in ("PNG", "JPEG", "TIFF"):
        data = saved(Image.fromarray(noise), format)
        for limits in (Limits(), Limits(allow_truncated=True)):
            with pytest.raises(ImageError, match=told):
                decode_mask(data[: len(data) * 2 // 3], limits)


def test_the_brightest_of_a_mask_is_told_in_levels_of_255() -> None:
    assert brightest(saved(Image.fromarray(HOLE.astype(np.uint8)))) == 1
    assert brightest(saved(Image.new("L", (3, 2)))) == 0
    assert brightest(bytes(imagecodecs.png_encode(np.array([[0, 300]], dtype=np.uint16)))) == 1
    half_transparent = np.dstack([np.full((2, 2), 200, np.uint8), np.full((2, 2), 51, np.uint8)])
    assert brightest(saved(Image.fromarray(half_transparent))) == 40


def test_a_mask_is_written_with_one_bit_a_pixel() -> None:
    data = encode_mask(HOLE)
    assert_hole(data)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "1")

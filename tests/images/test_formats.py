from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import ImageError
from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.files import read, write
from i2i.images.formats import (
    AVIF,
    BY_NAME,
    FORMAT_OF_SUFFIX,
    GIF,
    J2K,
    JPEG,
    JPEG2000,
    PNG,
    WEBP,
    CannotHoldError,
    Format,
)
from i2i.images.limits import Limits
from i2i.images.picture import Picture

LIMITS = Limits()


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def layout(data: bytes) -> tuple[dict[int, list[int]], list[tuple[int, int]]]:
    """The tables of a JPEG file and how much each of its colours is halved."""
    with Image.open(io.BytesIO(data)) as image:
        return {key: list(table) for key, table in image.quantization.items()}, [layer[1:3] for layer in image.layer]


@pytest.mark.parametrize("suffix", sorted(FORMAT_OF_SUFFIX))
def test_every_suffix_can_be_written_and_read(tmp_path: Path, suffix: str):
    flat = Picture(np.full((9, 7, 3), (200, 60, 40), dtype=np.uint8))
    write(flat, tmp_path / f"a{suffix}")
    found = read(tmp_path / f"a{suffix}").pixels
    assert found.shape == (9, 7, 3)
    assert np.abs(found.astype(int) - flat.pixels).max() <= 4


@pytest.mark.parametrize("suffix", sorted(set(FORMAT_OF_SUFFIX) - {".webp", ".avif"}))
def test_gray_stays_gray(tmp_path: Path, suffix: str):
    ramp = np.repeat(np.arange(100, 108, dtype=np.uint8), 8).reshape(8, 8)
    write(Picture(ramp[:, :, None]), tmp_path / f"a{suffix}")
    found = read(tmp_path / f"a{suffix}")
    assert found.is_gray
    assert np.abs(found.pixels[:, :, 0].astype(int) - ramp).max() <= 2


def test_jpeg_colours_are_not_halved_unless_the_source_halved_them(noise: np.ndarray):
    assert layout(encode(Picture(noise), JPEG))[1] == [(1, 1)] * 3


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75, 93])
def test_a_jpeg_keeps_its_tables_and_its_sampling(noise: np.ndarray, quality: int, sampling: int):
    data = jpeg(noise, quality=quality, subsampling=sampling)
    assert layout(encode(decode(data, LIMITS), JPEG)) == layout(data)


def test_a_gray_jpeg_keeps_its_tables(noise: np.ndarray):
    data = jpeg(noise[:, :, 0], quality=60)
    assert layout(encode(decode(data, LIMITS), JPEG)) == layout(data)


def test_each_colour_of_a_jpeg_keeps_the_table_that_its_file_names(noise: np.ndarray):
    swapped = bytearray(jpeg(noise, quality=60, subsampling=0))
    frame = swapped.index(b"\xff\xc0")
    for place, table in ((12, 1), (15, 0), (18, 0)):  # brightness by the second table, colours by the first
        swapped[frame + place] = table
    tables = layout(bytes(swapped))[0]
    again = layout(encode(decode(bytes(swapped), LIMITS), JPEG))[0]
    assert (again[0], again[1]) == (tables[1], tables[0])


def test_a_quality_that_was_asked_for_overrides_the_tables(noise: np.ndarray):
    picture = decode(jpeg(noise, quality=30, subsampling=2), LIMITS)
    assert layout(encode(picture, JPEG, quality=90)) == layout(jpeg(noise, quality=90, subsampling=0))
    assert len(encode(picture, WEBP, quality=20)) < len(encode(picture, WEBP))
    assert len(encode(picture, AVIF, quality=20)) < len(encode(picture, AVIF))


def test_a_jpeg_saved_again_with_its_tables_is_nearly_the_same():
    y, x = np.mgrid[0:64, 0:64]
    pixels = np.stack([3 * x, 2 * y + x, 255 - 3 * x], axis=-1).astype(np.uint8)
    picture = decode(jpeg(pixels, quality=75), LIMITS)
    again = decode(encode(picture, JPEG), LIMITS)
    assert np.abs(again.pixels.astype(int) - picture.pixels).max() <= 4


@pytest.mark.parametrize("large_profile", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_webp_stays_what_it_was(noise: np.ndarray, lossless: bool, large_profile: bool):
    stream = io.BytesIO()
    options = {"xmp": b"x" * 20_000, "icc_profile": bytes(20_001)} if large_profile else {}
    Image.fromarray(noise).save(stream, "WEBP", lossless=lossless, quality=80, **options)
    picture = decode(stream.getvalue(), LIMITS)
    again = encode(picture, WEBP)
    assert np.array_equal(decode(again, LIMITS).pixels, picture.pixels) == lossless
    assert decode(again, LIMITS).carried.lossless == lossless


def test_what_came_without_loss_goes_into_webp_without_loss(noise: np.ndarray):
    picture = decode(encode(Picture(noise), PNG), LIMITS)
    assert np.array_equal(decode(encode(picture, WEBP), LIMITS).pixels, noise)
    assert not np.array_equal(decode(encode(picture, WEBP, quality=90), LIMITS).pixels, noise)


def test_a_gif_holds_up_to_256_colours_exactly():
    codes = np.arange(256)
    colours = np.stack([codes, 255 - codes, codes // 2], axis=-1).astype(np.uint8).reshape(16, 16, 3)
    assert np.array_equal(decode(encode(Picture(colours), GIF), LIMITS).pixels, colours)
    hole = np.full((16, 16), 255, dtype=np.uint8)
    hole[0, 0] = 0
    again = decode(encode(Picture(colours, hole), GIF), LIMITS)
    assert np.array_equal(again.alpha, hole)
    assert np.array_equal(again.pixels[hole > 0], colours[hole > 0])


def test_a_gif_is_refused_where_it_would_lose_something(noise: np.ndarray):
    def refuses(picture: Picture, reason: str) -> None:
        with pytest.raises(CannotHoldError, match=rf"GIF cannot hold {reason}\. Write it as PNG, WEBP or TIFF\."):
            encode(picture, GIF)

    refuses(Picture(noise), "more than 256 colours")
    refuses(Picture(noise // 64, np.full((20, 30), 128, dtype=np.uint8)), "its half transparency")
    codes = np.arange(272)
    colours = np.stack([codes % 256, codes // 256, codes % 7], axis=-1).astype(np.uint8).reshape(16, 17, 3)
    one_hole = np.full((16, 17), 255, dtype=np.uint8)
    one_hole.ravel()[:16] = 0  # leaves 256 colours, and the transparent one is the 257th
    refuses(Picture(colours, one_hole), "more than 256 colours")
    one_hole.ravel()[:17] = 0
    assert decode(encode(Picture(colours, one_hole), GIF), LIMITS).width == 17


def test_a_wholly_transparent_gif():
    nothing = Picture(np.zeros((3, 4, 3), dtype=np.uint8), np.zeros((3, 4), dtype=np.uint8))
    assert decode(encode(nothing, GIF), LIMITS).alpha.max() == 0


@pytest.mark.parametrize("format", [f for f in BY_NAME.values() if f.largest < 1e6], ids=lambda format: format.name)
def test_more_pixels_than_the_format_holds_is_told_before_it_is_tried(format: Format):
    pixels = np.zeros((1, format.largest + 1, 3), dtype=np.uint8)
    with pytest.raises(
        CannotHoldError, match=rf"{format.name} cannot hold {format.largest + 1}x1 pixels\. Write it as"
    ):
        encode(Picture(pixels), format)
    assert decode(encode(Picture(pixels[:, 1:]), format), LIMITS).width == format.largest


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 5000), (300, 2), (70_000, 1)])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_png_holds_the_narrowest_pictures(size: tuple[int, int], kind: str):
    white = np.iinfo(kind).max
    pixels = np.random.default_rng(0).integers(0, white + 1, (*size, 3)).astype(kind)
    for picture in (Picture(pixels[:, :, :1].copy()), Picture(pixels), Picture(pixels, pixels[:, :, 0].copy())):
        again = decode(encode(picture, PNG), LIMITS)
        assert np.array_equal(again.channels(), picture.channels())


@pytest.mark.parametrize("jp2", [True, False])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_jpeg_2000_is_without_loss_as_file_and_as_bare_stream(noise: np.ndarray, kind: str, jp2: bool):
    picture = Picture(noise.astype(kind))
    data = encode(picture, JPEG2000 if jp2 else J2K)
    assert data.startswith(b"\0\0\0\x0cjP  " if jp2 else b"\xff\x4f\xff\x51")
    assert np.array_equal(decode(data, LIMITS).pixels, picture.pixels)


@pytest.mark.parametrize(
    "start",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\4\0\0\0\4\0\x08\0\3" + bytes(64),
        bytes((128, 0, 0, 0, 0x11, 0xAF, 1, 0, 4, 0, 4, 0, 8, 0, 3, 0)) + bytes(128),
        b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0" + bytes(64),
        b"%PDF-1.4\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["EPS", "PSD", "FLI", "ICO", "PDF", "SVG"],
)
def test_only_known_formats_are_opened_whatever_the_name_says(tmp_path: Path, start: bytes):
    (tmp_path / "x.jpg").write_bytes(start)
    with pytest.raises(ImageError, match=r"x\.jpg: no picture in a known format \(JPEG, PNG, "):
        read(tmp_path / "x.jpg")


def test_the_content_and_not_the_name_says_what_a_file_is(tmp_path: Path, noise: np.ndarray):
    (tmp_path / "x.jpg").write_bytes(encode(Picture(noise), PNG))
    assert np.array_equal(read(tmp_path / "x.jpg").pixels, noise)
    assert read(tmp_path / "x.jpg").carried.format == "PNG"


@pytest.mark.parametrize("value", [0, 90, 255])
def test_progressive_jpegs_are_read(value: int):
    flat = np.full((16, 16, 3), value, dtype=np.uint8)
    assert np.abs(decode(jpeg(flat, progressive=True), LIMITS).pixels.astype(int) - value).max() <= 1

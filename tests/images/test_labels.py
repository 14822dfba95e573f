from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from i2i.errors import ImageError
from i2i.images.labels import decode_labels, read_labels
from i2i.images.limits import Limits

LIMITS = Limits()
CLASSES: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 12, (20, 30), dtype=np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
ORIENTATION = 0x0112


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def palette(colours: NDArray[np.uint8] = COLOURS, classes: NDArray[np.uint8] = CLASSES) -> Image.Image:
    image = Image.fromarray(classes)
    image.putpalette(colours.tobytes())
    return image


def tiff(values: NDArray[np.generic], **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **({"photometric": "minisblack"} | options))
    return stream.getvalue()


def gray_png(bits: int, classes: NDArray[np.uint8]) -> bytes:
    """A gray PNG of so many bits a sample, put together by hand."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = classes.shape
    planes = classes[:, :, None] >> np.arange(bits - 1, -1, -1) & 1  # (H, W, bits), the highest first
    rows = np.packbits(planes.reshape(height, -1).astype(np.uint8), axis=1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def assert_classes(data: bytes, expected: NDArray[np.generic] = CLASSES) -> None:
    labels = decode_labels(data, LIMITS)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected[:, :, None])


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "TIFF", "TGA"])
def test_a_palette_gives_the_index_of_each_pixel(format: str) -> None:
    assert_classes(saved(palette(), format, **({"optimize": False} if format == "GIF" else {})))


def test_a_palette_of_grays_or_of_equal_colours_gives_the_index_too() -> None:
    grays = np.repeat(np.arange(255, -1, -1, dtype=np.uint8)[:, None], 3, axis=1)
    assert_classes(saved(palette(grays)))
    assert_classes(saved(palette(np.zeros((256, 3), np.uint8))))


@pytest.mark.parametrize("transparency", [3, bytes([0, 128, 255, 7])])
def test_a_transparent_palette_gives_the_index_too(transparency: int | bytes) -> None:
    assert_classes(saved(palette(), transparency=transparency))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "TGA", "PPM", "JPEG2000"])
def test_gray_gives_its_value(format: str) -> None:
    assert_classes(saved(Image.fromarray(CLASSES), format))


def test_gray_with_alpha_gives_its_value() -> None:
    layers = np.dstack([CLASSES, np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)])
    assert_classes(saved(Image.fromarray(layers)))
    assert_classes(bytes(imagecodecs.png_encode(layers.astype(np.uint16))))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_of_few_bits_is_not_stretched_to_white(bits: int) -> None:
    classes = CLASSES & 2 ** min(bits, 4) - 1
    assert_classes(gray_png(bits, classes), classes)


@pytest.mark.parametrize("white", [11, 100, 255, 300, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_a_pgm_file_is_not_stretched_to_its_own_white(white: int, plain: bool) -> None:
    head = f"{'P2' if plain else 'P5'} 30 20 {white}\n".encode()
    numbers = " ".join(map(str, CLASSES.ravel())).encode()
    assert_classes(head + (numbers if plain else CLASSES.astype(">u2" if white > 255 else "u1").tobytes()))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_one_bit_is_class_0_and_1(format: str) -> None:
    assert_classes(saved(Image.fromarray(CLASSES > 5), format), CLASSES > 5)


def test_16_bit_gray_gives_its_value() -> None:
    deep = CLASSES.astype(np.uint16) * 23
    assert_classes(bytes(imagecodecs.png_encode(deep)), deep)
    assert_classes(tiff(deep), deep)
    assert_classes(bytes(imagecodecs.jpeg2k_encode(deep, level=0, reversible=True, bitspersample=12)), deep)


@pytest.mark.parametrize("bits", [2, 4, 12])
def test_a_tiff_of_odd_bits_is_not_stretched_to_white(bits: int) -> None:
    classes = CLASSES & 2 ** min(bits, 4) - 1
    deep = classes.astype(np.uint16) if bits > 8 else classes
    assert_classes(tiff(deep, bitspersample=bits), classes)


def test_a_profile_changes_no_class() -> None:
    stream = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_classes(saved(palette(), icc_profile=stream))
    assert_classes(saved(Image.fromarray(CLASSES), "TIFF", icc_profile=stream))


@pytest.mark.parametrize("image", [palette(), Image.fromarray(CLASSES)], ids=["palette", "gray"])
def test_label_maps_are_upright(image: Image.Image) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the first row is the right side
    assert_classes(saved(image, exif=exif.tobytes()), np.rot90(CLASSES, -1))


def test_a_deep_tiff_is_upright() -> None:
    data = tiff(CLASSES.astype(np.uint16), extratags=[(ORIENTATION, 3, 1, 8, True)])
    assert_classes(data, np.rot90(CLASSES))


def test_the_first_of_several_frames_is_read() -> None:
    assert_classes(saved(palette(), "TIFF", save_all=True, append_images=[palette(classes=CLASSES[::-1].copy())]))


@pytest.mark.parametrize("bits", [2, 4, 8, 12, 16])
def test_a_tiff_whose_white_is_zero_gives_the_values_that_it_stores(bits: int) -> None:
    classes = CLASSES & 2 ** min(bits, 4) - 1
    deep = classes.astype(np.uint16) if bits > 8 else classes
    assert_classes(tiff(deep, photometric="miniswhite", bitspersample=bits), classes)


def test_one_bit_whose_white_is_zero_is_class_0_and_1_as_stored() -> None:
    assert_classes(tiff(CLASSES > 5, photometric="miniswhite"), CLASSES > 5)


GRAY = Image.fromarray(CLASSES)


@pytest.mark.parametrize(
    ("data", "loss"),
    [
        (saved(GRAY, "JPEG", quality=100), "JPEG"),
        (saved(GRAY, "TIFF", compression="jpeg"), "JPEG"),
        (saved(GRAY, "JPEG2000", irreversible=True), "JPEG 2000"),
        (saved(GRAY, "JPEG2000", irreversible=True, no_jp2=True), "JPEG 2000"),
        (bytes(imagecodecs.avif_encode(CLASSES.astype(np.uint16), bitspersample=10)), "AVIF"),
    ],
    ids=["JPEG", "JPEG in TIFF", "JPEG 2000", "its code stream", "AVIF of 10 bit"],
)
def test_compression_with_loss_is_refused_by_name(tmp_path: Path, data: bytes, loss: str) -> None:
    path = tmp_path / "map"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: was compressed with loss ({loss}), which changes class numbers. "
        "Save label maps as palette or gray PNG: at each pixel the number of its class."
    )


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_colour_picture_is_refused_by_name(tmp_path: Path, format: str) -> None:
    path = tmp_path / "street.png"
    path.write_bytes(saved(Image.fromarray(COLOURS[CLASSES]), format))
    with pytest.raises(ImageError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: is a colour picture, no label map."
        " Save label maps as palette or gray PNG: at each pixel the number of its class."
    )


def test_deep_colour_and_fractions_are_refused() -> None:
    with pytest.raises(ImageError, match="is a colour picture, no label map"):
        decode_labels(bytes(imagecodecs.png_encode(COLOURS[CLASSES].astype(np.uint16))), LIMITS)
    for kind in ("float32", "int32"):
        with pytest.raises(ImageError, match="has samples of 32 bit or more, no class numbers"):
            decode_labels(tiff(CLASSES.astype(kind)), LIMITS)


def test_a_number_above_255_is_named() -> None:
    deep = CLASSES.astype(np.uint16)
    deep[3, 4] = 256
    for data in (bytes(imagecodecs.png_encode(deep)), tiff(deep)):
        with pytest.raises(
            ImageError, match=r"holds the value 256: class numbers go from 0 to 255\. Save label maps as"
        ):
            decode_labels(data, LIMITS)


@pytest.mark.parametrize("data", [saved(palette()), tiff(CLASSES.astype(np.uint16))], ids=["PNG", "TIFF"])
def test_damage_is_told_as_of_any_picture(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "half.png"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}: truncated: the file ends before its picture does.")
    with pytest.raises(ImageError, match=r"30x20, 0 Mpx: over the limit of 0 Mpx\. --max-pixels allows more\."):
        decode_labels(data, Limits(max_pixels=599))


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no picture in a known format"):
        decode_labels(b"<svg>" * 20, LIMITS)
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        read_labels(tmp_path / "missing.png")

"""Files that are cut, damaged or made to do harm: named in one line, within little time and memory."""

from __future__ import annotations

import struct
import threading
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from i2i.errors import ImageError
from i2i.images.decoding import decode, header
from i2i.images.encoding import encode
from i2i.images.files import read
from i2i.images.formats import BY_NAME, GIF, J2K, JPEG, JPEG2000, PNG, TIFF, Format
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.images.quiet import quiet_pillow

LIMITS = Limits()
FORMATS = list(BY_NAME.values())
DEEP = [format for format in FORMATS if "uint16" in format.depths]


def sample(format: Format, kind: str = "uint8") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return encode(Picture(pixels // 64 * 64 if format is GIF else pixels).stored_as(kind), format)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(
    ("format", "kind"),
    [*((format, "uint8") for format in FORMATS), *((format, "uint16") for format in DEEP)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_truncated_file_is_named(tmp_path: Path, format: Format, kind: str, part: float):
    path, data = tmp_path / "half.jpg", sample(format, kind)
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ImageError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: truncated: the file ends before its picture does")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "GIF", "PPM", "TGA"])
def test_what_is_there_of_a_truncated_file_is_taken_on_request(name: str):
    data = sample(BY_NAME[name])
    cut = data[: int(len(data) * 0.8)]
    with pytest.raises(ImageError, match=r"picture does\. --allow-truncated takes what is there\."):
        decode(cut, LIMITS)
    picture, whole = decode(cut, Limits(allow_truncated=True)), decode(data, LIMITS)
    assert np.array_equal(picture.pixels[-5:], whole.pixels[-5:]) == (name in ("BMP", "TGA"))  # bottom row first
    rows = slice(30, 40) if name in ("BMP", "TGA") else slice(0, 10)
    assert np.array_equal(picture.pixels[rows], whole.pixels[rows])


@pytest.mark.parametrize("name", ["WEBP", "AVIF", "TIFF"])
def test_a_truncated_file_of_which_nothing_can_be_taken_stays_refused(name: str):
    data = sample(BY_NAME[name])
    with pytest.raises(ImageError, match=r"truncated: the file ends before its picture does\."):
        decode(data[: len(data) // 2], Limits(allow_truncated=True))


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_a_file_cut_anywhere_is_never_half_a_picture(format: Format):
    data = sample(format)
    whole = decode(data, LIMITS)
    for length in range(0, len(data), max(1, len(data) // 60)):
        try:
            picture = decode(data[:length], LIMITS)
        except ImageError:
            continue
        assert np.array_equal(picture.pixels, whole.pixels)


@pytest.mark.parametrize("format", [J2K, JPEG2000])
def test_a_few_bytes_after_a_jpeg_2000_do_no_harm(format: Format):
    data = encode(decode(sample(PNG), LIMITS), format)
    for more in (b"\n", bytes(8)):
        assert decode(data + more, LIMITS).width == 50


def test_what_a_library_says_is_made_one_printable_line():
    data = bytearray(sample(TIFF, "uint16"))
    place = data.index(struct.pack("<HHI", 262, 3, 1))
    data[place + 2] = 2  # the kind of picture in letters
    with pytest.raises(ImageError, match=r"16-bit TIFF of photometric \\x02 is not read\.") as caught:
        decode(bytes(data), LIMITS)
    assert str(caught.value).isprintable()


def bomb(format: Format) -> bytes:
    """A small file whose header names 60,000 x 60,000 pixels."""
    side = 60_000
    data = bytearray(encode(Picture(np.zeros((9, 7, 1), dtype=np.uint8)), format))
    match format.name:
        case "PNG":
            head = b"IHDR" + struct.pack(">II", side, side) + bytes(data[24:29])
            return bytes(data[:12]) + head + struct.pack(">I", zlib.crc32(head)) + bytes(data[33:])
        case "JPEG":
            place = data.index(b"\xff\xc0") + 5
            data[place : place + 4] = struct.pack(">HH", side, side)
        case "GIF":
            data[6:10] = struct.pack("<HH", side, side)
        case "BMP":
            data[18:26] = struct.pack("<ii", side, side)
        case "TGA":
            data[12:16] = struct.pack("<HH", side, side)
        case "PPM":
            return b"P5 60000 60000 255\n" + bytes(9)
        case "TIFF":
            for tag in (256, 257):
                place = next(
                    i for i in range(len(data)) if data[i : i + 2] == struct.pack("<H", tag) and data[i + 3] == 0
                )
                data[place : place + 12] = struct.pack("<HHII", tag, 4, 1, side)
        case "JPEG2000":
            place = data.index(b"\xff\x4f\xff\x51") + 8
            data[place : place + 8] = struct.pack(">II", side, side)
            place = data.index(b"ihdr") + 4
            data[place : place + 8] = struct.pack(">II", side, side)
    return bytes(data)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "BMP", "TGA", "PPM", "TIFF", "JPEG2000"])
def test_a_bomb_is_refused_by_its_header(name: str):
    start = time.monotonic()
    for function in (decode, header):
        with pytest.raises(ImageError, match=r"3600 Mpx: over the limit of 178 Mpx\. --max-pixels allows more\."):
            function(bomb(BY_NAME[name]), LIMITS)
    assert time.monotonic() - start < 1


def test_a_frame_larger_than_its_screen_is_refused_too():
    start = time.monotonic()
    control = b"!\xf9\x04\x08\0\0\0\0"  # to be cleared: Pillow makes a surface of its size while it opens the file
    data = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + control + b","
    data += struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x01\x44\0;"
    with pytest.raises(ImageError, match=r"3600 Mpx: over the limit of 178 Mpx\. --max-pixels allows more\."):
        decode(data, LIMITS)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_the_limit_is_exact(format: Format):
    data = sample(format)
    assert decode(data, Limits(max_pixels=2000)).width == 50
    with pytest.raises(ImageError, match=r"50x40, 0 Mpx: over the limit of 0 Mpx"):
        decode(data, Limits(max_pixels=1999))


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("name", [b"iTXt", b"zTXt", b"iCCP"])
def test_compressed_text_in_a_png_is_no_way_to_fill_the_memory(name: bytes, kind: str):
    packed = zlib.compress(bytes(50_000_000), 9)
    head = {b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0", b"zTXt": b"k\0\0", b"iCCP": b"k\0\0"}[name]
    data = sample(PNG, kind)
    with pytest.raises(ImageError, match=r"its compressed text or profile is larger than any real one\."):
        decode(data[:33] + chunk(name, head + packed) + data[33:], LIMITS)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_damage_anywhere_raises_an_image_error_or_nothing(format: Format):
    draw, data = np.random.default_rng(1), sample(format)
    for _ in range(20):
        damaged = bytearray(data)
        for place in draw.integers(0, len(data), 5):
            damaged[place] = draw.integers(0, 256)
        try:
            picture = decode(bytes(damaged), LIMITS)
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert picture.pixels.size > 0


def settings() -> tuple[object, ...]:
    return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)


@pytest.mark.parametrize("allow_truncated", [False, True])
def test_the_settings_of_the_process_stay_as_they_were(allow_truncated: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    before = settings()
    limits = Limits(allow_truncated=allow_truncated)
    data = sample(JPEG)
    broken = data[: len(data) // 2]

    def work() -> None:
        for _ in range(20):
            decode(data, limits)
            encode(Picture(np.zeros((4, 4, 3), dtype=np.uint8)), TIFF)
            if not allow_truncated:
                with pytest.raises(ImageError):
                    decode(broken, limits)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert settings() == before


def test_a_thread_that_takes_truncated_files_does_not_make_others_take_them():
    data = sample(JPEG)
    cut, wrong = data[: len(data) // 2], []

    def strict() -> None:
        for _ in range(30):
            try:
                decode(cut, LIMITS)
                wrong.append("strict took a cut file")
            except ImageError:
                pass

    def lax() -> None:
        for _ in range(30):
            try:
                decode(cut, Limits(allow_truncated=True))
            except ImageError:
                wrong.append("lax refused a cut file")

    threads = [threading.Thread(target=function) for function in (strict, lax, strict, lax)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong


def test_the_largest_limit_of_all_threads_holds_for_pillow():
    before = Image.MAX_IMAGE_PIXELS
    with quiet_pillow(100, False):
        assert Image.MAX_IMAGE_PIXELS == 100
        with quiet_pillow(300, False):
            assert Image.MAX_IMAGE_PIXELS == 300
        assert Image.MAX_IMAGE_PIXELS == 100
        with quiet_pillow():
            assert Image.MAX_IMAGE_PIXELS == 100
    assert before == Image.MAX_IMAGE_PIXELS

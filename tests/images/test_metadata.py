from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.files import read, write
from i2i.images.formats import AVIF, BMP, JPEG, PNG, TIFF, WEBP, Format
from i2i.images.limits import Limits
from i2i.images.metadata import reduced
from i2i.images.picture import Carried, Picture

LIMITS = Limits()
HOLDERS = [JPEG, PNG, WEBP, TIFF, AVIF]
MAKE, ORIENTATION, PIXEL_WIDTH = ExifTags.Base.Make, ExifTags.Base.Orientation, 0xA002
EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'tiff:Orientation="6" tiff:Artist="An Artist" exif:GPSLatitude="47,30.1N">'
    b"<exif:GPSLongitude>8,45.2E</exif:GPSLongitude></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif.endian = "<"
    exif[MAKE], exif[ORIENTATION] = "Maker", orientation
    exif[EXIF] = {0x829A: 0.5, 0x9003: "2020:01:02 03:04:05", 0x9286: b"ASCII\0\0\0hello", 0x927C: b"x", PIXEL_WIDTH: 9}
    exif[GPS] = {1: "N", 2: (47.0, 30.0, 6.0)}
    return exif


def photo(noise: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", **options)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_once(tmp_path: Path, noise: np.ndarray, orientation: int, suffix: str):
    path = tmp_path / f"turned{suffix}"
    Image.fromarray(noise).save(path, exif=camera_exif(orientation).tobytes())
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read(path).pixels, upright)

    write(read(path), tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as image:
        assert np.array_equal(np.asarray(image), upright)
        assert image.getexif().get(MAKE) == "Maker"
        assert ORIENTATION not in image.getexif()


def test_a_deep_tiff_is_turned_too(noise: np.ndarray):
    deep = noise.astype(np.uint16) * 257
    data = encode(Picture(deep), TIFF)
    turned = bytearray(data)
    place = turned.index(struct.pack("<HHI", 277, 3, 1))  # SamplesPerPixel becomes Orientation is no TIFF: add a tag
    count = struct.unpack_from("<I", turned, 4)[0]
    assert place > count
    directory = turned[count:]
    entries = struct.unpack_from("<H", directory)[0]
    tags = [bytes(directory[2 + 12 * i : 14 + 12 * i]) for i in range(entries)] + [
        struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    ]
    tags.sort(key=lambda tag: struct.unpack_from("<H", tag))
    where = len(turned) + len(turned) % 2
    turned += b"\0" * (len(turned) % 2) + struct.pack("<H", entries + 1) + b"".join(tags) + b"\0" * 4
    turned[4:8] = struct.pack("<I", where)
    assert np.array_equal(decode(bytes(turned), LIMITS).pixels, np.rot90(deep, -1))


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("format", HOLDERS, ids=lambda format: format.name)
def test_exif_is_carried_with_what_is_nested_in_it(noise: np.ndarray, format: Format, kind: str):
    picture = decode(photo(noise, exif=camera_exif(6)), LIMITS).stored_as(kind)
    assert (picture.width, picture.height) == (20, 30)
    image = opened(encode(picture, format))
    exif = image.getexif()
    assert exif[MAKE] == "Maker"
    assert exif.get(ORIENTATION, 1) == 1
    assert image.size == (20, 30)
    assert exif.get_ifd(EXIF) == {0x829A: 0.5, 0x9003: "2020:01:02 03:04:05", 0x9286: b"ASCII\0\0\0hello"}
    assert exif.get_ifd(GPS) == {1: "N", 2: (47.0, 30.0, 6.0)}


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("format", HOLDERS, ids=lambda format: format.name)
def test_the_place_or_everything_is_left_out_on_request(noise: np.ndarray, format: Format, kind: str):
    picture = decode(photo(noise, exif=camera_exif(), xmp=XMP, dpi=(200, 200)), LIMITS).stored_as(kind)
    without_place = decode(encode(picture, format, metadata="no-gps"), LIMITS).carried
    exif = Image.Exif()
    exif.load(without_place.exif)
    assert exif[MAKE] == "Maker"
    assert exif.get_ifd(EXIF)[0x829A] == 0.5
    assert GPS not in exif
    assert b"An Artist" in without_place.xmp
    assert b"GPS" not in without_place.xmp
    bare = decode(encode(picture, format, metadata="none"), LIMITS).carried
    assert (bare.exif, bare.xmp, bare.dpi) == (None, None, None)


def test_xmp_that_names_the_place_in_an_unknown_form_is_left_out_whole(noise: np.ndarray):
    strange = XMP.replace(b"exif:GPSLatitude=", b"e:GPSLatitude=")
    picture = decode(photo(noise, xmp=strange), LIMITS)
    assert decode(encode(picture, JPEG, metadata="no-gps"), LIMITS).carried.xmp is None


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("format", HOLDERS, ids=lambda format: format.name)
def test_xmp_is_carried_without_its_orientation(noise: np.ndarray, format: Format, kind: str):
    picture = decode(photo(noise, xmp=XMP), LIMITS).stored_as(kind)
    again = decode(encode(picture, format), LIMITS)
    assert again.carried.xmp == XMP.replace(b' tiff:Orientation="6"', b"").replace(b'\n tiff:Orientation="6"', b"")
    assert (again.width, again.height) == (picture.width, picture.height)


def test_an_orientation_that_only_xmp_names_is_applied_once(noise: np.ndarray):
    picture = decode(photo(noise, xmp=XMP), LIMITS)
    assert (picture.width, picture.height) == (20, 30)
    element = XMP.replace(b' tiff:Orientation="6"', b"").replace(
        b"<exif:GPSL", b"<tiff:Orientation>6</tiff:Orientation><exif:GPSL"
    )
    again = decode(encode(decode(photo(noise, xmp=element), LIMITS), JPEG), LIMITS)
    assert (again.width, again.height) == (20, 30)
    assert b"Orientation" not in again.carried.xmp


def test_the_thumbnail_of_the_old_picture_is_dropped(noise: np.ndarray):
    thumbnail = photo(noise[:8, :8])
    exif = camera_exif().tobytes()
    first = struct.unpack_from("<I", exif, 10)[0]
    count = struct.unpack_from("<H", exif, 6 + first)[0]
    after = 6 + first + 2 + 12 * count
    place = len(exif) - 6
    second = struct.pack("<HHHIIHHIIHHII", 3, 259, 3, 1, 6, 513, 4, 1, place + 42, 514, 4, 1, len(thumbnail))
    second += b"\0" * 4
    with_thumbnail = exif[:after] + struct.pack("<I", place) + exif[after + 4 :] + second + thumbnail
    data = photo(noise, exif=with_thumbnail)
    assert opened(data).getexif().get_ifd(ExifTags.IFD.IFD1)  # it is really there
    for format in HOLDERS:
        again = encode(decode(data, LIMITS), format)
        assert not opened(again).getexif().get_ifd(ExifTags.IFD.IFD1)
        assert thumbnail not in again
    xmp = XMP.replace(b"<exif:GPSL", b"<xmp:Thumbnails><rdf:Alt>/9j/4AAQ</rdf:Alt></xmp:Thumbnails><exif:GPSL")
    assert b"Thumbnail" not in decode(photo(noise, xmp=xmp), LIMITS).carried.xmp


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_damaged_exif_costs_neither_the_picture_nor_what_is_whole_in_it(noise: np.ndarray, byte_order: str):
    words = {"<": b"II*\0", ">": b"MM\0*"}[byte_order]
    entries = [
        struct.pack(byte_order + "HHI4s", 271, 2, 4, b"abc\0"),
        struct.pack(byte_order + "HHI4s", 274, 2, 2, b"6\0\0\0"),  # an orientation in letters
        struct.pack(byte_order + "HHII", 270, 2, 900, 7_000_000),  # beyond the end
    ]
    exif = b"Exif\0\0" + words + struct.pack(byte_order + "IH", 8, 3) + b"".join(entries) + b"\0" * 4
    picture = decode(photo(noise, exif=exif), LIMITS)
    assert picture.pixels.shape == (20, 30, 3)
    for format in HOLDERS:
        assert opened(encode(picture, format)).getexif().get(271) == "abc"


def test_exif_of_which_nothing_can_be_read_is_left_out_and_told_of(noise: np.ndarray):
    entry = struct.pack("<HHI4s", 282, 2, 3, b"ab\0\0")  # a resolution in letters
    bad = struct.pack("<HHIi", 0x9003, 9, 1, -1)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entry + bad + b"\xff" * 4
    for broken in (exif, b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12" + b"\xff" * 40, b"Exif\0\0rubbish"):
        picture = decode(photo(noise, exif=broken), LIMITS)
        for format in HOLDERS:
            assert opened(encode(picture, format)).size == (30, 20)


def test_a_value_of_the_wrong_kind_costs_nothing_else(noise: np.ndarray):
    fraction, letters = struct.pack("<HHI", 0x829A, 12, 1), struct.pack("<HHI", 0x829A, 2, 8)
    exif = camera_exif().tobytes()
    assert fraction in exif
    picture = decode(photo(noise, exif=exif.replace(fraction, letters)), LIMITS)
    kept = Image.Exif()
    kept.load(picture.carried.exif)
    assert kept[MAKE] == "Maker"
    assert kept.get_ifd(EXIF)[0x9003] == "2020:01:02 03:04:05"
    assert kept.get_ifd(GPS)


def test_a_part_that_cannot_be_read_is_left_out_with_a_note(noise: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    data, whole = photo(noise, exif=camera_exif()), Image.Exif.get_ifd

    def broken(self: Image.Exif, tag: int) -> dict[int, object]:
        if tag == GPS:
            raise ValueError("an offset beyond the end")
        return whole(self, tag)

    monkeypatch.setattr(Image.Exif, "get_ifd", broken)
    picture = decode(data, LIMITS)
    assert picture.carried.notes == ("damaged EXIF was left out",)
    kept = Image.Exif()
    kept.load(picture.carried.exif)
    assert kept[MAKE] == "Maker"
    assert kept.get_ifd(EXIF)[0x9003] == "2020:01:02 03:04:05"


def test_metadata_too_long_for_a_jpeg_is_left_out_of_it(noise: np.ndarray):
    exif = camera_exif()
    exif[270] = "x" * 70_000
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG", exif=exif)
    picture = decode(stream.getvalue(), LIMITS)
    assert not opened(encode(picture, JPEG)).getexif()
    assert opened(encode(picture, PNG)).getexif()[270] == "x" * 70_000


def test_xmp_of_more_than_16_megabytes_is_not_kept(noise: np.ndarray):
    data = encode(Picture(noise), PNG)
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + b"<x/>" * 4_000_001
    chunk = struct.pack(">I", len(text)) + b"iTXt" + text + struct.pack(">I", zlib.crc32(b"iTXt" + text))
    assert decode(data[:33] + chunk + data[33:], LIMITS).carried.xmp is None


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("format", [JPEG, PNG, TIFF, BMP], ids=lambda format: format.name)
def test_the_resolution_is_carried(noise: np.ndarray, format: Format, kind: str):
    picture = decode(photo(noise, dpi=(300, 150)), LIMITS).stored_as(kind)
    assert opened(encode(picture, format)).info["dpi"] == pytest.approx((300, 150), rel=1e-4)


def test_tags_that_describe_how_a_tiff_was_stored_are_not_carried(noise: np.ndarray):
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "TIFF", compression="tiff_lzw", tiffinfo={270: "A fish", 271: "Maker"})
    picture = decode(stream.getvalue(), LIMITS)
    assert dict(opened(encode(picture, JPEG)).getexif()) == {270: "A fish", 271: "Maker"}
    assert opened(encode(picture, TIFF)).tag_v2[270] == "A fish"


def test_a_png_that_names_other_colours_without_a_profile_is_told_of(noise: np.ndarray):
    data = encode(Picture(noise), PNG)

    def with_chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return data[:33] + struct.pack(">I", len(content)) + name + content + check + data[33:]

    def notes(name: bytes, content: bytes) -> tuple[str, ...]:
        return decode(with_chunk(name, content), LIMITS).carried.notes

    assert notes(b"cICP", bytes((9, 16, 0, 1))) == ("its cICP colours (primaries 9, transfer 16) were read as sRGB",)
    assert notes(b"cICP", bytes((1, 13, 0, 1))) == ()
    assert notes(b"gAMA", struct.pack(">I", 100_000)) == ("its gamma of 1 was not applied",)
    assert notes(b"gAMA", struct.pack(">I", 45_455)) == ()


def test_adobe_rgb_that_only_exif_names_is_told_of(noise: np.ndarray):
    exif = camera_exif()
    exif[EXIF] = {0xA001: 65535, 0xA005: {1: "R03"}}
    picture = decode(photo(noise, exif=exif), LIMITS)
    assert picture.carried.notes == ("its EXIF names Adobe RGB, without a profile: read as sRGB",)


@pytest.mark.parametrize(
    "xmp",
    [
        b'<x:xmpmeta drone-dji:GpsLatitude="+47.1"/>',
        '<x:xmpmeta exif:GPSLatitude="47,6N"/>'.encode("utf-16"),
        b"<geo:lat>47.1</geo:lat>",
    ],
)
def test_coordinates_in_a_form_that_is_not_known_cost_the_whole_xmp(xmp: bytes):
    assert reduced(Carried(xmp=xmp), "no-gps").xmp is None

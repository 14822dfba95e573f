"""TIFF files: what Pillow does not read of them, and writing them with everything that belongs to the picture."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from i2i.images.picture import Carried, Picture, Samples

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PILLOW_BITS = (1, 2, 4, 8)
ENTRY = struct.Struct("<HHI4s")
# Gray and RGB by their numbers in the file; float and whole numbers by theirs.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
WHOLE, FLOATING = 1, 3
SIGNED = 2
PREMULTIPLIED, STRAIGHT = 1, 2
AXES = ("YX", "SYX", "YXS")  # height, width, channels
MOST_CHANNELS = 16
CHANNELS_LEFT_OUT = "its further channels were left out"

HIGHLIGHTS = 99  # percent of the values that are not above white


class UnsupportedTiff(Exception):
    """A TIFF of a kind that is not read; the text says which."""


def deep_page(data: bytes) -> tifffile.TiffPage | None:
    """The first page of a TIFF file that has more than 8 bit; None for one that Pillow reads. Not decoded yet.

    Raises UnsupportedTiff, and whatever tifffile raises for a damaged file.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
    bits = page.bitspersample
    if not isinstance(page, tifffile.TiffPage) or (bits in PILLOW_BITS and page.sampleformat == WHOLE):
        return None
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise UnsupportedTiff(f"{bits}-bit TIFF of photometric {_name(page.photometric)} is not read")
    if page.dtype is None or (page.sampleformat == SIGNED and bits != 32) or page.dtype.kind not in "uif":
        raise UnsupportedTiff(f"TIFF with {bits}-bit samples of kind {_name(page.sampleformat)} is not read")
    if page.axes not in AXES or page.samplesperpixel > MOST_CHANNELS:  # before they take memory
        raise UnsupportedTiff(f"TIFF with {page.samplesperpixel} channels and the axes {page.axes} is not read")
    return page


def count_pages(data: bytes) -> int:
    """How many pages a sound TIFF file has; 1 where the chain of them is broken."""
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return len(file.pages)
    except Exception:  # tifffile raises nearly any type; the first page is as good without
        return 1


def size_of(page: tifffile.TiffPage) -> tuple[int, int]:
    """Width and height."""
    return int(page.imagewidth), int(page.imagelength)


def decode_deep(data: bytes, page: tifffile.TiffPage) -> tuple[Picture, str | None, float]:
    """The picture of such a page, its own type of sample where it is none of a picture's, and its value of white.

    Whole numbers of 9 to 16 bit count to their highest. A file does not say what white is for the others: fractions
    count to 1, 255 or 65535, the first that 99 % of the values keep to, 32-bit whole numbers to 65535 where none is
    above; else to the highest value.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        values = file.pages.first.asarray()
    planes = _planes(values, page)
    if not np.isfinite(planes).all():
        raise UnsupportedTiff("it holds values that are not finite")
    if planes.dtype.kind == "u" and page.bitspersample <= 16:
        return _deep_whole(planes, page)
    white = _white(planes)
    unit = np.clip(planes / white, 0, 1).astype(np.float32)
    if page.photometric == WHITE_IS_ZERO:
        unit[:, :, 0] = 1 - unit[:, :, 0]
    picture = _picture(unit, page)
    if planes.dtype.kind == "f" and white != 1:
        picture = picture.noting(f"white was taken to be {white:g}")
    if planes.max() > white:
        picture = picture.noting("values above white were cut")
    return picture, None if planes.dtype == np.float32 and white == 1 else planes.dtype.name, white


def encode_tiff(picture: Picture, icc: bytes | None) -> bytes:
    """The bytes of a TIFF file: LZW, in the picture's own type of sample, with profile, EXIF, XMP and resolution."""
    carried, samples = picture.carried, _own_type(picture)
    tags: list[tuple[int, int, int, bytes, bool]] = []
    if carried.xmp:
        tags.append((700, 1, len(carried.xmp), carried.xmp, True))
    stream = io.BytesIO()
    across, down = carried.dpi or (None, None)
    tifffile.imwrite(
        stream,
        samples[:, :, 0] if samples.shape[2] == 1 else samples,
        byteorder="<",
        photometric="minisblack" if picture.is_gray else "rgb",
        planarconfig=None if samples.shape[2] == 1 else "contig",
        extrasamples=["unassalpha"] if picture.alpha is not None else None,
        compression="lzw",
        predictor=samples.dtype.kind == "f" or samples.dtype.itemsize < 8,  # there is none for whole numbers of 64 bit
        iccprofile=icc,
        resolution=None if across is None or down is None else (across, down),
        resolutionunit=None if across is None else "inch",
        extratags=tags,
        metadata=None,
        software=False,
    )
    return _with_exif(stream.getvalue(), carried)


def _planes(values: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    """(H, W, C) of whatever order the file has."""
    if page.axes == "SYX":
        return np.moveaxis(values, 0, -1)
    return values[:, :, None] if page.axes == "YX" else values


def _deep_whole(planes: NDArray[Any], page: tifffile.TiffPage) -> tuple[Picture, None, float]:
    highest = 2**page.bitspersample - 1
    whole = planes.astype(np.uint16)
    if highest != 65535:
        whole = np.clip(planes * (65535 / highest) + 0.5, 0, 65535).astype(np.uint16)
    if page.photometric == WHITE_IS_ZERO:
        whole = whole.copy()
        whole[:, :, 0] = 65535 - whole[:, :, 0]
    return _picture(whole, page), None, 1.0


def _picture(planes: Samples, page: tifffile.TiffPage) -> Picture:
    colours = 3 if page.photometric == RGB else 1
    if planes.shape[2] < colours:
        raise UnsupportedTiff(f"TIFF with {planes.shape[2]} channels is not read")
    pixels = np.ascontiguousarray(planes[:, :, :colours])
    if planes.shape[2] == colours:
        return Picture(pixels)
    if not page.extrasamples or page.extrasamples[0] not in (PREMULTIPLIED, STRAIGHT):
        return Picture(pixels).noting(CHANNELS_LEFT_OUT)
    alpha = np.ascontiguousarray(planes[:, :, colours])
    if page.extrasamples[0] == PREMULTIPLIED:
        share = np.maximum(alpha.astype(np.float64), 1e-12)[:, :, None]
        white = 65535.0 if pixels.dtype == np.uint16 else 1.0
        rounding = 0.5 if pixels.dtype == np.uint16 else 0.0
        pixels = np.clip(pixels / share * white + rounding, 0, white).astype(pixels.dtype)
    return Picture(pixels, alpha)


def _white(planes: NDArray[Any]) -> float:
    if planes.dtype.kind != "f":
        return max(65535.0, float(planes.max()))
    bright = float(np.percentile(planes, HIGHLIGHTS))
    return next((white for white in (1.0, 255.0, 65535.0) if bright <= white), float(planes.max()))


def _own_type(picture: Picture) -> NDArray[Any]:
    """The samples as the source stored them, where the picture still has more than 8 bit."""
    samples, stored = picture.channels(), picture.carried.stored
    if stored is None or samples.dtype != np.float32:
        return samples
    scaled = samples.astype(np.float64) * picture.carried.white
    kind = np.dtype(stored)
    if kind.kind == "f":
        return scaled.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(scaled), limits.min, limits.max).astype(kind)


def _with_exif(data: bytes, carried: Carried) -> bytes:
    """The file with the EXIF tags in its first directory: a new directory at the end takes the place of the old one."""
    if carried.exif is None or data[:4] != b"II*\0":
        return data
    exif = Image.Exif()
    exif.load(carried.exif)
    exif.endian = "<"
    data += b"\0" * (len(data) % 2)
    # Pillow writes "Exif\0\0", eight bytes of header, and a directory whose offsets count from the one given
    more = exif.tobytes(offset=len(data))[14:]
    mine = _entries(data, struct.unpack_from("<I", data, 4)[0])
    merged = _entries(more, 0) | mine
    data += more
    data += b"\0" * (len(data) % 2)
    directory = struct.pack("<H", len(merged)) + b"".join(merged[tag] for tag in sorted(merged)) + b"\0" * 4
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def _entries(data: bytes, place: int) -> dict[int, bytes]:
    """Tag -> its 12 bytes, of the directory at a place."""
    count = struct.unpack_from("<H", data, place)[0]
    raw = [data[place + 2 + 12 * index : place + 14 + 12 * index] for index in range(count)]
    return {ENTRY.unpack(entry)[0]: entry for entry in raw}


def _name(value: object) -> str:
    return str(getattr(value, "name", value))

"""Picture files: read whole and upright, written whole or not at all."""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from i2i.errors import ImageError
from i2i.images.atomic import replace_file
from i2i.images.exif import clean_exif, orientation
from i2i.images.picture import Carried, Picture

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".jp2": "JPEG2000", ".j2k": "JPEG2000",
    ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
    ".tga": "TGA",
}  # fmt: skip
SUFFIXES = frozenset(FORMAT_OF_SUFFIX)
# Only these decoders run: a file's content chooses its decoder, and some start other programs.
FORMATS = tuple(dict.fromkeys(FORMAT_OF_SUFFIX.values()))
LARGEST_JPEG_EXIF = 65_000

logging.getLogger("PIL").addHandler(logging.NullHandler())


def read(path: str | os.PathLike[str]) -> Picture:
    """The picture of a file, fully decoded and upright (first frame of several).

    Raises ImageError with the path and the reason for everything that cannot be read.
    """
    try:
        data = _bytes(Path(path))
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}.", where=path) from error
    try:
        with _quiet(), Image.open(BytesIO(data), formats=FORMATS) as image:
            image.load()
            return _picture(image)
    except Exception as error:  # a damaged file makes Pillow raise nearly any type
        raise ImageError(_reason(error, data), where=path) from error


def write(picture: Picture, path: str | os.PathLike[str], *, quality: int = 95) -> None:
    """Write a picture and all that its file carried in the format of the path's suffix; whole or not at all.

    `quality` (1 to 100) is that of the lossy formats. Raises ImageError when the format cannot hold the picture
    or the file cannot be written, NoRoomError when the disk is full.
    """
    path = Path(path)
    data = encode(picture, path, quality=quality)
    try:
        replace_file(path, data)
    except OSError as error:
        raise ImageError(f"cannot be written: {error.strerror or error}.", where=path) from error


def encode(picture: Picture, path: Path, *, quality: int = 95) -> bytes:
    """The bytes of a picture's file in the format of the path's suffix. Raises ImageError."""
    format = format_of(path)
    image = _storable(picture, format, path).to_pil()
    if image.mode == "LA" and format in ("BMP", "GIF", "WEBP", "AVIF"):
        image = image.convert("RGBA")
    buffer = BytesIO()
    try:
        with _quiet():
            image.save(buffer, format, **_options(picture, format, path, quality))
    except Exception as error:  # the encoders' limits come as ValueError, OSError, RuntimeError, OverflowError
        raise ImageError(f"cannot be written as {format}: {_first_line(error)}.", where=path) from error
    return buffer.getvalue()


def format_of(path: Path) -> str:
    """Pillow's name of the format of a path's suffix. Raises ImageError for an unknown suffix."""
    try:
        return FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        known = " ".join(sorted(SUFFIXES))
        raise ImageError(
            f"no picture format has the suffix '{path.suffix}'.", where=path, hint=f"Known: {known}"
        ) from None


def _bytes(path: Path) -> bytes:
    """The content of a regular file; a pipe or device raises OSError instead of waiting for ever."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError("it is no regular file")
        return stream.read()


def _picture(image: Image.Image) -> Picture:
    turned = _upright(Picture.from_pil(image), orientation(image))
    carried = Carried(
        format="JPEG" if image.format == "MPO" else image.format,
        mode=image.mode,
        icc=_fitting_profile(image, gray=turned.is_gray),
        exif=clean_exif(image),
        dpi=_dpi(image),
    )
    return replace(turned, carried=carried)


# EXIF orientation -> (transpose first, then flip up-down, then flip left-right)
TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, False), 6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def _upright(picture: Picture, orientation: int) -> Picture:
    if orientation not in TURNS:
        return picture
    transpose, up_down, left_right = TURNS[orientation]

    def turn(array: Any) -> Any:
        array = array.swapaxes(0, 1) if transpose else array
        return np.ascontiguousarray(array[:: -1 if up_down else 1, :: -1 if left_right else 1])

    return Picture(turn(picture.pixels), None if picture.alpha is None else turn(picture.alpha))


def _fitting_profile(image: Image.Image, *, gray: bool) -> bytes | None:
    """The embedded colour profile, where it describes the pixels that were made of the file."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) < 128:
        return None
    return profile if profile[16:20] == (b"GRAY" if gray else b"RGB ") else None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across < 1e5 and 1 <= down < 1e5 else None


def _storable(picture: Picture, format: str, path: Path) -> Picture:
    """The picture without an alpha that the format cannot hold. Raises ImageError where it is in use."""
    if picture.alpha is None or format not in ("JPEG", "PPM"):
        return picture
    if picture.alpha.min() < 255:
        raise ImageError(f"{format} cannot hold its transparency.", where=path, hint="Write it as PNG or WebP.")
    return replace(picture, alpha=None)


def _options(picture: Picture, format: str, path: Path, quality: int) -> dict[str, Any]:
    carried = picture.carried
    options: dict[str, Any] = {}
    if format in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = quality
    if format in ("JPEG", "AVIF"):
        options["subsampling"] = "4:4:4"
    if format == "WEBP":
        options["exact"] = True
    if format == "TIFF":
        options["compression"] = "tiff_lzw"
    if format == "JPEG2000":
        options["no_jp2"] = path.suffix.lower() == ".j2k"
    if format in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"):
        if carried.icc and carried.icc[16:20] == (b"GRAY" if picture.is_gray else b"RGB "):
            options["icc_profile"] = carried.icc
        if carried.exif and (format != "JPEG" or len(carried.exif) <= LARGEST_JPEG_EXIF):
            options["exif"] = carried.exif
    if format in ("JPEG", "PNG", "TIFF", "BMP") and carried.dpi:
        options["dpi"] = carried.dpi
    return options


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of damaged metadata and of sizes within its limit: nothing for a person to act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "the file is empty."
    if isinstance(error, UnidentifiedImageError):
        return f"no picture in a known format ({', '.join(FORMATS)}), or damaged at its beginning."
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: {_first_line(error)}."
    if "truncated" in str(error).lower():
        return "truncated: the file ends before its picture does."
    return f"damaged: {_first_line(error)}."


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
